//! Speculative workflow tasks: how they come to the history, or not.

use super::{
    begin::write_started,
    schedule::{task_of, write_scheduled},
};
use crate::{change::VolatileChange, outcome::Task, tx::Tx};

/// Schedules a speculative task. The caller knows that no task is pending and that only updates want one.
pub(crate) fn schedule(tx: &mut Tx) {
    let now = tx.now();
    let mut task = task_of(&tx.state.run, tx.ctx, 1);
    let limit = now + tx.ctx.limits.speculative_schedule_to_start;
    task.schedule_to_start_deadline = match task.schedule_to_start_deadline {
        0 => limit,
        sticky => sticky.min(limit),
    };
    tx.task(Task::DispatchWorkflowTask { scheduled_event_id: task.scheduled_event_id, attempt: 1 });
    tx.volatile(VolatileChange::SpeculativeTaskScheduled(task));
}

/// Makes a speculative task a normal one, before something else is written: its Scheduled and Started get the ids that
/// they were promised.
pub(crate) fn settle(tx: &mut Tx) {
    let Some(task) = tx.state.volatile.speculative_task.clone() else { return };
    tx.volatile(VolatileChange::SpeculativeTaskCleared);
    let scheduled_event_id = write_scheduled(tx, &task);
    if let Some(started) = &task.started {
        write_started(tx, scheduled_event_id, started);
    }
}

/// Forgets a speculative task that no worker has: nothing happened.
pub(crate) fn drop_unstarted(tx: &mut Tx) {
    if tx.state.volatile.speculative_task.as_ref().is_some_and(|task| task.started.is_none()) {
        tx.volatile(VolatileChange::SpeculativeTaskCleared);
    }
}
