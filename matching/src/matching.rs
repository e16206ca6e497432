//! The handle: queues by key, made when first used, forgotten when idle.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use perdure_storage::Store;
use tokio::{sync::oneshot, time::Instant};
use uuid::Uuid;

use crate::{
    DeploymentVersion, Directive, MatchingLimits, Poll, PollerInfo, QueryAnswer, QueryDispatchError, QueryTask,
    QueueConfig, QueueDescription, QueueKey, QueueKind, QueueRouting, RateSource, Recorder, Reservation, TaskPriority,
    TaskRef,
    backlog::Budget,
    direct::{Caller, DirectAnswer, DirectTask},
    nexus::{self, NexusAnswer, NexusDispatchError, NexusTask},
    poll::Ticket,
    query,
    queue::{Core, Queue},
    version::lane_of,
};

/// Where pollers meet tasks. Cheap to clone.
#[derive(Clone)]
pub struct Matching {
    shared: Arc<Shared>,
    queues: Arc<Queues>,
}

/// What all queues need.
pub(crate) struct Shared {
    pub(crate) limits: MatchingLimits,
    recorder: OnceLock<Arc<dyn Recorder>>,
    /// Callers of direct tasks by the task's id.
    callers: Mutex<HashMap<String, oneshot::Sender<DirectAnswer>>>,
    /// Workers that said they shut down, and when: a poll of theirs that comes late must not park.
    shut_workers: RwLock<HashMap<String, Instant>>,
    /// Of queues, whether they are in memory or not.
    settings: RwLock<HashMap<QueueKey, Settings>>,
    /// How many waiting tasks may be in memory.
    pub(crate) budget: Arc<Budget>,
    /// Where the others go. Without it all stay in memory.
    store: OnceLock<Arc<dyn Store>>,
    draining: AtomicBool,
}

/// What is known of a queue from elsewhere.
#[derive(Clone, Default)]
struct Settings {
    /// Of a queue that belongs to a worker deployment.
    routing: Option<Arc<QueueRouting>>,
    config: Option<Arc<QueueConfig>>,
}

const SHARDS: usize = 16;

/// Lock order: a shard of this map, then a queue.
struct Queues {
    hasher: RandomState,
    shards: [RwLock<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    queues: HashMap<QueueKey, Arc<Queue>>,
    swept: Option<Instant>,
}

impl Matching {
    pub fn new(limits: MatchingLimits) -> Self {
        let budget = Arc::new(Budget::new(limits.queue_backlog, limits.total_backlog));
        let shared = Shared {
            limits,
            recorder: OnceLock::new(),
            callers: Mutex::default(),
            shut_workers: RwLock::default(),
            settings: RwLock::default(),
            budget,
            store: OnceLock::new(),
            draining: AtomicBool::new(false),
        };
        Self {
            shared: Arc::new(shared),
            queues: Arc::new(Queues { hasher: RandomState::new(), shards: Default::default() }),
        }
    }

    /// Once, at wiring time: history needs matching and matching needs history. Later calls change nothing.
    pub fn set_recorder(&self, recorder: Arc<dyn Recorder>) {
        if self.shared.recorder.set(recorder).is_err() {
            tracing::error!("matching has a recorder already");
        }
        for queue in self.queues.all() {
            queue.settle(queue.lock());
        }
    }

    /// Where backlogs go that find no room in memory. Once, before the first task.
    pub fn set_store(&self, store: Arc<dyn Store>) {
        if self.shared.store.set(store).is_err() {
            tracing::error!("matching has a store already");
        }
    }

    /// Waits for a task. Dropping the future takes the poller out of the line at once.
    pub async fn poll(&self, key: QueueKey, poller: PollerInfo, deadline: Instant) -> Poll {
        self.poll_advised(key, poller, deadline).await.0
    }

    /// The same, with advice to the worker: how many pollers more or fewer it should have.
    pub async fn poll_advised(&self, key: QueueKey, poller: PollerInfo, deadline: Instant) -> (Poll, Option<i32>) {
        let info = Arc::new(poller);
        // Asked under the queue's lock: who shuts down says so first and then ends the polls that it finds.
        let park =
            |core: &mut Core| (!self.shared.is_shut(&info)).then(|| core.park(Arc::clone(&info), &self.shared.limits));
        match self.enter(&key, park) {
            (queue, Some(place)) => Ticket::new(queue, info, place).wait(deadline).await,
            (_, None) => (Poll::Empty, None),
        }
    }

    /// Takes the longest parked poller out of the line, if nothing older waits and the rate limit allows a task.
    pub fn reserve(&self, key: &QueueKey, directive: &Directive, priority: &TaskPriority) -> Option<Reservation> {
        let queue = self.queues.get(key)?;
        let (seat, parked) = queue.lock().reserve(directive, priority)?;
        Some(Reservation::new(queue, seat, parked, priority.clone()).sync())
    }

    /// A task waits for a poller. After its commit.
    pub fn offer(&self, key: &QueueKey, task: impl Into<Box<TaskRef>>) {
        let can_spill = self.shared.store().is_some();
        self.enter(key, |core| core.add(task.into(), can_spill));
    }

    /// How the queue's tasks are routed from now on; those that wait for the routing to decide are routed again. None:
    /// the queue belongs to no deployment.
    pub fn set_routing(&self, key: QueueKey, routing: Option<QueueRouting>) {
        let routing = routing.map(Arc::new);
        self.shared.change_settings(&key, |settings| settings.routing = routing.clone());
        let can_spill = self.shared.store().is_some();
        self.change_queue(&key, |core| core.set_routing(routing, can_spill));
    }

    /// What operators want of the queue from now on.
    pub fn configure(&self, key: QueueKey, config: QueueConfig) {
        let config = Arc::new(config);
        self.shared.change_settings(&key, |settings| settings.config = Some(Arc::clone(&config)));
        self.change_queue(&key, |core| core.configure(config));
    }

    /// How the queue's tasks are routed now. None: the queue belongs to no deployment.
    pub fn routing(&self, key: &QueueKey) -> Option<Arc<QueueRouting>> {
        self.shared.settings.read().get(key)?.routing.clone()
    }

    /// The version whose workers a task would go to now. None: unversioned workers. `key` is of a normal queue.
    pub fn route(&self, key: &QueueKey, directive: &Directive) -> Option<DeploymentVersion> {
        lane_of(directive, self.routing(key).as_deref()).cloned()
    }

    /// Waits for a poller and then for its answer ([`Matching::complete_query`]).
    pub async fn query(
        &self,
        key: QueueKey,
        task: QueryTask,
        deadline: Instant,
    ) -> Result<QueryAnswer, QueryDispatchError> {
        if key.kind == QueueKind::StickyWorkflow && !self.has_sticky_worker(&key) {
            return Err(QueryDispatchError::StickyUnavailable);
        }
        query::answer(self.direct(&key, DirectTask::Query(Box::new(task))), deadline).await
    }

    /// False: the query is unknown, or nobody waits for its answer any more.
    pub fn complete_query(&self, task_id: &str, answer: QueryAnswer) -> bool {
        self.shared.answer(task_id, DirectAnswer::Query(answer))
    }

    /// Waits for a poller and then for its answer ([`Matching::complete_nexus`]).
    pub async fn nexus(
        &self,
        key: QueueKey,
        task: NexusTask,
        deadline: Instant,
    ) -> Result<NexusAnswer, NexusDispatchError> {
        nexus::answer(self.direct(&key, DirectTask::Nexus(Box::new(task))), deadline).await
    }

    /// False: the task is unknown, or nobody waits for its answer any more.
    pub fn complete_nexus(&self, task_id: &str, answer: NexusAnswer) -> bool {
        self.shared.answer(task_id, DirectAnswer::Nexus(Box::new(answer)))
    }

    fn direct(&self, key: &QueueKey, task: DirectTask) -> Caller {
        let (task_id, directive) = (task.id().to_owned(), task.directive());
        let answer = self.shared.await_answer(task_id.clone());
        let (queue, ()) = self.enter(key, |core| core.add_direct(task));
        if self.shared.draining.load(Ordering::Acquire) {
            self.shared.refuse_direct(vec![task_id.clone()]);
        }
        Caller { queue, task_id, directive, answer }
    }

    /// Somebody polls the queue now, or did within the window. A poll whose client went away counts from its beginning.
    pub fn has_recent_poller(&self, key: &QueueKey, within: Duration) -> bool {
        self.queues.get(key).is_some_and(|queue| queue.lock().polled_within(within))
    }

    /// The worker that the sticky queue belongs to polls, or did just now.
    pub fn has_sticky_worker(&self, key: &QueueKey) -> bool {
        self.has_recent_poller(key, self.shared.limits.sticky_poller_window)
    }

    /// A worker says good-bye: its parked polls end Empty, later ones too, and its sticky queue is unloaded.
    pub fn shutdown_worker(&self, namespace_id: Uuid, sticky_queue: &str, worker_instance_key: &str) {
        if !sticky_queue.is_empty() {
            let name = sticky_queue.into();
            self.unload(&QueueKey { namespace_id, name, kind: QueueKind::StickyWorkflow });
        }
        if worker_instance_key.is_empty() {
            return;
        }
        self.shared.note_shut_worker(worker_instance_key);
        for queue in self.queues.of_namespace(namespace_id) {
            queue.lock().end_polls(|poller| poller.worker_instance_key == worker_instance_key);
        }
    }

    pub fn describe(&self, key: &QueueKey) -> QueueDescription {
        match self.queues.get(key) {
            Some(queue) => queue.lock().describe(&self.shared.limits),
            None => self.describe_idle(key),
        }
    }

    /// One lane of the queue: that of the workers of a version, or of those without one.
    pub fn describe_version(&self, key: &QueueKey, version: Option<&DeploymentVersion>) -> QueueDescription {
        match self.queues.get(key) {
            Some(queue) => queue.lock().describe_version(version, &self.shared.limits),
            None => self.describe_idle(key),
        }
    }

    /// A queue that is not in memory: only what was set for it.
    fn describe_idle(&self, key: &QueueKey) -> QueueDescription {
        let rate = self.shared.settings(key).config.and_then(|config| config.rate);
        let source = if rate.is_some() { RateSource::Config } else { RateSource::System };
        QueueDescription::new((rate, source))
    }

    /// The versions whose workers poll or polled, or for which tasks wait. None: workers without a version.
    pub fn active_versions(&self, key: &QueueKey) -> Vec<Option<DeploymentVersion>> {
        self.queues.get(key).map(|queue| queue.lock().active_versions(&self.shared.limits)).unwrap_or_default()
    }

    /// Waiting tasks in memory: for metrics.
    pub fn backlog_in_memory(&self) -> usize {
        self.shared.budget.used()
    }

    /// Queues in memory: for metrics.
    pub fn queue_count(&self) -> usize {
        self.queues.shards.iter().map(|shard| shard.read().queues.len()).sum()
    }

    /// The server shuts down: all parked polls end Empty, waiting queries are refused, and nothing parks any more.
    pub fn drain(&self) {
        self.shared.draining.store(true, Ordering::Release);
        for queue in self.queues.all() {
            let queries = {
                let mut core = queue.lock();
                core.end_polls(|_| true);
                core.take_direct_ids()
            };
            self.shared.refuse_direct(queries);
        }
    }

    /// Does something to a queue that is made if need be, and then makes the matches that follow.
    fn enter<R>(&self, key: &QueueKey, act: impl FnOnce(&mut Core) -> R) -> (Arc<Queue>, R) {
        loop {
            let queue = self.queues.get_or_insert(key, &self.shared);
            let mut core = queue.lock();
            if core.retired {
                continue;
            }
            let result = act(&mut core);
            queue.settle(core);
            return (queue, result);
        }
    }

    /// Does something to a queue that is in memory. One that is made meanwhile has the new settings already.
    fn change_queue(&self, key: &QueueKey, act: impl FnOnce(&mut Core)) {
        let Some(queue) = self.queues.get(key) else { return };
        let mut core = queue.lock();
        act(&mut core);
        queue.settle(core);
    }

    fn unload(&self, key: &QueueKey) {
        if let Some(queue) = self.queues.remove(key) {
            let queries = queue.lock().retire();
            self.shared.refuse_direct(queries);
        }
    }
}

// === impl Shared ===

impl Shared {
    pub(crate) fn recorder(&self) -> Option<&Arc<dyn Recorder>> {
        self.recorder.get()
    }

    pub(crate) fn store(&self) -> Option<&Arc<dyn Store>> {
        self.store.get()
    }

    fn change_settings(&self, key: &QueueKey, act: impl FnOnce(&mut Settings)) {
        let mut all = self.settings.write();
        let settings = all.entry(key.clone()).or_default();
        act(settings);
        if settings.routing.is_none() && settings.config.is_none() {
            all.remove(key);
        }
    }

    fn settings(&self, key: &QueueKey) -> Settings {
        self.settings.read().get(key).cloned().unwrap_or_default()
    }

    /// This poller must not wait: its worker or the server is shutting down.
    pub(crate) fn is_shut(&self, poller: &PollerInfo) -> bool {
        self.draining.load(Ordering::Acquire) || self.shut_workers.read().contains_key(&poller.worker_instance_key)
    }

    /// Worker instance keys are never used again, so an entry only has to outlive the polls that are under way.
    fn note_shut_worker(&self, worker_instance_key: &str) {
        let now = Instant::now();
        let mut workers = self.shut_workers.write();
        workers.retain(|_, at| now.saturating_duration_since(*at) < self.limits.poller_history);
        workers.insert(worker_instance_key.to_owned(), now);
    }

    fn await_answer(&self, task_id: String) -> oneshot::Receiver<DirectAnswer> {
        let (sender, receiver) = oneshot::channel();
        self.callers.lock().insert(task_id, sender);
        receiver
    }

    pub(crate) fn is_awaited(&self, task_id: &str) -> bool {
        self.callers.lock().contains_key(task_id)
    }

    fn answer(&self, task_id: &str, answer: DirectAnswer) -> bool {
        let caller = self.callers.lock().remove(task_id);
        caller.is_some_and(|caller| caller.send(answer).is_ok())
    }

    /// Nobody waits for the answer any more.
    pub(crate) fn forget_caller(&self, task_id: &str) {
        self.callers.lock().remove(task_id);
    }

    /// Their callers see that nobody will answer.
    fn refuse_direct(&self, task_ids: Vec<String>) {
        let mut callers = self.callers.lock();
        for task_id in task_ids {
            callers.remove(&task_id);
        }
    }
}

// === impl Queues ===

impl Queues {
    fn shard(&self, key: &QueueKey) -> &RwLock<Shard> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }

    fn get(&self, key: &QueueKey) -> Option<Arc<Queue>> {
        self.shard(key).read().queues.get(key).cloned()
    }

    /// A new queue is also the moment to forget idle ones: the map grows only here.
    fn get_or_insert(&self, key: &QueueKey, shared: &Arc<Shared>) -> Arc<Queue> {
        if let Some(queue) = self.get(key) {
            return queue;
        }
        let mut shard = self.shard(key).write();
        shard.sweep(&shared.limits);
        let new = || {
            let Settings { routing, config } = shared.settings(key);
            Arc::new(Queue::new(key.kind, Arc::clone(shared), routing, config))
        };
        Arc::clone(shard.queues.entry(key.clone()).or_insert_with(new))
    }

    fn remove(&self, key: &QueueKey) -> Option<Arc<Queue>> {
        self.shard(key).write().queues.remove(key)
    }

    fn all(&self) -> Vec<Arc<Queue>> {
        self.select(|_| true)
    }

    fn of_namespace(&self, namespace_id: Uuid) -> Vec<Arc<Queue>> {
        self.select(|key| key.namespace_id == namespace_id)
    }

    fn select(&self, wanted: impl Fn(&QueueKey) -> bool) -> Vec<Arc<Queue>> {
        let mut queues = Vec::new();
        for shard in &self.shards {
            let shard = shard.read();
            queues.extend(shard.queues.iter().filter(|(key, _)| wanted(key)).map(|(_, queue)| Arc::clone(queue)));
        }
        queues
    }
}

impl Shard {
    /// At most once in an idle time, so that making many queues stays cheap.
    fn sweep(&mut self, limits: &MatchingLimits) {
        let now = Instant::now();
        let swept = *self.swept.get_or_insert(now);
        if now.saturating_duration_since(swept) < limits.idle_queue {
            return;
        }
        self.swept = Some(now);
        self.queues.retain(|_, queue| {
            let mut core = queue.lock();
            core.retired = core.is_idle(limits, now);
            !core.retired
        });
    }
}
