//! The last heartbeat of each worker.
//!
//! | event | then |
//! |---|---|
//! | a heartbeat | the worker is there, as it says |
//! | a heartbeat with status Shutdown | the worker is gone |
//! | five minutes without one | the worker is gone |
//! | too many workers, of the namespace or in all | those that have been silent for longest are gone |

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use perdure_proto::api::{enums::WorkerStatus, worker::WorkerHeartbeat};
use prost::Message;
use tokio::time::Instant;
use uuid::Uuid;

/// How long a worker is there after its last heartbeat, as in Temporal. SDKs send one every 60 s.
const SILENCE_MAX: Duration = Duration::from_secs(5 * 60);
/// Bytes that the workers of a namespace may take: some 20 000 workers.
const NAMESPACE_MAX: usize = 32 << 20;
/// Bytes that all workers may take, so that no number of namespaces can use up the memory.
const TOTAL_MAX: usize = 4 * NAMESPACE_MAX;

pub(super) type Heartbeat = Arc<WorkerHeartbeat>;

/// All workers that were heard lately. Cheap to clone: the clones are one registry.
#[derive(Clone, Default)]
pub struct Workers(Arc<Mutex<Registry>>);

impl Workers {
    pub(crate) fn record(
        &self,
        namespace_id: Uuid,
        now: Instant,
        heartbeats: impl IntoIterator<Item = WorkerHeartbeat>,
    ) {
        let mut registry = self.0.lock();
        for heartbeat in heartbeats {
            registry.remove(namespace_id, &heartbeat.worker_instance_key);
            if heartbeat.status() != WorkerStatus::Shutdown {
                registry.insert(namespace_id, now, heartbeat);
            }
        }
        registry.expire(now);
        registry.shrink(namespace_id);
    }

    /// Ordered by key, from the first one behind `after`.
    pub(super) fn of_namespace(&self, namespace_id: Uuid, now: Instant, after: Option<&str>) -> Vec<Heartbeat> {
        let mut registry = self.0.lock();
        registry.expire(now);
        let Some(namespace) = registry.namespaces.get(&namespace_id) else { return Vec::new() };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let workers = namespace.workers.range::<str, _>((from, Bound::Unbounded));
        workers.map(|(_, worker)| worker.heartbeat.clone()).collect()
    }

    pub(super) fn get(&self, namespace_id: Uuid, now: Instant, key: &str) -> Option<Heartbeat> {
        let mut registry = self.0.lock();
        registry.expire(now);
        registry.namespaces.get(&namespace_id)?.workers.get(key).map(|worker| worker.heartbeat.clone())
    }
}

/// Number of a heartbeat: the later one has the higher.
type Turn = u64;

#[derive(Default)]
struct Registry {
    namespaces: HashMap<Uuid, Namespace>,
    /// The namespace of each worker, by the turn of its heartbeat.
    turns: BTreeMap<Turn, Uuid>,
    next_turn: Turn,
    size: usize,
}

#[derive(Default)]
struct Namespace {
    workers: BTreeMap<String, Worker>,
    /// The key of each worker, by the turn of its heartbeat.
    turns: BTreeMap<Turn, String>,
    size: usize,
}

struct Worker {
    heartbeat: Heartbeat,
    received: Instant,
    turn: Turn,
    size: usize,
}

impl Registry {
    fn insert(&mut self, namespace_id: Uuid, now: Instant, heartbeat: WorkerHeartbeat) {
        let (turn, size) = (self.next_turn, size(&heartbeat));
        self.next_turn += 1;
        self.turns.insert(turn, namespace_id);
        self.size += size;
        let namespace = self.namespaces.entry(namespace_id).or_default();
        let key = heartbeat.worker_instance_key.clone();
        namespace.turns.insert(turn, key.clone());
        namespace.size += size;
        namespace.workers.insert(key, Worker { heartbeat: Arc::new(heartbeat), received: now, turn, size });
    }

    fn remove(&mut self, namespace_id: Uuid, key: &str) {
        let Some(namespace) = self.namespaces.get_mut(&namespace_id) else { return };
        let Some(worker) = namespace.workers.remove(key) else { return };
        namespace.turns.remove(&worker.turn);
        namespace.size -= worker.size;
        self.turns.remove(&worker.turn);
        self.size -= worker.size;
        if namespace.workers.is_empty() {
            self.namespaces.remove(&namespace_id);
        }
    }

    fn expire(&mut self, now: Instant) {
        let is_over = |worker: &Worker| now.saturating_duration_since(worker.received) > SILENCE_MAX;
        while let Some((namespace_id, key)) = self.oldest() {
            let worker = self.namespaces.get(&namespace_id).and_then(|namespace| namespace.workers.get(&key));
            if !worker.is_some_and(is_over) {
                break;
            }
            self.remove(namespace_id, &key);
        }
    }

    /// Within the bounds again, after heartbeats of this namespace.
    fn shrink(&mut self, namespace_id: Uuid) {
        while let Some(namespace) = self.namespaces.get(&namespace_id).filter(|found| found.size > NAMESPACE_MAX) {
            let Some(key) = namespace.oldest() else { break };
            self.remove(namespace_id, &key);
        }
        while self.size > TOTAL_MAX {
            let Some((namespace_id, key)) = self.oldest() else { break };
            self.remove(namespace_id, &key);
        }
    }

    /// The worker that has been silent for longest.
    fn oldest(&self) -> Option<(Uuid, String)> {
        let (_, namespace_id) = self.turns.first_key_value()?;
        let key = self.namespaces.get(namespace_id)?.oldest()?;
        Some((*namespace_id, key))
    }
}

impl Namespace {
    fn oldest(&self) -> Option<String> {
        self.turns.first_key_value().map(|(_, key)| key.clone())
    }
}

/// Bytes in memory, not too few: what a heartbeat says, its key three times, and the structs that hold it.
fn size(heartbeat: &WorkerHeartbeat) -> usize {
    const STRUCTS: usize = 1024;
    const LIST_ITEM: usize = 64;
    let items = heartbeat.plugins.capacity() + heartbeat.drivers.capacity();
    STRUCTS + heartbeat.encoded_len() + 3 * heartbeat.worker_instance_key.len() + items * LIST_ITEM
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Uuid = Uuid::from_u128(1);
    const SECOND: Uuid = Uuid::from_u128(2);

    fn heartbeat(key: &str) -> WorkerHeartbeat {
        WorkerHeartbeat { worker_instance_key: key.to_owned(), ..Default::default() }
    }

    /// A heartbeat of half of what a namespace may have, and a little more than that together with a second one.
    fn large(key: &str) -> WorkerHeartbeat {
        WorkerHeartbeat { sdk_name: "x".repeat(NAMESPACE_MAX / 2), ..heartbeat(key) }
    }

    fn keys(workers: &Workers, namespace_id: Uuid, now: Instant, after: Option<&str>) -> Vec<String> {
        let found = workers.of_namespace(namespace_id, now, after);
        found.iter().map(|worker| worker.worker_instance_key.clone()).collect()
    }

    #[test]
    fn workers_are_of_their_namespace_in_the_order_of_keys() {
        let (workers, now) = (Workers::default(), Instant::now());
        workers.record(FIRST, now, ["c", "a", "b"].map(heartbeat));
        workers.record(SECOND, now, [heartbeat("d")]);
        assert_eq!(keys(&workers, FIRST, now, None), ["a", "b", "c"]);
        assert_eq!(keys(&workers, FIRST, now, Some("a")), ["b", "c"]);
        assert_eq!(keys(&workers, FIRST, now, Some("aa")), ["b", "c"]);
        assert_eq!(keys(&workers, FIRST, now, Some("c")), [""; 0]);
        assert_eq!(keys(&workers, SECOND, now, None), ["d"]);
        assert!(workers.get(SECOND, now, "a").is_none());
    }

    #[test]
    fn the_last_heartbeat_counts() {
        let (workers, now) = (Workers::default(), Instant::now());
        workers.record(FIRST, now, [heartbeat("a")]);
        workers.record(FIRST, now, [WorkerHeartbeat { task_queue: "q".into(), ..heartbeat("a") }]);
        assert_eq!(workers.get(FIRST, now, "a").map(|found| found.task_queue.clone()), Some("q".to_owned()));
        let status = WorkerStatus::Shutdown.into();
        workers.record(FIRST, now, ["a", "never"].map(|key| WorkerHeartbeat { status, ..heartbeat(key) }));
        assert_eq!(keys(&workers, FIRST, now, None), [""; 0]);
        assert!(is_empty(&workers));
    }

    #[test]
    fn silent_workers_are_forgotten() {
        let (workers, now) = (Workers::default(), Instant::now());
        workers.record(FIRST, now, ["a", "b"].map(heartbeat));
        workers.record(FIRST, now + Duration::from_secs(60), [heartbeat("a")]);
        assert_eq!(keys(&workers, FIRST, now + SILENCE_MAX, None), ["a", "b"]);
        let later = now + SILENCE_MAX + Duration::from_secs(1);
        assert_eq!(keys(&workers, FIRST, later, None), ["a"]);
        assert!(workers.get(FIRST, later + Duration::from_secs(60), "a").is_none());
        assert!(is_empty(&workers));
    }

    #[test]
    fn the_oldest_of_a_namespace_go_first() {
        let (workers, now) = (Workers::default(), Instant::now());
        workers.record(SECOND, now, [heartbeat("other")]);
        workers.record(FIRST, now, [large("a")]);
        workers.record(FIRST, now, [large("b")]);
        assert_eq!(keys(&workers, FIRST, now, None), ["b"]);
        assert_eq!(keys(&workers, SECOND, now, None), ["other"]);
    }

    #[test]
    fn the_oldest_of_all_go_first() {
        let (workers, now) = (Workers::default(), Instant::now());
        workers.record(FIRST, now, [large("a"), heartbeat("b")]);
        for id in 2..=8 {
            workers.record(Uuid::from_u128(id), now, [large("a")]);
        }
        assert_eq!(keys(&workers, FIRST, now, None), ["b"]);
        assert_eq!(keys(&workers, SECOND, now, None), ["a"]);
    }

    fn is_empty(workers: &Workers) -> bool {
        let registry = workers.0.lock();
        registry.namespaces.is_empty() && registry.turns.is_empty() && registry.size == 0
    }
}
