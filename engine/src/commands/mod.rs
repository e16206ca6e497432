//! Commands of a completed workflow task: each becomes one event, in order.
//!
//! | command | event | file |
//! |---|---|---|
//! | ScheduleActivityTask, RequestCancelActivityTask | 10, 15 (and 16 where no worker has it) | `activity` |
//! | StartTimer, CancelTimer | 17, 19 | `timer` |
//! | RecordMarker | 25 | `marker` |
//! | StartChildWorkflowExecution | 29 | `child` |
//! | SignalExternal…, RequestCancelExternal… | 37, 22 | `external` |
//! | UpsertWorkflowSearchAttributes, ModifyWorkflowProperties | 40, 46 | `properties` |
//! | Complete…, Fail…, Cancel…, ContinueAsNew… | 2, 3, 21, 28 | `close` |
//! | ScheduleNexusOperation, RequestCancelNexusOperation | 48, 54 | `nexus` |
//! | ProtocolMessage | what the message says | `update` |
mod activity;
mod child;
mod close;
mod external;
mod failure;
mod marker;
mod nexus;
mod properties;
mod timer;

use std::collections::{BTreeMap, BTreeSet};

use perdure_proto::api::{
    command::{Command, command::Attributes as A},
    enums::{CommandType as T, WorkflowTaskFailedCause as Cause},
    protocol::Message,
};

use self::failure::{command_name, unset};
pub(crate) use self::{
    activity::normalized as normalized_activity,
    failure::{Consequence, WorkflowTaskFailure},
};
use crate::{
    tx::{EventExtras, Tx},
    update,
};

/// The completion that the commands came with.
pub(crate) struct Completion {
    /// The event id of WorkflowTaskCompleted.
    pub(crate) event_id: i64,
    pub(crate) identity: String,
    pub(crate) messages: Vec<Message>,
    /// The worker is of the run's version: it may take activities along.
    pub(crate) takes_along: bool,
    /// Id by name of the Nexus endpoints that the commands may name.
    pub(crate) nexus_endpoints: BTreeMap<String, String>,
}

/// What the commands ask for beside their changes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Executed {
    /// Scheduled event ids of activities that the completing worker starts at once; no task was emitted for them.
    pub(crate) eager_activities: Vec<i64>,
}

/// What later commands of the same completion must know about earlier ones.
pub(crate) struct Batch {
    completed_event_id: i64,
    identity: String,
    takes_along: bool,
    nexus_endpoints: BTreeMap<String, String>,
    /// Workflow ids of the children that this batch starts.
    children: BTreeSet<String>,
    /// Scheduled event ids; those that are still pending at the end go to the worker.
    eager: Vec<i64>,
    /// Events that this batch itself has put into the buffer. They do not stop a close command.
    buffered: usize,
}

impl Batch {
    /// Events that came from outside wait in the buffer: the worker has not seen them, so it may not close the run.
    fn unseen_events(&self, tx: &Tx) -> bool {
        tx.state.run.buffered.len() > self.buffered
    }
}

/// Turns commands into changes, after WorkflowTaskCompleted was written and before the buffer is flushed. After an
/// error the caller must undo the changes.
pub(crate) fn execute(
    tx: &mut Tx,
    commands: Vec<Command>,
    completion: Completion,
) -> Result<Executed, WorkflowTaskFailure> {
    check_sequence(&commands)?;
    let mut messages = completion.messages;
    let mut batch = Batch {
        completed_event_id: completion.event_id,
        identity: completion.identity,
        takes_along: completion.takes_along,
        nexus_endpoints: completion.nexus_endpoints,
        children: BTreeSet::new(),
        eager: Vec::new(),
        buffered: 0,
    };
    for command in commands {
        if is_close(command.command_type) {
            // Rejections have no command of their own: they must be heard before the close ends all updates.
            update::handle_messages(tx, std::mem::take(&mut messages), completion.event_id)?;
        }
        match command.attributes {
            Some(A::ProtocolMessageCommandAttributes(attributes))
                if command.command_type == T::ProtocolMessage as i32 =>
            {
                let message = take_message(&mut messages, &attributes.message_id)?;
                update::handle_messages(tx, vec![message], completion.event_id)?;
            }
            _ => run_command(tx, &mut batch, command)?,
        }
    }
    update::handle_messages(tx, messages, completion.event_id)?;
    let open = tx.state.run.close.is_none();
    batch.eager.retain(|id| open && tx.state.run.activities.contains_key(id));
    Ok(Executed { eager_activities: batch.eager })
}

fn run_command(tx: &mut Tx, batch: &mut Batch, command: Command) -> Result<(), WorkflowTaskFailure> {
    let extras = EventExtras {
        user_metadata: command.user_metadata.map(Box::new),
        event_group_markers: command.event_group_markers,
        ..Default::default()
    };
    let Some(attributes) = command.attributes else {
        return Err(unset(command.command_type));
    };
    match (T::try_from(command.command_type), attributes) {
        (Ok(T::ScheduleActivityTask), A::ScheduleActivityTaskCommandAttributes(a)) => {
            activity::schedule(tx, batch, a, extras)
        }
        (Ok(T::RequestCancelActivityTask), A::RequestCancelActivityTaskCommandAttributes(a)) => {
            activity::request_cancel(tx, batch, &a, extras)
        }
        (Ok(T::StartTimer), A::StartTimerCommandAttributes(a)) => timer::start(tx, batch, a, extras),
        (Ok(T::CancelTimer), A::CancelTimerCommandAttributes(a)) => timer::cancel(tx, batch, a, extras),
        (Ok(T::RecordMarker), A::RecordMarkerCommandAttributes(a)) => marker::record(tx, batch, a, extras),
        (Ok(T::StartChildWorkflowExecution), A::StartChildWorkflowExecutionCommandAttributes(a)) => {
            child::start(tx, batch, a, extras)
        }
        (Ok(T::SignalExternalWorkflowExecution), A::SignalExternalWorkflowExecutionCommandAttributes(a)) => {
            external::signal(tx, batch, a, extras)
        }
        (
            Ok(T::RequestCancelExternalWorkflowExecution),
            A::RequestCancelExternalWorkflowExecutionCommandAttributes(a),
        ) => external::request_cancel(tx, batch, a, extras),
        (Ok(T::UpsertWorkflowSearchAttributes), A::UpsertWorkflowSearchAttributesCommandAttributes(a)) => {
            properties::upsert_search_attributes(tx, batch, a, extras)
        }
        (Ok(T::ModifyWorkflowProperties), A::ModifyWorkflowPropertiesCommandAttributes(a)) => {
            properties::modify(tx, batch, a, extras)
        }
        (Ok(T::CompleteWorkflowExecution), A::CompleteWorkflowExecutionCommandAttributes(a)) => {
            close::complete(tx, batch, a, extras)
        }
        (Ok(T::FailWorkflowExecution), A::FailWorkflowExecutionCommandAttributes(a)) => {
            close::fail(tx, batch, a, extras)
        }
        (Ok(T::CancelWorkflowExecution), A::CancelWorkflowExecutionCommandAttributes(a)) => {
            close::cancel(tx, batch, a, extras)
        }
        (Ok(T::ContinueAsNewWorkflowExecution), A::ContinueAsNewWorkflowExecutionCommandAttributes(a)) => {
            close::continue_as_new(tx, batch, a, extras)
        }
        (Ok(T::ScheduleNexusOperation), A::ScheduleNexusOperationCommandAttributes(a)) => {
            nexus::schedule(tx, batch, a, extras)
        }
        (Ok(T::RequestCancelNexusOperation), A::RequestCancelNexusOperationCommandAttributes(a)) => {
            nexus::request_cancel(tx, batch, &a, extras)
        }
        // The attributes of another type count as none.
        (_, _) => Err(unset(command.command_type)),
    }
}

fn is_close(command_type: i32) -> bool {
    matches!(
        T::try_from(command_type),
        Ok(T::CompleteWorkflowExecution
            | T::FailWorkflowExecution
            | T::CancelWorkflowExecution
            | T::ContinueAsNewWorkflowExecution)
    )
}

/// A close command is the last; types that are not known are refused before anything is done.
fn check_sequence(commands: &[Command]) -> Result<(), WorkflowTaskFailure> {
    for (position, command) in commands.iter().enumerate() {
        match T::try_from(command.command_type) {
            Ok(_) if is_close(command.command_type) && position + 1 < commands.len() => {
                let names: Vec<String> = commands.iter().map(|command| command_name(command.command_type)).collect();
                return Err(WorkflowTaskFailure::refused(format!(
                    "invalid command sequence: [{}], command {} must be the last command.",
                    names.join(", "),
                    command_name(command.command_type),
                )));
            }
            Ok(T::Unspecified) | Err(_) => {
                let name = command_name(command.command_type);
                return Err(WorkflowTaskFailure::refused(format!("unknown command type: {name}")));
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

fn take_message(messages: &mut Vec<Message>, id: &str) -> Result<Message, WorkflowTaskFailure> {
    const CAUSE: Cause = Cause::BadUpdateWorkflowExecutionMessage;
    if id.is_empty() {
        return Err(WorkflowTaskFailure::task_failed(CAUSE, "MessageID is not set on ProtocolMessageCommand."));
    }
    match messages.iter().position(|message| message.id == id) {
        Some(position) => Ok(messages.remove(position)),
        None => {
            let text = format!("ProtocolMessageCommand referenced absent message ID {id}");
            Err(WorkflowTaskFailure::task_failed(CAUSE, text))
        }
    }
}
