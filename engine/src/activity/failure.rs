//! Failures that the server makes or cuts for activities.

use perdure_proto::api::{
    common::Payloads,
    enums::TimeoutType,
    failure::{ApplicationFailureInfo, Failure, ServerFailureInfo, TimeoutFailureInfo, failure::FailureInfo},
};
use prost::Message;

use crate::{outcome::server_failure, retry::timeout_name, state::Activity};

/// How deep causes are followed when a failure is cut.
const CAUSE_DEPTH: usize = 20;
const TOO_LARGE: &str = "Failure exceeds size limit.";

/// A failure as the state keeps it between attempts.
pub(super) fn kept(failure: Failure, limit: i64) -> Failure {
    if failure.encoded_len() as i64 <= limit {
        return failure;
    }
    let cause = truncate(&failure, limit, CAUSE_DEPTH);
    Failure { cause: Some(Box::new(cause)), ..server_failure(TOO_LARGE, false) }
}

/// A failure as the history takes it from a worker. A quarter of the limit remains of one that is too large.
pub(super) fn accepted(failure: Failure, limit: i64) -> Failure {
    if failure.encoded_len() as i64 <= limit {
        return failure;
    }
    let cause = truncate(&failure, limit / 4, CAUSE_DEPTH);
    Failure { cause: Some(Box::new(cause)), ..server_failure(TOO_LARGE, true) }
}

/// Cuts texts in the order of their worth until `limit` bytes are spent. Of the info only what decides about retries
/// stays.
fn truncate(failure: &Failure, limit: i64, depth: usize) -> Failure {
    let mut left = limit;
    let mut take = |text: &str| {
        let mut end = text.len().min(usize::try_from(left).unwrap_or(0));
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        // Four bytes for the field's tag and length.
        left -= end as i64 + if end > 0 { 4 } else { 0 };
        text[..end].to_owned()
    };
    let failure_info = match &failure.failure_info {
        Some(FailureInfo::ApplicationFailureInfo(info)) => {
            Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
                r#type: take(&info.r#type),
                non_retryable: info.non_retryable,
                ..Default::default()
            }))
        }
        Some(FailureInfo::ServerFailureInfo(info)) => {
            Some(FailureInfo::ServerFailureInfo(ServerFailureInfo { non_retryable: info.non_retryable }))
        }
        _ => None,
    };
    let source = take(&failure.source);
    let message = take(&failure.message);
    let stack_trace = take(&failure.stack_trace);
    let cause = match &failure.cause {
        Some(cause) if left > 16 && depth > 0 => Some(Box::new(truncate(cause, left - 16, depth - 1))),
        _ => None,
    };
    Failure { message, source, stack_trace, encoded_attributes: None, cause, failure_info }
}

/// A time-out of the running attempt, as the retry policy sees it.
pub(super) fn timeout(timeout: TimeoutType) -> Failure {
    timeout_failure(format!("activity {} timeout", timeout_name(timeout)), timeout, None)
}

/// A time-out as the history tells it. `expired`: no other attempt would fit before the schedule-to-close time-out,
/// which is then what ended the activity.
pub(super) fn final_timeout(kind: TimeoutType, expired: bool, activity: &Activity) -> Failure {
    let details = activity.heartbeat_details.clone();
    let failure = if expired && kind != TimeoutType::ScheduleToStart {
        let text = "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying";
        timeout_failure(text.into(), TimeoutType::ScheduleToClose, details)
    } else {
        timeout_failure(format!("activity {} timeout", timeout_name(kind)), kind, details)
    };
    Failure { cause: activity.last_failure.clone(), ..failure }
}

/// A time-out that ended an attempt of an activity of its own, as describe shows it.
pub(crate) fn attempt_timeout(kind: TimeoutType, activity: &Activity) -> Failure {
    Failure { source: String::new(), ..final_timeout(kind, false, activity) }
}

fn timeout_failure(message: String, timeout: TimeoutType, last_heartbeat_details: Option<Payloads>) -> Failure {
    Failure {
        message,
        source: "Server".into(),
        failure_info: Some(FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo {
            timeout_type: timeout as i32,
            last_heartbeat_details,
        })),
        ..Default::default()
    }
}
