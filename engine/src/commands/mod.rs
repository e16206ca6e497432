//! Commands of a completed workflow task. (Replaced by the dispatch's own work.)

use perdure_proto::api::{command::Command, enums::WorkflowTaskFailedCause, protocol::Message};

use crate::{tx::Tx, update};

/// A completion that cannot be taken: the workflow task fails instead.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WorkflowTaskFailure {
    pub(crate) cause: WorkflowTaskFailedCause,
    pub(crate) message: String,
}

/// Turns commands into changes, in order, after WorkflowTaskCompleted was written.
pub(crate) fn execute(
    tx: &mut Tx,
    commands: Vec<Command>,
    completed_event_id: i64,
    messages: Vec<Message>,
) -> Result<(), WorkflowTaskFailure> {
    if !commands.is_empty() {
        return Err(WorkflowTaskFailure {
            cause: WorkflowTaskFailedCause::Unspecified,
            message: "commands are not built".into(),
        });
    }
    update::handle_messages(tx, messages, completed_event_id)
}
