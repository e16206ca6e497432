//! The settings of matching, with their defaults.

use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
pub struct MatchingLimits {
    /// A queue that nobody polls and that holds nothing is forgotten after this time.
    pub idle_queue: Duration,
    /// Poller lists show who polled within this time. Temporal: 5 min.
    pub poller_history: Duration,
    /// A sticky queue without a poller for so long has lost its worker. Temporal: 10 s.
    pub sticky_poller_window: Duration,
    /// A query that times out says "no poller" where none was seen for so long. Temporal: 20 s.
    pub query_poller_window: Duration,
    /// How long a started task whose poller went away is kept for another one. It is the default workflow task
    /// time-out: after that history has most likely timed the task out.
    pub redelivery_window: Duration,
    /// Pause of a poller after history could not tell whether its task is still wanted.
    pub retry_pause: Duration,
    /// Waiting tasks that a queue keeps in memory, about 250 bytes each; the others are in the store.
    pub queue_backlog: usize,
    /// The same for all queues together: beyond, each keeps only a few.
    pub total_backlog: usize,
}

impl Default for MatchingLimits {
    fn default() -> Self {
        Self {
            idle_queue: Duration::from_secs(300),
            poller_history: Duration::from_secs(300),
            sticky_poller_window: Duration::from_secs(10),
            query_poller_window: Duration::from_secs(20),
            redelivery_window: Duration::from_secs(10),
            retry_pause: Duration::from_millis(100),
            queue_backlog: 50_000,
            total_backlog: 200_000,
        }
    }
}
