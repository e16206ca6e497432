//! Changes of schedules, and their effects.

use perdure_proto::api::{
    common::{Memo, SearchAttributes},
    enums::WorkflowExecutionStatus as Status,
    schedule::ScheduleState,
};

use super::state::{Definition, Progress, Schedule};
use crate::{
    Archetype, Nanos,
    apply::Corrupt,
    state::{Close, RunState},
};

#[derive(Clone, PartialEq, prost::Message)]
pub struct ScheduleChange {
    #[prost(oneof = "ScheduleKind", tags = "1, 2, 3, 4")]
    pub kind: Option<ScheduleKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum ScheduleKind {
    /// Follows `Kind::Created`: what the run consists of.
    #[prost(message, tag = "1")]
    Begun(Box<ScheduleBegun>),
    #[prost(message, tag = "2")]
    Defined(Box<ScheduleDefined>),
    #[prost(message, tag = "3")]
    Progressed(Box<Progress>),
    /// When it ended, to be deleted.
    #[prost(int64, tag = "4")]
    Ended(Nanos),
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ScheduleBegun {
    #[prost(message, required, tag = "1")]
    pub definition: Definition,
    #[prost(message, required, tag = "2")]
    pub state: ScheduleState,
    #[prost(int64, tag = "3")]
    pub time: Nanos,
    #[prost(message, optional, tag = "4")]
    pub memo: Option<Memo>,
    #[prost(message, optional, tag = "5")]
    pub search_attributes: Option<SearchAttributes>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ScheduleDefined {
    #[prost(message, required, tag = "1")]
    pub definition: Definition,
    /// None: as it was.
    #[prost(message, optional, tag = "2")]
    pub memo: Option<Memo>,
    #[prost(message, optional, tag = "3")]
    pub search_attributes: Option<SearchAttributes>,
}

pub(crate) fn apply(run: &mut RunState, change: &ScheduleChange) -> Result<(), Corrupt> {
    match &change.kind {
        Some(ScheduleKind::Begun(begun)) => begin(run, begun),
        Some(ScheduleKind::Defined(defined)) => {
            stored(run)?.definition = defined.definition.clone();
            if defined.memo.is_some() {
                run.memo.clone_from(&defined.memo);
            }
            if defined.search_attributes.is_some() {
                run.search_attributes.clone_from(&defined.search_attributes);
            }
        }
        Some(ScheduleKind::Progressed(progress)) => stored(run)?.progress = (**progress).clone(),
        Some(ScheduleKind::Ended(time)) => {
            run.close = Some(Close { status: Status::Completed as i32, time: *time, ..Close::default() });
        }
        None => return Err(Corrupt::at(0, "a change of a schedule without a kind")),
    }
    Ok(())
}

fn stored(run: &mut RunState) -> Result<&mut Schedule, Corrupt> {
    run.schedule.as_deref_mut().ok_or(Corrupt::at(0, "the run is not a schedule"))
}

fn begin(run: &mut RunState, begun: &ScheduleBegun) {
    run.set_archetype(Archetype::Schedule);
    run.first_execution_run_id.clone_from(&run.run_id);
    run.memo.clone_from(&begun.memo);
    run.search_attributes.clone_from(&begun.search_attributes);
    run.start_time = begun.time;
    run.execution_time = begun.time;
    let state = Some(begun.state.clone());
    let progress = Progress { state, conflict_token: 1, cursor: begun.time, ..Progress::default() };
    run.schedule = Some(Box::new(Schedule { definition: begun.definition.clone(), progress }));
}
