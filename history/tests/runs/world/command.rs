//! Commands as workers send them.

use std::time::Duration;

use perdure_proto::api::{
    command::{
        Command, CompleteWorkflowExecutionCommandAttributes, ContinueAsNewWorkflowExecutionCommandAttributes,
        ScheduleActivityTaskCommandAttributes, StartChildWorkflowExecutionCommandAttributes,
        StartTimerCommandAttributes, UpsertWorkflowSearchAttributesCommandAttributes, command::Attributes,
    },
    common::{ActivityType, Payload, SearchAttributes, WorkflowType},
    enums::CommandType,
    taskqueue::TaskQueue,
};

use super::QUEUE;

pub(crate) fn complete() -> Command {
    command(
        CommandType::CompleteWorkflowExecution,
        Attributes::CompleteWorkflowExecutionCommandAttributes(CompleteWorkflowExecutionCommandAttributes::default()),
    )
}

pub(crate) fn schedule_activity(activity_id: &str) -> Command {
    let attributes = ScheduleActivityTaskCommandAttributes {
        activity_id: activity_id.into(),
        activity_type: Some(ActivityType { name: "activity".into() }),
        task_queue: Some(queue()),
        start_to_close_timeout: duration(Duration::from_secs(30)),
        ..Default::default()
    };
    command(CommandType::ScheduleActivityTask, Attributes::ScheduleActivityTaskCommandAttributes(attributes))
}

pub(crate) fn start_timer(timer_id: &str, after: Duration) -> Command {
    let attributes = StartTimerCommandAttributes { timer_id: timer_id.into(), start_to_fire_timeout: duration(after) };
    command(CommandType::StartTimer, Attributes::StartTimerCommandAttributes(attributes))
}

pub(crate) fn start_child(workflow_id: &str) -> Command {
    let attributes = StartChildWorkflowExecutionCommandAttributes {
        workflow_id: workflow_id.into(),
        workflow_type: Some(WorkflowType { name: "Child".into() }),
        task_queue: Some(queue()),
        ..Default::default()
    };
    command(
        CommandType::StartChildWorkflowExecution,
        Attributes::StartChildWorkflowExecutionCommandAttributes(attributes),
    )
}

/// Goes on as a workflow of this type.
pub(crate) fn continue_as_new(workflow_type: &str) -> Command {
    let attributes = ContinueAsNewWorkflowExecutionCommandAttributes {
        workflow_type: Some(WorkflowType { name: workflow_type.into() }),
        task_queue: Some(queue()),
        ..Default::default()
    };
    command(
        CommandType::ContinueAsNewWorkflowExecution,
        Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(attributes),
    )
}

/// A keyword with this JSON.
pub(crate) fn upsert_search_attribute(name: &str, json: &'static str) -> Command {
    let metadata = [("encoding".to_owned(), "json/plain".into()), ("type".to_owned(), "Keyword".into())].into();
    let value = Payload { metadata, data: json.into(), ..Default::default() };
    let search_attributes = Some(SearchAttributes { indexed_fields: [(name.to_owned(), value)].into() });
    let attributes = UpsertWorkflowSearchAttributesCommandAttributes { search_attributes };
    command(
        CommandType::UpsertWorkflowSearchAttributes,
        Attributes::UpsertWorkflowSearchAttributesCommandAttributes(attributes),
    )
}

fn command(command_type: CommandType, attributes: Attributes) -> Command {
    Command { command_type: command_type as i32, attributes: Some(attributes), ..Default::default() }
}

fn queue() -> TaskQueue {
    TaskQueue { name: QUEUE.into(), ..Default::default() }
}

fn duration(after: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(after).ok()
}
