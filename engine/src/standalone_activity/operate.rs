//! What operators do to an activity of its own: the same as to those of workflows, but what makes no sense is refused.

use super::{ONLY, Operated, OperationKind, StandaloneKind, has_attempt, state_name, write};
use crate::{
    activity::{self, ActivityOperation, ActivitySelector, OptionField},
    outcome::Reply,
    reject::Reject,
    state::{Activity, Nanos, RunState},
    tx::Tx,
};

pub(super) fn operate(tx: &mut Tx, request_id: &str, operation: ActivityOperation) -> Result<Reply, Reject> {
    let kind = kind(&operation);
    let run = &tx.state.run;
    if !request_id.is_empty() && last_request(run, kind) == Some(request_id) {
        return Ok(repeated(run, kind));
    }
    check(run, &operation, tx.ctx.now).map_err(Reject::FailedPrecondition)?;
    let reply = activity::operate(tx, &ActivitySelector::All, operation)?;
    if !request_id.is_empty() {
        let request_id = request_id.to_owned();
        write(tx, StandaloneKind::Operated(Operated { operation: kind as i32, request_id }));
    }
    Ok(reply)
}

fn kind(operation: &ActivityOperation) -> OperationKind {
    match operation {
        ActivityOperation::Pause { .. } => OperationKind::Pause,
        ActivityOperation::Unpause { .. } => OperationKind::Unpause,
        ActivityOperation::Reset { .. } => OperationKind::Reset,
        ActivityOperation::UpdateOptions { .. } | ActivityOperation::RestoreOptions => OperationKind::UpdateOptions,
    }
}

fn last_request(run: &RunState, kind: OperationKind) -> Option<&str> {
    let operations = &run.standalone_activity.as_ref()?.operations;
    operations.get(&(kind as i32)).map(String::as_str)
}

/// The answer may differ from the first one: options are told as they are now.
fn repeated(run: &RunState, kind: OperationKind) -> Reply {
    match (kind, super::activity_of(run)) {
        (OperationKind::UpdateOptions, Some(activity)) => Reply::ActivityOptions(Box::new(activity::options(activity))),
        _ => Reply::Done,
    }
}

/// The error is the text for the caller.
fn check(run: &RunState, operation: &ActivityOperation, now: Nanos) -> Result<(), String> {
    let state = state_name(run);
    let activity = run.activities.get(&ONLY);
    let canceling = activity.is_some_and(|one| has_attempt(one) && one.cancel_requested);
    let resetting = activity.is_some_and(|one| has_attempt(one) && one.reset);
    let busy = activity.is_none() || canceling || resetting;
    let paused = activity.is_some_and(|activity| activity.pause.is_some());
    match operation {
        ActivityOperation::Pause { .. } if busy || paused => Err(format!("activity is in non-pausable state {state}")),
        ActivityOperation::Unpause { .. } if activity.is_none() => {
            Err(format!("activity is in terminal state {state}"))
        }
        ActivityOperation::Unpause { .. } if busy || !paused => {
            Err(format!("activity is in non-unpausable state {state}"))
        }
        ActivityOperation::Reset { .. } if activity.is_none() => Err("activity execution is not running".into()),
        ActivityOperation::Reset { .. } if canceling => {
            Err("cannot reset an activity with a pending cancellation".into())
        }
        ActivityOperation::Reset { .. } if resetting => Err("cannot reset an activity with a pending reset".into()),
        ActivityOperation::UpdateOptions { .. } | ActivityOperation::RestoreOptions if busy => {
            Err(format!("Cannot update options for activity in state {state}"))
        }
        ActivityOperation::UpdateOptions { fields, .. }
            if fields.contains(&OptionField::StartDelay) && activity.is_some_and(|one| was_dispatched(one, now)) =>
        {
            Err("cannot update start_delay: the first activity attempt has already been dispatched".into())
        }
        ActivityOperation::Pause { .. }
        | ActivityOperation::Unpause { .. }
        | ActivityOperation::Reset { .. }
        | ActivityOperation::UpdateOptions { .. }
        | ActivityOperation::RestoreOptions => Ok(()),
    }
}

/// Its first attempt is on offer, or was.
fn was_dispatched(activity: &Activity, now: Nanos) -> bool {
    activity.last_started_time != 0 || (activity.pause.is_none() && activity.first_dispatch_time() <= now)
}
