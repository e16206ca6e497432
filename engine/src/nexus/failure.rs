//! Failures that tell how a Nexus operation ended.

use perdure_proto::api::{
    enums::TimeoutType,
    failure::{CanceledFailureInfo, Failure, NexusOperationFailureInfo, TimeoutFailureInfo, failure::FailureInfo},
};

use crate::state::NexusOperation;

/// The failure of the operation, because of another one.
pub(super) fn of_operation(operation: &NexusOperation, cause: Failure) -> Failure {
    let operation_token = operation.started().map(|started| started.operation_token.clone()).unwrap_or_default();
    let info = NexusOperationFailureInfo {
        scheduled_event_id: operation.scheduled_event_id,
        endpoint: operation.endpoint.clone(),
        service: operation.service.clone(),
        operation: operation.operation.clone(),
        operation_id: operation_token.clone(),
        operation_token,
    };
    Failure {
        message: "nexus operation completed unsuccessfully".into(),
        failure_info: Some(FailureInfo::NexusOperationExecutionFailureInfo(info)),
        cause: Some(Box::new(cause)),
        ..Default::default()
    }
}

/// The cause of a canceled operation is a cancellation, also where an old SDK calls it something else.
pub(super) fn of_cancel(cause: Failure) -> Failure {
    if let Some(FailureInfo::CanceledFailureInfo(_)) = cause.failure_info {
        return cause;
    }
    Failure {
        message: cause.message,
        stack_trace: cause.stack_trace,
        cause: cause.cause,
        failure_info: Some(FailureInfo::CanceledFailureInfo(CanceledFailureInfo::default())),
        ..Default::default()
    }
}

pub(crate) fn of_timeout(kind: TimeoutType) -> Failure {
    let info = TimeoutFailureInfo { timeout_type: kind as i32, last_heartbeat_details: None };
    Failure {
        message: "operation timed out".into(),
        failure_info: Some(FailureInfo::TimeoutFailureInfo(info)),
        ..Default::default()
    }
}
