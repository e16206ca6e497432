//! Durations that clients send.

use perdure_engine::Nanos;
use prost_types::Duration;

/// Longer ones are cut: 100 years.
const MAX_SECONDS: i64 = 100 * 365 * 24 * 3_600;
const SECOND: Nanos = 1_000_000_000;

/// Nanoseconds, at most 100 years; zero for none. The error is the reason as the real server words it.
pub(crate) fn nanos(duration: Option<&Duration>) -> Result<Nanos, &'static str> {
    let Some(duration) = duration else {
        return Ok(0);
    };
    let (seconds, nanos) = (duration.seconds, i64::from(duration.nanos));
    if (seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0) {
        return Err("duration has seconds and nanos with different signs");
    }
    if seconds < 0 || nanos < 0 {
        return Err("negative duration");
    }
    if seconds >= MAX_SECONDS {
        return Ok(MAX_SECONDS * SECOND);
    }
    Ok(seconds * SECOND + nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        let cases = [
            ((0, 0), Ok(0)),
            ((1, 5), Ok(1_000_000_005)),
            ((MAX_SECONDS, 1), Ok(3_153_600_000_000_000_000)),
            ((9_467_280_000, 0), Ok(3_153_600_000_000_000_000)),
            ((i64::MAX, i32::MAX), Ok(3_153_600_000_000_000_000)),
            ((-1, 0), Err("negative duration")),
            ((0, -1), Err("negative duration")),
            ((1, -1), Err("duration has seconds and nanos with different signs")),
            ((-1, 1), Err("duration has seconds and nanos with different signs")),
        ];
        for ((seconds, nano), expected) in cases {
            assert_eq!(nanos(Some(&Duration { seconds, nanos: nano })), expected, "{seconds} {nano}");
        }
        assert_eq!(nanos(None), Ok(0));
    }
}
