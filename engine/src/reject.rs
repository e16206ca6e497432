//! Rejects: the caller's mistake, or a call that came too late. Nothing happened to the run.

/// Why an input was refused. The frontend maps each to a gRPC status with details; the text is what clients see.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// NOT_FOUND.
    #[error("workflow execution already completed")]
    WorkflowClosed,
    /// NOT_FOUND.
    #[error("Workflow task not found.")]
    WorkflowTaskNotFound,
    /// NOT_FOUND. Not from the engine, which must keep the change: the host's answer to `heartbeats_ended`.
    #[error("workflow task heartbeat timeout")]
    WorkflowTaskHeartbeatTimeout,
    /// NOT_FOUND: a stale token, or an activity that has ended.
    #[error("invalid activityID or activity already timed out or invoking workflow is completed")]
    ActivityGone,
    /// NOT_FOUND, by id.
    #[error("cannot find pending activity with ActivityID {0}, check workflow execution history for more details")]
    ActivityIdNotFound(String),
    /// NOT_FOUND.
    #[error("{0}")]
    NotFound(String),
    /// INVALID_ARGUMENT.
    #[error("{0}")]
    InvalidArgument(String),
    /// FAILED_PRECONDITION.
    #[error("{0}")]
    FailedPrecondition(String),
    /// FAILED_PRECONDITION with WorkflowNotReadyFailure.
    #[error("{0}")]
    WorkflowNotReady(String),
    /// RESOURCE_EXHAUSTED, cause BUSY_WORKFLOW.
    #[error("{0}")]
    BusyWorkflow(String),
    /// RESOURCE_EXHAUSTED, cause CONCURRENT_LIMIT.
    #[error("{0}")]
    ConcurrentLimit(String),
    /// ALREADY_EXISTS with WorkflowExecutionAlreadyStartedFailure.
    #[error("{message}")]
    AlreadyStarted { message: String, start_request_id: String, run_id: String, first_execution_run_id: String },
    /// The task that matching holds is stale: drop it. Never shown to a client.
    #[error("stale task")]
    StaleTask,
    /// Never shown to a client: the message was for a child or parent that this run does not know (any more).
    #[error("not awaited")]
    NotAwaited,
    /// INTERNAL, and the host must drop its memory of the run: the state contradicted itself.
    #[error("{0}")]
    Corrupt(crate::apply::Corrupt),
}
