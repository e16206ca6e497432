//! Activities.
//!
//! | state | worker takes it | completed, failed, canceled by token | completed by id | cancel command | time comes |
//! |---|---|---|---|---|---|
//! | scheduled | started | gone | none: Started, Completed | none: CancelRequested, Canceled | schedule-to-start, schedule-to-close: none, TimedOut |
//! | started | the same request again: as before; else stale | none: Started and the close event; or backoff | as by token | started: CancelRequested | start-to-close, heartbeat: backoff, or none with Started, TimedOut; schedule-to-close: none |
//! | backoff | stale | gone | none: Started, Completed | none: CancelRequested, Canceled | its end: scheduled; schedule-to-close and -start: none, TimedOut |
//! | none | stale | gone | not found | task fails: unknown | – |
//!
//! ActivityTaskStarted is written only when the activity ends, with the last attempt: retries leave no events. Failures
//! and time-outs of attempts are retried as `retry` says, unless a cancel was requested. A heartbeat is taken only from
//! the attempt that runs; what it reports is handed to the next one.
//!
//! What operators do, also to an activity that is paused already:
//!
//! | state | pause | unpause | reset | update options |
//! |---|---|---|---|---|
//! | scheduled, backoff | paused: as it is, but no attempt is on offer and schedule-to-start stands still | scheduled, after the jitter | attempt 1, scheduled after the jitter | scheduled, or backoff by the new policy |
//! | the same, paused | failed precondition; the same request again: nothing | the same | attempt 1, scheduled; `keep_paused`: paused | paused |
//! | started | goes on; heartbeats say paused; a failure leads to backoff, paused | goes on | goes on, counts as attempt 1; heartbeats say reset until the attempt has ended | goes on |
//! | none | not found | not found | not found | not found |

mod apply;
mod end;
mod failure;
mod operate;
mod options;
mod respond;
mod start;
mod timeout;

use perdure_proto::api::history::{HistoryEvent, history_event::Attributes};

pub(crate) use self::{
    apply::{apply, apply_durable},
    end::End,
    failure::attempt_timeout,
    operate::{offer_waiting, operate},
    options::options,
    timeout::{next_deadline, wake},
};
pub use self::{
    operate::{ActivityOperation, ActivitySelector, Jitter},
    options::{OptionField, activity_options},
    start::merge_priority,
};
use crate::{
    input::{ActivityRef, Input},
    outcome::Reply,
    reject::Reject,
    standalone_activity,
    state::{Activity, ActivityPhase, ActivityStarted, RunState},
    tx::Tx,
    workflow_task,
};

/// What workers, and clients in their place, say about activities of all kinds.
pub(crate) fn dispatch(tx: &mut Tx, input: Input) -> Result<Reply, Reject> {
    match input {
        Input::ActivityStart { scheduled_event_id, attempt, identity, request_id, worker_version, taken_by } => {
            let poller = workflow_task::Poller { identity, request_id, worker_version, taken_by };
            start::start(tx, scheduled_event_id, attempt, poller)
        }
        Input::ActivityCompleted { activity, result, identity } => respond::completed(tx, activity, result, identity),
        Input::ActivityFailed { activity, failure, last_heartbeat_details, identity } => {
            respond::failed(tx, activity, *failure, last_heartbeat_details, identity)
        }
        Input::ActivityCanceled { activity, details, identity } => respond::canceled(tx, activity, details, identity),
        Input::ActivityHeartbeat { activity, details, identity } => respond::heartbeat(tx, activity, details, identity),
        _ => Err(Reject::NotAwaited),
    }
}

/// The activity that a worker or client answers; `running`: a worker must have it.
fn find(run: &RunState, reference: &ActivityRef, running: bool) -> Result<Activity, Reject> {
    let found = find_pending(run, reference, running);
    if standalone_activity::is_standalone(run) {
        return found.map_err(|_| standalone_activity::not_found(run));
    }
    found
}

fn find_pending(run: &RunState, reference: &ActivityRef, running: bool) -> Result<Activity, Reject> {
    if run.close.is_some() {
        return Err(Reject::WorkflowClosed);
    }
    let activity = match reference {
        ActivityRef::Token { scheduled_event_id, attempt, started_time } => {
            let activity = run.activities.get(scheduled_event_id).ok_or(Reject::ActivityGone)?;
            let started = running_attempt(activity).ok_or(Reject::ActivityGone)?;
            if activity.attempt != *attempt || started.time != *started_time {
                return Err(Reject::ActivityGone);
            }
            activity
        }
        ActivityRef::Id(id) => by_id(run, id).ok_or_else(|| Reject::ActivityIdNotFound(id.clone()))?,
    };
    if running && running_attempt(activity).is_none() {
        return Err(Reject::ActivityGone);
    }
    Ok(activity.clone())
}

/// Activity ids are unique among the pending ones.
pub(crate) fn by_id<'a>(run: &'a RunState, id: &str) -> Option<&'a Activity> {
    run.activities.values().map(Box::as_ref).find(|activity| activity.activity_id == id)
}

pub(crate) fn running_attempt(activity: &Activity) -> Option<&ActivityStarted> {
    match &activity.phase {
        Some(ActivityPhase::Started(started)) => Some(started),
        Some(ActivityPhase::Scheduled(_) | ActivityPhase::Backoff(_)) | None => None,
    }
}

/// The activity ended without the worker of the workflow knowing: the event that says so waits in the buffer.
pub(crate) fn end_is_buffered(run: &RunState, scheduled_event_id: i64) -> bool {
    run.buffered.iter().any(|event| ended(event) == Some(scheduled_event_id))
}

/// The scheduled event id of the activity that an event ends.
pub(crate) fn ended(event: &HistoryEvent) -> Option<i64> {
    use Attributes as A;
    match event.attributes.as_ref()? {
        A::ActivityTaskCompletedEventAttributes(end) => Some(end.scheduled_event_id),
        A::ActivityTaskFailedEventAttributes(end) => Some(end.scheduled_event_id),
        A::ActivityTaskTimedOutEventAttributes(end) => Some(end.scheduled_event_id),
        A::ActivityTaskCanceledEventAttributes(end) => Some(end.scheduled_event_id),
        _ => None,
    }
}
