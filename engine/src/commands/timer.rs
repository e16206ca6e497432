//! StartTimer and CancelTimer.

use perdure_proto::api::{
    command::{CancelTimerCommandAttributes, StartTimerCommandAttributes},
    enums::WorkflowTaskFailedCause as Cause,
    history::{TimerCanceledEventAttributes, TimerStartedEventAttributes, history_event::Attributes},
};

use super::{Batch, WorkflowTaskFailure};
use crate::{
    time::duration,
    timer::buffered_fired,
    tx::{EventExtras, Tx},
    validate,
};

pub(super) fn start(
    tx: &mut Tx,
    batch: &Batch,
    command: StartTimerCommandAttributes,
    extras: EventExtras,
) -> Result<(), WorkflowTaskFailure> {
    const CAUSE: Cause = Cause::BadStartTimerAttributes;
    check_id(tx, CAUSE, &command.timer_id, "StartTimerCommand")?;
    let id = command.timer_id;
    let timeout = validate::duration(command.start_to_fire_timeout.as_ref()).map_err(|error| {
        let text = format!("An invalid StartToFireTimeout is set on StartTimerCommand: {error}. TimerId={id}");
        WorkflowTaskFailure::task_failed(CAUSE, text)
    })?;
    if tx.state.run.timers.contains_key(&id) {
        let text = format!("invalid history builder state for action: add-timer-started-event, TimerID: {id}");
        return Err(WorkflowTaskFailure::task_failed(Cause::StartTimerDuplicateId, text));
    }
    let attributes = TimerStartedEventAttributes {
        timer_id: id,
        start_to_fire_timeout: command.start_to_fire_timeout.map(|_| duration(timeout)),
        workflow_task_completed_event_id: batch.completed_event_id,
    };
    tx.event_with(Attributes::TimerStartedEventAttributes(attributes), extras);
    Ok(())
}

/// Cancels a timer; also one that has fired without the worker knowing: its event then vanishes from the buffer.
pub(super) fn cancel(
    tx: &mut Tx,
    batch: &Batch,
    command: CancelTimerCommandAttributes,
    extras: EventExtras,
) -> Result<(), WorkflowTaskFailure> {
    const CAUSE: Cause = Cause::BadCancelTimerAttributes;
    check_id(tx, CAUSE, &command.timer_id, "CancelTimerCommand")?;
    let id = command.timer_id;
    let run = &tx.state.run;
    let started = run.timers.get(&id).map(|timer| timer.started_event_id).or_else(|| buffered_fired(run, &id));
    let Some(started_event_id) = started else {
        let text = format!("invalid history builder state for action: add-timer-canceled-event, TimerID: {id}");
        return Err(WorkflowTaskFailure::task_failed(CAUSE, text));
    };
    let attributes = TimerCanceledEventAttributes {
        timer_id: id,
        started_event_id,
        workflow_task_completed_event_id: batch.completed_event_id,
        identity: batch.identity.clone(),
    };
    tx.event_with(Attributes::TimerCanceledEventAttributes(attributes), extras);
    Ok(())
}

fn check_id(tx: &Tx, cause: Cause, id: &str, command: &str) -> Result<(), WorkflowTaskFailure> {
    let (length, limit) = (id.len(), tx.ctx.limits.id_length);
    if id.is_empty() {
        return Err(WorkflowTaskFailure::task_failed(cause, format!("TimerId is not set on {command}.")));
    }
    if length > limit {
        let text = format!("TimerId on {command} exceeds length limit. TimerId={id} Length={length} Limit={limit}");
        return Err(WorkflowTaskFailure::task_failed(cause, text));
    }
    Ok(())
}
