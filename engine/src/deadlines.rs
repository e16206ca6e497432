//! Deadlines of a run: when time itself has something to do, and doing it.

use crate::{
    activity, callback, close, nexus,
    outcome::Reply,
    pause,
    reject::Reject,
    schedule,
    state::{Nanos, WorkflowState},
    timer,
    tx::Tx,
    workflow_task,
};

/// The next time at which `Input::Wake` has work; None: never. Exact: not earlier, not later.
pub fn next_deadline(state: &WorkflowState) -> Option<Nanos> {
    let run = &state.run;
    if run.close.is_some() {
        return callback::next_deadline(run);
    }
    // Its end does nothing while paused: the unpause looks.
    let backoff = Some(run.first_task_backoff_until).filter(|&until| until != 0 && !pause::is_paused(run));
    [
        backoff,
        close::next_deadline(run),
        timer::next_deadline(run),
        activity::next_deadline(run),
        nexus::next_deadline(run),
        callback::next_deadline(run),
        schedule::next_deadline(run),
        workflow_task::next_deadline(state),
    ]
    .into_iter()
    .flatten()
    .min()
}

/// Acts on every deadline that is not after now. Timers and activities come before a workflow task's own time-out, so
/// that the task that follows has their events.
pub(crate) fn wake(tx: &mut Tx) -> Result<Reply, Reject> {
    if tx.state.run.close.is_none() {
        close::wake(tx);
    }
    if tx.state.run.close.is_some() {
        callback::wake(tx);
        return Ok(Reply::Done);
    }
    timer::wake(tx);
    activity::wake(tx);
    nexus::wake(tx);
    callback::wake(tx);
    workflow_task::wake(tx);
    let backoff = tx.state.run.first_task_backoff_until;
    if backoff != 0 && backoff <= tx.ctx.now {
        workflow_task::schedule_now(tx);
    }
    Ok(Reply::Done)
}
