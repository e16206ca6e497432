//! Workflow tasks that end without success: failed by the worker or the server, or timed out.

use perdure_proto::api::{
    enums::{TimeoutType, WorkflowTaskFailedCause},
    failure::Failure,
    history::{WorkflowTaskFailedEventAttributes, WorkflowTaskTimedOutEventAttributes, history_event::Attributes},
    workflowservice::RespondWorkflowTaskFailedRequest,
};

use super::{SERVER_IDENTITY, drop_unstarted, ensure_scheduled, flush_buffered, pending, settle_speculative};
use crate::{
    change::{Kind, WorkflowTaskCleared},
    close,
    input::WorkflowTaskRef,
    outcome::{Notice, Reply},
    reject::Reject,
    state::{Nanos, WorkflowState, WorkflowTask},
    tx::Tx,
    update,
};

/// What WorkflowTaskFailed says.
pub(crate) struct TaskFailure {
    pub(crate) cause: WorkflowTaskFailedCause,
    pub(crate) failure: Option<Failure>,
    pub(crate) identity: String,
    pub(crate) binary_checksum: String,
}

impl TaskFailure {
    pub(crate) fn by_server(cause: WorkflowTaskFailedCause) -> Self {
        Self { cause, failure: None, identity: SERVER_IDENTITY.into(), binary_checksum: String::new() }
    }
}

/// The started task that a token names.
pub(super) fn claimed<'a>(state: &'a WorkflowState, token: &WorkflowTaskRef) -> Result<&'a WorkflowTask, Reject> {
    let is_claimed = |task: &&WorkflowTask| {
        task.scheduled_event_id == token.scheduled_event_id
            && task.attempt == token.attempt
            && task
                .started
                .as_ref()
                .is_some_and(|started| started.event_id == token.started_event_id && started.time == token.started_time)
    };
    pending(state).filter(is_claimed).ok_or(Reject::WorkflowTaskNotFound)
}

/// A worker could not work on its task.
pub(crate) fn respond_failed(
    tx: &mut Tx,
    token: &WorkflowTaskRef,
    request: RespondWorkflowTaskFailedRequest,
) -> Result<Reply, Reject> {
    if tx.state.run.close.is_some() {
        return Err(Reject::WorkflowClosed);
    }
    claimed(tx.state, token)?;
    let cause = request.cause();
    if cause == WorkflowTaskFailedCause::GrpcMessageTooLarge {
        // The history or the answer will not become smaller: another attempt could not help.
        close::terminate(tx, close::Termination::by_server(format!("{cause:?}")));
        return Ok(Reply::Done);
    }
    // Updates that went out with the task come with its next attempt again.
    let RespondWorkflowTaskFailedRequest { failure, identity, binary_checksum, .. } = request;
    fail(tx, TaskFailure { cause, failure, identity, binary_checksum });
    ensure_scheduled(tx);
    Ok(Reply::Done)
}

/// Fails the started task: with an event, or silently where it is a transient one.
pub(crate) fn fail(tx: &mut Tx, failed: TaskFailure) {
    settle_speculative(tx);
    let Some((task, started_event_id)) = started_task(tx.state) else { return };
    if task.attempt > 1 {
        tx.durable(Kind::WorkflowTaskCleared(WorkflowTaskCleared { cause: failed.cause as i32 }));
    } else {
        let scheduled_event_id = task.scheduled_event_id;
        tx.event(Attributes::WorkflowTaskFailedEventAttributes(WorkflowTaskFailedEventAttributes {
            scheduled_event_id,
            started_event_id,
            cause: failed.cause as i32,
            failure: failed.failure,
            identity: failed.identity,
            binary_checksum: failed.binary_checksum,
            ..Default::default()
        }));
    }
    lost(tx);
}

/// Ends what is pending because the run is about to close: a started task fails, then what waited for it is written.
pub(crate) fn fail_for_close(tx: &mut Tx) {
    drop_unstarted(tx);
    fail(tx, TaskFailure::by_server(WorkflowTaskFailedCause::ForceCloseCommand));
    flush_buffered(tx);
}

/// A started task ran out of time.
pub(super) fn time_out(tx: &mut Tx) {
    settle_speculative(tx);
    let Some((task, started_event_id)) = started_task(tx.state) else { return };
    if task.attempt > 1 {
        tx.durable(Kind::WorkflowTaskCleared(WorkflowTaskCleared { cause: 0 }));
    } else {
        let scheduled_event_id = task.scheduled_event_id;
        timed_out(tx, scheduled_event_id, started_event_id, TimeoutType::StartToClose);
    }
    lost(tx);
}

fn timed_out(tx: &mut Tx, scheduled_event_id: i64, started_event_id: i64, timeout_type: TimeoutType) {
    tx.event(Attributes::WorkflowTaskTimedOutEventAttributes(WorkflowTaskTimedOutEventAttributes {
        scheduled_event_id,
        started_event_id,
        timeout_type: timeout_type as i32,
    }));
}

fn started_task(state: &WorkflowState) -> Option<(&WorkflowTask, i64)> {
    let task = state.run.workflow_task.as_ref()?;
    Some((task, task.started.as_ref()?.event_id))
}

/// Ends the pending task if no worker has it. A speculative one leaves no trace: its updates wait for the next.
pub(crate) fn fail_unstarted(tx: &mut Tx, cause: WorkflowTaskFailedCause) {
    drop_unstarted(tx);
    let Some(task) = tx.state.run.workflow_task.as_ref().filter(|task| task.started.is_none()) else { return };
    if task.attempt > 1 {
        tx.durable(Kind::WorkflowTaskCleared(WorkflowTaskCleared { cause: cause as i32 }));
    } else {
        let scheduled_event_id = task.scheduled_event_id;
        tx.event(Attributes::WorkflowTaskFailedEventAttributes(WorkflowTaskFailedEventAttributes {
            scheduled_event_id,
            cause: cause as i32,
            identity: SERVER_IDENTITY.into(),
            ..Default::default()
        }));
    }
}

/// What went out with the task comes back unanswered.
fn lost(tx: &mut Tx) {
    let (run, enough) = (&tx.state.run, tx.ctx.limits.failed_tasks_to_report);
    if enough > 0 && run.task_failures >= enough && !run.problems_reported {
        tx.durable(Kind::ProblemsReported(true));
    }
    update::on_task_lost(tx);
    tx.notice(Notice::QueriesUnanswered);
}

/// When the pending task times out.
pub(crate) fn next_deadline(state: &WorkflowState) -> Option<Nanos> {
    let task = pending(state)?;
    match &task.started {
        Some(started) => Some(started.time.saturating_add(task.start_to_close)),
        None => Some(task.schedule_to_start_deadline).filter(|&deadline| deadline != 0),
    }
}

/// Times the pending task out if its time has come, and schedules the next.
pub(crate) fn wake(tx: &mut Tx) {
    if next_deadline(tx.state).is_none_or(|deadline| deadline > tx.ctx.now) {
        return;
    }
    settle_speculative(tx);
    let waiting = tx.state.run.workflow_task.as_ref().filter(|task| task.started.is_none());
    match waiting.map(|task| task.scheduled_event_id) {
        Some(scheduled_event_id) => timed_out(tx, scheduled_event_id, 0, TimeoutType::ScheduleToStart),
        None => time_out(tx),
    }
    ensure_scheduled(tx);
}
