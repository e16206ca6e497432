//! The end of a run.

use perdure_proto::api::{
    command::{
        CancelWorkflowExecutionCommandAttributes, CompleteWorkflowExecutionCommandAttributes,
        ContinueAsNewWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes,
    },
    history::{HistoryEvent, history_event::Attributes},
};

use crate::{apply::Corrupt, change::Kind, outcome::Reply, reject::Reject, state::RunState, tx::Tx};

pub(crate) fn apply(_run: &mut RunState, event: &HistoryEvent, _attributes: &Attributes) -> Result<(), Corrupt> {
    Err(Corrupt::at(event.event_id, "not built"))
}

pub(crate) fn apply_released(_run: &mut RunState, _kind: &Kind) {}

pub(crate) fn parent_notified(_tx: &mut Tx) -> Result<Reply, Reject> {
    Err(Reject::NotAwaited)
}

pub(crate) fn child_released(_tx: &mut Tx, _initiated_event_id: i64) -> Result<Reply, Reject> {
    Err(Reject::NotAwaited)
}

/// The workflow returned. Writes WorkflowExecutionCompleted, starts cron's next run.
pub(crate) fn complete(_tx: &mut Tx, _command: CompleteWorkflowExecutionCommandAttributes, _completed_event_id: i64) {}

/// The workflow failed: the next attempt by the retry policy, cron's next run, or the end.
pub(crate) fn fail(_tx: &mut Tx, _command: FailWorkflowExecutionCommandAttributes, _completed_event_id: i64) {}

/// The workflow accepted its cancellation.
pub(crate) fn cancel(_tx: &mut Tx, _command: CancelWorkflowExecutionCommandAttributes, _completed_event_id: i64) {}

/// The workflow goes on as a new run.
pub(crate) fn continue_as_new(
    _tx: &mut Tx,
    _command: ContinueAsNewWorkflowExecutionCommandAttributes,
    _completed_event_id: i64,
) {
}
