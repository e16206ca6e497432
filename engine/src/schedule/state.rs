//! What is stored of a schedule.

use perdure_proto::api::{
    common::{Payloads, WorkflowExecution},
    enums::ScheduleOverlapPolicy,
    failure::Failure,
    schedule::{ScheduleAction, ScheduleActionResult, SchedulePolicies, ScheduleSpec, ScheduleState},
};

use crate::Nanos;

/// A schedule, in the state of its run.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Schedule {
    #[prost(message, required, tag = "1")]
    pub definition: Definition,
    #[prost(message, required, tag = "2")]
    pub progress: Progress,
}

/// What its owner said: written when that changes.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Definition {
    /// In canonical form.
    #[prost(message, optional, tag = "1")]
    pub spec: Option<ScheduleSpec>,
    #[prost(message, optional, tag = "2")]
    pub action: Option<ScheduleAction>,
    #[prost(message, optional, tag = "3")]
    pub policies: Option<SchedulePolicies>,
    /// Of the last update; 0: none.
    #[prost(int64, tag = "4")]
    pub update_time: Nanos,
}

/// How far it is: written with each action.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Progress {
    /// Pause, notes, remaining actions: the owner sets them, the schedule changes them too.
    #[prost(message, optional, tag = "1")]
    pub state: Option<ScheduleState>,
    /// Grows with each change of what the owner can set.
    #[prost(int64, tag = "2")]
    pub conflict_token: i64,
    /// All actual times up to this one are dealt with.
    #[prost(int64, tag = "3")]
    pub cursor: Nanos,
    #[prost(int64, tag = "4")]
    pub last_action_id: i64,
    /// Actions that wait for running ones to end.
    #[prost(message, repeated, tag = "5")]
    pub buffer: Vec<Buffered>,
    /// Workflows that are owed their start.
    #[prost(message, repeated, tag = "6")]
    pub starting: Vec<Starting>,
    /// Started, not known to have ended, and in the way of others.
    #[prost(message, repeated, tag = "7")]
    pub running: Vec<Running>,
    /// Time ranges that are still to be gone through.
    #[prost(message, repeated, tag = "8")]
    pub backfills: Vec<Backfill>,
    /// The last ten, oldest first.
    #[prost(message, repeated, tag = "9")]
    pub recent: Vec<ScheduleActionResult>,
    #[prost(int64, tag = "10")]
    pub action_count: i64,
    #[prost(int64, tag = "11")]
    pub missed_catchup_window: i64,
    #[prost(int64, tag = "12")]
    pub overlap_skipped: i64,
    #[prost(int64, tag = "13")]
    pub buffer_dropped: i64,
    #[prost(message, optional, tag = "14")]
    pub last_completion_result: Option<Payloads>,
    #[prost(message, optional, tag = "15")]
    pub continued_failure: Option<Failure>,
    /// Request ids of the last updates and patches: one that is repeated changes nothing.
    #[prost(string, repeated, tag = "16")]
    pub request_ids: Vec<String>,
}

/// An action whose time has come.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Buffered {
    #[prost(int64, tag = "1")]
    pub nominal: Nanos,
    /// With jitter.
    #[prost(int64, tag = "2")]
    pub actual: Nanos,
    /// Unspecified: the schedule's, as it is when the action is looked at.
    #[prost(enumeration = "ScheduleOverlapPolicy", tag = "3")]
    pub overlap_policy: i32,
    /// Asked for, by a trigger or a backfill: pauses and limits do not concern it.
    #[prost(bool, tag = "4")]
    pub manual: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Starting {
    #[prost(int64, tag = "1")]
    pub action_id: i64,
    #[prost(message, optional, tag = "2")]
    pub buffered: Option<Buffered>,
    #[prost(string, tag = "3")]
    pub workflow_id: String,
    /// Makes a repeated start harmless.
    #[prost(string, tag = "4")]
    pub request_id: String,
    /// It runs beside others: it does not count as running.
    #[prost(bool, tag = "5")]
    pub overlaps: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Running {
    #[prost(int64, tag = "1")]
    pub action_id: i64,
    /// With the first run id of its chain.
    #[prost(message, optional, tag = "2")]
    pub execution: Option<WorkflowExecution>,
    /// It is to be ended, for another one's sake.
    #[prost(message, optional, tag = "3")]
    pub ending: Option<Ending>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Ending {
    /// Terminated; else its cancel is requested.
    #[prost(bool, tag = "1")]
    pub terminate: bool,
    #[prost(string, tag = "2")]
    pub request_id: String,
    /// It has been told.
    #[prost(bool, tag = "3")]
    pub done: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Backfill {
    /// Times after this one …
    #[prost(int64, tag = "1")]
    pub after: Nanos,
    /// … up to this one.
    #[prost(int64, tag = "2")]
    pub until: Nanos,
    #[prost(enumeration = "ScheduleOverlapPolicy", tag = "3")]
    pub overlap_policy: i32,
}
