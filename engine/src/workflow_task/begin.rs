//! A worker takes the pending workflow task.

use perdure_proto::api::{
    common::WorkerVersionStamp,
    enums::SuggestContinueAsNewReason,
    history::{HistoryEvent, WorkflowTaskStartedEventAttributes, history_event::Attributes},
};

use super::{
    SERVER_IDENTITY, pending,
    schedule::{scheduled_attributes, write_scheduled},
};
use crate::{
    change::{Kind, VolatileChange},
    event::event_type,
    outcome::{Reply, WorkflowTaskStarted},
    reject::Reject,
    state::{Nanos, TaskStarted, WorkflowState, WorkflowTask},
    time::timestamp,
    tx::{EventExtras, Tx},
    update,
    versioning::{self, TakenBy},
};

/// Who takes a task.
pub(crate) struct Poller {
    pub(crate) identity: String,
    pub(crate) request_id: String,
    pub(crate) worker_version: Option<WorkerVersionStamp>,
    pub(crate) taken_by: TakenBy,
}

/// Starts the pending task if it is still this one. The same request may ask again, when its answer was lost.
pub(crate) fn start(tx: &mut Tx, scheduled_event_id: i64, attempt: i32, poller: Poller) -> Result<Reply, Reject> {
    let task = match pending(tx.state) {
        Some(task) if task.scheduled_event_id == scheduled_event_id && task.attempt == attempt => task,
        _ => return Err(Reject::StaleTask),
    };
    match &task.started {
        Some(started) if !poller.request_id.is_empty() && started.request_id == poller.request_id => {}
        Some(_) => return Err(Reject::StaleTask),
        None => {
            if versioning::is_refused(&tx.state.run, &poller.taken_by) {
                return Err(Reject::StaleTask);
            }
            let task = task.clone();
            let taken_by = poller.taken_by.clone();
            let is_speculative = tx.state.volatile.speculative_task.is_some();
            begin(tx, task, poller);
            if !is_speculative && versioning::moves(&tx.state.run, &taken_by) {
                versioning::start_transition(tx, &taken_by);
            }
        }
    }
    let messages = update::messages_for_task(tx);
    let mut reply = started_reply(tx.state).ok_or(Reject::StaleTask)?;
    reply.messages = messages;
    Ok(Reply::WorkflowTaskStarted(Box::new(reply)))
}

fn begin(tx: &mut Tx, mut task: WorkflowTask, poller: Poller) {
    let reasons = suggest_reasons(tx);
    let target_version_changed = versioning::note_target(tx, &poller.taken_by);
    let started = TaskStarted {
        event_id: task.scheduled_event_id + 1,
        time: tx.now(),
        identity: poller.identity,
        request_id: poller.request_id,
        suggest_continue_as_new: !reasons.is_empty(),
        history_size_bytes: tx.state.run.history_size_bytes,
        worker_version: poller.worker_version,
        suggest_reasons: reasons,
        target_version_changed,
    };
    if tx.state.volatile.speculative_task.is_some() {
        tx.volatile(VolatileChange::SpeculativeTaskStarted(started));
    } else if task.attempt == 1 {
        write_started(tx, task.scheduled_event_id, &started);
    } else if task.scheduled_event_id == tx.state.run.next_event_id {
        tx.durable(Kind::WorkflowTaskStarted(started));
    } else {
        // Events came since the transient task was scheduled: the history has gone on, and the task is in it.
        task.attempt = 1;
        task.scheduled_time = tx.now();
        let scheduled_event_id = write_scheduled(tx, &task);
        write_started(tx, scheduled_event_id, &started);
    }
}

fn suggest_reasons(tx: &Tx) -> Vec<i32> {
    let (run, limits) = (&tx.state.run, tx.ctx.limits);
    let mut reasons = Vec::new();
    if run.history_size_bytes >= limits.history_size_suggest_continue_as_new {
        reasons.push(SuggestContinueAsNewReason::HistorySizeTooLarge as i32);
    }
    if run.next_event_id >= limits.history_count_suggest_continue_as_new {
        reasons.push(SuggestContinueAsNewReason::TooManyHistoryEvents as i32);
    }
    if update::suggests_continue_as_new(tx) {
        reasons.push(SuggestContinueAsNewReason::TooManyUpdates as i32);
    }
    reasons
}

/// Writes WorkflowTaskStarted as it happened, and returns its id.
pub(super) fn write_started(tx: &mut Tx, scheduled_event_id: i64, started: &TaskStarted) -> i64 {
    let attributes = started_attributes(scheduled_event_id, started);
    tx.event_with(attributes, EventExtras { time: Some(started.time), ..Default::default() })
}

/// Starts the pending task, if no worker has, for a reset that is going to fail it.
pub(crate) fn start_for_reset(tx: &mut Tx) {
    let Some(task) = tx.state.run.workflow_task.as_ref().filter(|task| task.started.is_none()) else { return };
    let scheduled_event_id = task.scheduled_event_id;
    let started = TaskStarted {
        time: tx.now(),
        identity: SERVER_IDENTITY.into(),
        // As Temporal writes it.
        request_id: "emptyUuid".into(),
        history_size_bytes: tx.state.run.history_size_bytes,
        ..Default::default()
    };
    write_started(tx, scheduled_event_id, &started);
}

fn started_attributes(scheduled_event_id: i64, started: &TaskStarted) -> Attributes {
    Attributes::WorkflowTaskStartedEventAttributes(WorkflowTaskStartedEventAttributes {
        scheduled_event_id,
        identity: started.identity.clone(),
        request_id: started.request_id.clone(),
        suggest_continue_as_new: started.suggest_continue_as_new,
        suggest_continue_as_new_reasons: started.suggest_reasons.clone(),
        target_worker_deployment_version_changed: started.target_version_changed,
        history_size_bytes: started.history_size_bytes,
        worker_version: started.worker_version.clone(),
        ..Default::default()
    })
}

/// All that the worker is told about the task that it has.
fn started_reply(state: &WorkflowState) -> Option<WorkflowTaskStarted> {
    let run = &state.run;
    let task = pending(state)?;
    let started = task.started.as_ref()?;
    Some(WorkflowTaskStarted {
        workflow_id: run.workflow_id.clone(),
        run_id: run.run_id.clone(),
        workflow_type: run.workflow_type.clone(),
        scheduled_event_id: task.scheduled_event_id,
        started_event_id: started.event_id,
        attempt: task.attempt,
        previous_started_event_id: run.last_completed_started_event_id,
        scheduled_time: task.scheduled_time,
        started_time: started.time,
        last_event_id: run.next_event_id - 1,
        sticky: run.sticky.is_some(),
        transient_events: transient_events(state),
        messages: Vec::new(),
        task_queue: run.task_queue.clone(),
    })
}

/// Scheduled and Started of a pending transient or speculative task: they are shown behind the stored history.
pub fn transient_events(state: &WorkflowState) -> Vec<HistoryEvent> {
    let unwritten = match &state.run.workflow_task {
        Some(task) if task.attempt > 1 => Some(task),
        Some(_) => None,
        None => state.volatile.speculative_task.as_deref(),
    };
    let Some(task) = unwritten.filter(|task| task.scheduled_event_id == state.run.next_event_id) else {
        return Vec::new();
    };
    let shown = |event_id: i64, time: Nanos, attributes: Attributes| HistoryEvent {
        event_id,
        event_time: Some(timestamp(time)),
        event_type: event_type(&attributes) as i32,
        attributes: Some(attributes),
        ..Default::default()
    };
    let scheduled = scheduled_attributes(&state.run, task);
    let mut events = vec![shown(task.scheduled_event_id, task.scheduled_time, scheduled)];
    if let Some(started) = &task.started {
        let attributes = started_attributes(task.scheduled_event_id, started);
        events.push(shown(started.event_id, started.time, attributes));
    }
    events
}
