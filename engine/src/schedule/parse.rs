//! Calendars and cron strings as people write them, turned into `StructuredCalendarSpec` and `IntervalSpec`.
//!
//! A field is a list of `*`, `x`, `x-y`, each with an optional `/step`; `x/step` goes on to the field's end. Months and days
//! of the week also have names, shortened as one likes down to three and two letters.

use perdure_proto::api::schedule::{CalendarSpec, IntervalSpec, Range, StructuredCalendarSpec};

use super::calendar::{FIRST_YEAR, LAST_YEAR};
use crate::{cron, time};

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// A field of a calendar and what may stand in it.
struct FieldKind {
    name: &'static str,
    low: i32,
    high: i32,
    /// Names of values, the first value that has one, and how short they may be.
    names: Option<(&'static [&'static str], i32, usize)>,
}

const fn plain(name: &'static str, low: i32, high: i32) -> FieldKind {
    FieldKind { name, low, high, names: None }
}

const SECOND: FieldKind = plain("Second", 0, 59);
const MINUTE: FieldKind = plain("Minute", 0, 59);
const HOUR: FieldKind = plain("Hour", 0, 23);
const DAY_OF_MONTH: FieldKind = plain("DayOfMonth", 1, 31);
const YEAR: FieldKind = plain("Year", FIRST_YEAR, LAST_YEAR);
const MONTH: FieldKind = FieldKind { names: Some((&MONTHS, 1, 3)), ..plain("Month", 1, 12) };
/// 7 is Sunday as well.
const DAY_OF_WEEK: FieldKind = FieldKind { names: Some((&DAYS, 0, 2)), ..plain("DayOfWeek", 0, 7) };

/// What a cron string stands for.
pub(super) enum Cron {
    Calendar { calendar: StructuredCalendarSpec, zone: String },
    Interval(IntervalSpec),
}

pub(super) fn calendar(spec: &CalendarSpec) -> Result<StructuredCalendarSpec, String> {
    let mut wrong = Vec::new();
    let mut field = |text: &str, default: &str, kind: &FieldKind| {
        let text = if text.trim().is_empty() { default } else { text.trim() };
        ranges(text, kind).unwrap_or_else(|error| {
            wrong.push(error);
            Vec::new()
        })
    };
    let structured = StructuredCalendarSpec {
        second: field(&spec.second, "0", &SECOND),
        minute: field(&spec.minute, "0", &MINUTE),
        hour: field(&spec.hour, "0", &HOUR),
        day_of_week: field(&spec.day_of_week, "*", &DAY_OF_WEEK),
        day_of_month: field(&spec.day_of_month, "*", &DAY_OF_MONTH),
        month: field(&spec.month, "*", &MONTH),
        // No range stands for every year.
        year: if matches!(spec.year.trim(), "" | "*") { Vec::new() } else { field(&spec.year, "*", &YEAR) },
        comment: spec.comment.clone(),
    };
    if wrong.is_empty() { Ok(structured) } else { Err(wrong.join(", ")) }
}

pub(super) fn cron(text: &str) -> Result<Cron, String> {
    let text = text.trim();
    let (zone, text) = match text.strip_prefix("TZ=").or_else(|| text.strip_prefix("CRON_TZ=")) {
        None => ("", text),
        Some(rest) => rest.split_once(' ').ok_or("CronString has time zone but missing fields")?,
    };
    let (text, comment) = text.split_once('#').unwrap_or((text, ""));
    let text = text.trim();
    if text.starts_with("@every") {
        return interval(text).map(Cron::Interval);
    }
    let text = cron::descriptor(text).unwrap_or(text);
    let fields: Vec<String> = text.split_whitespace().take(8).map(str::to_owned).collect();
    let mut spec = CalendarSpec { comment: comment.trim().to_owned(), ..Default::default() };
    let rest = match fields.as_slice() {
        [second, rest @ ..] if rest.len() == 6 => {
            spec.second.clone_from(second);
            rest
        }
        rest => rest,
    };
    let (rest, year) = match rest {
        [rest @ .., year] if rest.len() == 5 => (rest, year.as_str()),
        rest => (rest, ""),
    };
    let [minute, hour, day_of_month, month, day_of_week] = rest else {
        return Err("CronString does not have 5-7 fields".into());
    };
    spec.minute.clone_from(minute);
    spec.hour.clone_from(hour);
    spec.day_of_month.clone_from(day_of_month);
    spec.month.clone_from(month);
    spec.day_of_week.clone_from(day_of_week);
    spec.year = year.into();
    Ok(Cron::Calendar { calendar: calendar(&spec)?, zone: zone.into() })
}

/// `@every interval[/phase]`.
fn interval(text: &str) -> Result<IntervalSpec, String> {
    let (_, rest) = text.split_once(' ').ok_or("CronString does not have interval after @every")?;
    let (interval, phase) = rest.split_once('/').unwrap_or((rest, ""));
    let parse = |text: &str| cron::duration_with_days(text).ok_or_else(|| format!("time: invalid duration {text:?}"));
    Ok(IntervalSpec {
        interval: Some(time::duration(parse(interval)?)),
        phase: if phase.is_empty() { None } else { Some(time::duration(parse(phase)?)) },
    })
}

fn ranges(text: &str, kind: &FieldKind) -> Result<Vec<Range>, String> {
    let mut found = Vec::new();
    for part in text.split(',') {
        range(part, kind, &mut found)?;
    }
    Ok(found)
}

fn range(part: &str, kind: &FieldKind, found: &mut Vec<Range>) -> Result<(), String> {
    let FieldKind { name, low, high, .. } = *kind;
    let (values, step) = match part.split_once('/') {
        None => (part, None),
        Some((_, rest)) if rest.contains('/') => return Err(format!("{name} has too many slashes")),
        Some((_, "")) => return Err(format!("{name} missing step value")),
        Some((values, step)) => (values, Some(step_of(step, name)?)),
    };
    let (start, end) = match values.split_once('-') {
        _ if values == "*" => (low, high),
        Some((_, rest)) if rest.contains('-') => return Err(format!("{name} has too many dashes")),
        Some((start, end)) => {
            let start =
                value(start, kind, low).ok_or_else(|| format!("{name} Start is not in range [{low}-{high}]"))?;
            let end = value(end, kind, start)
                .ok_or_else(|| format!("{name} End is before Start or not in range [{low}-{high}]"))?;
            (start, end)
        }
        None => {
            let start = value(values, kind, low).ok_or_else(|| format!("{name} is not in range [{low}-{high}]"))?;
            (start, if step.is_some() { high } else { start })
        }
    };
    push(found, start, end, step.unwrap_or(1), kind);
    Ok(())
}

/// Stores a range in its shortest form: end 0 where it is the start, step 0 where it is 1. Sunday as 7 becomes 0.
fn push(found: &mut Vec<Range>, start: i32, mut end: i32, step: i32, kind: &FieldKind) {
    if kind.high == DAY_OF_WEEK.high && end == 7 {
        // A range that begins with Sunday or Monday and leaves nothing out can simply end on Saturday.
        let whole = step == 1 && start <= 1;
        if (7 - start) % step == 0 && !whole {
            found.push(Range::default());
            if start == 7 {
                return;
            }
        }
        end = 6;
    }
    found.push(Range { start, end: if end == start { 0 } else { end }, step: if step == 1 { 0 } else { step } });
}

fn step_of(text: &str, name: &str) -> Result<i32, String> {
    let step: i32 = text.parse().map_err(|_| format!("strconv.Atoi: parsing {text:?}: invalid syntax"))?;
    if step < 1 { Err(format!("{name} has invalid Step")) } else { Ok(step) }
}

fn value(text: &str, kind: &FieldKind, low: i32) -> Option<i32> {
    let named = kind.names.filter(|(_, _, shortest)| text.len() >= *shortest).and_then(|(names, first, _)| {
        let text = text.to_lowercase();
        let at = names.iter().position(|name| name.starts_with(&text))?;
        Some(first + i32::try_from(at).ok()?)
    });
    let value = match named {
        Some(value) => value,
        None => text.parse().ok()?,
    };
    (low..=kind.high).contains(&value).then_some(value)
}
