//! Calendars: which seconds a `StructuredCalendarSpec` names, without regard to time zones.

use jiff::{
    Span,
    civil::{Date, DateTime, Time},
};
use perdure_proto::api::schedule::{Range, StructuredCalendarSpec};

/// Years that calendars know.
pub(super) const FIRST_YEAR: i32 = 2000;
pub(super) const LAST_YEAR: i32 = 2100;
const FULL_SIXTY: u64 = (1 << 60) - 1;
const FULL_DAY: u64 = (1 << 24) - 1;
/// Bytes of a calendar's comment.
const COMMENT_BYTES: usize = 200;

/// A calendar, ready to be searched: a bit per value of each field.
#[derive(Clone, Debug)]
pub(super) struct Calendar {
    seconds: u64,
    minutes: u64,
    hours: u64,
    days_of_month: u64,
    months: u64,
    days_of_week: u64,
    /// None: every year.
    years: Option<Vec<i16>>,
}

impl Calendar {
    pub(super) fn new(spec: &StructuredCalendarSpec) -> Self {
        Self {
            seconds: bits(&spec.second),
            minutes: bits(&spec.minute),
            hours: bits(&spec.hour),
            days_of_month: bits(&spec.day_of_month),
            months: bits(&spec.month),
            days_of_week: bits(&spec.day_of_week),
            years: (!spec.year.is_empty())
                .then(|| values(&spec.year).filter_map(|year| year.try_into().ok()).collect()),
        }
    }

    pub(super) fn matches(&self, time: DateTime) -> bool {
        self.has_day(time.date())
            && has(self.hours, time.hour())
            && has(self.minutes, time.minute())
            && has(self.seconds, time.second())
    }

    /// The first time that matches, not before `from`; None: none up to the last year.
    pub(super) fn first_from(&self, from: DateTime) -> Option<DateTime> {
        if self.has_day(from.date())
            && let Some(time) = self.first_time(from.time())
        {
            return Some(from.date().to_datetime(time));
        }
        let time = self.first_time(Time::midnight())?;
        let mut day = from.date().tomorrow().ok()?;
        while i32::from(day.year()) <= LAST_YEAR {
            if !self.has_year(day.year()) {
                day = Date::new(day.year() + 1, 1, 1).ok()?;
            } else if !has(self.months, day.month()) {
                day = day.last_of_month().tomorrow().ok()?;
            } else if self.has_day(day) {
                return Some(day.to_datetime(time));
            } else {
                day = day.tomorrow().ok()?;
            }
        }
        None
    }

    /// Given a time that matches: a later one before which all match. Not always the last such time, but so far that
    /// a search that goes on from there ends soon. None: all match up to the last year.
    pub(super) fn all_match_until(&self, time: DateTime) -> Option<DateTime> {
        let unit = if self.seconds != FULL_SIXTY {
            return time.checked_add(Span::new().seconds(1)).ok();
        } else if self.minutes != FULL_SIXTY {
            Span::new().minutes(1).seconds(-i64::from(time.second()))
        } else if self.hours != FULL_DAY {
            Span::new().hours(1).minutes(-i64::from(time.minute())).seconds(-i64::from(time.second()))
        } else {
            let mut day = time.date().tomorrow().ok()?;
            while self.has_day(day) {
                day = day.tomorrow().ok()?;
            }
            return (i32::from(day.year()) <= LAST_YEAR).then(|| day.to_datetime(Time::midnight()));
        };
        time.checked_add(unit).ok()
    }

    fn has_year(&self, year: i16) -> bool {
        i32::from(year) <= LAST_YEAR && self.years.as_ref().is_none_or(|years| years.contains(&year))
    }

    fn has_day(&self, day: Date) -> bool {
        self.has_year(day.year())
            && has(self.months, day.month())
            && has(self.days_of_month, day.day())
            && has(self.days_of_week, day.weekday().to_sunday_zero_offset())
    }

    /// The first matching time of a day, not before `from`.
    fn first_time(&self, from: Time) -> Option<Time> {
        let (hour, minute, second) = (from.hour(), from.minute(), from.second());
        let at = |hour, minute, second| Time::new(hour, minute, second, 0).ok();
        if has(self.hours, hour) {
            if has(self.minutes, minute)
                && let Some(second) = first_bit(self.seconds, second)
            {
                return at(hour, minute, second);
            }
            if let Some(minute) = first_bit(self.minutes, minute + 1) {
                return at(hour, minute, first_bit(self.seconds, 0)?);
            }
        }
        at(first_bit(self.hours, hour + 1)?, first_bit(self.minutes, 0)?, first_bit(self.seconds, 0)?)
    }
}

/// What is wrong with a calendar, in Temporal's words.
pub(super) fn validate(spec: &StructuredCalendarSpec) -> Result<(), String> {
    let fields = [
        (&spec.second, "Second", 0, 59),
        (&spec.minute, "Minute", 0, 59),
        (&spec.hour, "Hour", 0, 23),
        (&spec.day_of_month, "DayOfMonth", 1, 31),
        (&spec.month, "Month", 1, 12),
        (&spec.year, "Year", FIRST_YEAR, LAST_YEAR),
        (&spec.day_of_week, "DayOfWeek", 0, 6),
    ];
    let mut wrong = Vec::new();
    for (ranges, name, low, high) in fields {
        for range in ranges {
            if !(low..=high).contains(&range.start) {
                wrong.push(format!("{name} Start is not in range [{low}-{high}]"));
            }
            if range.end != 0 && (range.end < range.start || range.end > high) {
                wrong.push(format!("{name} End is before Start or not in range [{low}-{high}]"));
            }
            if range.step < 0 {
                wrong.push(format!("{name} has invalid Step"));
            }
        }
    }
    if spec.comment.len() > COMMENT_BYTES {
        wrong.push("comment is too long".into());
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("invalid calendar spec: {}", wrong.join(", "))) }
}

fn has(bits: u64, value: i8) -> bool {
    u32::try_from(value).is_ok_and(|value| bits.checked_shr(value).is_some_and(|rest| rest & 1 == 1))
}

/// The lowest value of the set that is not below `from`.
fn first_bit(bits: u64, from: i8) -> Option<i8> {
    let from = u32::try_from(from).ok()?;
    let rest = bits.checked_shr(from)?;
    if rest == 0 { None } else { i8::try_from(from + rest.trailing_zeros()).ok() }
}

fn bits(ranges: &[Range]) -> u64 {
    values(ranges).filter_map(|value| 1_u64.checked_shl(value.try_into().ok()?)).fold(0, |all, bit| all | bit)
}

/// All values of the ranges. An end below the start stands for the start, a step of 0 for 1.
fn values(ranges: &[Range]) -> impl Iterator<Item = i32> + '_ {
    ranges.iter().flat_map(|range| {
        let step = usize::try_from(range.step.max(1)).unwrap_or(1);
        (range.start..=range.end.max(range.start)).step_by(step)
    })
}
