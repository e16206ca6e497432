//! Scheduling of workflow tasks, and the stickiness that decides their queue.

use perdure_proto::api::{
    enums::TaskQueueKind,
    history::{WorkflowTaskScheduledEventAttributes, history_event::Attributes},
    taskqueue::TaskQueue,
};

use super::{flush_buffered, pending, settle_speculative, speculative};
use crate::{
    change::Kind,
    ctx::Ctx,
    outcome::{Reply, Task},
    pause,
    reject::Reject,
    state::{Nanos, RunState, Sticky, WorkflowTask},
    time::{SECOND, duration},
    tx::{EventExtras, Tx},
};

/// Attempts up to this one have the plain time-out; after it each failing attempt is given more time. SDKs do not answer
/// a task that fails again, they let it time out: so this is the backoff.
const ATTEMPTS_WITHOUT_BACKOFF: i32 = 3;
const BACKOFF_INITIAL: Nanos = 5 * SECOND;
/// More would not fit.
const BACKOFF_DOUBLINGS: i32 = 24;

/// Schedules a workflow task if the run is open, none is pending and the first task's backoff is over. A speculative
/// task that is pending becomes a normal one: what it would have done in memory is now owed.
pub(crate) fn ensure_scheduled(tx: &mut Tx) {
    if tx.state.run.first_task_backoff_until == 0 {
        schedule_now(tx);
    }
}

/// As `ensure_scheduled`, but ends the first task's backoff: a request to cancel does not wait for it.
pub(crate) fn schedule_now(tx: &mut Tx) {
    if tx.completing {
        tx.task_wanted = true;
        return;
    }
    if pause::is_paused(&tx.state.run) {
        flush_unawaited(tx);
        return;
    }
    settle_speculative(tx);
    if tx.state.run.close.is_none() && pending(tx.state).is_none() {
        schedule(tx, None);
    }
}

/// Writes what was kept back for a task that is over, where no other one follows.
pub(super) fn flush_unawaited(tx: &mut Tx) {
    if pending(tx.state).is_none() {
        flush_buffered(tx);
    }
}

/// An update was admitted: a speculative task carries it if nothing is pending, also while the first task's backoff lasts.
/// Otherwise the update waits for what is pending.
pub(crate) fn schedule_for_update(tx: &mut Tx) {
    if tx.completing || pending(tx.state).is_some() || pause::is_paused(&tx.state.run) {
        return;
    }
    speculative::schedule(tx);
}

/// Schedules a task where none is pending. `original`: time of the first of a row of heartbeats.
pub(super) fn schedule(tx: &mut Tx, original: Option<Nanos>) {
    // Events between two attempts end the row: the history goes on, so the next task is in it.
    let attempt = if tx.state.run.buffered.is_empty() { tx.state.run.task_attempt.max(1) } else { 1 };
    flush_buffered(tx);
    let mut task = task_of(&tx.state.run, tx.ctx, attempt);
    if attempt > 1 {
        tx.durable(Kind::WorkflowTaskSet(task.clone()));
    } else {
        task.scheduled_event_id = write_scheduled(tx, &task);
        if let Some(original) = original {
            task.original_scheduled_time = original;
            tx.durable(Kind::WorkflowTaskSet(task.clone()));
        }
    }
    tx.task(Task::DispatchWorkflowTask { scheduled_event_id: task.scheduled_event_id, attempt });
}

/// The task that would be scheduled now, with the next event's id.
pub(super) fn task_of(run: &RunState, ctx: &Ctx, attempt: i32) -> WorkflowTask {
    let now = ctx.now;
    let sticky = run.sticky.as_ref();
    WorkflowTask {
        scheduled_event_id: run.next_event_id,
        scheduled_time: now,
        attempt,
        start_to_close: run.task_timeout + backoff(attempt, ctx.limits.workflow_task_retry_max),
        task_queue: sticky.map_or(&run.task_queue, |sticky| &sticky.task_queue).clone(),
        sticky: sticky.is_some(),
        schedule_to_start_deadline: sticky.map_or(0, |sticky| now + sticky.schedule_to_start),
        started: None,
        original_scheduled_time: now,
    }
}

fn backoff(attempt: i32, longest: Nanos) -> Nanos {
    let steps = attempt - ATTEMPTS_WITHOUT_BACKOFF;
    if steps <= 0 {
        return 0;
    }
    // 5 s, doubled with each attempt.
    (BACKOFF_INITIAL << (steps - 1).min(BACKOFF_DOUBLINGS)).min(longest)
}

/// Writes WorkflowTaskScheduled as it happened, and returns its id.
pub(super) fn write_scheduled(tx: &mut Tx, task: &WorkflowTask) -> i64 {
    let attributes = scheduled_attributes(&tx.state.run, task);
    tx.event_with(attributes, EventExtras { time: Some(task.scheduled_time), ..Default::default() })
}

pub(super) fn scheduled_attributes(run: &RunState, task: &WorkflowTask) -> Attributes {
    let kind = if task.sticky { TaskQueueKind::Sticky } else { TaskQueueKind::Normal };
    let normal_name = if task.sticky { run.task_queue.clone() } else { String::new() };
    Attributes::WorkflowTaskScheduledEventAttributes(WorkflowTaskScheduledEventAttributes {
        task_queue: Some(TaskQueue { name: task.task_queue.clone(), kind: kind as i32, normal_name }),
        start_to_close_timeout: Some(duration(task.start_to_close)),
        attempt: task.attempt,
    })
}

/// Takes over what a completing worker says about its cache.
pub(super) fn set_sticky(tx: &mut Tx, wanted: Option<Sticky>) {
    match wanted {
        Some(wanted) if tx.state.run.sticky.as_ref() != Some(&wanted) => tx.durable(Kind::StickySet(wanted)),
        None if tx.state.run.sticky.is_some() => tx.durable(Kind::StickyCleared(true)),
        _ => {}
    }
}

/// The sticky queue has no worker any more: the pending task, if it waits there, moves to the normal queue.
pub(crate) fn reset_sticky(tx: &mut Tx) -> Result<Reply, Reject> {
    if tx.state.run.close.is_some() {
        return Err(Reject::WorkflowClosed);
    }
    settle_speculative(tx);
    set_sticky(tx, None);
    let waiting = tx.state.run.workflow_task.as_ref().filter(|task| task.sticky && task.started.is_none());
    if waiting.is_some() {
        redirect(tx);
    }
    Ok(Reply::Done)
}

/// Which workers the pending task is for has changed: if none has it, it is handed out anew, and not to a sticky queue
/// that the run has left.
pub(crate) fn redirect(tx: &mut Tx) {
    let Some(mut task) = tx.state.run.workflow_task.clone().filter(|task| task.started.is_none()) else { return };
    let dispatch = Task::DispatchWorkflowTask { scheduled_event_id: task.scheduled_event_id, attempt: task.attempt };
    if task.sticky && tx.state.run.sticky.is_none() {
        task.sticky = false;
        task.schedule_to_start_deadline = 0;
        task.task_queue.clone_from(&tx.state.run.task_queue);
        tx.durable(Kind::WorkflowTaskSet(task));
    }
    if !tx.out.tasks.contains(&dispatch) {
        tx.task(dispatch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_task_gets_more_time_each_time_up_to_the_limit() {
        let seconds = |attempt, longest| backoff(attempt, longest * SECOND) / SECOND;
        let attempts = [1, 3, 4, 5, 6, 10, 11, i32::MAX];
        assert_eq!(attempts.map(|attempt| seconds(attempt, 600)), [0, 0, 5, 10, 20, 320, 600, 600]);
        assert_eq!(attempts.map(|attempt| seconds(attempt, 7)), [0, 0, 5, 7, 7, 7, 7, 7]);
    }
}
