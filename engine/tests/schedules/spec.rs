//! Times of specifications. The independent calculation walks through time second by second and asks another time library
//! what the clocks show.

use chrono::{DateTime, Datelike, Timelike, Utc};
use chrono_tz::Tz;
use perdure_engine::schedule::Spec;
use perdure_proto::api::schedule::{CalendarSpec, IntervalSpec, Range, ScheduleSpec, StructuredCalendarSpec};
use proptest::prelude::*;

const SECOND: i64 = 1_000_000_000;

fn at(time: &str) -> i64 {
    time.parse::<DateTime<Utc>>().unwrap().timestamp()
}

fn show(second: i64) -> String {
    DateTime::from_timestamp(second, 0).unwrap().format("%FT%TZ").to_string()
}

fn seconds(n: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds: n, nanos: 0 })
}

fn cron(text: &str) -> ScheduleSpec {
    ScheduleSpec { cron_string: vec![text.into()], ..Default::default() }
}

/// All nominal times in (from, to]. A search that gives up has passed more excluded times than a range of a few hours has.
fn times(spec: &ScheduleSpec, from: i64, to: i64) -> Vec<i64> {
    let spec = Spec::new(spec).unwrap();
    let mut found = Vec::new();
    let mut after = from * SECOND;
    while let Some(due) = spec.next("", after).unwrap_or_default().filter(|due| due.nominal <= to * SECOND) {
        found.push(due.nominal / SECOND);
        after = due.nominal;
    }
    found
}

fn has(ranges: &[Range], value: u32) -> bool {
    let value = i32::try_from(value).unwrap();
    ranges.iter().any(|range| {
        let (end, step) = (range.end.max(range.start), range.step.max(1));
        (range.start..=end).contains(&value) && (value - range.start) % step == 0
    })
}

fn clock_matches(calendar: &StructuredCalendarSpec, zone: Tz, second: i64) -> bool {
    let clock = DateTime::from_timestamp(second, 0).unwrap().with_timezone(&zone);
    (calendar.year.is_empty() || has(&calendar.year, clock.year().try_into().unwrap()))
        && has(&calendar.month, clock.month())
        && has(&calendar.day_of_month, clock.day())
        && has(&calendar.day_of_week, clock.weekday().num_days_from_sunday())
        && has(&calendar.hour, clock.hour())
        && has(&calendar.minute, clock.minute())
        && has(&calendar.second, clock.second())
}

fn walked(spec: &ScheduleSpec, zone: Tz, from: i64, to: i64) -> Vec<i64> {
    let matches = |second: i64| {
        let by_interval = spec.interval.iter().any(|interval| {
            let phase = interval.phase.as_ref().map_or(0, |phase| phase.seconds);
            (second - phase).rem_euclid(interval.interval.as_ref().unwrap().seconds) == 0
        });
        let any = |calendars: &[StructuredCalendarSpec]| {
            calendars.iter().any(|calendar| clock_matches(calendar, zone, second))
        };
        (by_interval || any(&spec.structured_calendar)) && !any(&spec.exclude_structured_calendar)
    };
    (from + 1..=to).filter(|second| matches(*second)).collect()
}

/// Zones with a change of their clocks, and a time shortly before it.
const CHANGES: [(&str, &str); 14] = [
    ("America/New_York", "2024-03-10T04:00:00Z"),
    ("America/New_York", "2024-11-03T03:00:00Z"),
    ("Europe/Berlin", "2024-03-30T22:00:00Z"),
    ("Europe/Berlin", "2024-10-26T22:00:00Z"),
    // Half an hour.
    ("Australia/Lord_Howe", "2024-04-06T12:00:00Z"),
    ("Australia/Lord_Howe", "2024-10-05T12:00:00Z"),
    // At midnight: a day begins at one o'clock.
    ("America/Santiago", "2024-09-08T02:00:00Z"),
    ("Asia/Beirut", "2024-03-30T20:00:00Z"),
    ("Africa/Cairo", "2024-10-31T19:00:00Z"),
    ("America/St_Johns", "2024-11-03T02:00:00Z"),
    // Around Ramadan.
    ("Africa/Casablanca", "2024-03-10T00:00:00Z"),
    ("Asia/Kathmandu", "2024-01-01T00:00:00Z"),
    // A day that was left out.
    ("Pacific/Apia", "2011-12-30T08:00:00Z"),
    ("UTC", "2024-02-28T22:00:00Z"),
];

fn ranges(low: i32, high: i32) -> impl Strategy<Value = Vec<Range>> {
    let range = (low..=high, 0..=high - low, 0..4).prop_map(move |(start, length, step)| Range {
        start,
        end: (start + length).min(high),
        step,
    });
    let all = vec![Range { start: low, end: high, step: 0 }];
    prop_oneof![Just(all), prop::collection::vec(range, 1..3)]
}

prop_compose! {
    fn calendars()(
        second in prop_oneof![Just(vec![Range::default()]), ranges(0, 59)],
        minute in ranges(0, 59),
        hour in ranges(0, 23),
        day_of_month in ranges(1, 31),
        month in ranges(1, 12),
        day_of_week in ranges(0, 6),
    ) -> StructuredCalendarSpec {
        StructuredCalendarSpec { second, minute, hour, day_of_month, month, day_of_week, ..Default::default() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn times_are_those_of_the_clocks(
        calendar in calendars(),
        excluded in prop::option::of(calendars()),
        interval in prop::option::of((1_i64..20_000, 0_i64..20_000)),
        (zone, start) in prop::sample::select(&CHANGES[..]),
        shift in 0_i64..7200,
    ) {
        let spec = ScheduleSpec {
            structured_calendar: vec![calendar],
            exclude_structured_calendar: excluded.into_iter().collect(),
            interval: interval
                .map(|(every, phase)| IntervalSpec { interval: seconds(every), phase: seconds(phase % every) })
                .into_iter()
                .collect(),
            timezone_name: zone.into(),
            ..Default::default()
        };
        let from = at(start) + shift;
        let to = from + 8 * 3600;
        prop_assert_eq!(times(&spec, from, to), walked(&spec, zone.parse().unwrap(), from, to));
    }
}

#[test]
fn examples() {
    let cases = [
        // Left out by the clocks, and twice on the clocks.
        (
            "TZ=America/New_York 30 2 * * *",
            "2024-03-09T12:00:00Z",
            vec!["2024-03-11T06:30:00Z", "2024-03-12T06:30:00Z"],
        ),
        (
            "TZ=America/New_York 30 1 * * *",
            "2024-11-03T00:00:00Z",
            vec!["2024-11-03T05:30:00Z", "2024-11-03T06:30:00Z"],
        ),
        // A leap day, years away.
        ("0 12 29 2 *", "2097-01-01T00:00:00Z", vec![]),
        ("0 12 29 2 *", "2093-01-01T00:00:00Z", vec!["2096-02-29T12:00:00Z"]),
        // Both day fields must match.
        ("0 0 13 * FRI", "2024-01-01T00:00:00Z", vec!["2024-09-13T00:00:00Z", "2024-12-13T00:00:00Z"]),
        ("@every 14h/3h", "1970-01-01T00:00:00Z", vec!["1970-01-01T03:00:00Z", "1970-01-01T17:00:00Z"]),
        ("@every 1d", "2024-01-01T05:00:00Z", vec!["2024-01-02T00:00:00Z"]),
        ("15 30 8 1 1 * 2030 # once", "2024-01-01T00:00:00Z", vec!["2030-01-01T08:30:15Z"]),
        ("@yearly", "2024-01-01T00:00:00Z", vec!["2025-01-01T00:00:00Z"]),
    ];
    for (text, after, expected) in cases {
        let spec = Spec::new(&cron(text)).unwrap();
        let mut after = at(after) * SECOND;
        for expected in expected {
            let due = spec.next("", after).unwrap().unwrap();
            assert_eq!(show(due.nominal / SECOND), expected, "{text}");
            after = due.nominal;
        }
    }
    assert_eq!(Spec::new(&cron("0 12 29 2 *")).unwrap().next("", at("2097-01-01T00:00:00Z") * SECOND), Ok(None));
}

#[test]
fn start_and_end_are_times_of_the_schedule() {
    let time = |text: &str| Some(prost_types::Timestamp { seconds: at(text), nanos: 0 });
    let spec = ScheduleSpec {
        start_time: time("2024-01-01T02:00:00Z"),
        end_time: time("2024-01-01T04:00:00Z"),
        ..cron("0 * * * *")
    };
    let found: Vec<_> = times(&spec, 0, at("2025-01-01T00:00:00Z")).into_iter().map(show).collect();
    assert_eq!(found, ["2024-01-01T02:00:00Z", "2024-01-01T03:00:00Z", "2024-01-01T04:00:00Z"]);
}

#[test]
fn jitter_is_steady_and_never_reaches_the_next_time() {
    let spec = Spec::new(&ScheduleSpec { jitter: seconds(3600), ..cron("* * * * *") }).unwrap();
    let mut after = 0;
    let mut moved = 0;
    for _ in 0..200 {
        let due = spec.next("seed", after).unwrap().unwrap();
        assert_eq!(spec.next("seed", after).unwrap().unwrap(), due);
        assert!((0..60 * SECOND).contains(&(due.actual - due.nominal)), "{due:?}");
        moved += i32::from(spec.next("other seed", after).unwrap().unwrap().actual != due.actual);
        after = due.nominal;
    }
    assert!(moved > 190, "another seed gives other times: {moved}");
}

#[test]
fn a_specification_that_excludes_everything() {
    let everything = CalendarSpec { second: "*".into(), minute: "*".into(), hour: "*".into(), ..Default::default() };
    let spec = ScheduleSpec { exclude_calendar: vec![everything], ..cron("@every 1s") };
    assert_eq!(Spec::new(&spec).unwrap().next("", 0), Ok(None));
    // Every second one for a hundred years.
    let even = CalendarSpec { second: "*/2".into(), minute: "*".into(), hour: "*".into(), ..Default::default() };
    let spec = ScheduleSpec { exclude_calendar: vec![even], ..cron("@every 2s") };
    let error = Spec::new(&spec).unwrap().next("", 0).unwrap_err();
    assert!(error.to_string().contains("too many exclusions"));
}

#[test]
fn zone_data_of_the_client() {
    let data = jiff_tzif("Asia/Kathmandu");
    let own = ScheduleSpec { timezone_name: "Own/Zone".into(), timezone_data: data.into(), ..cron("0 6 * * *") };
    let found: Vec<_> =
        times(&own, at("2024-01-01T00:00:00Z"), at("2024-01-02T00:00:00Z")).into_iter().map(show).collect();
    assert_eq!(found, ["2024-01-01T00:15:00Z"]);
}

/// A zone's file as it lies in a zone database: version 1, one offset of 5:45.
fn jiff_tzif(name: &str) -> Vec<u8> {
    assert_eq!(name, "Asia/Kathmandu");
    let mut data = b"TZif".to_vec();
    data.extend([0; 16]);
    // isutcnt, isstdcnt, leapcnt, timecnt, typecnt, charcnt.
    for count in [0_u32, 0, 0, 0, 1, 6] {
        data.extend(count.to_be_bytes());
    }
    data.extend(20_700_i32.to_be_bytes());
    data.extend([0, 0]);
    data.extend(b"+0545\0");
    data
}

#[test]
fn canonical_form() {
    let range = |start, end, step| Range { start, end, step };
    let days = |text: &str| {
        let spec = Spec::new(&cron(&format!("0 0 * * {text}"))).unwrap();
        spec.canonical().structured_calendar[0].day_of_week.clone()
    };
    let cases = [
        ("0-7", vec![range(0, 6, 0)]),
        ("1-7", vec![range(1, 6, 0)]),
        ("3-7", vec![range(0, 0, 0), range(3, 6, 0)]),
        ("3-7/3", vec![range(3, 6, 3)]),
        ("1-7/2", vec![range(0, 0, 0), range(1, 6, 2)]),
        ("7", vec![range(0, 0, 0)]),
        ("mon-FRI", vec![range(1, 5, 0)]),
        ("Wed,sa", vec![range(3, 0, 0), range(6, 0, 0)]),
        ("*", vec![range(0, 6, 0)]),
    ];
    for (text, expected) in cases {
        assert_eq!(days(text), expected, "{text}");
    }
    let spec = Spec::new(&cron("CRON_TZ=Europe/Berlin 5/10 1-4 * Jan * # why")).unwrap();
    let canonical = spec.canonical();
    assert_eq!(canonical.timezone_name, "Europe/Berlin");
    assert!(canonical.cron_string.is_empty());
    let calendar = &canonical.structured_calendar[0];
    assert_eq!(calendar.comment, "why");
    assert_eq!(calendar.minute, [range(5, 59, 10)]);
    assert_eq!(calendar.month, [range(1, 0, 0)]);
    assert!(calendar.year.is_empty());
}

#[test]
fn refusals() {
    let calendar = |change: fn(&mut CalendarSpec)| {
        let mut calendar = CalendarSpec::default();
        change(&mut calendar);
        ScheduleSpec { calendar: vec![calendar], ..Default::default() }
    };
    let structured = |calendar| ScheduleSpec { structured_calendar: vec![calendar], ..Default::default() };
    let interval = |every, phase| ScheduleSpec {
        interval: vec![IntervalSpec { interval: seconds(every), phase: seconds(phase) }],
        ..Default::default()
    };
    let zones = |name: &str, data: &'static [u8]| ScheduleSpec {
        timezone_name: name.into(),
        timezone_data: data.into(),
        ..cron("TZ=UTC * * * * *")
    };
    let cases = [
        (cron("1 2 3"), "CronString does not have 5-7 fields"),
        (cron("1 2 3 4 5 6 7 8"), "CronString does not have 5-7 fields"),
        (cron("@nonsense"), "CronString does not have 5-7 fields"),
        (cron("@every"), "CronString does not have interval after @every"),
        (cron("@every abc"), "time: invalid duration \"abc\""),
        (cron("TZ=UTC"), "CronString has time zone but missing fields"),
        (cron("99 * * * *"), "Minute is not in range [0-59]"),
        (cron("1/2/3 * * * *"), "Minute has too many slashes"),
        (cron("1/ * * * *"), "Minute missing step value"),
        (cron("1/0 * * * *"), "Minute has invalid Step"),
        (cron("1-2-3 * * * *"), "Minute has too many dashes"),
        (cron("77-78 * * * *"), "Minute Start is not in range [0-59]"),
        (cron("9-3 * * * *"), "Minute End is before Start or not in range [0-59]"),
        (cron("* * * * * 1999"), "Year is not in range [2000-2100]"),
        (calendar(|calendar| calendar.month = "ja".into()), "Month is not in range [1-12]"),
        (calendar(|calendar| calendar.comment = "c".repeat(201)), "invalid calendar spec: comment is too long"),
        (
            structured(StructuredCalendarSpec {
                hour: vec![Range { start: 24, ..Default::default() }],
                second: vec![Range { start: 5, end: 4, step: -1 }],
                ..Default::default()
            }),
            "invalid calendar spec: Second End is before Start or not in range [0-59], Second has invalid Step, \
             Hour Start is not in range [0-23]",
        ),
        (interval(0, 0), "interval is too small"),
        (interval(60, -1), "phase is negative"),
        (interval(60, 61), "phase cannot be greater than Interval"),
        (zones("No/Such", &[]), "conflicting timezone names"),
        (ScheduleSpec { timezone_name: "No/Such".into(), ..cron("* * * * *") }, "unknown time zone No/Such"),
        (ScheduleSpec { timezone_data: "x".into(), ..cron("* * * * *") }, "malformed time zone information"),
        (
            ScheduleSpec { cron_string: vec!["TZ=UTC * * * * *".into(), "* * * * *".into()], ..Default::default() },
            "conflicting timezone names",
        ),
    ];
    for (spec, expected) in cases {
        assert_eq!(Spec::new(&spec).unwrap_err(), expected, "{spec:?}");
    }
}
