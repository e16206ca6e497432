//! Nexus tasks: a request waits for a poller of the target's queue, and then for the worker's answer.
//!
//! | task     | what happens                          | becomes                                          |
//! |----------|---------------------------------------|--------------------------------------------------|
//! | -        | a request comes                       | waiting                                          |
//! | waiting  | a poller comes                        | handed out                                       |
//! | waiting, handed out | deadline                   | refused: Timeout                                 |
//! | waiting, handed out | the caller goes away       | gone: a late answer is not taken                 |
//! | waiting, handed out | the server shuts down      | refused: Unavailable                             |
//! | handed out | its poller went before it took it   | waiting, at the head                             |
//! | handed out | answered                            | answered                                         |
//! | answered | the caller has written it down        | done: the worker hears that it was taken         |
//! | answered | the caller goes away before           | lost: the worker hears that nobody has it        |
//!
//! Nothing of it is durable: the operation's own state makes the request again.

use perdure_proto::api::{
    failure::Failure,
    nexus::{HandlerError, Request, Response},
};
use tokio::{sync::oneshot, time::Instant};

use crate::direct::{Caller, DirectAnswer, Unanswered};

/// A request for a handler.
#[derive(Clone, Debug)]
pub struct NexusTask {
    pub task_id: String,
    pub request: Request,
    /// When nobody waits for the answer any more; the worker is told.
    pub deadline: Instant,
    /// When the whole operation is to have ended; the worker is told.
    pub operation_deadline: Option<Instant>,
}

/// How a worker answered.
#[derive(Clone, Debug, PartialEq)]
pub enum NexusAnswer {
    Completed(Response),
    /// The request failed; the failure is a NexusHandlerFailureInfo.
    Failed(Box<Failure>),
    /// The same from SDKs that know no failures here.
    HandlerError(HandlerError),
}

/// Held by whoever waits for an answer until it is safe there: the worker is told that it was taken only then.
#[derive(Debug)]
pub struct Receipt(oneshot::Sender<()>);

impl Receipt {
    /// The other half is the worker's.
    pub(crate) fn new() -> (Self, oneshot::Receiver<()>) {
        let (sender, confirmed) = oneshot::channel();
        (Self(sender), confirmed)
    }

    pub fn confirm(self) {
        // The worker may have gone away.
        let _ = self.0.send(());
    }
}

/// What became of a worker's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NexusAnswered {
    Taken,
    /// The task is unknown, or nobody waits for its answer any more.
    Unknown,
    /// Who waited went away with it; the request will be made again.
    Lost,
}

/// Why a request got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NexusDispatchError {
    #[error("upstream timeout")]
    Timeout,
    #[error("service unavailable")]
    Unavailable,
}

pub(crate) async fn answer(
    mut caller: Caller,
    deadline: Instant,
) -> Result<(NexusAnswer, Receipt), NexusDispatchError> {
    match caller.wait(deadline).await {
        Ok(DirectAnswer::Nexus(answer, receipt)) => Ok((*answer, receipt)),
        Err(Unanswered::Late) => Err(NexusDispatchError::Timeout),
        // Ids are random: no other kind of answer names a request.
        Ok(DirectAnswer::Query(_)) | Err(Unanswered::Refused) => Err(NexusDispatchError::Unavailable),
    }
}
