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

use tokio::time::Instant;

use crate::{
    QueryAnswer, QueueKind,
    direct::{Caller, DirectAnswer, Unanswered},
};

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

pub(crate) async fn answer(mut caller: Caller, deadline: Instant) -> Result<QueryAnswer, QueryDispatchError> {
    match caller.wait(deadline).await {
        Ok(DirectAnswer::Query(answer)) => Ok(answer),
        Err(Unanswered::Refused) if caller.queue.kind == QueueKind::StickyWorkflow => {
            Err(QueryDispatchError::StickyUnavailable)
        }
        Err(Unanswered::Late) if caller.was_polled_within(caller.queue.shared.limits().query_poller_window) => {
            Err(QueryDispatchError::Timeout)
        }
        // Ids are random: no other kind of answer names a query.
        Ok(DirectAnswer::Nexus(..)) | Err(_) => Err(QueryDispatchError::NoPoller),
    }
}
