//! Durations and times as people write them.

use std::time::Duration;

use chrono::DateTime;

/// `90s`, `15m`, `72h`, `3d`, `1.5s`, `200ms`, or several of them one behind the other. A bare number counts days, as in
/// `tctl`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let invalid = || format!("{text:?} is not a duration: write it like 90s, 15m, 72h or 3d");
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let nanos = unit_nanos(unit).ok_or_else(invalid)?;
        total = part(number, nanos).and_then(|part| total.checked_add(part)).ok_or_else(invalid)?;
        rest = after;
        if rest.is_empty() {
            return Ok(total);
        }
    }
}

fn unit_nanos(unit: &str) -> Option<u128> {
    const SECOND: u128 = 1_000_000_000;
    Some(match unit {
        "" | "d" => 24 * 60 * 60 * SECOND,
        "h" => 60 * 60 * SECOND,
        "m" => 60 * SECOND,
        "s" => SECOND,
        "ms" => 1_000_000,
        "us" => 1_000,
        "ns" => 1,
        _ => return None,
    })
}

/// `number` units of `nanos`, without floating point: a decimal fraction is cut off behind its ninth digit.
fn part(number: &str, nanos: u128) -> Option<Duration> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u128 = whole.parse().ok()?;
    let mut sum = whole.checked_mul(nanos)?;
    let mut scale = nanos;
    for digit in fraction.chars().take(9) {
        scale /= 10;
        sum = sum.checked_add(u128::from(digit.to_digit(10)?) * scale)?;
    }
    let seconds = u64::try_from(sum / 1_000_000_000).ok()?;
    // The remainder is below 10^9.
    Some(Duration::new(seconds, (sum % 1_000_000_000) as u32))
}

/// The same for a flag that goes into a request.
pub(crate) fn proto_duration(text: &str) -> Result<prost_types::Duration, String> {
    prost_types::Duration::try_from(parse_duration(text)?)
        .map_err(|_| format!("{text:?} is longer than the API can say"))
}

/// `2026-03-01T12:00:00Z`, with any offset.
pub(crate) fn proto_timestamp(text: &str) -> Result<prost_types::Timestamp, String> {
    let time = DateTime::parse_from_rfc3339(text)
        .map_err(|_| format!("{text:?} is not a time: write it like 2026-03-01T12:00:00Z"))?;
    Ok(prost_types::Timestamp { seconds: time.timestamp(), nanos: time.timestamp_subsec_nanos() as i32 })
}

/// `1d 2h 3m 4.5s`, to the millisecond, without the parts that are nought.
pub(crate) fn spell(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "m")];
    let mut words: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    let (rest, millis) = (seconds % 60, duration.subsec_millis());
    if millis > 0 {
        let fraction = format!("{millis:03}");
        words.push(format!("{rest}.{}s", fraction.trim_end_matches('0')));
    } else if rest > 0 || words.is_empty() {
        words.push(format!("{rest}s"));
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let cases = [
            ("90s", Some(90_000)),
            ("15m", Some(900_000)),
            ("72h", Some(259_200_000)),
            ("72h0m0s", Some(259_200_000)),
            ("3d", Some(259_200_000)),
            ("3", Some(259_200_000)),
            ("1d12h", Some(129_600_000)),
            ("1h30m", Some(5_400_000)),
            ("1.5s", Some(1_500)),
            ("0.25h", Some(900_000)),
            ("200ms", Some(200)),
            ("1m200ms", Some(60_200)),
            ("0s", Some(0)),
            ("", None),
            ("h", None),
            ("1w", None),
            ("-1h", None),
            ("1..5s", None),
            (".5s", None),
            ("99999999999999999999h", None),
            ("9999999999999999d", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_duration(text).ok(), expected.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn times() {
        let cases = [
            ("1970-01-01T00:00:01Z", Some((1, 0))),
            ("1970-01-01T01:00:01+01:00", Some((1, 0))),
            ("1970-01-01T00:00:00.5Z", Some((0, 500_000_000))),
            ("1969-12-31T23:59:59Z", Some((-1, 0))),
            ("1970-01-01", None),
            ("soon", None),
        ];
        for (text, expected) in cases {
            assert_eq!(proto_timestamp(text).ok().map(|time| (time.seconds, time.nanos)), expected, "{text}");
        }
    }

    #[test]
    fn spelled() {
        let cases = [
            (0, "0s"),
            (1_500, "1.5s"),
            (60_000, "1m"),
            (3_661_000, "1h 1m 1s"),
            (90_061_000, "1d 1h 1m 1s"),
            (60_020, "1m 0.02s"),
        ];
        for (millis, expected) in cases {
            assert_eq!(spell(Duration::from_millis(millis)), expected);
        }
    }
}
