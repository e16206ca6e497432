//! The handle: what others ask of matching.

use std::{ops::Range, sync::Arc, time::Duration};

use perdure_metrics::Registry;
use perdure_storage::{Slot, Store};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    DeploymentVersion, Directive, MatchingLimits, Poll, PollerInfo, QueryAnswer, QueryDispatchError, QueryTask,
    QueueConfig, QueueDescription, QueueKey, QueueKind, QueueRouting, RateSource, Recorder, Reservation, TaskPriority,
    TaskRef,
    direct::{Caller, DirectAnswer, DirectTask},
    nexus::{self, NexusAnswer, NexusAnswered, NexusDispatchError, NexusTask, Receipt},
    poll::Ticket,
    query,
    queue::{Core, Queue},
    queues::Queues,
    shared::Shared,
    version::lane_of,
};

/// Where pollers meet tasks. Cheap to clone.
#[derive(Clone)]
pub struct Matching {
    shared: Arc<Shared>,
    queues: Arc<Queues>,
}

impl Matching {
    pub fn new(limits: MatchingLimits) -> Self {
        Self::measured(limits, &Registry::default())
    }

    /// What it does is counted in this registry.
    pub fn measured(limits: MatchingLimits, registry: &Registry) -> Self {
        Self { shared: Arc::new(Shared::new(limits, registry)), queues: Arc::new(Queues::new()) }
    }

    /// Before metrics are shown: sets those that are looked up, not counted.
    pub fn refresh_metrics(&self) {
        let queues = self.queues.all_by_key();
        let described = queues.iter().map(|(key, queue)| (key, queue.lock().describe(&self.shared.limits())));
        self.shared.metrics.show(described);
    }

    /// Other limits from now on. How many tasks are kept in memory stays.
    pub fn set_limits(&self, limits: MatchingLimits) {
        self.shared.set_limits(limits);
    }

    /// Once, at wiring time: history needs matching and matching needs history. Later calls change nothing.
    pub fn set_recorder(&self, recorder: Arc<dyn Recorder>) {
        if !self.shared.set_recorder(recorder) {
            tracing::error!("matching has a recorder already");
        }
        for queue in self.queues.all() {
            queue.settle(queue.lock());
        }
    }

    /// Where backlogs go that find no room in memory. Once, before the first task.
    pub fn set_store(&self, store: Arc<dyn Store>) {
        if !self.shared.set_store(store) {
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
        let park = |core: &mut Core| {
            (!self.shared.is_shut(&info)).then(|| core.park(Arc::clone(&info), &self.shared.limits()))
        };
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
        let (queue, ()) = self.enter(key, |core| core.add(task.into(), can_spill));
        queue.metrics.added.inc();
    }

    /// The shard of these slots reloads: the tasks that wait are forgotten, since it offers again what is still owed.
    pub fn forget(&self, slots: &Range<Slot>) {
        for queue in self.queues.all() {
            queue.lock().forget(slots);
        }
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
        self.shared.settings(key).routing
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
    ) -> Result<(NexusAnswer, Receipt), NexusDispatchError> {
        nexus::answer(self.direct(&key, DirectTask::Nexus(Box::new(task))), deadline).await
    }

    /// Returns when the answer is safe with its caller ([`Receipt`]).
    pub async fn complete_nexus(&self, task_id: &str, answer: NexusAnswer) -> NexusAnswered {
        let (receipt, confirmed) = Receipt::new();
        if !self.shared.answer(task_id, DirectAnswer::Nexus(Box::new(answer), receipt)) {
            return NexusAnswered::Unknown;
        }
        if confirmed.await.is_ok() { NexusAnswered::Taken } else { NexusAnswered::Lost }
    }

    fn direct(&self, key: &QueueKey, task: DirectTask) -> Caller {
        let (task_id, directive) = (task.id().to_owned(), task.directive());
        let answer = self.shared.await_answer(task_id.clone());
        let (queue, ()) = self.enter(key, |core| core.add_direct(task));
        if self.shared.is_draining() {
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
        self.has_recent_poller(key, self.shared.limits().sticky_poller_window)
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
            Some(queue) => queue.lock().describe(&self.shared.limits()),
            None => self.describe_idle(key),
        }
    }

    /// One lane of the queue: that of the workers of a version, or of those without one.
    pub fn describe_version(&self, key: &QueueKey, version: Option<&DeploymentVersion>) -> QueueDescription {
        match self.queues.get(key) {
            Some(queue) => queue.lock().describe_version(version, &self.shared.limits()),
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
        self.queues.get(key).map(|queue| queue.lock().active_versions(&self.shared.limits())).unwrap_or_default()
    }

    /// Waiting tasks in memory: for metrics.
    pub fn backlog_in_memory(&self) -> usize {
        self.shared.budget.used()
    }

    /// Queues in memory: for metrics.
    pub fn queue_count(&self) -> usize {
        self.queues.count()
    }

    /// The server shuts down: all parked polls end Empty, waiting queries are refused, and nothing parks any more.
    pub fn drain(&self) {
        self.shared.drain();
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
