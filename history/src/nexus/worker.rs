//! Requests to handlers that are workers of this server: through matching, and back.

use std::time::Duration;

use perdure_engine::NexusStartOutcome as Outcome;
use perdure_matching::{Matching, NexusAnswer, NexusDispatchError, NexusTask, QueueKey, QueueKind, Receipt};
use perdure_proto::{
    api::{
        enums::NexusHandlerErrorRetryBehavior as RetryBehavior,
        failure::{Failure, failure::FailureInfo},
        nexus::{
            CancelOperationRequest, Request, Response, StartOperationRequest, StartOperationResponse,
            UnsuccessfulOperationError,
            request::{Capabilities, Variant},
            response, start_operation_response as answer,
        },
    },
    perdure::persistence::v1::NexusWorkerTarget,
};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    RequestError,
    failure::{self, handler_error},
    links, payload,
};

const OPERATION_TIMEOUT: &str = "operation-timeout";

/// A request, apart from what it asks.
pub struct Envelope {
    pub endpoint: String,
    /// The caller reads Temporal's failures. Others get an older form, which the worker must know.
    pub whole_failures: bool,
    pub header: std::collections::BTreeMap<String, String>,
    /// Unix time.
    pub scheduled_time: prost_types::Timestamp,
    /// Until when there is to be an answer.
    pub timeout: Duration,
    /// Kept of that for the way back from a worker.
    pub margin: Duration,
}

/// `receipt`: to be confirmed when the answer is safe.
pub async fn start(
    matching: &Matching,
    target: &NexusWorkerTarget,
    envelope: Envelope,
    request: StartOperationRequest,
    receipt: &mut Option<Receipt>,
) -> Result<Outcome, RequestError> {
    let response = send(matching, target, envelope, Variant::StartOperation(request), receipt).await?;
    match response.variant {
        Some(response::Variant::StartOperation(StartOperationResponse { variant: Some(variant) })) => outcome(variant),
        _ => Err(RequestError::handler("INTERNAL", "empty outcome")),
    }
}

/// `receipt`: to be confirmed when the answer is safe.
pub async fn cancel(
    matching: &Matching,
    target: &NexusWorkerTarget,
    envelope: Envelope,
    request: CancelOperationRequest,
    receipt: &mut Option<Receipt>,
) -> Result<(), RequestError> {
    send(matching, target, envelope, Variant::CancelOperation(request), receipt).await.map(|_| ())
}

async fn send(
    matching: &Matching,
    target: &NexusWorkerTarget,
    envelope: Envelope,
    variant: Variant,
    receipt: &mut Option<Receipt>,
) -> Result<Response, RequestError> {
    let Ok(namespace_id) = Uuid::parse_str(&target.namespace_id) else {
        return Err(RequestError::handler("NOT_FOUND", "namespace not found"));
    };
    let now = Instant::now();
    let deadline = now + envelope.timeout.saturating_sub(envelope.margin);
    let operation_timeout = envelope.header.get(OPERATION_TIMEOUT).and_then(|timeout| duration(timeout));
    let task = NexusTask {
        task_id: Uuid::new_v4().to_string(),
        request: Request {
            header: envelope.header,
            scheduled_time: Some(envelope.scheduled_time),
            capabilities: Some(Capabilities { temporal_failure_responses: envelope.whole_failures }),
            endpoint: envelope.endpoint,
            variant: Some(variant),
        },
        deadline,
        operation_deadline: operation_timeout.and_then(|timeout| now.checked_add(timeout)),
    };
    let key = QueueKey { namespace_id, name: target.task_queue.as_str().into(), kind: QueueKind::Nexus };
    let answer = matching.nexus(key, task, deadline).await.map(|(answer, given)| {
        *receipt = Some(given);
        answer
    });
    match answer {
        Ok(NexusAnswer::Completed(response)) => Ok(response),
        Ok(NexusAnswer::Failed(failure)) => Err(RequestError::of(Failure { source: String::new(), ..*failure })),
        Ok(NexusAnswer::HandlerError(error)) => Err(RequestError::of(failure::of_handler_error(error)?)),
        Err(error @ NexusDispatchError::Timeout) => Err(RequestError::handler("UPSTREAM_TIMEOUT", &error.to_string())),
        Err(error @ NexusDispatchError::Unavailable) => Err(RequestError::handler("UNAVAILABLE", &error.to_string())),
    }
}

fn outcome(variant: answer::Variant) -> Result<Outcome, RequestError> {
    match variant {
        answer::Variant::SyncSuccess(done) => Ok(Outcome::Completed {
            result: Some(payload::or_null(done.payload)),
            links: links::from_nexus(&done.links),
        }),
        answer::Variant::AsyncSuccess(started) => {
            // Older SDKs know only the second name.
            let token = if started.operation_token.is_empty() { started.operation_id } else { started.operation_token };
            Ok(Outcome::Async { operation_token: token, links: links::from_nexus(&started.links) })
        }
        answer::Variant::Failure(failure) => {
            let failure = Box::new(failure);
            Ok(match &failure.failure_info {
                Some(FailureInfo::CanceledFailureInfo(_)) => Outcome::Canceled { failure },
                _ => Outcome::Failed { failure },
            })
        }
        answer::Variant::OperationError(error) => operation_error(error),
    }
}

/// An older worker's way to say that an operation failed or was canceled.
fn operation_error(error: UnsuccessfulOperationError) -> Result<Outcome, RequestError> {
    let failure = Box::new(failure::to_temporal(error.failure.unwrap_or_default())?);
    match error.operation_state.as_str() {
        "failed" => Ok(Outcome::Failed { failure }),
        "canceled" => Ok(Outcome::Canceled { failure }),
        _ => Err(RequestError::of(handler_error("INTERNAL", "internal error", RetryBehavior::Unspecified))),
    }
}

/// A number with `ms`, `s` or `m`.
pub fn duration(text: &str) -> Option<Duration> {
    let unit = text.find(|character: char| character.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit);
    let number: f64 = number.parse().ok().filter(|number| *number >= 0.0)?;
    let seconds = match unit {
        "ms" => number / 1_000.0,
        "s" => number,
        "m" => number * 60.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let cases = [
            ("1500ms", Some(Duration::from_millis(1500))),
            ("2s", Some(Duration::from_secs(2))),
            ("1.5m", Some(Duration::from_secs(90))),
            ("", None),
            ("5", None),
            ("s", None),
            ("-1s", None),
            ("1h", None),
            ("99999999999999999999999m", None),
        ];
        for (text, expected) in cases {
            assert_eq!(duration(text), expected, "{text}");
        }
    }
}
