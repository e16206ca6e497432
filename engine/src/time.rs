//! Between the wire's times and ours.

use prost_types::{Duration, Timestamp};

use crate::state::Nanos;

pub const SECOND: Nanos = 1_000_000_000;
pub const MILLISECOND: Nanos = 1_000_000;

pub fn timestamp(nanos: Nanos) -> Timestamp {
    Timestamp { seconds: nanos.div_euclid(SECOND), nanos: nanos.rem_euclid(SECOND) as i32 }
}

/// None for "not set" (zero).
pub fn optional_timestamp(nanos: Nanos) -> Option<Timestamp> {
    (nanos != 0).then(|| timestamp(nanos))
}

pub fn from_timestamp(timestamp: &Timestamp) -> Nanos {
    timestamp.seconds.saturating_mul(SECOND).saturating_add(i64::from(timestamp.nanos))
}

/// None where it is not set.
pub fn from_optional_timestamp(timestamp: Option<&Timestamp>) -> Option<Nanos> {
    timestamp.map(from_timestamp)
}

pub fn duration(nanos: Nanos) -> Duration {
    Duration { seconds: nanos / SECOND, nanos: (nanos % SECOND) as i32 }
}

/// None for "not set" (zero): SDKs show a time-out that is set to nothing as one of no length.
pub fn optional_duration(nanos: Nanos) -> Option<Duration> {
    (nanos != 0).then(|| duration(nanos))
}

/// Clients' durations are validated and capped before; saturation only guards the arithmetic.
pub fn from_duration(duration: &Duration) -> Nanos {
    duration.seconds.saturating_mul(SECOND).saturating_add(i64::from(duration.nanos))
}

pub fn from_optional_duration(duration: Option<&Duration>) -> Nanos {
    duration.map_or(0, from_duration)
}
