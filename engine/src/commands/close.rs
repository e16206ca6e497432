//! The commands that end a run. Each is refused while the buffer holds events that the worker has not seen.

use perdure_proto::api::{
    command::{
        CancelWorkflowExecutionCommandAttributes, CompleteWorkflowExecutionCommandAttributes,
        ContinueAsNewWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes,
    },
    common::WorkflowType,
    enums::{TaskQueueKind, WorkflowTaskFailedCause as Cause},
    taskqueue::TaskQueue,
};
use prost::Message;
use prost_types::Duration;

use super::{Batch, WorkflowTaskFailure};
use crate::{
    change::Kind,
    close, retry,
    state::Nanos,
    time::duration,
    tx::{EventExtras, Tx},
    validate,
};

pub(super) fn complete(
    tx: &mut Tx,
    batch: &Batch,
    command: CompleteWorkflowExecutionCommandAttributes,
    extras: EventExtras,
) -> Result<(), WorkflowTaskFailure> {
    check_seen(tx, batch)?;
    // The cause is what Temporal says, though it names another command.
    let text = "CompleteWorkflowExecutionCommandAttributes.Result exceeds size limit.";
    check_size(tx, command.result.as_ref(), Cause::BadScheduleActivityAttributes, text)?;
    drop_own_buffer(tx);
    close::complete(tx, command, batch.completed_event_id, extras);
    Ok(())
}

pub(super) fn fail(
    tx: &mut Tx,
    batch: &Batch,
    command: FailWorkflowExecutionCommandAttributes,
    extras: EventExtras,
) -> Result<(), WorkflowTaskFailure> {
    const CAUSE: Cause = Cause::BadFailWorkflowExecutionAttributes;
    check_seen(tx, batch)?;
    if command.failure.is_none() {
        return Err(WorkflowTaskFailure::task_failed(CAUSE, "Failure is not set on FailWorkflowExecutionCommand."));
    }
    let text = "FailWorkflowExecutionCommandAttributes.Failure exceeds size limit.";
    check_size(tx, command.failure.as_ref(), CAUSE, text)?;
    drop_own_buffer(tx);
    close::fail(tx, command, batch.completed_event_id, extras);
    Ok(())
}

/// The details of a cancellation are not limited beyond the size of a call.
pub(super) fn cancel(
    tx: &mut Tx,
    batch: &Batch,
    command: CancelWorkflowExecutionCommandAttributes,
    extras: EventExtras,
) -> Result<(), WorkflowTaskFailure> {
    check_seen(tx, batch)?;
    drop_own_buffer(tx);
    close::cancel(tx, command, batch.completed_event_id, extras);
    Ok(())
}

pub(super) fn continue_as_new(
    tx: &mut Tx,
    batch: &Batch,
    command: ContinueAsNewWorkflowExecutionCommandAttributes,
    extras: EventExtras,
) -> Result<(), WorkflowTaskFailure> {
    const CAUSE: Cause = Cause::BadContinueAsNewAttributes;
    check_seen(tx, batch)?;
    let command = inherited(tx, command).map_err(|text| WorkflowTaskFailure::task_failed(CAUSE, text))?;
    let queue = command.task_queue.as_ref().map_or("", |queue| queue.name.as_str());
    let workflow_type = command.workflow_type.as_ref().map_or("", |name| name.name.as_str());
    if let Some(attributes) = &command.search_attributes {
        validate::search_attribute_names(attributes, tx.ctx.limits).map_err(|error| {
            let text = format!(
                "invalid SearchAttributes on ContinueAsNewWorkflowExecutionCommand: {error}. \
                 WorkflowType={workflow_type} TaskQueue={queue}"
            );
            WorkflowTaskFailure::task_failed(Cause::BadSearchAttributes, text)
        })?;
    }
    let text = "ContinueAsNewWorkflowExecutionCommandAttributes. Input exceeds size limit.";
    check_size(tx, command.input.as_ref(), CAUSE, text)?;
    if command.memo.as_ref().map_or(0, Message::encoded_len) as i64 > tx.ctx.limits.memo_size {
        let text = "ContinueAsNewWorkflowExecutionCommandAttributes. Memo exceeds size limit.";
        return Err(WorkflowTaskFailure::run_terminated(CAUSE, text));
    }
    if let Some(attributes) = &command.search_attributes {
        validate::search_attribute_sizes(attributes, tx.ctx.limits)
            .map_err(|text| WorkflowTaskFailure::run_terminated(CAUSE, text))?;
    }
    drop_own_buffer(tx);
    close::continue_as_new(tx, command, batch.completed_event_id, extras);
    Ok(())
}

/// Checks the command and fills in what the next run takes over from this one. The error is the text for the worker.
fn inherited(
    tx: &Tx,
    mut command: ContinueAsNewWorkflowExecutionCommandAttributes,
) -> Result<ContinueAsNewWorkflowExecutionCommandAttributes, String> {
    const COMMAND: &str = "ContinueAsNewWorkflowExecutionCommand";
    let (run, limits) = (&tx.state.run, tx.ctx.limits);
    let name = command.workflow_type.take().map(|name| name.name).filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| run.workflow_type.clone());
    if name.len() > limits.id_length {
        let (length, limit) = (name.len(), limits.id_length);
        return Err(format!(
            "WorkflowType on {COMMAND} exceeds length limit. WorkflowType={name} Length={length} Limit={limit}"
        ));
    }
    let queue = command.task_queue.take().map(|queue| queue.name).filter(|name| !name.is_empty());
    let queue = queue.unwrap_or_else(|| run.task_queue.clone());
    let at = format!("WorkflowType={name} TaskQueue={queue}");
    validate::task_queue(&queue, &run.task_queue, limits.id_length)
        .map_err(|error| format!("error validating {COMMAND} TaskQueue: {error}. {at}"))?;
    let checked = |value: &Option<Duration>, field: &str| {
        validate::duration(value.as_ref()).map_err(|error| format!("Invalid {field} on {COMMAND}: {error}. {at}"))
    };
    let run_timeout = or(checked(&command.workflow_run_timeout, "WorkflowRunTimeout")?, run.run_timeout());
    let task_timeout = or(checked(&command.workflow_task_timeout, "WorkflowTaskTimeout")?, run.task_timeout);
    let backoff = checked(&command.backoff_start_interval, "BackoffStartInterval")?;
    let run_timeout = validate::run_timeout(run_timeout, run.execution_timeout());
    command.retry_policy = retry::for_workflow(command.retry_policy.take(), limits)
        .map_err(|error| format!("invalid WorkflowRetryPolicy on {COMMAND}: {error}. {at}"))?;
    command.workflow_run_timeout = Some(duration(run_timeout));
    command.workflow_task_timeout = Some(duration(validate::task_timeout(task_timeout, run_timeout, limits)));
    command.backoff_start_interval = command.backoff_start_interval.map(|_| duration(backoff));
    command.workflow_type = Some(WorkflowType { name });
    command.task_queue = Some(TaskQueue { name: queue, kind: TaskQueueKind::Normal as i32, ..Default::default() });
    Ok(command)
}

fn or(value: Nanos, inherited: Nanos) -> Nanos {
    if value == 0 { inherited } else { value }
}

fn check_seen(tx: &Tx, batch: &Batch) -> Result<(), WorkflowTaskFailure> {
    if batch.unseen_events(tx) {
        return Err(WorkflowTaskFailure::task_failed(Cause::UnhandledCommand, ""));
    }
    Ok(())
}

fn check_size<M: Message>(tx: &Tx, payload: Option<&M>, cause: Cause, text: &str) -> Result<(), WorkflowTaskFailure> {
    if payload.map_or(0, Message::encoded_len) as i64 > tx.ctx.limits.blob_size {
        return Err(WorkflowTaskFailure::run_terminated(cause, text));
    }
    Ok(())
}

/// The news that this very completion has made (activities canceled before their start) dies with the run.
fn drop_own_buffer(tx: &mut Tx) {
    if !tx.state.run.buffered.is_empty() {
        tx.durable(Kind::BufferFlushed(true));
    }
}
