//! Retry policies of workflows.

use perdure_engine::time::{SECOND, duration};
use perdure_proto::api::{common::RetryPolicy, enums::TimeoutType};
use tonic::Status;

use super::duration::nanos;
use crate::status::invalid;

const DEFAULT_COEFFICIENT: f64 = 2.0;
/// The longest wait where the policy names none: so many times the first.
const DEFAULT_MAXIMUM_FACTOR: i64 = 100;
/// Names a kind of time-out among the error types.
const TIMEOUT_PREFIX: &str = "TemporalTimeout:";

/// The policy with its defaults filled in and its durations cut to what is allowed.
pub(crate) fn normalise(policy: RetryPolicy) -> Result<RetryPolicy, Status> {
    let mut policy = with_defaults(policy);
    // One attempt means no retries, so nothing else counts.
    if policy.maximum_attempts == 1 {
        return Ok(policy);
    }
    let initial = nanos(policy.initial_interval.as_ref())
        .map_err(|cause| invalid(format!("invalid InitialInterval set on retry policy: {cause}")))?;
    if policy.backoff_coefficient.is_nan() || policy.backoff_coefficient < 1.0 {
        return Err(invalid("BackoffCoefficient cannot be less than 1 on retry policy."));
    }
    let maximum = nanos(policy.maximum_interval.as_ref())
        .map_err(|cause| invalid(format!("invalid MaximumInterval set on retry policy: {cause}")))?;
    if maximum > 0 && maximum < initial {
        return Err(invalid("MaximumInterval cannot be less than InitialInterval on retry policy."));
    }
    if policy.maximum_attempts < 0 {
        return Err(invalid("MaximumAttempts cannot be negative on retry policy."));
    }
    policy.non_retryable_error_types.iter().try_for_each(|name| error_type(name))?;
    policy.initial_interval = Some(duration(initial));
    policy.maximum_interval = Some(duration(maximum));
    Ok(policy)
}

fn with_defaults(mut policy: RetryPolicy) -> RetryPolicy {
    let unset =
        |value: &Option<prost_types::Duration>| value.is_none_or(|value| value.seconds == 0 && value.nanos == 0);
    if unset(&policy.initial_interval) {
        policy.initial_interval = Some(duration(SECOND));
    }
    if policy.backoff_coefficient == 0.0 {
        policy.backoff_coefficient = DEFAULT_COEFFICIENT;
    }
    if unset(&policy.maximum_interval) {
        // A first interval that is no duration is refused by the caller.
        let initial = nanos(policy.initial_interval.as_ref()).unwrap_or_default();
        policy.maximum_interval = Some(duration(initial.saturating_mul(DEFAULT_MAXIMUM_FACTOR)));
    }
    policy
}

fn error_type(name: &str) -> Result<(), Status> {
    let Some(kind) = name.strip_prefix(TIMEOUT_PREFIX) else {
        return Ok(());
    };
    let known =
        [TimeoutType::StartToClose, TimeoutType::ScheduleToStart, TimeoutType::ScheduleToClose, TimeoutType::Heartbeat]
            .iter()
            .any(|timeout| timeout.as_str_name() == kind || short_name(*timeout) == kind);
    known.then_some(()).ok_or_else(|| invalid(format!("Invalid timeout type value: {kind}.")))
}

fn short_name(timeout: TimeoutType) -> &'static str {
    match timeout {
        TimeoutType::Unspecified => "Unspecified",
        TimeoutType::StartToClose => "StartToClose",
        TimeoutType::ScheduleToStart => "ScheduleToStart",
        TimeoutType::ScheduleToClose => "ScheduleToClose",
        TimeoutType::Heartbeat => "Heartbeat",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(policy: RetryPolicy) -> String {
        normalise(policy).map_or_else(|status| status.message().to_owned(), |_| "ok".to_owned())
    }

    #[test]
    fn defaults() {
        let policy = normalise(RetryPolicy::default()).unwrap();
        assert_eq!(policy.initial_interval, Some(duration(SECOND)));
        assert_eq!(policy.maximum_interval, Some(duration(100 * SECOND)));
        assert_eq!(policy.backoff_coefficient, 2.0);
    }

    #[test]
    fn refusals() {
        let base = RetryPolicy::default;
        let types = |name: &str| RetryPolicy { non_retryable_error_types: vec![name.to_owned()], ..base() };
        let intervals = |initial, maximum| RetryPolicy {
            initial_interval: Some(duration(initial)),
            maximum_interval: Some(duration(maximum)),
            ..base()
        };
        let cases = [
            (
                RetryPolicy { backoff_coefficient: 0.5, ..base() },
                "BackoffCoefficient cannot be less than 1 on retry policy.",
            ),
            (
                RetryPolicy { backoff_coefficient: f64::NAN, ..base() },
                "BackoffCoefficient cannot be less than 1 on retry policy.",
            ),
            (intervals(10 * SECOND, SECOND), "MaximumInterval cannot be less than InitialInterval on retry policy."),
            (intervals(SECOND, -SECOND), "invalid MaximumInterval set on retry policy: negative duration"),
            (intervals(-SECOND, SECOND), "invalid InitialInterval set on retry policy: negative duration"),
            (RetryPolicy { maximum_attempts: -1, ..base() }, "MaximumAttempts cannot be negative on retry policy."),
            (RetryPolicy { maximum_attempts: 1, backoff_coefficient: 0.5, ..base() }, "ok"),
            (types("TemporalTimeout:Foo"), "Invalid timeout type value: Foo."),
            (types("TemporalTimeout:StartToClose"), "ok"),
            (types("Foo"), "ok"),
        ];
        for (policy, expected) in cases {
            assert_eq!(refusal(policy.clone()), expected, "{policy:?}");
        }
    }
}
