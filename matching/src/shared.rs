//! What all queues need.

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::{ArcSwap, Guard};
use parking_lot::{Mutex, RwLock};
use perdure_metrics::Registry;
use perdure_storage::Store;
use tokio::{sync::oneshot, time::Instant};

use crate::{
    MatchingLimits, PollerInfo, QueueConfig, QueueKey, QueueRouting, Recorder, backlog::Budget, direct::DirectAnswer,
    metrics::Metrics,
};

pub(crate) struct Shared {
    limits: ArcSwap<MatchingLimits>,
    pub(crate) metrics: Metrics,
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
pub(crate) struct Settings {
    /// Of a queue that belongs to a worker deployment.
    pub(crate) routing: Option<Arc<QueueRouting>>,
    pub(crate) config: Option<Arc<QueueConfig>>,
}

impl Shared {
    pub(crate) fn new(limits: MatchingLimits, registry: &Registry) -> Self {
        let budget = Arc::new(Budget::new(limits.queue_backlog, limits.total_backlog));
        Self {
            limits: ArcSwap::from_pointee(limits),
            metrics: Metrics::new(registry),
            recorder: OnceLock::new(),
            callers: Mutex::default(),
            shut_workers: RwLock::default(),
            settings: RwLock::default(),
            budget,
            store: OnceLock::new(),
            draining: AtomicBool::new(false),
        }
    }

    /// As they are now: to read, not to keep.
    pub(crate) fn limits(&self) -> Guard<Arc<MatchingLimits>> {
        self.limits.load()
    }

    pub(crate) fn set_limits(&self, limits: MatchingLimits) {
        self.limits.store(Arc::new(limits));
    }

    /// False: there is one already.
    pub(crate) fn set_recorder(&self, recorder: Arc<dyn Recorder>) -> bool {
        self.recorder.set(recorder).is_ok()
    }

    /// False: there is one already.
    pub(crate) fn set_store(&self, store: Arc<dyn Store>) -> bool {
        self.store.set(store).is_ok()
    }

    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    pub(crate) fn recorder(&self) -> Option<&Arc<dyn Recorder>> {
        self.recorder.get()
    }

    pub(crate) fn store(&self) -> Option<&Arc<dyn Store>> {
        self.store.get()
    }

    pub(crate) fn change_settings(&self, key: &QueueKey, act: impl FnOnce(&mut Settings)) {
        let mut all = self.settings.write();
        let settings = all.entry(key.clone()).or_default();
        act(settings);
        if settings.routing.is_none() && settings.config.is_none() {
            all.remove(key);
        }
    }

    pub(crate) fn settings(&self, key: &QueueKey) -> Settings {
        self.settings.read().get(key).cloned().unwrap_or_default()
    }

    /// This poller must not wait: its worker or the server is shutting down.
    pub(crate) fn is_shut(&self, poller: &PollerInfo) -> bool {
        self.is_draining() || self.shut_workers.read().contains_key(&poller.worker_instance_key)
    }

    /// Worker instance keys are never used again, so an entry only has to outlive the polls that are under way.
    pub(crate) fn note_shut_worker(&self, worker_instance_key: &str) {
        let now = Instant::now();
        let memory = self.limits().poller_history;
        let mut workers = self.shut_workers.write();
        workers.retain(|_, at| now.saturating_duration_since(*at) < memory);
        workers.insert(worker_instance_key.to_owned(), now);
    }

    pub(crate) fn await_answer(&self, task_id: String) -> oneshot::Receiver<DirectAnswer> {
        let (sender, receiver) = oneshot::channel();
        self.callers.lock().insert(task_id, sender);
        receiver
    }

    pub(crate) fn is_awaited(&self, task_id: &str) -> bool {
        self.callers.lock().contains_key(task_id)
    }

    pub(crate) fn answer(&self, task_id: &str, answer: DirectAnswer) -> bool {
        let caller = self.callers.lock().remove(task_id);
        caller.is_some_and(|caller| caller.send(answer).is_ok())
    }

    /// Nobody waits for the answer any more.
    pub(crate) fn forget_caller(&self, task_id: &str) {
        self.callers.lock().remove(task_id);
    }

    /// Their callers see that nobody will answer.
    pub(crate) fn refuse_direct(&self, task_ids: Vec<String>) {
        let mut callers = self.callers.lock();
        for task_id in task_ids {
            callers.remove(&task_id);
        }
    }
}
