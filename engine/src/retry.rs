//! When a failed attempt is tried again: the same arithmetic for activities and for workflows.
//!
//! | asked in this order | answer |
//! |---|---|
//! | the failure says no, or its type is listed as non-retryable | `NonRetryableFailure` |
//! | attempts (the first counts) are used up | `MaximumAttemptsReached` |
//! | the failure brings its own delay | that delay, whatever the policy's maximum |
//! | otherwise | initial × coefficient^(attempt − 1), at most the maximum interval |
//! | now + wait lies after the expiration | `Timeout` |

use perdure_proto::api::{
    common::RetryPolicy,
    enums::{RetryState, TimeoutType},
    failure::{Failure, failure::FailureInfo},
};
use prost_types::Duration;

use crate::{
    limits::Limits,
    state::Nanos,
    time::{duration, from_duration, from_optional_duration},
    validate,
};

/// Lists a time-out in `non_retryable_error_types`: `TemporalTimeout:StartToClose`.
const TIMEOUT_PREFIX: &str = "TemporalTimeout:";
const DEFAULT_COEFFICIENT: f64 = 2.0;
/// The default maximum interval is this many initial intervals.
const DEFAULT_MAXIMUM_FACTOR: Nanos = 100;

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another attempt after this wait.
    After(Nanos),
    /// No more attempts, and why.
    Stop(RetryState),
}

/// One attempt that ended, and what bounds the next.
pub(crate) struct Attempt<'a> {
    pub(crate) policy: &'a RetryPolicy,
    /// Number of the attempt that ended; the first is 1.
    pub(crate) attempt: i32,
    pub(crate) now: Nanos,
    /// The next attempt must begin by then; 0: no bound.
    pub(crate) expiration: Nanos,
}

impl Attempt<'_> {
    pub(crate) fn next(&self, failure: &Failure) -> Next {
        if !is_retryable(failure, &self.policy.non_retryable_error_types) {
            return Next::Stop(RetryState::NonRetryableFailure);
        }
        if self.policy.maximum_attempts > 0 && self.attempt >= self.policy.maximum_attempts {
            return Next::Stop(RetryState::MaximumAttemptsReached);
        }
        let wait = match requested_delay(failure) {
            Some(delay) => delay,
            None => interval(self.policy, self.attempt),
        };
        if self.expiration > 0 && self.now.saturating_add(wait) > self.expiration {
            return Next::Stop(RetryState::Timeout);
        }
        Next::After(wait)
    }
}

/// The wait behind attempt number `attempt`, by the policy alone.
fn interval(policy: &RetryPolicy, attempt: i32) -> Nanos {
    let initial = from_optional_duration(policy.initial_interval.as_ref());
    let wait = initial as f64 * policy.backoff_coefficient.powi(attempt.max(1) - 1);
    // `as` saturates, so an interval beyond all bounds is the largest one; not a number becomes 0.
    let wait = (wait as Nanos).max(0);
    match from_optional_duration(policy.maximum_interval.as_ref()) {
        0 => wait,
        maximum => wait.min(maximum),
    }
}

/// The delay that an application failure asks for. One in the past means at once.
fn requested_delay(failure: &Failure) -> Option<Nanos> {
    match &failure.failure_info {
        Some(FailureInfo::ApplicationFailureInfo(info)) => {
            info.next_retry_delay.as_ref().map(|delay| from_duration(delay).max(0))
        }
        _ => None,
    }
}

/// Time-outs are retryable only where an attempt was running; wrappers and unknown failures always are.
pub(crate) fn is_retryable(failure: &Failure, non_retryable: &[String]) -> bool {
    match &failure.failure_info {
        Some(FailureInfo::TerminatedFailureInfo(_) | FailureInfo::CanceledFailureInfo(_)) => false,
        Some(FailureInfo::TimeoutFailureInfo(info)) => match info.timeout_type() {
            timeout @ (TimeoutType::StartToClose | TimeoutType::Heartbeat) => {
                let name = format!("{TIMEOUT_PREFIX}{}", timeout_name(timeout));
                !non_retryable.contains(&name)
            }
            TimeoutType::Unspecified | TimeoutType::ScheduleToStart | TimeoutType::ScheduleToClose => false,
        },
        Some(FailureInfo::ServerFailureInfo(info)) => !info.non_retryable,
        Some(FailureInfo::ApplicationFailureInfo(info)) => !info.non_retryable && !non_retryable.contains(&info.r#type),
        _ => true,
    }
}

/// The name of a time-out in texts and in retry policies.
pub(crate) fn timeout_name(timeout: TimeoutType) -> &'static str {
    match timeout {
        TimeoutType::Unspecified => "Unspecified",
        TimeoutType::StartToClose => "StartToClose",
        TimeoutType::ScheduleToStart => "ScheduleToStart",
        TimeoutType::ScheduleToClose => "ScheduleToClose",
        TimeoutType::Heartbeat => "Heartbeat",
    }
}

/// Fills in what a policy leaves open. (No policy at all means no retries for workflows and this default for activities.)
pub fn with_defaults(mut policy: RetryPolicy, limits: &Limits) -> RetryPolicy {
    let is_zero = |field: &Option<Duration>| from_optional_duration(field.as_ref()) == 0;
    if is_zero(&policy.initial_interval) {
        policy.initial_interval = Some(duration(limits.default_activity_initial_interval));
    }
    if is_zero(&policy.maximum_interval) {
        let initial = from_optional_duration(policy.initial_interval.as_ref());
        policy.maximum_interval = Some(duration(initial.saturating_mul(DEFAULT_MAXIMUM_FACTOR)));
    }
    if policy.backoff_coefficient == 0.0 {
        policy.backoff_coefficient = DEFAULT_COEFFICIENT;
    }
    policy
}

/// Checks a policy whose defaults are filled in, and caps its durations. The error is the text for the caller.
pub fn validated(mut policy: RetryPolicy) -> Result<RetryPolicy, String> {
    if policy.maximum_attempts == 1 {
        // No retries: the rest has no meaning.
        return Ok(policy);
    }
    let checked = |field: &Option<Duration>, name: &str| {
        validate::duration(field.as_ref()).map_err(|error| format!("invalid {name} set on retry policy: {error}"))
    };
    let initial = checked(&policy.initial_interval, "InitialInterval")?;
    // Written so that NaN is refused too.
    if !(policy.backoff_coefficient >= 1.0) {
        return Err("BackoffCoefficient cannot be less than 1 on retry policy.".into());
    }
    let maximum = checked(&policy.maximum_interval, "MaximumInterval")?;
    if maximum > 0 && maximum < initial {
        return Err("MaximumInterval cannot be less than InitialInterval on retry policy.".into());
    }
    if policy.maximum_attempts < 0 {
        return Err("MaximumAttempts cannot be negative on retry policy.".into());
    }
    for listed in &policy.non_retryable_error_types {
        if let Some(name) = listed.strip_prefix(TIMEOUT_PREFIX) {
            let known = [
                TimeoutType::StartToClose,
                TimeoutType::ScheduleToStart,
                TimeoutType::ScheduleToClose,
                TimeoutType::Heartbeat,
            ];
            if !known.into_iter().any(|timeout| timeout_name(timeout) == name) {
                return Err(format!("Invalid timeout type value: {name}."));
            }
        }
    }
    policy.initial_interval = Some(duration(initial));
    policy.maximum_interval = Some(duration(maximum));
    Ok(policy)
}
