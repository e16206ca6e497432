//! Cron schedules of workflows: five fields, `@hourly` and its like, `@every 90s`, with an optional `CRON_TZ=Zone `.
//!
//! Fields and names as in Vixie cron; where both day fields are restricted, either may match.

use chrono::{DateTime, TimeZone, Utc};
use chrono_tz::Tz;
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};

use crate::{state::Nanos, time::SECOND};

/// A schedule that was understood.
#[derive(Clone, Debug)]
enum Schedule {
    /// Fires this long after its last time.
    Every(Nanos),
    Fields {
        cron: Box<Cron>,
        zone: Tz,
    },
}

/// Whether the schedule can be understood and has a next time after `now`.
pub fn is_valid(schedule: &str, now: Nanos) -> bool {
    validate(schedule, now).is_ok()
}

/// The same; the error is the reason in Temporal's words.
pub fn validate(schedule: &str, now: Nanos) -> Result<(), &'static str> {
    let parsed = parse(schedule).ok_or("invalid CronSchedule.")?;
    match parsed.next(now, now) {
        Some(_) => Ok(()),
        None => Err("invalid CronSchedule, no time can be found to satisfy the schedule"),
    }
}

/// Wait from `now` until the next time of the schedule, in whole seconds (rounded up). `last`: when the run that ends now
/// was due; times that were missed since then are skipped. None: there is no next time.
pub(crate) fn next_wait(schedule: &str, last: Nanos, now: Nanos) -> Option<Nanos> {
    let next = if now < last { last } else { parse(schedule)?.next(last, now)? };
    let wait = next - now;
    Some((wait + SECOND - 1) / SECOND * SECOND)
}

impl Schedule {
    /// First time after `last` that is not before `now`.
    fn next(&self, last: Nanos, now: Nanos) -> Option<Nanos> {
        match self {
            Self::Every(interval) => {
                let steps = ((now - last + interval - 1) / interval).max(1);
                // Times lie on whole seconds.
                Some((last + steps * interval) / SECOND * SECOND)
                    .map(|time| if time < now { time + interval } else { time })
            }
            Self::Fields { cron, zone } => {
                // The first time at or after `now`, unless that is the last one itself.
                let from = DateTime::<Utc>::from_timestamp_nanos(last.max(now - 1));
                let next = cron.find_next_occurrence(&zone.from_utc_datetime(&from.naive_utc()), false).ok()?;
                next.timestamp_nanos_opt()
            }
        }
    }
}

fn parse(schedule: &str) -> Option<Schedule> {
    let (zone, schedule) = match schedule.strip_prefix("CRON_TZ=").or_else(|| schedule.strip_prefix("TZ=")) {
        Some(rest) => {
            let (name, schedule) = rest.split_once(' ')?;
            (name.parse().ok()?, schedule.trim_start())
        }
        None => (Tz::UTC, schedule),
    };
    if let Some(interval) = schedule.strip_prefix("@every ") {
        // Fractions of a second are cut off, and nothing fires more often than once a second.
        let interval = go_duration(interval)? / SECOND * SECOND;
        return Some(Schedule::Every(interval.max(SECOND)));
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let cron = parser.parse(descriptor(schedule).unwrap_or(schedule)).ok()?;
    Some(Schedule::Fields { cron: Box::new(cron), zone })
}

pub(crate) fn descriptor(schedule: &str) -> Option<&'static str> {
    Some(match schedule {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => return None,
    })
}

/// A duration as Go writes them: `1h30m`, `1.5h`, `90s`. None if it is none, or not above zero.
fn go_duration(text: &str) -> Option<Nanos> {
    parse_duration(text, None)
}

/// The same, with `d` for days as well.
pub(crate) fn duration_with_days(text: &str) -> Option<Nanos> {
    parse_duration(text, Some(86_400e9))
}

fn parse_duration(text: &str, day: Option<f64>) -> Option<Nanos> {
    let mut rest = text.trim();
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit_len = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        let nanos = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            "d" => day?,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * nanos;
        rest = tail;
    }
    // A hundred years is the longest duration that the API takes anywhere.
    (1.0..=3.2e18).contains(&total).then_some(total as Nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Nanos {
        time.parse::<DateTime<Utc>>().unwrap().timestamp_nanos_opt().unwrap()
    }

    #[test]
    fn waits() {
        let cases = [
            ("* * * * *", "2024-01-01T00:00:00Z", "2024-01-01T00:00:30.5Z", Some(30)),
            ("0 * * * *", "2024-01-01T00:00:00Z", "2024-01-01T02:30:00Z", Some(30 * 60)),
            ("@hourly", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z", Some(3600)),
            // Exactly due, and not yet used.
            ("@hourly", "2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z", Some(0)),
            ("@every 90s", "2024-01-01T00:00:00Z", "2024-01-01T00:01:40Z", Some(80)),
            ("@every 1h30m", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z", Some(5400)),
            ("CRON_TZ=Europe/Berlin 0 9 * * *", "2024-01-01T00:00:00Z", "2024-01-01T07:59:59Z", Some(1)),
            // The first of the month, or a Monday: 2024-01-08 is the next Monday.
            ("0 0 1 * 1", "2024-01-02T00:00:00Z", "2024-01-02T00:00:00Z", Some(6 * 86_400)),
            // The run began late: its due time lies ahead.
            ("* * * * *", "2024-01-01T00:00:10Z", "2024-01-01T00:00:00Z", Some(10)),
            ("0 0 31 2 *", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z", None),
        ];
        for (schedule, last, now, seconds) in cases {
            let wait = next_wait(schedule, at(last), at(now));
            assert_eq!(wait, seconds.map(|seconds: i64| seconds * SECOND), "{schedule} {last} {now}");
        }
    }

    #[test]
    fn refuses() {
        let now = at("2024-01-01T00:00:00Z");
        for schedule in
            ["* * * *", "* * * * * *", "61 * * * *", "@never", "@every", "@every 1x", "TZ=Nowhere 0 * * * *", "x"]
        {
            assert!(!is_valid(schedule, now), "{schedule}");
        }
    }
}
