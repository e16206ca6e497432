//! What changes do to the Nexus operations of a run.

use perdure_proto::api::{
    failure::Failure,
    history::{
        HistoryEvent, NexusOperationCancelRequestedEventAttributes, NexusOperationScheduledEventAttributes,
        history_event::Attributes,
    },
};

use crate::{
    apply::Corrupt,
    change::{Kind, NexusRetryChange},
    event::event_time,
    state::{
        InPhase, Nanos, NexusCancellation, NexusCancellationPhase, NexusOperation, NexusOperationPhase, NexusStarted,
        RetryBackoff, RunState,
    },
    time::from_optional_duration,
};

/// Each of these but the first may come a second time, out of the buffer.
pub(crate) fn apply(run: &mut RunState, event: &HistoryEvent, attributes: &Attributes) -> Result<(), Corrupt> {
    use Attributes as A;
    match attributes {
        A::NexusOperationScheduledEventAttributes(scheduled) => {
            run.nexus_operations.insert(event.event_id, schedule(event, scheduled));
        }
        A::NexusOperationStartedEventAttributes(started) => {
            if let Some(operation) = run.nexus_operations.get_mut(&started.scheduled_event_id) {
                mark_started(operation, event_time(event), &started.operation_token);
            }
        }
        A::NexusOperationCancelRequestedEventAttributes(requested) => request_cancel(run, event, requested),
        A::NexusOperationCancelRequestCompletedEventAttributes(completed) => {
            if let Some(operation) = run.nexus_operations.get_mut(&completed.scheduled_event_id) {
                cancellation_ended(operation, event_time(event), None);
            }
        }
        A::NexusOperationCancelRequestFailedEventAttributes(failed) => {
            if let Some(operation) = run.nexus_operations.get_mut(&failed.scheduled_event_id) {
                // One without a failure is one all the same.
                let failure = failed.failure.clone().unwrap_or_default();
                cancellation_ended(operation, event_time(event), Some(&failure));
            }
        }
        _ => match super::ended(event) {
            Some(scheduled_event_id) => drop(run.nexus_operations.remove(&scheduled_event_id)),
            None => return Err(Corrupt::at(event.event_id, "not an event of Nexus operations")),
        },
    }
    Ok(())
}

fn schedule(event: &HistoryEvent, scheduled: &NexusOperationScheduledEventAttributes) -> NexusOperation {
    NexusOperation {
        scheduled_event_id: event.event_id,
        endpoint: scheduled.endpoint.clone(),
        endpoint_id: scheduled.endpoint_id.clone(),
        service: scheduled.service.clone(),
        operation: scheduled.operation.clone(),
        request_id: scheduled.request_id.clone(),
        scheduled_time: event_time(event),
        schedule_to_close: from_optional_duration(scheduled.schedule_to_close_timeout.as_ref()),
        schedule_to_start: from_optional_duration(scheduled.schedule_to_start_timeout.as_ref()),
        start_to_close: from_optional_duration(scheduled.start_to_close_timeout.as_ref()),
        input: scheduled.input.clone(),
        nexus_header: scheduled.nexus_header.clone(),
        phase: Some(NexusOperationPhase::Scheduled(InPhase {})),
        ..Default::default()
    }
}

/// Nothing where it has started before.
pub(crate) fn mark_started(operation: &mut NexusOperation, time: Nanos, operation_token: &str) {
    if operation.started().is_some() {
        return;
    }
    operation.attempt += 1;
    operation.last_attempt_complete_time = time;
    operation.last_attempt_failure = None;
    operation.input = None;
    let operation_token = operation_token.to_owned();
    operation.phase = Some(NexusOperationPhase::Started(NexusStarted { time, operation_token }));
    if let Some(cancellation) = &mut operation.cancellation {
        cancellation.deliver(time);
    }
}

/// Without effect where the end of the operation waits in the buffer.
fn request_cancel(run: &mut RunState, event: &HistoryEvent, requested: &NexusOperationCancelRequestedEventAttributes) {
    let Some(operation) = run.nexus_operations.get_mut(&requested.scheduled_event_id) else { return };
    let mut cancellation = NexusCancellation { requested_event_id: event.event_id, ..Default::default() };
    if operation.started().is_some() {
        cancellation.deliver(event_time(event));
    }
    operation.cancellation = Some(Box::new(cancellation));
}

impl NexusCancellation {
    /// It is on its way from now on.
    pub(crate) fn deliver(&mut self, time: Nanos) {
        if self.requested_time == 0 {
            self.requested_time = time;
        }
        self.phase = Some(NexusCancellationPhase::Scheduled(InPhase {}));
    }
}

/// `failure`: the handler will not hear of it; None: it knows.
pub(crate) fn cancellation_ended(operation: &mut NexusOperation, time: Nanos, failure: Option<&Failure>) {
    let cancellation = operation.cancellation.as_mut().filter(|cancellation| !is_over(cancellation));
    let Some(cancellation) = cancellation else { return };
    cancellation.attempt += 1;
    cancellation.last_attempt_complete_time = time;
    cancellation.last_attempt_failure = failure.cloned().map(Box::new);
    cancellation.phase = Some(match failure {
        None => NexusCancellationPhase::Succeeded(InPhase {}),
        Some(_) => NexusCancellationPhase::Failed(InPhase {}),
    });
}

fn is_over(cancellation: &NexusCancellation) -> bool {
    matches!(cancellation.phase, Some(NexusCancellationPhase::Succeeded(_) | NexusCancellationPhase::Failed(_)))
}

pub(crate) fn apply_durable(run: &mut RunState, kind: &Kind) -> Result<(), Corrupt> {
    match kind {
        Kind::NexusStartRetry(NexusRetryChange { scheduled_event_id, ended, until, failure }) => {
            let operation = find(run, *scheduled_event_id)?;
            operation.attempt += 1;
            operation.last_attempt_complete_time = *ended;
            operation.last_attempt_failure = failure.clone().map(Box::new);
            operation.phase = Some(NexusOperationPhase::Backoff(RetryBackoff { until: *until }));
        }
        Kind::NexusStartReady(scheduled_event_id) => {
            find(run, *scheduled_event_id)?.phase = Some(NexusOperationPhase::Scheduled(InPhase {}));
        }
        Kind::NexusCancelRetry(NexusRetryChange { scheduled_event_id, ended, until, failure }) => {
            let cancellation = find_cancellation(run, *scheduled_event_id)?;
            cancellation.attempt += 1;
            cancellation.last_attempt_complete_time = *ended;
            cancellation.last_attempt_failure = failure.clone().map(Box::new);
            cancellation.phase = Some(NexusCancellationPhase::Backoff(RetryBackoff { until: *until }));
        }
        Kind::NexusCancelReady(scheduled_event_id) => {
            let cancellation = find_cancellation(run, *scheduled_event_id)?;
            cancellation.phase = Some(NexusCancellationPhase::Scheduled(InPhase {}));
        }
        _ => return Err(Corrupt::at(0, "not a change of Nexus operations")),
    }
    Ok(())
}

fn find(run: &mut RunState, scheduled_event_id: i64) -> Result<&mut NexusOperation, Corrupt> {
    let operation = run.nexus_operations.get_mut(&scheduled_event_id);
    operation.ok_or(Corrupt::at(0, "a change of a Nexus operation that is not pending"))
}

fn find_cancellation(run: &mut RunState, scheduled_event_id: i64) -> Result<&mut NexusCancellation, Corrupt> {
    let cancellation = find(run, scheduled_event_id)?.cancellation.as_deref_mut();
    cancellation.ok_or(Corrupt::at(0, "a change of a cancellation that was not requested"))
}

/// The start or the end of an operation that has not ended yet, or not even started: from the history of another run
/// that was forked from the same one.
pub(crate) fn is_awaited(run: &RunState, attributes: &Attributes) -> bool {
    use Attributes as A;
    let is_pending = |scheduled_event_id: i64, request_id: &str| {
        let operation = run.nexus_operations.get(&scheduled_event_id);
        operation.filter(|operation| request_id.is_empty() || operation.request_id == request_id)
    };
    match attributes {
        A::NexusOperationStartedEventAttributes(started) => {
            let pending = is_pending(started.scheduled_event_id, &started.request_id);
            pending.is_some_and(|operation| operation.started().is_none())
        }
        A::NexusOperationCompletedEventAttributes(end) => is_pending(end.scheduled_event_id, &end.request_id).is_some(),
        A::NexusOperationFailedEventAttributes(end) => is_pending(end.scheduled_event_id, &end.request_id).is_some(),
        A::NexusOperationCanceledEventAttributes(end) => is_pending(end.scheduled_event_id, &end.request_id).is_some(),
        A::NexusOperationTimedOutEventAttributes(end) => is_pending(end.scheduled_event_id, &end.request_id).is_some(),
        _ => false,
    }
}
