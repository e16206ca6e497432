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
    limits::{Limits, RetryDefaults},
    state::Nanos,
    time::{duration, from_duration, from_optional_duration},
    validate,
};

/// Lists a time-out in `non_retryable_error_types`: `TemporalTimeout:StartToClose`.
const TIMEOUT_PREFIX: &str = "TemporalTimeout:";

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
pub(crate) fn interval(policy: &RetryPolicy, attempt: i32) -> Nanos {
    let initial = from_optional_duration(policy.initial_interval.as_ref());
    let wait = initial as f64 * policy.backoff_coefficient.powi(attempt.max(1) - 1);
    // `as` saturates, so an interval beyond all bounds is the largest one; not a number becomes 0.
    let wait = (wait as Nanos).max(0);
    match from_optional_duration(policy.maximum_interval.as_ref()) {
        0 => wait,
        maximum => wait.min(maximum),
    }
}

/// The delay that an application failure asks for. One in the past means at once, none is longer than other durations may be.
fn requested_delay(failure: &Failure) -> Option<Nanos> {
    match &failure.failure_info {
        Some(FailureInfo::ApplicationFailureInfo(info)) => {
            info.next_retry_delay.as_ref().map(|delay| from_duration(delay).clamp(0, validate::MAX_DURATION))
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

/// Fills in what a policy leaves open. (No policy at all means no retries for workflows and the defaults for activities.)
pub fn with_defaults(mut policy: RetryPolicy, defaults: &RetryDefaults) -> RetryPolicy {
    let is_zero = |field: &Option<Duration>| from_optional_duration(field.as_ref()) == 0;
    if policy.maximum_attempts == 0 {
        policy.maximum_attempts = defaults.maximum_attempts;
    }
    if is_zero(&policy.initial_interval) {
        policy.initial_interval = Some(duration(defaults.initial_interval));
    }
    if is_zero(&policy.maximum_interval) {
        let initial = from_optional_duration(policy.initial_interval.as_ref());
        // `as` saturates.
        let maximum = (initial as f64 * defaults.maximum_interval_coefficient) as Nanos;
        policy.maximum_interval = Some(duration(maximum));
    }
    if policy.backoff_coefficient == 0.0 {
        policy.backoff_coefficient = defaults.backoff_coefficient;
    }
    policy
}

/// The policy of a workflow, complete and checked. None given means no retries.
pub fn for_workflow(policy: Option<RetryPolicy>, limits: &Limits) -> Result<Option<RetryPolicy>, String> {
    policy.map(|policy| validated(with_defaults(policy, &limits.default_workflow_retry))).transpose()
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
    if policy.backoff_coefficient.is_nan() || policy.backoff_coefficient < 1.0 {
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

#[cfg(test)]
mod tests {
    use perdure_proto::api::failure::{ApplicationFailureInfo, CanceledFailureInfo, TimeoutFailureInfo};

    use super::*;
    use crate::{outcome::server_failure, time::SECOND};

    const NOW: Nanos = 1_000_000 * SECOND;

    fn policy() -> RetryPolicy {
        with_defaults(RetryPolicy::default(), &RetryDefaults::default())
    }

    fn next(policy: &RetryPolicy, attempt: i32, expiration: Nanos, failure: &Failure) -> Next {
        Attempt { policy, attempt, now: NOW, expiration }.next(failure)
    }

    fn failure(info: FailureInfo) -> Failure {
        Failure { failure_info: Some(info), ..Default::default() }
    }

    #[test]
    fn waits() {
        let of = |initial: i64, coefficient: f64, maximum: i64| RetryPolicy {
            initial_interval: Some(duration(initial * SECOND)),
            backoff_coefficient: coefficient,
            maximum_interval: Some(duration(maximum * SECOND)),
            ..Default::default()
        };
        for (policy, attempt, expected) in [
            (of(1, 2.0, 100), 1, SECOND),
            (of(1, 2.0, 100), 2, 2 * SECOND),
            (of(1, 2.0, 100), 7, 64 * SECOND),
            (of(1, 2.0, 100), 8, 100 * SECOND),
            (of(1, 2.0, 100), i32::MAX, 100 * SECOND),
            (of(3, 1.0, 0), 50, 3 * SECOND),
            (of(1, 1.5, 0), 3, 2_250_000_000),
            (of(1, 2.0, 0), 1_000, Nanos::MAX),
        ] {
            let wait = next(&policy, attempt, 0, &Failure::default());
            assert_eq!(wait, Next::After(expected), "attempt {attempt} of {policy:?}");
        }
    }

    #[test]
    fn attempts_and_expiration_bound_the_retries() {
        let three = RetryPolicy { maximum_attempts: 3, ..policy() };
        let plain = Failure::default();
        assert_eq!(next(&three, 2, 0, &plain), Next::After(2 * SECOND));
        assert_eq!(next(&three, 3, 0, &plain), Next::Stop(RetryState::MaximumAttemptsReached));
        assert_eq!(next(&policy(), 2, NOW + 2 * SECOND, &plain), Next::After(2 * SECOND), "just in time");
        assert_eq!(next(&policy(), 2, NOW + 2 * SECOND - 1, &plain), Next::Stop(RetryState::Timeout));
    }

    #[test]
    fn what_may_be_retried() {
        use FailureInfo as F;
        let timeout = |kind: TimeoutType| {
            failure(F::TimeoutFailureInfo(TimeoutFailureInfo { timeout_type: kind as i32, ..Default::default() }))
        };
        let application = |name: &str, non_retryable| {
            let info = ApplicationFailureInfo { r#type: name.into(), non_retryable, ..Default::default() };
            failure(F::ApplicationFailureInfo(info))
        };
        let listed = ["Listed".to_owned(), "TemporalTimeout:Heartbeat".to_owned()];
        for (failure, expected) in [
            (Failure::default(), true),
            (application("Other", false), true),
            (application("Other", true), false),
            (application("Listed", false), false),
            (server_failure("x", false), true),
            (server_failure("x", true), false),
            (timeout(TimeoutType::StartToClose), true),
            (timeout(TimeoutType::Heartbeat), false),
            (timeout(TimeoutType::ScheduleToStart), false),
            (timeout(TimeoutType::ScheduleToClose), false),
            (failure(F::CanceledFailureInfo(CanceledFailureInfo::default())), false),
        ] {
            assert_eq!(is_retryable(&failure, &listed), expected, "{failure:?}");
        }
    }

    #[test]
    fn a_delay_of_the_failure_goes_before_the_policy() {
        let with_delay = |delay| {
            let info = ApplicationFailureInfo { next_retry_delay: Some(duration(delay)), ..Default::default() };
            failure(FailureInfo::ApplicationFailureInfo(info))
        };
        assert_eq!(next(&policy(), 1, 0, &with_delay(500 * SECOND)), Next::After(500 * SECOND));
        assert_eq!(next(&policy(), 1, 0, &with_delay(-SECOND)), Next::After(0));
        let expiration = NOW + 499 * SECOND;
        assert_eq!(next(&policy(), 1, expiration, &with_delay(500 * SECOND)), Next::Stop(RetryState::Timeout));
    }

    #[test]
    fn one_attempt_makes_the_rest_of_a_policy_meaningless() {
        let odd = RetryPolicy { maximum_attempts: 1, backoff_coefficient: 0.1, ..Default::default() };
        assert_eq!(validated(odd.clone()), Ok(odd));
    }
}
