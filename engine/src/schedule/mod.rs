//! Schedules: when they act, and what they do. A schedule is a run without a history, whose only machine is itself.

mod act;
mod action;
mod calendar;
mod change;
mod describe;
mod host;
mod overlap;
mod parse;
mod spec;
mod state;

pub use self::{
    act::{ActionEnded, ActionStarted},
    action::{ended, identity, is_starting, owed_end, owed_start},
    change::{ScheduleBegun, ScheduleChange, ScheduleDefined, ScheduleKind},
    describe::{Described, LIST_INFO, describe, list_info, matching_times},
    host::{NewSchedule, ScheduleInput, ScheduleUpdate, ScheduledBy},
    spec::{Due, Spec, TooManyExclusions},
    state::{Backfill, Buffered, Definition, Ending, Progress, Running, Schedule, Starting},
};
pub(crate) use self::{
    change::apply,
    host::{dispatch, end, next_deadline, push_obligations, start},
};
