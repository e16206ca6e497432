//! Direct queries: a caller waits for a poller to take its query, and then for the worker's answer.
//!
//! | query    | what happens                          | becomes                                      |
//! |----------|---------------------------------------|----------------------------------------------|
//! | -        | sticky queue without a recent poller  | refused: StickyUnavailable                   |
//! | -        | asked                                 | waiting                                      |
//! | waiting  | a poller comes                        | handed out                                   |
//! | waiting  | its sticky queue is unloaded          | refused: StickyUnavailable                   |
//! | waiting, handed out | deadline                   | refused: Timeout, or NoPoller where none was seen |
//! | waiting, handed out | the caller goes away       | gone: a late answer is not taken             |
//! | handed out | its poller went before it took it   | waiting, at the head                         |
//! | handed out | answered                            | answered                                     |

use std::sync::Arc;

use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use crate::{QueryAnswer, QueueKind, queue::Queue};

/// Why a query got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryDispatchError {
    /// No worker took it, and none was seen polling lately.
    #[error("no poller seen for task queue recently, worker may be down")]
    NoPoller,
    /// The worker that has the run cached is gone: the normal queue is to be asked.
    #[error("sticky worker is unavailable")]
    StickyUnavailable,
    /// A worker is there but did not take it, or did not answer, in time.
    #[error("query timed out")]
    Timeout,
}

/// A query's caller. Dropping it forgets the query.
pub(crate) struct Caller {
    pub(crate) queue: Arc<Queue>,
    pub(crate) task_id: String,
    pub(crate) answer: oneshot::Receiver<QueryAnswer>,
}

impl Caller {
    pub(crate) async fn wait(mut self, deadline: Instant) -> Result<QueryAnswer, QueryDispatchError> {
        match timeout_at(deadline, &mut self.answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) if self.queue.kind == QueueKind::StickyWorkflow => Err(QueryDispatchError::StickyUnavailable),
            Ok(Err(_)) => Err(QueryDispatchError::NoPoller),
            Err(_) if self.queue.lock().polled_within(self.queue.shared.limits.query_poller_window) => {
                Err(QueryDispatchError::Timeout)
            }
            Err(_) => Err(QueryDispatchError::NoPoller),
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.queue.shared.close_query(&self.task_id);
        self.queue.lock().forget_query(&self.task_id);
    }
}
