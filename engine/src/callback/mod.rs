//! Completion callbacks: addresses that are told how a run ended.
//!
//! | state | run closes for good | run goes on as another | called | refused for good | attempt failed | time comes |
//! |---|---|---|---|---|---|---|
//! | standby | scheduled | standby, for ever: the next run has it | not awaited | not awaited | not awaited | – |
//! | scheduled | – | – | succeeded | failed | backoff | – |
//! | backoff | – | – | not awaited | not awaited | not awaited | its end: scheduled |
//! | succeeded, failed | – | – | not awaited | not awaited | not awaited | – |
//!
//! Those of an update (`update`) are scheduled when it ends, and then move alike, also while the run is open.
//!
//! A run goes on as another when it is retried or continued as new; each run of a cron schedule ends for good.
//! Runs that are no workflows (`attach`) have them from their starts and from others that found them open; every
//! end of theirs is for good.
//!
//! They come with the start of a run, or with another start that is attached to it. The run that a reset puts in the
//! place of another has them too; the end that the reset makes does not call them.

mod describe;
pub(crate) mod update;

use perdure_proto::api::{
    common::Callback as CallbackSpec, enums::RetryState, failure::Failure, history::history_event::Attributes,
};

pub(crate) use self::describe::infos;
use crate::{
    apply::Corrupt,
    change::{CallbackEndedChange, CallbackRetryChange, Kind},
    outcome::{Reply, Task},
    reject::Reject,
    state::{Callback, CallbackPhase, InPhase, Nanos, RetryBackoff, RunState},
    tx::Tx,
};

/// What became of an attempt to call a callback.
#[derive(Clone, Debug, PartialEq)]
pub enum CallbackOutcome {
    Succeeded,
    Retry { failure: Box<Failure> },
    Failed { failure: Box<Failure> },
}

/// Keeps the callbacks that one request brought. Harmless when it happens again.
/// `update_id`: of the update whose end they are to hear; empty: the run's.
pub(crate) fn register(run: &mut RunState, update_id: &str, request_id: &str, time: Nanos, callbacks: &[CallbackSpec]) {
    for (place, callback) in callbacks.iter().enumerate() {
        let callback = Callback {
            callback: Some(callback.clone()),
            request_id: request_id.to_owned(),
            update_id: update_id.to_owned(),
            registration_time: time,
            phase: Some(CallbackPhase::Standby(InPhase {})),
            ..Default::default()
        };
        let id = match update_id {
            "" => format!("{request_id}:{place:02}"),
            update_id => format!("update {update_id}:{request_id}:{place:02}"),
        };
        run.callbacks.entry(id).or_insert(callback);
    }
}

/// The callbacks of the run that goes on in this one's place.
pub(crate) fn handed_on(run: &RunState) -> Vec<CallbackSpec> {
    let of_run = in_order(run).into_iter().filter(|callback| callback.update_id.is_empty());
    of_run.filter_map(|callback| callback.callback.clone()).collect()
}

/// All callbacks, in the order in which they came.
fn in_order(run: &RunState) -> Vec<&Callback> {
    let mut callbacks: Vec<_> = run.callbacks.iter().collect();
    callbacks.sort_by_key(|(id, callback)| (callback.registration_time, *id));
    callbacks.into_iter().map(|(_, callback)| callback).collect()
}

/// The run has closed with this event.
pub(crate) fn on_close(run: &mut RunState, close: &Attributes) {
    let goes_on = match close {
        Attributes::WorkflowExecutionContinuedAsNewEventAttributes(_) => true,
        Attributes::WorkflowExecutionFailedEventAttributes(end) => end.retry_state() == RetryState::InProgress,
        Attributes::WorkflowExecutionTimedOutEventAttributes(end) => end.retry_state() == RetryState::InProgress,
        _ => false,
    };
    schedule(run, |callback| !goes_on || !callback.update_id.is_empty());
}

/// The run, which is no workflow, has closed.
pub(crate) fn on_end(run: &mut RunState) {
    schedule(run, |_| true);
}

/// Calls those that have waited for what has happened now.
fn schedule(run: &mut RunState, hears: impl Fn(&Callback) -> bool) {
    for callback in run.callbacks.values_mut() {
        if hears(callback) && matches!(callback.phase, Some(CallbackPhase::Standby(_))) {
            callback.phase = Some(CallbackPhase::Scheduled(InPhase {}));
        }
    }
}

pub(crate) fn push_obligations(run: &RunState, tasks: &mut Vec<Task>) {
    let due = run.callbacks.iter().filter(|(_, callback)| is_scheduled(callback));
    tasks.extend(due.map(|(id, callback)| Task::InvokeCallback { callback_id: id.clone(), attempt: callback.attempt }));
}

fn is_scheduled(callback: &Callback) -> bool {
    matches!(callback.phase, Some(CallbackPhase::Scheduled(_)))
}

/// The attempt with this number has ended.
pub(crate) fn done(tx: &mut Tx, callback_id: String, attempt: i32, outcome: CallbackOutcome) -> Result<Reply, Reject> {
    let callback = tx.state.run.callbacks.get(&callback_id);
    if !callback.is_some_and(|callback| callback.attempt == attempt && is_scheduled(callback)) {
        return Err(Reject::NotAwaited);
    }
    let ended = tx.now();
    tx.durable(match outcome {
        CallbackOutcome::Succeeded => Kind::CallbackEnded(CallbackEndedChange { callback_id, ended, failure: None }),
        CallbackOutcome::Failed { failure } => {
            Kind::CallbackEnded(CallbackEndedChange { callback_id, ended, failure: Some(*failure) })
        }
        CallbackOutcome::Retry { failure } => Kind::CallbackRetry(CallbackRetryChange {
            callback_id,
            ended,
            until: ended.saturating_add(tx.ctx.limits.callback_retry.after(attempt.saturating_add(1))),
            failure: Some(*failure),
        }),
    });
    Ok(Reply::Done)
}

pub(crate) fn apply_durable(run: &mut RunState, kind: &Kind) -> Result<(), Corrupt> {
    match kind {
        Kind::CallbackRetry(retry) => {
            let backoff = CallbackPhase::Backoff(RetryBackoff { until: retry.until });
            end_attempt(find(run, &retry.callback_id)?, retry.ended, retry.failure.as_ref(), backoff);
        }
        Kind::CallbackEnded(end) => {
            let phase = match end.failure {
                None => CallbackPhase::Succeeded(InPhase {}),
                Some(_) => CallbackPhase::Failed(InPhase {}),
            };
            end_attempt(find(run, &end.callback_id)?, end.ended, end.failure.as_ref(), phase);
        }
        Kind::CallbackRefused(refused) => update::apply_refused(run, refused)?,
        Kind::CallbacksAttached(attached) => {
            register(run, "", &attached.request_id, attached.time, &attached.callbacks);
        }
        Kind::CallbackReady(callback_id) => {
            find(run, callback_id)?.phase = Some(CallbackPhase::Scheduled(InPhase {}));
        }
        _ => return Err(Corrupt::at(0, "not a change of callbacks")),
    }
    Ok(())
}

fn end_attempt(callback: &mut Callback, ended: Nanos, failure: Option<&Failure>, phase: CallbackPhase) {
    callback.attempt += 1;
    callback.last_attempt_complete_time = ended;
    callback.last_attempt_failure = failure.cloned().map(Box::new);
    callback.phase = Some(phase);
}

fn find<'a>(run: &'a mut RunState, callback_id: &str) -> Result<&'a mut Callback, Corrupt> {
    run.callbacks.get_mut(callback_id).ok_or(Corrupt::at(0, "a change of a callback that is not known"))
}

fn backoff(callback: &Callback) -> Option<Nanos> {
    match &callback.phase {
        Some(CallbackPhase::Backoff(backoff)) => Some(backoff.until),
        _ => None,
    }
}

/// The next time at which [`wake`] has something to do; None: never.
pub(crate) fn next_deadline(run: &RunState) -> Option<Nanos> {
    run.callbacks.values().filter_map(backoff).min()
}

/// Calls the callbacks whose backoff is over.
pub(crate) fn wake(tx: &mut Tx) {
    let now = tx.now();
    let due = |callback: &Callback| backoff(callback).is_some_and(|until| until <= now);
    let due = tx.state.run.callbacks.iter().filter(|(_, callback)| due(callback));
    let due: Vec<(String, i32)> = due.map(|(id, callback)| (id.clone(), callback.attempt)).collect();
    for (callback_id, attempt) in due {
        tx.durable(Kind::CallbackReady(callback_id.clone()));
        tx.task(Task::InvokeCallback { callback_id, attempt });
    }
}
