//! The workflow of an action, and how the schedule hears of its end.

use perdure_proto::api::{
    common::{SearchAttributes, WorkflowExecution},
    enums::{WorkflowExecutionStatus as Status, WorkflowIdConflictPolicy, WorkflowIdReusePolicy},
    history::history_event::Attributes,
    schedule::schedule_action::Action,
    workflow::NewWorkflowExecutionInfo,
};

use super::{
    act::{ActionEnded, rfc3339},
    host::ScheduledBy,
    state::{Ending, Schedule},
};
use crate::{
    input::Start,
    limits::Limits,
    retry,
    state::RunState,
    system_attributes::{payload, quoted},
    time::{from_duration, from_optional_duration},
    versioning::normalized_override,
};

/// An action is owed its start.
pub fn is_starting(run: &RunState) -> bool {
    run.schedule.as_deref().is_some_and(|schedule| !schedule.progress.starting.is_empty())
}

/// The start that an action owes; None: it owes none any more.
pub fn owed_start(run: &RunState, action_id: i64, limits: &Limits) -> Option<Start> {
    let Schedule { definition, progress } = run.schedule.as_deref().filter(|_| run.close.is_none())?;
    let owed = progress.starting.iter().find(|start| start.action_id == action_id)?;
    let due = owed.buffered.clone().unwrap_or_default();
    let Action::StartWorkflow(workflow) = definition.action.as_ref()?.action.as_ref()?;
    let scheduled_by = ScheduledBy { schedule_id: run.workflow_id.clone(), run_id: run.run_id.clone(), action_id };
    let mut start = Start {
        namespace_id: run.namespace_id.clone(),
        namespace: run.namespace.clone(),
        workflow_id: owed.workflow_id.clone(),
        request_id: owed.request_id.clone(),
        identity: identity(run),
        // A time acts once, even if the schedule has forgotten that it did. What is asked for by hand may repeat.
        reuse_policy: match due.manual {
            true => WorkflowIdReusePolicy::AllowDuplicate,
            false => WorkflowIdReusePolicy::RejectDuplicate,
        },
        conflict_policy: WorkflowIdConflictPolicy::Fail,
        search_attributes: Some(search_attributes(workflow, &run.workflow_id, due.nominal)),
        completion_callbacks: vec![scheduled_by.callback()],
        ..start_of(workflow, limits)
    };
    if !owed.overlaps {
        start.last_completion_result.clone_from(&progress.last_completion_result);
        start.continued_failure.clone_from(&progress.continued_failure);
    }
    Some(start)
}

/// What the owner said about the workflow.
fn start_of(workflow: &NewWorkflowExecutionInfo, limits: &Limits) -> Start {
    Start {
        workflow_type: workflow.workflow_type.as_ref().map(|kind| kind.name.clone()).unwrap_or_default(),
        task_queue: workflow.task_queue.as_ref().map(|queue| queue.name.clone()).unwrap_or_default(),
        input: workflow.input.clone(),
        header: workflow.header.clone(),
        execution_timeout: workflow.workflow_execution_timeout.as_ref().map(from_duration),
        run_timeout: workflow.workflow_run_timeout.as_ref().map(from_duration),
        task_timeout: from_optional_duration(workflow.workflow_task_timeout.as_ref()),
        retry_policy: workflow
            .retry_policy
            .clone()
            .map(|policy| retry::with_defaults(policy, &limits.default_workflow_retry)),
        memo: workflow.memo.clone(),
        user_metadata: workflow.user_metadata.clone(),
        priority: workflow.priority.clone(),
        // Checked when the schedule was defined.
        versioning_override: workflow.versioning_override.clone().and_then(|set| normalized_override(set).ok()),
        ..Start::default()
    }
}

fn search_attributes(workflow: &NewWorkflowExecutionInfo, schedule_id: &str, nominal: i64) -> SearchAttributes {
    let mut attributes = workflow.search_attributes.clone().unwrap_or_default();
    let time = payload("Datetime", quoted(&rfc3339(nominal)));
    attributes.indexed_fields.insert("TemporalScheduledStartTime".into(), time);
    attributes.indexed_fields.insert("TemporalScheduledById".into(), payload("Keyword", quoted(schedule_id)));
    attributes
}

/// The workflow that is to be ended for another one's sake, and how.
pub fn owed_end(run: &RunState, action_id: i64) -> Option<(&WorkflowExecution, &Ending)> {
    let Schedule { progress, .. } = run.schedule.as_deref().filter(|_| run.close.is_none())?;
    let running = progress.running.iter().find(|running| running.action_id == action_id)?;
    Some((running.execution.as_ref()?, running.ending.as_ref().filter(|ending| !ending.done)?))
}

/// What a schedule does, it does under this name.
pub fn identity(run: &RunState) -> String {
    format!("temporal-scheduler-{}-{}", run.namespace, run.workflow_id)
}

/// What the schedule is to hear of a closed workflow. None: its chain goes on.
pub fn ended(run: &RunState, action_id: i64) -> Option<ActionEnded> {
    use Attributes as A;
    let close = run.close.as_ref()?;
    let (result, failure) = match close.event.as_ref()?.attributes.as_ref()? {
        A::WorkflowExecutionCompletedEventAttributes(end) => (end.result.clone(), None),
        A::WorkflowExecutionFailedEventAttributes(end) => (None, end.failure.clone()),
        _ => (None, None),
    };
    if close.status() == Status::ContinuedAsNew {
        return None;
    }
    Some(ActionEnded {
        action_id,
        first_run_id: run.first_execution_run_id.clone(),
        start_time: run.start_time,
        status: close.status(),
        result,
        failure,
    })
}
