//! Queues by key, made when first used, forgotten when idle.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use parking_lot::RwLock;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    MatchingLimits, QueueKey,
    queue::Queue,
    shared::{Settings, Shared},
};

const SHARDS: usize = 16;

/// Lock order: a shard of this map, then a queue.
pub(crate) struct Queues {
    hasher: RandomState,
    shards: [RwLock<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    queues: HashMap<QueueKey, Arc<Queue>>,
    swept: Option<Instant>,
}

impl Queues {
    pub(crate) fn new() -> Self {
        Self { hasher: RandomState::new(), shards: Default::default() }
    }

    pub(crate) fn count(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().queues.len()).sum()
    }

    fn shard(&self, key: &QueueKey) -> &RwLock<Shard> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }

    pub(crate) fn get(&self, key: &QueueKey) -> Option<Arc<Queue>> {
        self.shard(key).read().queues.get(key).cloned()
    }

    /// A new queue is also the moment to forget idle ones: the map grows only here.
    pub(crate) fn get_or_insert(&self, key: &QueueKey, shared: &Arc<Shared>) -> Arc<Queue> {
        if let Some(queue) = self.get(key) {
            return queue;
        }
        let mut shard = self.shard(key).write();
        shard.sweep(&shared.limits());
        let new = || {
            let Settings { routing, config } = shared.settings(key);
            Arc::new(Queue::new(key, Arc::clone(shared), routing, config))
        };
        Arc::clone(shard.queues.entry(key.clone()).or_insert_with(new))
    }

    pub(crate) fn remove(&self, key: &QueueKey) -> Option<Arc<Queue>> {
        self.shard(key).write().queues.remove(key)
    }

    pub(crate) fn all(&self) -> Vec<Arc<Queue>> {
        self.select(|_| true)
    }

    pub(crate) fn all_by_key(&self) -> Vec<(QueueKey, Arc<Queue>)> {
        let mut queues = Vec::new();
        for shard in &self.shards {
            queues.extend(shard.read().queues.iter().map(|(key, queue)| (key.clone(), Arc::clone(queue))));
        }
        queues
    }

    pub(crate) fn of_namespace(&self, namespace_id: Uuid) -> Vec<Arc<Queue>> {
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
