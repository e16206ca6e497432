//! What DescribeWorkflowExecution tells about a Nexus operation.

use perdure_proto::api::{
    enums::{NexusOperationCancellationState as CancellationState, PendingNexusOperationState as State},
    workflow::{NexusOperationCancellationInfo, PendingNexusOperationInfo},
};

use crate::{
    state::{NexusCancellation, NexusCancellationPhase, NexusOperation, NexusOperationPhase, RetryBackoff},
    time::{duration, optional_timestamp, timestamp},
};

pub(crate) fn pending(operation: &NexusOperation) -> PendingNexusOperationInfo {
    let state = match &operation.phase {
        Some(NexusOperationPhase::Backoff(_)) => State::BackingOff,
        Some(NexusOperationPhase::Started(_)) => State::Started,
        Some(NexusOperationPhase::Scheduled(_)) | None => State::Scheduled,
    };
    let next_attempt = match &operation.phase {
        Some(NexusOperationPhase::Backoff(RetryBackoff { until })) => Some(timestamp(*until)),
        _ => None,
    };
    let operation_token = operation.started().map(|started| started.operation_token.clone()).unwrap_or_default();
    PendingNexusOperationInfo {
        endpoint: operation.endpoint.clone(),
        service: operation.service.clone(),
        operation: operation.operation.clone(),
        operation_id: operation_token.clone(),
        operation_token,
        schedule_to_close_timeout: Some(duration(operation.schedule_to_close)),
        schedule_to_start_timeout: Some(duration(operation.schedule_to_start)),
        start_to_close_timeout: Some(duration(operation.start_to_close)),
        scheduled_time: Some(timestamp(operation.scheduled_time)),
        state: state as i32,
        attempt: operation.attempt,
        last_attempt_complete_time: optional_timestamp(operation.last_attempt_complete_time),
        last_attempt_failure: operation.last_attempt_failure.as_deref().cloned(),
        next_attempt_schedule_time: next_attempt,
        cancellation_info: operation.cancellation.as_deref().map(cancellation_info),
        scheduled_event_id: operation.scheduled_event_id,
        // Nothing here stops calls to an endpoint that fails: each operation has its own backoff.
        blocked_reason: String::new(),
    }
}

fn cancellation_info(cancellation: &NexusCancellation) -> NexusOperationCancellationInfo {
    let (state, next_attempt) = match &cancellation.phase {
        None => (CancellationState::Unspecified, None),
        Some(NexusCancellationPhase::Scheduled(_)) => (CancellationState::Scheduled, None),
        Some(NexusCancellationPhase::Backoff(backoff)) => {
            (CancellationState::BackingOff, Some(timestamp(backoff.until)))
        }
        Some(NexusCancellationPhase::Succeeded(_)) => (CancellationState::Succeeded, None),
        Some(NexusCancellationPhase::Failed(_)) => (CancellationState::Failed, None),
    };
    NexusOperationCancellationInfo {
        requested_time: optional_timestamp(cancellation.requested_time),
        state: state as i32,
        attempt: cancellation.attempt,
        last_attempt_complete_time: optional_timestamp(cancellation.last_attempt_complete_time),
        last_attempt_failure: cancellation.last_attempt_failure.as_deref().cloned(),
        next_attempt_schedule_time: next_attempt,
        blocked_reason: String::new(),
    }
}
