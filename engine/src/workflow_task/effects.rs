//! What changes of workflow tasks do to the state.

use perdure_proto::api::{
    enums::{TaskQueueKind, TimeoutType, WorkflowTaskFailedCause},
    history::{
        HistoryEvent, WorkflowTaskScheduledEventAttributes, WorkflowTaskStartedEventAttributes,
        history_event::Attributes,
    },
};

use crate::{
    apply::Corrupt,
    change::{Kind, VolatileChange},
    event::event_time,
    state::{RunState, TaskStarted, Volatile, WorkflowTask},
    time::from_optional_duration,
    versioning,
};

pub(crate) fn apply(run: &mut RunState, event: &HistoryEvent, attributes: &Attributes) -> Result<(), Corrupt> {
    match attributes {
        Attributes::WorkflowTaskScheduledEventAttributes(scheduled) => apply_scheduled(run, event, scheduled),
        Attributes::WorkflowTaskStartedEventAttributes(started) => return apply_started(run, event, started),
        Attributes::WorkflowTaskCompletedEventAttributes(completed) => {
            let not_pending = Corrupt::at(event.event_id, "a completed workflow task that was not pending");
            let task = run.workflow_task.take().ok_or(not_pending)?;
            run.task_attempt = 1;
            run.task_failures = 0;
            run.problems_reported = false;
            run.last_task_failed_cause = 0;
            run.last_completed_started_event_id = completed.started_event_id;
            run.last_completed_event_id = event.event_id;
            run.worker_version.clone_from(&completed.worker_version);
            versioning::apply_completed(run, event, completed, task.scheduled_time);
        }
        Attributes::WorkflowTaskFailedEventAttributes(failed) => {
            end_attempt(run, failed.cause, counts(failed.cause));
        }
        Attributes::WorkflowTaskTimedOutEventAttributes(timed_out) => {
            end_attempt(run, 0, timed_out.timeout_type() != TimeoutType::ScheduleToStart);
        }
        _ => return Err(Corrupt::at(event.event_id, "not an event of a workflow task")),
    }
    Ok(())
}

fn apply_scheduled(run: &mut RunState, event: &HistoryEvent, scheduled: &WorkflowTaskScheduledEventAttributes) {
    let time = event_time(event);
    let (queue, sticky) = match &scheduled.task_queue {
        Some(queue) => (queue.name.clone(), queue.kind() == TaskQueueKind::Sticky),
        None => (run.task_queue.clone(), false),
    };
    let deadline = match &run.sticky {
        Some(worker) if sticky => time + worker.schedule_to_start,
        _ => 0,
    };
    run.task_attempt = scheduled.attempt.max(1);
    run.first_task_backoff_until = 0;
    run.workflow_task = Some(WorkflowTask {
        scheduled_event_id: event.event_id,
        scheduled_time: time,
        attempt: run.task_attempt,
        start_to_close: from_optional_duration(scheduled.start_to_close_timeout.as_ref()),
        task_queue: queue,
        sticky,
        schedule_to_start_deadline: deadline,
        started: None,
        original_scheduled_time: time,
    });
}

fn apply_started(
    run: &mut RunState,
    event: &HistoryEvent,
    started: &WorkflowTaskStartedEventAttributes,
) -> Result<(), Corrupt> {
    let Some(task) = &mut run.workflow_task else {
        return Err(Corrupt::at(event.event_id, "a started workflow task that was not pending"));
    };
    task.started = Some(TaskStarted {
        event_id: event.event_id,
        time: event_time(event),
        identity: started.identity.clone(),
        request_id: started.request_id.clone(),
        suggest_continue_as_new: started.suggest_continue_as_new,
        history_size_bytes: started.history_size_bytes,
        worker_version: started.worker_version.clone(),
        suggest_reasons: started.suggest_continue_as_new_reasons.clone(),
        target_version_changed: started.target_worker_deployment_version_changed,
    });
    Ok(())
}

/// The workflow is to blame.
fn counts(cause: i32) -> bool {
    cause != WorkflowTaskFailedCause::ResetWorkflow as i32
        && cause != WorkflowTaskFailedCause::WorkflowPauseRequestedBeforeTaskStarted as i32
}

/// The pending task ended without success. On a sticky queue that is not yet a row of failures: the next attempt is a
/// first one again, on the normal queue.
fn end_attempt(run: &mut RunState, cause: i32, counts: bool) {
    run.workflow_task = None;
    run.last_task_failed_cause = cause;
    let was_sticky = run.sticky.take().is_some();
    if counts && !was_sticky {
        run.task_attempt = run.task_attempt.saturating_add(1);
        run.task_failures = run.task_failures.saturating_add(1);
    } else {
        run.task_attempt = 1;
    }
}

pub(crate) fn apply_durable(run: &mut RunState, kind: &Kind) -> Result<(), Corrupt> {
    match kind {
        Kind::WorkflowTaskSet(task) => run.workflow_task = Some(task.clone()),
        Kind::WorkflowTaskStarted(started) => match &mut run.workflow_task {
            Some(task) => task.started = Some(started.clone()),
            None => return Err(Corrupt::at(0, "a transient workflow task that is not pending was started")),
        },
        Kind::WorkflowTaskCleared(cleared) => end_attempt(run, cleared.cause, counts(cleared.cause)),
        Kind::StickySet(sticky) => run.sticky = Some(sticky.clone()),
        Kind::StickyCleared(_) => run.sticky = None,
        _ => return Err(Corrupt::at(0, "not a change of a workflow task")),
    }
    Ok(())
}

pub(crate) fn apply_volatile(volatile: &mut Volatile, change: &VolatileChange) -> Result<(), Corrupt> {
    match change {
        VolatileChange::SpeculativeTaskScheduled(task) => volatile.speculative_task = Some(Box::new(task.clone())),
        VolatileChange::SpeculativeTaskStarted(started) => match &mut volatile.speculative_task {
            Some(task) => task.started = Some(started.clone()),
            None => return Err(Corrupt::at(0, "a speculative workflow task that is not pending was started")),
        },
        VolatileChange::SpeculativeTaskCleared => volatile.speculative_task = None,
        _ => return Err(Corrupt::at(0, "not a change of a workflow task")),
    }
    Ok(())
}
