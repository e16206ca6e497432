//! Changes of activities of their own, beside those of the activity machine.

use perdure_proto::api::{
    common::{Link, SearchAttributes},
    failure::Failure,
};

use crate::{
    Archetype,
    apply::Corrupt,
    callback,
    standalone_activity::ONLY,
    state::{Activity, ActivityCancelRequest, ActivityOutcome, Close, Nanos, RunState, StandaloneActivity},
};

#[derive(Clone, PartialEq, prost::Message)]
pub struct StandaloneActivityChange {
    #[prost(oneof = "StandaloneKind", tags = "1, 2, 3, 4, 5")]
    pub kind: Option<StandaloneKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum StandaloneKind {
    /// Follows `Kind::Created`: what the run consists of.
    #[prost(message, tag = "1")]
    Begun(Box<StandaloneBegun>),
    #[prost(message, tag = "2")]
    CancelRequested(ActivityCancelRequest),
    #[prost(message, tag = "3")]
    Closed(Box<StandaloneClosed>),
    #[prost(message, tag = "4")]
    Operated(Operated),
    /// Another start of the same id attached its links.
    #[prost(message, tag = "5")]
    Linked(Linked),
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct StandaloneBegun {
    #[prost(message, required, tag = "1")]
    pub activity: Activity,
    #[prost(message, optional, tag = "2")]
    pub search_attributes: Option<SearchAttributes>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct StandaloneClosed {
    /// `WorkflowExecutionStatus`.
    #[prost(int32, tag = "1")]
    pub status: i32,
    #[prost(oneof = "ActivityOutcome", tags = "2, 3")]
    pub outcome: Option<ActivityOutcome>,
    #[prost(int32, tag = "4")]
    pub retry_state: i32,
    #[prost(int64, tag = "5")]
    pub time: Nanos,
    /// An attempt ended with it.
    #[prost(bool, tag = "6")]
    pub ends_attempt: bool,
    /// That attempt's failure.
    #[prost(message, optional, tag = "7")]
    pub attempt_failure: Option<Failure>,
    /// Who answered the attempt; empty: nobody.
    #[prost(string, tag = "8")]
    pub identity: String,
    #[prost(string, tag = "9")]
    pub terminate_request_id: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Operated {
    #[prost(enumeration = "OperationKind", tag = "1")]
    pub operation: i32,
    #[prost(string, tag = "2")]
    pub request_id: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Linked {
    #[prost(message, repeated, tag = "1")]
    pub links: Vec<Link>,
}

/// Operations whose last request id is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum OperationKind {
    Pause = 0,
    Unpause = 1,
    Reset = 2,
    UpdateOptions = 3,
}

pub(crate) fn apply(run: &mut RunState, change: &StandaloneActivityChange) -> Result<(), Corrupt> {
    match &change.kind {
        Some(StandaloneKind::Begun(begun)) => begin(run, begun),
        Some(StandaloneKind::CancelRequested(request)) => {
            standalone(run)?.cancel = Some(request.clone());
            only(run)?.cancel_requested = true;
        }
        Some(StandaloneKind::Closed(closed)) => close(run, closed)?,
        Some(StandaloneKind::Operated(operated)) => {
            standalone(run)?.operations.insert(operated.operation, operated.request_id.clone());
        }
        Some(StandaloneKind::Linked(linked)) => run.links.extend(linked.links.iter().cloned()),
        None => return Err(Corrupt::at(0, "a change of an activity of its own without a kind")),
    }
    Ok(())
}

fn standalone(run: &mut RunState) -> Result<&mut StandaloneActivity, Corrupt> {
    run.standalone_activity.as_deref_mut().ok_or(Corrupt::at(0, "the run is not an activity of its own"))
}

fn only(run: &mut RunState) -> Result<&mut Activity, Corrupt> {
    run.activities.get_mut(&ONLY).map(Box::as_mut).ok_or(Corrupt::at(0, "the activity has ended"))
}

fn begin(run: &mut RunState, begun: &StandaloneBegun) {
    let activity = &begun.activity;
    run.set_archetype(Archetype::Activity);
    run.standalone_activity = Some(Box::default());
    run.first_execution_run_id.clone_from(&run.run_id);
    run.workflow_type.clone_from(&activity.activity_type);
    run.task_queue.clone_from(&activity.task_queue);
    run.user_metadata.clone_from(&activity.user_metadata);
    run.search_attributes.clone_from(&begun.search_attributes);
    run.start_time = activity.scheduled_time;
    run.execution_time = activity.first_dispatch_time();
    run.activities.insert(ONLY, Box::new(activity.clone()));
}

fn close(run: &mut RunState, closed: &StandaloneClosed) -> Result<(), Corrupt> {
    let mut activity = run.activities.remove(&ONLY).ok_or(Corrupt::at(0, "the activity has ended already"))?;
    activity.phase = None;
    activity.current_retry_interval = 0;
    if closed.ends_attempt {
        activity.last_attempt_complete_time = closed.time;
    }
    if closed.attempt_failure.is_some() {
        activity.last_failure = closed.attempt_failure.clone().map(Box::new);
    }
    if !closed.identity.is_empty() {
        activity.last_worker_identity.clone_from(&closed.identity);
    }
    let standalone = standalone(run)?;
    standalone.last = Some(*activity);
    standalone.outcome.clone_from(&closed.outcome);
    standalone.retry_state = closed.retry_state;
    standalone.terminate_request_id.clone_from(&closed.terminate_request_id);
    run.close = Some(Close { status: closed.status, time: closed.time, ..Close::default() });
    callback::on_end(run);
    Ok(())
}
