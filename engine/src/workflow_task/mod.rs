//! Workflow tasks.

use perdure_proto::api::{
    common::WorkerVersionStamp,
    history::{HistoryEvent, history_event::Attributes},
    workflowservice::{RespondWorkflowTaskCompletedRequest, RespondWorkflowTaskFailedRequest},
};

use crate::{
    apply::Corrupt,
    change::{Kind, VolatileChange},
    input::WorkflowTaskRef,
    outcome::Reply,
    reject::Reject,
    state::{RunState, Volatile, WorkflowState},
    tx::Tx,
};

pub(crate) struct Poller {
    pub(crate) identity: String,
    pub(crate) request_id: String,
    pub(crate) worker_version: Option<WorkerVersionStamp>,
}

/// A worker has the pending (normal or transient) workflow task.
pub(crate) fn is_started(state: &WorkflowState) -> bool {
    state.run.workflow_task.as_ref().is_some_and(|task| task.started.is_some())
}

/// Schedules a workflow task if the run is open, none is pending and the first task's backoff is over.
pub(crate) fn ensure_scheduled(_tx: &mut Tx) {}

/// Makes a speculative task a normal one, before something else is written.
pub(crate) fn settle_speculative(_tx: &mut Tx) {}

pub(crate) fn enforce_limits(_tx: &mut Tx) {}

pub(crate) fn apply(_run: &mut RunState, event: &HistoryEvent, _attributes: &Attributes) -> Result<(), Corrupt> {
    Err(Corrupt::at(event.event_id, "not built"))
}

pub(crate) fn apply_durable(_run: &mut RunState, _kind: &Kind) -> Result<(), Corrupt> {
    Err(Corrupt::at(0, "not built"))
}

pub(crate) fn apply_volatile(_volatile: &mut Volatile, _change: &VolatileChange) -> Result<(), Corrupt> {
    Err(Corrupt::at(0, "not built"))
}

pub(crate) fn start(
    _tx: &mut Tx,
    _scheduled_event_id: i64,
    _attempt: i32,
    _poller: Poller,
) -> Result<Reply, Reject> {
    Err(Reject::StaleTask)
}

pub(crate) fn complete(
    _tx: &mut Tx,
    _token: &WorkflowTaskRef,
    _request: RespondWorkflowTaskCompletedRequest,
) -> Result<Reply, Reject> {
    Err(Reject::WorkflowTaskNotFound)
}

pub(crate) fn respond_failed(
    _tx: &mut Tx,
    _token: &WorkflowTaskRef,
    _request: RespondWorkflowTaskFailedRequest,
) -> Result<Reply, Reject> {
    Err(Reject::WorkflowTaskNotFound)
}

pub(crate) fn reset_sticky(_tx: &mut Tx) -> Result<Reply, Reject> {
    Ok(Reply::Done)
}
