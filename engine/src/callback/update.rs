//! Callbacks that hear of the end of an update instead of the run's.
//!
//! | update | its callbacks |
//! |---|---|
//! | sent, not accepted yet | with the update in memory; another request for it adds its own |
//! | accepted, by its event; or admitted by the event of a reset | standby |
//! | accepted, another request | standby, by WorkflowExecutionOptionsUpdated |
//! | completed | scheduled |
//! | admitted by the event of a reset, and rejected | scheduled, with the rejection |
//! | accepted, and the run closes, also where it goes on as another | scheduled: the update has failed |
//!
//! Whoever asks for an update that has ended gets the outcome at once, and no callback.

use perdure_proto::api::{
    common::Callback as CallbackSpec,
    enums::EventType,
    failure::Failure,
    history::{
        HistoryEvent, WorkflowExecutionOptionsUpdatedEventAttributes, history_event::Attributes,
        workflow_execution_options_updated_event_attributes::WorkflowUpdateOptionsUpdate,
    },
};

use super::{is_scheduled, register, schedule};
use crate::{
    apply::Corrupt,
    change::{CallbackRefusedChange, Kind},
    event::event_time,
    outcome::Task,
    reject::Reject,
    state::{CallbackPhase, InPhase, RequestIdInfo, RunState},
    tx::{EventExtras, Tx},
};

/// The event keeps a request for the update, with its callbacks.
pub(crate) fn keep(
    run: &mut RunState,
    event: &HistoryEvent,
    update_id: &str,
    request_id: &str,
    callbacks: &[CallbackSpec],
) {
    let started = EventType::WorkflowExecutionStarted as i32;
    let of_start = run.start_request_ids.get(request_id).is_some_and(|seen| seen.event_type == started);
    if !request_id.is_empty() && !of_start {
        let info = RequestIdInfo { event_type: event.event_type, event_id: event.event_id };
        run.start_request_ids.insert(request_id.to_owned(), info);
    }
    register(run, update_id, request_id, event_time(event), callbacks);
    if run.updates.get(update_id).is_some_and(|update| update.outcome.is_some()) {
        ended(run, update_id);
    }
}

/// The update has an outcome.
pub(crate) fn ended(run: &mut RunState, update_id: &str) {
    schedule(run, |callback| callback.update_id == update_id);
}

/// Calls the callbacks of an update that has just ended.
pub(crate) fn call(tx: &mut Tx, update_id: &str) {
    let callbacks = tx.state.run.callbacks.iter();
    let due = callbacks.filter(|(_, callback)| callback.update_id == update_id && is_scheduled(callback));
    let due: Vec<(String, i32)> = due.map(|(id, callback)| (id.clone(), callback.attempt)).collect();
    for (callback_id, attempt) in due {
        tx.task(Task::InvokeCallback { callback_id, attempt });
    }
}

/// An accepted update gets another request's callbacks, unless it has them.
pub(crate) fn attach(tx: &mut Tx, update_id: &str, request_id: String, callbacks: Vec<CallbackSpec>) {
    if callbacks.is_empty() || tx.state.run.start_request_ids.contains_key(&request_id) {
        return;
    }
    let options = WorkflowUpdateOptionsUpdate {
        update_id: update_id.to_owned(),
        attached_request_id: request_id,
        attached_completion_callbacks: callbacks,
    };
    let attributes =
        WorkflowExecutionOptionsUpdatedEventAttributes { workflow_update_options: vec![options], ..Default::default() };
    let extras = EventExtras { worker_may_ignore: true, ..Default::default() };
    tx.event_or_buffer_with(Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(attributes), extras);
}

/// The worker rejected an update that the history has as admitted.
pub(crate) fn rejected(tx: &mut Tx, update_id: &str, failure: &Failure) {
    let of_update = |run: &RunState| -> Vec<String> {
        let callbacks = run.callbacks.iter().filter(|(_, callback)| callback.update_id == update_id);
        callbacks.map(|(id, _)| id.clone()).collect()
    };
    for callback_id in of_update(&tx.state.run) {
        let failure = Some(failure.clone());
        tx.durable(Kind::CallbackRefused(CallbackRefusedChange { callback_id, failure }));
    }
    call(tx, update_id);
}

pub(super) fn apply_refused(run: &mut RunState, refused: &CallbackRefusedChange) -> Result<(), Corrupt> {
    let callback = super::find(run, &refused.callback_id)?;
    callback.rejection = refused.failure.clone().map(Box::new);
    callback.phase = Some(CallbackPhase::Scheduled(InPhase {}));
    Ok(())
}

/// A run has only so many callbacks, whatever they wait for.
pub(crate) fn check_limit(run: &RunState, more: usize, limit: usize) -> Result<(), Reject> {
    let attached = run.callbacks.len();
    if more > 0 && attached + more > limit {
        return Err(Reject::FailedPrecondition(format!(
            "cannot attach more than {limit} callbacks to a workflow ({attached} callbacks already attached)"
        )));
    }
    Ok(())
}
