//! What clients see of a schedule.

use perdure_proto::api::{
    common::WorkflowExecution,
    schedule::{
        Range, Schedule, ScheduleInfo, ScheduleListInfo, ScheduleSpec, StructuredCalendarSpec, schedule_action,
    },
};

use super::{act::Actor, host::with_actor, spec::TooManyExclusions};
use crate::{
    Nanos,
    state::RunState,
    time::{optional_timestamp, timestamp},
};

/// Times that a description tells in advance, and a list.
const FUTURE: usize = 10;
const IN_LIST: usize = 5;
/// Entries of each kind in a list's specification.
const SPEC_IN_LIST: usize = 10;
/// Matching times in one answer.
const MATCHING_TIMES: usize = 1000;

/// Key in the memo of a list's row under which the encoded [`ScheduleListInfo`] lies.
pub const LIST_INFO: &str = "ScheduleInfo";

/// A schedule with all that a description has.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    pub schedule: Schedule,
    pub info: ScheduleInfo,
    pub conflict_token: i64,
}

/// None: the run is no schedule.
pub fn describe(run: &RunState) -> Option<Described> {
    with_actor(run, run.start_time, |actor| described(&actor))
}

fn described(actor: &Actor) -> Described {
    let progress = &actor.progress;
    let mut spec = actor.definition.spec.clone().unwrap_or_default();
    fill_ranges(&mut spec);
    let running = progress.running.iter().filter_map(|running| running.execution.clone());
    let info = ScheduleInfo {
        action_count: progress.action_count,
        missed_catchup_window: progress.missed_catchup_window,
        overlap_skipped: progress.overlap_skipped,
        buffer_dropped: progress.buffer_dropped,
        buffer_size: i64::try_from(progress.buffer.len()).unwrap_or(i64::MAX),
        running_workflows: running.collect::<Vec<WorkflowExecution>>(),
        recent_actions: progress.recent.clone(),
        future_action_times: actor.future_times(FUTURE).into_iter().map(timestamp).collect(),
        create_time: Some(timestamp(actor.created)),
        update_time: optional_timestamp(actor.definition.update_time),
        state_size_bytes: i64::try_from(prost::Message::encoded_len(progress)).unwrap_or(i64::MAX),
        ..ScheduleInfo::default()
    };
    let schedule = Schedule {
        spec: Some(spec),
        action: actor.definition.action.clone(),
        policies: actor.definition.policies,
        state: Some(progress.state.clone().unwrap_or_default()),
    };
    Described { schedule, info, conflict_token: progress.conflict_token }
}

/// What lists show. None: the run is no schedule.
pub fn list_info(run: &RunState) -> Option<ScheduleListInfo> {
    with_actor(run, run.start_time, |actor| {
        let progress = &actor.progress;
        let mut spec = actor.definition.spec.clone().unwrap_or_default();
        spec.timezone_data.clear();
        spec.structured_calendar.truncate(SPEC_IN_LIST);
        spec.exclude_structured_calendar.truncate(SPEC_IN_LIST);
        spec.interval.truncate(SPEC_IN_LIST);
        fill_ranges(&mut spec);
        let state = progress.state.clone().unwrap_or_default();
        let action = actor.definition.action.as_ref().and_then(|action| action.action.as_ref());
        let first = progress.recent.len().saturating_sub(IN_LIST);
        ScheduleListInfo {
            spec: Some(spec),
            workflow_type: action.and_then(|schedule_action::Action::StartWorkflow(start)| start.workflow_type.clone()),
            notes: state.notes,
            paused: state.paused,
            recent_actions: progress.recent.iter().skip(first).cloned().collect(),
            future_action_times: actor.future_times(IN_LIST).into_iter().map(timestamp).collect(),
            ..ScheduleListInfo::default()
        }
    })
}

/// The times of a schedule after `start`, up to `end`, a thousand at most.
pub fn matching_times(run: &RunState, start: Nanos, end: Nanos) -> Result<Vec<Nanos>, TooManyExclusions> {
    let times = with_actor(run, run.start_time, |actor| {
        let mut found = Vec::new();
        let Some(spec) = actor.spec else { return Ok(found) };
        let mut after = start;
        while found.len() < MATCHING_TIMES {
            match spec.next(actor.seed, after)?.map(|due| due.actual).filter(|time| *time <= end) {
                Some(time) => found.push(time),
                None => break,
            }
            after = found.last().copied().unwrap_or(end);
        }
        Ok(found)
    });
    times.unwrap_or_else(|| Ok(Vec::new()))
}

/// Ranges are stored short and shown whole: with their end and step.
fn fill_ranges(spec: &mut ScheduleSpec) {
    spec.structured_calendar.iter_mut().chain(&mut spec.exclude_structured_calendar).for_each(fill_calendar);
}

fn fill_calendar(calendar: &mut StructuredCalendarSpec) {
    let fields: [&mut Vec<Range>; 7] = [
        &mut calendar.second,
        &mut calendar.minute,
        &mut calendar.hour,
        &mut calendar.day_of_month,
        &mut calendar.month,
        &mut calendar.year,
        &mut calendar.day_of_week,
    ];
    for range in fields.into_iter().flatten() {
        range.end = range.end.max(range.start);
        if range.step == 0 {
            range.step = 1;
        }
    }
}
