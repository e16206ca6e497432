//! When a schedule acts: a `ScheduleSpec`, ready to be asked for its next time.
//!
//! A calendar names clock times in a zone: a clock time that a day leaves out does not happen, one that a day has twice
//! happens twice. So a time matches if what clocks show at that time matches.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use perdure_proto::api::schedule::{IntervalSpec, ScheduleSpec};

use super::{
    calendar::{self, Calendar},
    parse,
};
use crate::{
    Nanos,
    time::{MILLISECOND, SECOND, from_duration, from_optional_duration, from_timestamp},
};

/// Excluded times that one search passes before it gives up: a time per day for more than a hundred years. What excludes
/// more at a stretch is passed in one step.
const MOST_EXCLUDED: u32 = 40_000;
/// Unix seconds of the end of the last year that calendars know, 2100.
const END: i64 = 4_133_980_800;

/// A specification that was understood. Its form for clients is `canonical`.
#[derive(Clone, Debug)]
pub struct Spec {
    canonical: ScheduleSpec,
    zone: TimeZone,
    calendars: Vec<Calendar>,
    excluded: Vec<Calendar>,
}

/// A time at which the schedule acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// As the specification says.
    pub nominal: Nanos,
    /// The same plus jitter.
    pub actual: Nanos,
}

/// The specification excludes so much that no time was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the schedule calendar specification has too many exclusions. Please modify the specification.")]
pub struct TooManyExclusions;

impl Spec {
    /// The error says what is wrong, in Temporal's words.
    pub fn new(spec: &ScheduleSpec) -> Result<Self, String> {
        let canonical = canonical(spec)?;
        let zone = zone(&canonical)?;
        let calendars = canonical.structured_calendar.iter().map(Calendar::new).collect();
        let excluded = canonical.exclude_structured_calendar.iter().map(Calendar::new).collect();
        Ok(Self { canonical, zone, calendars, excluded })
    }

    /// Calendars and cron strings as structured calendars and intervals: what clients get back.
    pub fn canonical(&self) -> &ScheduleSpec {
        &self.canonical
    }

    /// The first time after `after`, if there is one. `seed` decides where in its jitter a time falls: always in the same place.
    pub fn next(&self, seed: &str, after: Nanos) -> Result<Option<Due>, TooManyExclusions> {
        let start = self.canonical.start_time.as_ref().map_or(i64::MIN, |time| from_timestamp(time) - 1);
        let mut after = after.max(start).div_euclid(SECOND);
        let end = self.canonical.end_time.as_ref().map_or(Nanos::MAX, from_timestamp);
        for _ in 0..MOST_EXCLUDED {
            let Some(nominal) = self.next_second(after).filter(|second| second.saturating_mul(SECOND) <= end) else {
                return Ok(None);
            };
            match self.excluded_until(nominal) {
                None => return Ok(Some(self.due(seed, nominal))),
                Some(until) => after = until - 1,
            }
        }
        Err(TooManyExclusions)
    }

    fn due(&self, seed: &str, nominal: i64) -> Due {
        let longest = from_optional_duration(self.canonical.jitter.as_ref()).max(0);
        // A time never moves past the one that follows it.
        let room = match self.next_second(nominal) {
            Some(following) if longest > 0 => longest.min((following - nominal) * SECOND),
            _ => longest,
        };
        let nominal_nanos = nominal * SECOND;
        Due { nominal: nominal_nanos, actual: nominal_nanos + jitter(seed, nominal, room) }
    }

    /// Unix seconds of the first time after `after`, excluded or not.
    fn next_second(&self, after: i64) -> Option<i64> {
        let intervals = self.canonical.interval.iter().map(|interval| next_of_interval(interval, after));
        let calendars = self.calendars.iter().filter_map(|calendar| self.next_of_calendar(calendar, after));
        let next = intervals.chain(calendars).min()?;
        (next < END).then_some(next)
    }

    /// Between two changes of its offset a zone is plain: civil time is UTC plus the offset.
    fn next_of_calendar(&self, calendar: &Calendar, after: i64) -> Option<i64> {
        let mut from = Timestamp::from_second(after + 1).ok()?;
        let mut searched: Option<(DateTime, DateTime)> = None;
        loop {
            let offset = self.zone.to_offset(from);
            let start = offset.to_datetime(from);
            let civil = match searched {
                // What was found before is still the first, unless the clocks were set back.
                Some((low, found)) if (low..=found).contains(&start) => found,
                _ => calendar.first_from(start)?,
            };
            searched = Some((start, civil));
            let found = offset.to_timestamp(civil).ok()?;
            match self.change_after(from) {
                Some(change) if found >= change => from = change,
                _ => return Some(found.as_second()),
            }
        }
    }

    /// None: the time is not excluded. Else a later time before which all are.
    fn excluded_until(&self, second: i64) -> Option<i64> {
        let time = Timestamp::from_second(second).ok()?;
        let offset = self.zone.to_offset(time);
        let civil = offset.to_datetime(time);
        let until = self.excluded.iter().filter(|calendar| calendar.matches(civil)).map(|calendar| {
            let end = calendar.all_match_until(civil).and_then(|until| offset.to_timestamp(until).ok());
            end.map_or(END, Timestamp::as_second)
        });
        let until = until.max()?;
        // Beyond the zone's next change the clocks show something else.
        let change = self.change_after(time).map_or(END, Timestamp::as_second);
        Some(until.min(change).max(second + 1))
    }

    /// When the zone's offset changes next.
    fn change_after(&self, time: Timestamp) -> Option<Timestamp> {
        let next = self.zone.following(time).next()?.timestamp();
        // A zone whose file names no change is given one at the beginning of time.
        (next > time).then_some(next)
    }
}

fn next_of_interval(spec: &IntervalSpec, after: i64) -> i64 {
    let seconds = |duration: Option<&prost_types::Duration>| from_optional_duration(duration) / SECOND;
    let interval = seconds(spec.interval.as_ref()).max(1);
    let phase = seconds(spec.phase.as_ref()).max(0);
    ((after - phase).div_euclid(interval) + 1) * interval + phase
}

/// The same time, seed and room always give the same jitter, in milliseconds below the room.
fn jitter(seed: &str, nominal: i64, room: Nanos) -> Nanos {
    let room = u64::try_from(room / MILLISECOND).unwrap_or(0).min(u64::from(u32::MAX));
    if room == 0 {
        return 0;
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&nominal.to_be_bytes());
    hasher.update(seed.as_bytes());
    let mut hash = [0; 4];
    hasher.finalize_xof().fill(&mut hash);
    let part = (u64::from(u32::from_be_bytes(hash)) * room) >> 32;
    i64::try_from(part).unwrap_or(0) * MILLISECOND
}

fn canonical(spec: &ScheduleSpec) -> Result<ScheduleSpec, String> {
    let mut spec = spec.clone();
    for calendar in std::mem::take(&mut spec.calendar) {
        spec.structured_calendar.push(parse::calendar(&calendar)?);
    }
    for calendar in std::mem::take(&mut spec.exclude_calendar) {
        spec.exclude_structured_calendar.push(parse::calendar(&calendar)?);
    }
    take_cron_strings(&mut spec)?;
    spec.structured_calendar.iter().try_for_each(calendar::validate)?;
    spec.exclude_structured_calendar.iter().try_for_each(calendar::validate)?;
    spec.interval.iter().try_for_each(validate_interval)?;
    Ok(spec)
}

/// All cron strings must agree on their zone, and with the zone of the specification.
fn take_cron_strings(spec: &mut ScheduleSpec) -> Result<(), String> {
    const CONFLICT: &str = "conflicting timezone names";
    let mut zone: Option<String> = None;
    for text in std::mem::take(&mut spec.cron_string) {
        let own = match parse::cron(&text)? {
            parse::Cron::Calendar { calendar, zone } => {
                spec.structured_calendar.push(calendar);
                zone
            }
            parse::Cron::Interval(interval) => {
                spec.interval.push(interval);
                String::new()
            }
        };
        if zone.as_ref().is_some_and(|zone| *zone != own) {
            return Err(CONFLICT.into());
        }
        zone = Some(own);
    }
    let Some(zone) = zone.filter(|zone| !zone.is_empty()) else { return Ok(()) };
    if !spec.timezone_data.is_empty() || !(spec.timezone_name.is_empty() || spec.timezone_name == zone) {
        return Err(CONFLICT.into());
    }
    spec.timezone_name = zone;
    Ok(())
}

fn validate_interval(spec: &IntervalSpec) -> Result<(), String> {
    let interval = spec.interval.as_ref().map_or(0, from_duration);
    let phase = spec.phase.as_ref().map_or(0, from_duration);
    if interval < SECOND {
        Err("interval is too small".into())
    } else if phase < 0 {
        Err("phase is negative".into())
    } else if phase >= interval {
        Err("phase cannot be greater than Interval".into())
    } else {
        Ok(())
    }
}

/// Zones come with the program, so that a schedule means the same on every machine.
fn zone(spec: &ScheduleSpec) -> Result<TimeZone, String> {
    let name = spec.timezone_name.as_str();
    if !spec.timezone_data.is_empty() {
        return TimeZone::tzif(name, &spec.timezone_data).map_err(|_| "malformed time zone information".into());
    }
    if name.is_empty() || name == "UTC" {
        return Ok(TimeZone::UTC);
    }
    TimeZone::get(name).map_err(|_| format!("unknown time zone {name}"))
}
