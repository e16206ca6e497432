//! Updates: the seams that the other machines use. Updates themselves are not built yet: requests are refused.

use perdure_proto::api::{history::{HistoryEvent, history_event::Attributes}, protocol::Message, update};

use crate::{apply::Corrupt, change::VolatileChange, outcome::{Reply, UpdateAbort}, reject::Reject, state::{RunState, Volatile}, tx::Tx, commands::WorkflowTaskFailure};

pub(crate) fn apply(_run: &mut RunState, event: &HistoryEvent, _attributes: &Attributes) -> Result<(), Corrupt> {
    Err(Corrupt::at(event.event_id, "updates are not built"))
}

pub(crate) fn apply_volatile(_volatile: &mut Volatile, _change: &VolatileChange) -> Result<(), Corrupt> {
    Err(Corrupt::at(0, "updates are not built"))
}

/// A new update request, or one that repeats an update id.
pub(crate) fn admit(_tx: &mut Tx, _request: update::Request, _update_id: String) -> Result<Reply, Reject> {
    Err(Reject::FailedPrecondition("updates are not built".into()))
}

/// Messages for a workflow task that starts now; marks the updates as sent in it.
pub(crate) fn messages_for_task(_tx: &mut Tx) -> Vec<Message> {
    Vec::new()
}

/// Messages of a completed workflow task that no command refers to.
pub(crate) fn handle_messages(_tx: &mut Tx, messages: Vec<Message>, _completed_event_id: i64) -> Result<(), WorkflowTaskFailure> {
    if messages.is_empty() {
        return Ok(());
    }
    Err(WorkflowTaskFailure {
        cause: perdure_proto::api::enums::WorkflowTaskFailedCause::BadUpdateWorkflowExecutionMessage,
        message: "updates are not built".into(),
    })
}

/// The workflow task that carried updates ended without an answer: they wait for the next one.
pub(crate) fn on_task_lost(_tx: &mut Tx) {}

/// The run closes: updates that nobody accepted are aborted.
pub(crate) fn on_close(_tx: &mut Tx, _abort: UpdateAbort) {}
