//! Activities of their own: runs that consist of one activity and have no history.
//!
//! The activity is a machine like those of workflows (`activity`). What is other is who asks for it, and what its end
//! means: the run closes, and keeps the outcome.
//!
//! | activity | cancel request | terminate | pause | unpause | reset | update options |
//! |---|---|---|---|---|---|---|
//! | waits (scheduled, backoff) | Canceled | Terminated | paused | rejected | as `activity` | as `activity` |
//! | waits, paused | Canceled | Terminated | rejected | as `activity` | as `activity` | as `activity` |
//! | has an attempt | its worker is told | Terminated | as `activity` | as `activity` if paused, else rejected | as `activity` | as `activity` |
//! | has an attempt, cancel requested | rejected | Terminated | rejected | rejected | rejected | rejected |
//! | closed | rejected | rejected | rejected | rejected | rejected | rejected |
//!
//! A call with the request id of the last one of its kind that was taken changes nothing and is answered as if it had.

mod change;
mod control;
mod describe;
mod end;
mod operate;
mod start;

pub(crate) use self::{
    change::apply,
    end::{close, delete},
    start::start,
};
pub use self::{
    change::{
        Linked, Operated, OperationKind, StandaloneActivityChange, StandaloneBegun, StandaloneClosed, StandaloneKind,
    },
    control::ActivityControl,
    describe::activity_status,
};
use crate::{
    Archetype, activity,
    attach::Attached,
    callback,
    change::Kind,
    deadlines,
    input::Input,
    outcome::Reply,
    reject::Reject,
    state::{Activity, ActivityPhase, RunState},
    tx::Tx,
};

/// Key of the only activity, where those of workflows have the id of their event.
pub const ONLY: i64 = 1;

pub(crate) fn is_standalone(run: &RunState) -> bool {
    run.archetype() == Archetype::Activity
}

/// The activity, also after the close.
pub(crate) fn activity_of(run: &RunState) -> Option<&Activity> {
    let closed = || run.standalone_activity.as_ref().and_then(|standalone| standalone.last.as_ref());
    run.activities.get(&ONLY).map(Box::as_ref).or_else(closed)
}

/// Operators keep it from its next attempt, and no attempt runs.
pub(crate) fn is_paused(run: &RunState) -> bool {
    is_standalone(run) && run.activities.get(&ONLY).is_some_and(|one| one.pause.is_some() && !has_attempt(one))
}

/// What lists show and what may change while the activity is open.
pub(crate) fn shown(run: &RunState) -> Vec<String> {
    vec![is_paused(run).to_string(), run.task_queue.clone()]
}

fn has_attempt(activity: &Activity) -> bool {
    matches!(activity.phase, Some(ActivityPhase::Started(_)))
}

/// The answer to calls that come too late or for an attempt that is gone.
pub(crate) fn not_found(run: &RunState) -> Reject {
    Reject::NotFound(format!("activity not found for ID: {}", run.workflow_id))
}

/// The state's name in texts.
fn state_name(run: &RunState) -> &'static str {
    use perdure_proto::api::enums::WorkflowExecutionStatus as S;
    if let Some(close) = &run.close {
        return match close.status() {
            S::Completed => "Completed",
            S::Failed => "Failed",
            S::Canceled => "Canceled",
            S::Terminated => "Terminated",
            S::TimedOut => "TimedOut",
            S::Unspecified | S::Running | S::ContinuedAsNew | S::Paused => "Unspecified",
        };
    }
    let Some(activity) = run.activities.get(&ONLY) else { return "Unspecified" };
    match (has_attempt(activity), activity.pause.is_some()) {
        (true, _) if activity.cancel_requested => "CancelRequested",
        (true, _) if activity.reset => "ResetRequested",
        (true, true) => "PauseRequested",
        (true, false) => "Started",
        (false, true) => "Paused",
        (false, false) => "Scheduled",
    }
}

fn invalid_transition(run: &RunState) -> Reject {
    Reject::FailedPrecondition(format!("invalid transition from {}", state_name(run)))
}

/// A worker says that it canceled what nobody asked it to cancel.
pub(crate) fn cancel_not_requested(run: &RunState) -> Reject {
    invalid_transition(run)
}

fn write(tx: &mut Tx, kind: StandaloneKind) {
    tx.durable(Kind::StandaloneActivity(Box::new(StandaloneActivityChange { kind: Some(kind) })));
}

pub(crate) fn dispatch(tx: &mut Tx, input: Input) -> Result<Reply, Reject> {
    match input {
        Input::ActivityStart { .. }
        | Input::ActivityCompleted { .. }
        | Input::ActivityFailed { .. }
        | Input::ActivityCanceled { .. }
        | Input::ActivityHeartbeat { .. } => activity::dispatch(tx, input),
        Input::AttachStart { request_id, attach_request_id, attach_callbacks, attach_links, callbacks, links } => {
            let request_id = if attach_request_id { request_id } else { String::new() };
            let callbacks = if attach_callbacks { callbacks } else { Vec::new() };
            let links = if attach_links { links } else { Vec::new() };
            start::attach(tx, Attached { request_id, callbacks, links })
        }
        Input::CallbackDone { callback_id, attempt, outcome } => callback::done(tx, callback_id, attempt, outcome),
        Input::ControlActivity(control) => control::control(tx, *control),
        Input::Wake => deadlines::wake(tx),
        // Ids of workflows and of activities never meet, so nobody sends anything else.
        _ => Err(Reject::NotAwaited),
    }
}
