//! StartChildWorkflowExecution.

use perdure_proto::api::{
    command::StartChildWorkflowExecutionCommandAttributes,
    enums::{ParentClosePolicy, TaskQueueKind, WorkflowIdReusePolicy, WorkflowTaskFailedCause as Cause},
    history::{StartChildWorkflowExecutionInitiatedEventAttributes, history_event::Attributes},
    taskqueue::TaskQueue,
};
use prost::Message;
use prost_types::Duration;

use super::{Batch, WorkflowTaskFailure, external::same_namespace, failure::too_many};
use crate::{
    cron,
    outcome::Task,
    retry,
    time::duration,
    tx::{EventExtras, Tx},
    validate, versioning,
};

const CAUSE: Cause = Cause::BadStartChildExecutionAttributes;
const COMMAND: &str = "StartChildWorkflowExecutionCommand";

/// Writes that the child is wanted; the host starts it after the commit.
pub(super) fn start(
    tx: &mut Tx,
    batch: &mut Batch,
    mut command: StartChildWorkflowExecutionCommandAttributes,
    extras: EventExtras,
) -> Result<(), WorkflowTaskFailure> {
    if command.namespace.is_empty() {
        command.namespace.clone_from(&tx.state.run.namespace);
    }
    check_ids(tx, &command).map_err(|text| WorkflowTaskFailure::task_failed(CAUSE, text))?;
    check_sizes(tx, &command)?;
    let (pending, limit) = (tx.state.run.children.len(), tx.ctx.limits.pending_children);
    if pending >= limit {
        let cause = Cause::PendingChildWorkflowsLimitExceeded;
        return Err(too_many(cause, "pending child workflow executions", pending, limit));
    }
    let workflow_id = command.workflow_id.clone();
    let attributes = initiated(tx, command, batch.completed_event_id)
        .map_err(|text| WorkflowTaskFailure::task_failed(CAUSE, text))?;
    let attributes = Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(Box::new(attributes));
    let initiated_event_id = tx.event_with(attributes, extras);
    tx.task(Task::StartChild { initiated_event_id });
    batch.children.insert(workflow_id);
    Ok(())
}

fn type_name(command: &StartChildWorkflowExecutionCommandAttributes) -> &str {
    command.workflow_type.as_ref().map_or("", |name| name.name.as_str())
}

/// Which child a text is about.
fn about(command: &StartChildWorkflowExecutionCommandAttributes) -> String {
    let (id, name, namespace) = (&command.workflow_id, type_name(command), &command.namespace);
    format!("WorkflowId={id} WorkflowType={name} Namespace={namespace}")
}

fn check_ids(tx: &Tx, command: &StartChildWorkflowExecutionCommandAttributes) -> Result<(), String> {
    same_namespace(tx, &command.namespace)?;
    let (id, name, limit) = (&command.workflow_id, type_name(command), tx.ctx.limits.id_length);
    let namespace = &command.namespace;
    if id.is_empty() {
        return Err(format!(
            "Required field WorkflowId is not set on {COMMAND}. WorkflowType={name} Namespace={namespace}"
        ));
    }
    if name.is_empty() {
        return Err(format!(
            "Required field WorkflowType is not set on {COMMAND}. WorkflowId={id} Namespace={namespace}"
        ));
    }
    if id.len() > limit {
        return Err(format!(
            "WorkflowId on {COMMAND} exceeds length limit. WorkflowId={id} Length={} Limit={limit} \
             WorkflowType={name} Namespace={namespace}",
            id.len()
        ));
    }
    if name.len() > limit {
        return Err(format!(
            "WorkflowType on {COMMAND} exceeds length limit. WorkflowId={id} WorkflowType={name} Length={} \
             Limit={limit} Namespace={namespace}",
            name.len()
        ));
    }
    Ok(())
}

fn check_sizes(tx: &Tx, command: &StartChildWorkflowExecutionCommandAttributes) -> Result<(), WorkflowTaskFailure> {
    let limits = tx.ctx.limits;
    if let Some(attributes) = &command.search_attributes {
        validate::search_attribute_names(attributes, limits).map_err(|error| {
            let text = format!("invalid SearchAttributes on StartChildWorkflowCommand: {error}. {}", about(command));
            WorkflowTaskFailure::task_failed(Cause::BadSearchAttributes, text)
        })?;
        validate::search_attribute_sizes(attributes, limits)
            .map_err(|text| WorkflowTaskFailure::run_terminated(CAUSE, text))?;
    }
    if command.input.as_ref().map_or(0, Message::encoded_len) as i64 > limits.blob_size {
        let text = "StartChildWorkflowExecutionCommandAttributes. Input exceeds size limit.";
        return Err(WorkflowTaskFailure::run_terminated(CAUSE, text));
    }
    if command.memo.as_ref().map_or(0, Message::encoded_len) as i64 > limits.memo_size {
        let text = "StartChildWorkflowExecutionCommandAttributes.Memo exceeds size limit.";
        return Err(WorkflowTaskFailure::run_terminated(CAUSE, text));
    }
    Ok(())
}

/// Checks the rest of the command and fills in what it leaves open. The error is the text for the worker.
fn initiated(
    tx: &Tx,
    command: StartChildWorkflowExecutionCommandAttributes,
    completed_event_id: i64,
) -> Result<StartChildWorkflowExecutionInitiatedEventAttributes, String> {
    let (run, limits) = (&tx.state.run, tx.ctx.limits);
    let at = about(&command);
    let checked = |value: &Option<Duration>, field: &str| {
        validate::duration(value.as_ref()).map_err(|error| format!("Invalid {field} on {COMMAND}: {error}. {at}"))
    };
    let execution_timeout = checked(&command.workflow_execution_timeout, "WorkflowExecutionTimeout")?;
    let run_timeout = checked(&command.workflow_run_timeout, "WorkflowRunTimeout")?;
    let task_timeout = checked(&command.workflow_task_timeout, "WorkflowTaskTimeout")?;
    let run_timeout = validate::run_timeout(run_timeout, execution_timeout);
    let retry_policy = retry::for_workflow(command.retry_policy, limits)
        .map_err(|error| format!("invalid WorkflowRetryPolicy on {COMMAND}: {error}. {at}"))?;
    if !command.cron_schedule.is_empty() && !cron::is_valid(&command.cron_schedule, tx.now()) {
        return Err(format!("invalid CronSchedule on {COMMAND}: invalid CronSchedule.. {at}"));
    }
    validate::priority(command.priority.as_ref())?;
    let queue = command.task_queue.map(|queue| queue.name).filter(|name| !name.is_empty());
    let queue = queue.unwrap_or_else(|| run.task_queue.clone());
    validate::task_queue(&queue, &run.task_queue, limits.id_length)
        .map_err(|error| format!("invalid TaskQueue on {COMMAND}: {error}. {at} TaskQueue={queue}"))?;
    Ok(StartChildWorkflowExecutionInitiatedEventAttributes {
        namespace: command.namespace,
        namespace_id: run.namespace_id.clone(),
        workflow_id: command.workflow_id,
        workflow_type: command.workflow_type,
        task_queue: Some(TaskQueue { name: queue, kind: TaskQueueKind::Normal as i32, ..Default::default() }),
        input: command.input,
        // Unlike the others it is not filled in.
        workflow_execution_timeout: command.workflow_execution_timeout.map(|_| duration(execution_timeout)),
        workflow_run_timeout: Some(duration(run_timeout)),
        workflow_task_timeout: Some(duration(validate::task_timeout(task_timeout, run_timeout, limits))),
        parent_close_policy: or(command.parent_close_policy, ParentClosePolicy::Terminate as i32),
        control: command.control,
        workflow_task_completed_event_id: completed_event_id,
        workflow_id_reuse_policy: or(command.workflow_id_reuse_policy, WorkflowIdReusePolicy::AllowDuplicate as i32),
        retry_policy,
        cron_schedule: command.cron_schedule,
        header: command.header,
        memo: validate::given_memo(command.memo),
        search_attributes: validate::given_search_attributes(command.search_attributes),
        inherit_build_id: command.inherit_build_id,
        priority: command.priority,
        versioning_override: command.versioning_override.map(versioning::newest_override),
        ..Default::default()
    })
}

/// 0 is the unspecified value of every enumeration.
fn or(value: i32, default: i32) -> i32 {
    if value == 0 { default } else { value }
}
