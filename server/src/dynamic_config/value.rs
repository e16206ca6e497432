//! Values of keys, as YAML and JSON give them, put where they act.

use std::time::Duration;

use perdure_engine::{Nanos, limits::RetryDefaults};
use perdure_frontend::{CallbackAddress, CallbackAddresses};
use perdure_matching::QueueKind;
use serde::Deserialize;
use serde_json::Value;

use super::{AllLimits, keys::Field};

/// Where callbacks may call, in Temporal's spelling.
#[derive(Deserialize)]
struct Address {
    #[serde(alias = "Pattern")]
    pattern: String,
    #[serde(default, alias = "AllowInsecure")]
    allow_insecure: bool,
}

impl Field {
    /// Sets the value, for all task queues where they can differ. The error says what the value must be.
    pub(super) fn set(&self, limits: &mut AllLimits, value: &Value) -> Result<(), String> {
        match self {
            Self::Int64(field) => *field(limits) = number(value)?,
            Self::Int32(field) => *field(limits) = fitting(value)?,
            Self::Count(field) => *field(limits) = fitting(value)?,
            Self::Rate(field) => *field(limits) = fitting(value)?,
            Self::Float(field) => *field(limits) = float(value)?,
            Self::Switch(field) => *field(limits) = value.as_bool().ok_or("true or false is needed")?,
            Self::Time(field) => *field(limits) = nanos(value)?,
            Self::Span(field) => *field(limits) = span(value)?,
            Self::Addresses(field) => *field(limits) = addresses(value)?,
            Self::QueueSpan(field) => field(limits).all = span(value)?,
            Self::QueueRate(field) => field(limits).all = Some(float(value)?),
            Self::Retry(field) => *field(limits) = retry_defaults(value)?,
            Self::Headers(field) => *field(limits) = headers(value)?,
        }
        Ok(())
    }

    /// Sets the value for one task queue, unless it has one. Keys of other scopes have none.
    pub(super) fn set_for_queue(&self, limits: &mut AllLimits, queue: &str, kind: Option<QueueKind>, value: &Value) {
        match self {
            Self::QueueSpan(field) => {
                if let Ok(value) = span(value) {
                    field(limits).put(queue, kind, value);
                }
            }
            Self::QueueRate(field) => {
                if let Ok(value) = float(value) {
                    field(limits).put(queue, kind, Some(value));
                }
            }
            _ => {}
        }
    }

    /// The value as people write it.
    pub(super) fn show(&self, limits: &mut AllLimits) -> String {
        match self {
            Self::Int64(field) => field(limits).to_string(),
            Self::Int32(field) => field(limits).to_string(),
            Self::Count(field) => field(limits).to_string(),
            Self::Rate(field) => field(limits).to_string(),
            Self::Float(field) => field(limits).to_string(),
            Self::Switch(field) => field(limits).to_string(),
            Self::Time(field) => show_nanos(*field(limits)),
            Self::Span(field) => show(*field(limits)),
            Self::Addresses(_) => "[]".to_owned(),
            Self::QueueSpan(field) => show(field(limits).all),
            Self::QueueRate(field) => field(limits).all.map_or("none".to_owned(), |rate| rate.to_string()),
            Self::Retry(field) => show_retry(field(limits)),
            Self::Headers(field) => field(limits).join(" "),
        }
    }
}

fn show_nanos(time: Nanos) -> String {
    show(Duration::from_nanos(time.try_into().unwrap_or_default()))
}

/// Initial and longest wait, factor, attempts.
fn show_retry(defaults: &RetryDefaults) -> String {
    let RetryDefaults { initial_interval, backoff_coefficient, maximum_interval_coefficient, maximum_attempts } =
        defaults;
    let initial = show_nanos(*initial_interval);
    let attempts = if *maximum_attempts == 0 { "any number of".to_owned() } else { maximum_attempts.to_string() };
    format!("{initial} x {backoff_coefficient}, at most x {maximum_interval_coefficient}, {attempts} attempts")
}

fn show(span: Duration) -> String {
    let (seconds, millis) = (span.as_secs(), span.subsec_millis());
    match (seconds, millis) {
        (seconds, millis) if millis > 0 => format!("{}ms", seconds * 1_000 + u64::from(millis)),
        (seconds, _) if seconds > 0 && seconds.is_multiple_of(3_600) => format!("{}h", seconds / 3_600),
        (seconds, _) if seconds > 0 && seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        (seconds, _) => format!("{seconds}s"),
    }
}

fn number(value: &Value) -> Result<i64, String> {
    value
        .as_i64()
        .filter(|number| *number >= 0)
        .ok_or_else(|| "a whole number that is not negative is needed".to_owned())
}

fn fitting<T: TryFrom<i64>>(value: &Value) -> Result<T, String> {
    T::try_from(number(value)?).map_err(|_| "the number is too large".to_owned())
}

fn float(value: &Value) -> Result<f64, String> {
    let number = value.as_f64().filter(|number| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "a number that is not negative is needed".to_owned())
}

/// A text with units, as `1h30m`; numbers without a unit are seconds.
fn span(value: &Value) -> Result<Duration, String> {
    let needed = || "a time is needed, as 90s, 1h30m, or a number of seconds".to_owned();
    let seconds = match value {
        Value::String(text) => match text.parse::<jiff::SignedDuration>() {
            Ok(span) => return Duration::try_from(span).map_err(|_| needed()),
            Err(_) => text.parse().map_err(|_| needed())?,
        },
        _ => value.as_f64().ok_or_else(needed)?,
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| needed())
}

fn nanos(value: &Value) -> Result<Nanos, String> {
    Nanos::try_from(span(value)?.as_nanos()).map_err(|_| "the time is too long".to_owned())
}

/// A retry policy's defaults in Temporal's spelling; what is not there stays as it is by default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRetry {
    #[serde(default, rename = "InitialIntervalInSeconds")]
    initial_interval: Option<Value>,
    #[serde(default, rename = "MaximumIntervalCoefficient")]
    maximum_interval_coefficient: Option<f64>,
    #[serde(default, rename = "BackoffCoefficient")]
    backoff_coefficient: Option<f64>,
    #[serde(default, rename = "MaximumAttempts")]
    maximum_attempts: Option<i32>,
}

fn retry_defaults(value: &Value) -> Result<RetryDefaults, String> {
    let needed = || {
        "a map is needed, as {InitialIntervalInSeconds: 1, MaximumIntervalCoefficient: 100, BackoffCoefficient: 2, \
         MaximumAttempts: 0}, with an interval above 0, coefficients from 1 on and no negative number of attempts"
            .to_owned()
    };
    let written: WrittenRetry = serde_json::from_value(value.clone()).map_err(|_| needed())?;
    let defaults = RetryDefaults::default();
    let read = RetryDefaults {
        initial_interval: written.initial_interval.as_ref().map_or(Ok(defaults.initial_interval), nanos)?,
        maximum_interval_coefficient: written
            .maximum_interval_coefficient
            .unwrap_or(defaults.maximum_interval_coefficient),
        backoff_coefficient: written.backoff_coefficient.unwrap_or(defaults.backoff_coefficient),
        maximum_attempts: written.maximum_attempts.unwrap_or(defaults.maximum_attempts),
    };
    let coefficients = [read.maximum_interval_coefficient, read.backoff_coefficient];
    let fits = read.initial_interval > 0
        && coefficients.into_iter().all(|coefficient| coefficient.is_finite() && coefficient >= 1.0)
        && read.maximum_attempts >= 0;
    if fits { Ok(read) } else { Err(needed()) }
}

fn headers(value: &Value) -> Result<Vec<String>, String> {
    let names: Vec<String> = serde_json::from_value(value.clone())
        .map_err(|_| "a list of names is needed, as [request-timeout, x-internal]".to_owned())?;
    Ok(names.into_iter().map(|name| name.to_lowercase()).collect())
}

fn addresses(value: &Value) -> Result<CallbackAddresses, String> {
    let addresses: Vec<Address> = serde_json::from_value(value.clone())
        .map_err(|_| "a list is needed, as [{Pattern: \"*.example.org\", AllowInsecure: false}]".to_owned())?;
    let allowed =
        |address: Address| CallbackAddress { pattern: address.pattern, allow_insecure: address.allow_insecure };
    Ok(addresses.into_iter().map(allowed).collect())
}
