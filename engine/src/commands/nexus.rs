//! ScheduleNexusOperation and RequestCancelNexusOperation.

use perdure_proto::api::{
    command::{RequestCancelNexusOperationCommandAttributes, ScheduleNexusOperationCommandAttributes},
    enums::WorkflowTaskFailedCause as Cause,
    history::{
        NexusOperationCancelRequestedEventAttributes, NexusOperationScheduledEventAttributes, history_event::Attributes,
    },
};
use prost::Message;
use prost_types::Duration;

use super::{Batch, WorkflowTaskFailure};
use crate::{
    limits::Limits,
    nexus::{self, BadNexusHeader, nexus_header},
    outcome::Task,
    state::Nanos,
    time::duration,
    tx::{EventExtras, Tx},
    validate,
};

const CAUSE: Cause = Cause::BadScheduleNexusOperationAttributes;
const CANCEL_CAUSE: Cause = Cause::BadRequestCancelNexusOperationAttributes;

pub(super) fn schedule(
    tx: &mut Tx,
    batch: &Batch,
    command: ScheduleNexusOperationCommandAttributes,
    extras: EventExtras,
) -> Result<(), WorkflowTaskFailure> {
    let bad = |text: String| WorkflowTaskFailure::task_failed(CAUSE, text);
    let Some(endpoint_id) = batch.nexus_endpoints.get(&command.endpoint) else {
        return Err(bad(format!("endpoint {} not found", quoted(&command.endpoint))));
    };
    check_names(&command, tx.ctx.limits).map_err(bad)?;
    let (run, limits) = (&tx.state.run, tx.ctx.limits);
    let timeouts = Timeouts::of(&command, run.run_timeout(), limits.nexus_schedule_to_close_max).map_err(bad)?;
    if command.input.as_ref().map_or(0, Message::encoded_len) as i64 > limits.blob_size {
        let text = "ScheduleNexusOperationCommandAttributes.Input exceeds size limit";
        return Err(WorkflowTaskFailure::run_terminated(CAUSE, text));
    }
    let nexus_header = nexus_header(command.nexus_header, limits).map_err(|error| bad(bad_header(error)))?;
    let limit = limits.pending_nexus_operations;
    if run.nexus_operations.len() >= limit {
        let text = format!("workflow has reached the pending nexus operation limit of {limit} for this namespace");
        return Err(WorkflowTaskFailure::task_failed(Cause::PendingNexusOperationsLimitExceeded, text));
    }
    let attributes = NexusOperationScheduledEventAttributes {
        endpoint: command.endpoint,
        endpoint_id: endpoint_id.clone(),
        service: command.service,
        operation: command.operation,
        input: command.input,
        schedule_to_close_timeout: timeouts.schedule_to_close.map(duration),
        schedule_to_start_timeout: timeouts.schedule_to_start.map(duration),
        start_to_close_timeout: timeouts.start_to_close.map(duration),
        nexus_header,
        workflow_task_completed_event_id: batch.completed_event_id,
        request_id: tx.ctx.ids.message_id(),
    };
    let scheduled_event_id = tx.event_with(Attributes::NexusOperationScheduledEventAttributes(attributes), extras);
    tx.task(Task::StartNexusOperation { scheduled_event_id, attempt: 0 });
    Ok(())
}

fn check_names(command: &ScheduleNexusOperationCommandAttributes, limits: &Limits) -> Result<(), String> {
    let names = [
        ("Service", &command.service, limits.nexus_service_name),
        ("Operation", &command.operation, limits.nexus_operation_name),
    ];
    for (field, name, limit) in names {
        if name.len() > limit {
            return Err(format!("ScheduleNexusOperationCommandAttributes.{field} exceeds length limit of {limit}"));
        }
    }
    Ok(())
}

fn bad_header(bad: BadNexusHeader) -> String {
    match bad {
        BadNexusHeader::Reserved(key) => format!(
            "ScheduleNexusOperationCommandAttributes.NexusHeader contains a disallowed header key: {}",
            quoted(&key)
        ),
        BadNexusHeader::TooLarge => "ScheduleNexusOperationCommandAttributes.NexusHeader exceeds size limit".into(),
    }
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

/// The three time-outs as they hold. None: the command left it open, and nothing bounds it.
struct Timeouts {
    schedule_to_close: Option<Nanos>,
    schedule_to_start: Option<Nanos>,
    start_to_close: Option<Nanos>,
}

impl Timeouts {
    /// None is longer than the run or than `longest`, nor the two parts longer than the whole. 0: no bound.
    fn of(
        command: &ScheduleNexusOperationCommandAttributes,
        run_timeout: Nanos,
        longest: Nanos,
    ) -> Result<Self, String> {
        let checked = |value: &Option<Duration>, name: &str| match value {
            None => Ok(None),
            Some(given) => validate::duration(Some(given))
                .map(Some)
                .map_err(|error| format!("ScheduleNexusOperationCommandAttributes.{name} is invalid: {error}")),
        };
        let mut schedule_to_close = checked(&command.schedule_to_close_timeout, "ScheduleToCloseTimeout")?;
        let schedule_to_start = checked(&command.schedule_to_start_timeout, "ScheduleToStartTimeout")?;
        let start_to_close = checked(&command.start_to_close_timeout, "StartToCloseTimeout")?;
        for bound in [run_timeout, longest].into_iter().filter(|bound| *bound > 0) {
            let whole = schedule_to_close.unwrap_or(0);
            if whole == 0 || whole > bound {
                schedule_to_close = Some(bound);
            }
        }
        let within = |part: Option<Nanos>| match schedule_to_close {
            Some(whole) if whole > 0 => part.map(|part| part.min(whole)),
            _ => part,
        };
        Ok(Self {
            schedule_to_close,
            schedule_to_start: within(schedule_to_start),
            start_to_close: within(start_to_close),
        })
    }
}

/// Also for an operation whose end waits in the buffer: the worker cannot know of it.
pub(super) fn request_cancel(
    tx: &mut Tx,
    batch: &Batch,
    command: &RequestCancelNexusOperationCommandAttributes,
    extras: EventExtras,
) -> Result<(), WorkflowTaskFailure> {
    let scheduled_event_id = command.scheduled_event_id;
    let run = &tx.state.run;
    match run.nexus_operations.get(&scheduled_event_id) {
        Some(operation) if operation.cancellation.is_some() => {
            let text = format!(
                "cancelation was already requested for an operation with scheduled event ID {scheduled_event_id}"
            );
            return Err(WorkflowTaskFailure::task_failed(CANCEL_CAUSE, text));
        }
        None if !run.buffered.iter().any(|event| nexus::ended(event) == Some(scheduled_event_id)) => {
            let text = format!(
                "requested cancelation for a non-existing or already completed operation with scheduled event ID of \
                 {scheduled_event_id}"
            );
            return Err(WorkflowTaskFailure::task_failed(CANCEL_CAUSE, text));
        }
        Some(_) | None => {}
    }
    let attributes = NexusOperationCancelRequestedEventAttributes {
        scheduled_event_id,
        workflow_task_completed_event_id: batch.completed_event_id,
    };
    tx.event_with(Attributes::NexusOperationCancelRequestedEventAttributes(attributes), extras);
    nexus::requested(tx, scheduled_event_id);
    Ok(())
}
