//! What the engine cannot know about a worker's commands: the types of search attributes, which texts the stores take, and
//! what the server itself is asked to do.

use perdure_engine::{Nanos, outcome::server_failure};
use perdure_history::nexus::system::SYSTEM_ENDPOINT;
use perdure_proto::api::{
    command::{Command, command::Attributes},
    common::{SearchAttributes, WorkflowExecution, WorkflowType},
    enums::WorkflowTaskFailedCause as Cause,
    taskqueue::TaskQueue,
    workflowservice::RespondWorkflowTaskFailedRequest,
};
use tonic::Status;

use super::{ids, search_attributes};
use crate::{namespaces::AuthorizedNamespace, nexus::system};

/// A command that fails its workflow task.
#[derive(Debug)]
pub(crate) struct BadCommand {
    cause: Cause,
    text: String,
}

impl BadCommand {
    fn new(cause: Cause, status: &Status) -> Self {
        // The cause goes before the reason by the short name of the enum's value, which is how it prints.
        Self { cause, text: format!("{cause:?}: {}", status.message()) }
    }

    /// What the worker hears.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The failure of the workflow task that the command came with.
    pub(crate) fn failure(&self, identity: &str) -> RespondWorkflowTaskFailedRequest {
        // As Temporal has it: a search attribute may be registered before the next attempt.
        let non_retryable = self.cause != Cause::BadSearchAttributes;
        RespondWorkflowTaskFailedRequest {
            cause: self.cause.into(),
            failure: Some(server_failure(self.text.as_str(), non_retryable)),
            identity: identity.to_owned(),
            ..Default::default()
        }
    }
}

/// Checks all commands, and notes the types of their search attributes.
pub(crate) fn check(commands: &mut [Command], namespace: &AuthorizedNamespace, now: Nanos) -> Result<(), BadCommand> {
    for attributes in commands.iter_mut().filter_map(|command| command.attributes.as_mut()) {
        check_texts(attributes)?;
        if let Attributes::ScheduleNexusOperationCommandAttributes(schedule) = attributes
            && schedule.endpoint == SYSTEM_ENDPOINT
        {
            system::check(schedule, namespace, now)
                .map_err(|status| BadCommand::new(Cause::BadScheduleNexusOperationAttributes, &status))?;
        }
        if let Some(attributes) = search_attributes_of(attributes) {
            search_attributes::check_types(attributes, namespace)
                .map_err(|status| BadCommand::new(Cause::BadSearchAttributes, &status))?;
        }
    }
    Ok(())
}

fn search_attributes_of(attributes: &mut Attributes) -> Option<&mut SearchAttributes> {
    match attributes {
        Attributes::UpsertWorkflowSearchAttributesCommandAttributes(upsert) => upsert.search_attributes.as_mut(),
        Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(next) => next.search_attributes.as_mut(),
        Attributes::StartChildWorkflowExecutionCommandAttributes(child) => child.search_attributes.as_mut(),
        _ => None,
    }
}

/// A NUL byte in what becomes a column would make PostgreSQL refuse the whole batch, again and again.
fn check_texts(attributes: &Attributes) -> Result<(), BadCommand> {
    let (cause, texts) = match attributes {
        Attributes::StartChildWorkflowExecutionCommandAttributes(child) => (
            Cause::BadStartChildExecutionAttributes,
            [child.workflow_id.as_str(), type_name(&child.workflow_type), queue_name(&child.task_queue)],
        ),
        Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(next) => {
            (Cause::BadContinueAsNewAttributes, ["", type_name(&next.workflow_type), queue_name(&next.task_queue)])
        }
        Attributes::SignalExternalWorkflowExecutionCommandAttributes(signal) => {
            (Cause::BadSignalWorkflowExecutionAttributes, [workflow_id(&signal.execution), "", ""])
        }
        Attributes::RequestCancelExternalWorkflowExecutionCommandAttributes(cancel) => {
            (Cause::BadRequestCancelExternalWorkflowExecutionAttributes, [cancel.workflow_id.as_str(), "", ""])
        }
        _ => return Ok(()),
    };
    let names = ["WorkflowId", "WorkflowType", "TaskQueue"];
    let mut texts = names.into_iter().zip(texts);
    texts.try_for_each(|(name, text)| ids::no_nul(name, text)).map_err(|status| BadCommand::new(cause, &status))
}

fn type_name(workflow_type: &Option<WorkflowType>) -> &str {
    workflow_type.as_ref().map_or("", |workflow_type| workflow_type.name.as_str())
}

fn queue_name(queue: &Option<TaskQueue>) -> &str {
    queue.as_ref().map_or("", |queue| queue.name.as_str())
}

fn workflow_id(execution: &Option<WorkflowExecution>) -> &str {
    execution.as_ref().map_or("", |execution| execution.workflow_id.as_str())
}

#[cfg(test)]
mod tests {
    use perdure_proto::api::command::{
        ContinueAsNewWorkflowExecutionCommandAttributes, RequestCancelExternalWorkflowExecutionCommandAttributes,
        SignalExternalWorkflowExecutionCommandAttributes, StartChildWorkflowExecutionCommandAttributes,
    };

    use super::*;

    #[test]
    fn no_nul_in_what_becomes_a_column() {
        let nul = || "a\0".to_owned();
        let queue = Some(TaskQueue { name: nul(), ..Default::default() });
        let execution = Some(WorkflowExecution { workflow_id: nul(), run_id: String::new() });
        let child = StartChildWorkflowExecutionCommandAttributes::default;
        let cases = [
            (
                Attributes::StartChildWorkflowExecutionCommandAttributes(
                    StartChildWorkflowExecutionCommandAttributes { workflow_id: nul(), ..child() },
                ),
                "BadStartChildExecutionAttributes: WorkflowId must not contain a NUL byte.",
            ),
            (
                Attributes::StartChildWorkflowExecutionCommandAttributes(
                    StartChildWorkflowExecutionCommandAttributes { task_queue: queue, ..child() },
                ),
                "BadStartChildExecutionAttributes: TaskQueue must not contain a NUL byte.",
            ),
            (
                Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(
                    ContinueAsNewWorkflowExecutionCommandAttributes {
                        workflow_type: Some(WorkflowType { name: nul() }),
                        ..Default::default()
                    },
                ),
                "BadContinueAsNewAttributes: WorkflowType must not contain a NUL byte.",
            ),
            (
                Attributes::SignalExternalWorkflowExecutionCommandAttributes(
                    SignalExternalWorkflowExecutionCommandAttributes { execution, ..Default::default() },
                ),
                "BadSignalWorkflowExecutionAttributes: WorkflowId must not contain a NUL byte.",
            ),
            (
                Attributes::RequestCancelExternalWorkflowExecutionCommandAttributes(
                    RequestCancelExternalWorkflowExecutionCommandAttributes {
                        workflow_id: nul(),
                        ..Default::default()
                    },
                ),
                "BadRequestCancelExternalWorkflowExecutionAttributes: WorkflowId must not contain a NUL byte.",
            ),
        ];
        for (attributes, expected) in cases {
            let bad = check_texts(&attributes).unwrap_err();
            assert_eq!(bad.text(), expected);
            assert_eq!(bad.failure("w").failure.unwrap().message, expected);
        }
        assert!(check_texts(&Attributes::StartChildWorkflowExecutionCommandAttributes(child())).is_ok());
    }
}
