//! Why a call to history failed. The frontend maps each to a gRPC status.

use perdure_engine::Reject;
use perdure_proto::api::{enums::WorkflowExecutionStatus, failure::Failure};

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Reject(#[from] Reject),
    /// No run of this workflow id is known.
    #[error("workflow not found")]
    WorkflowNotFound,
    /// The workflow id and run id do not name a run.
    #[error("run not found")]
    RunNotFound,
    /// RESOURCE_EXHAUSTED.
    #[error("{0}")]
    Busy(String),
    /// The shard reloads, or the server stops: the call may or may not have taken effect, trying again is right.
    #[error("history is unavailable, try again")]
    Unavailable,
    #[error("the deadline passed")]
    Timeout,
    /// The worker answered the query with an error.
    #[error("{message}")]
    QueryFailed { message: String, failure: Option<Box<Failure>> },
    /// The caller's reject condition refused the query.
    #[error("the query was rejected")]
    QueryRejected(WorkflowExecutionStatus),
    #[error("update not found")]
    UpdateNotFound,
    /// The run closed before the update was accepted.
    #[error("workflow update was aborted by closing workflow")]
    UpdateAborted,
}
