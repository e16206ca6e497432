//! Updates: requests that a workflow accepts or rejects, and answers.
//!
//! Before acceptance an update lives in memory only (`Volatile::admitted`): a caller who loses it sends it again under
//! the same id. Acceptance and completion are events. A rejection leaves no trace in the history.
//!
//! | state | request again | task starts | accepted | rejected | answered | task completes without it | task fails, or is late | task completes badly | run closes |
//! |---|---|---|---|---|---|---|---|---|---|
//! | unknown | admitted | – | accepted, if the message has the request | not found | not found | – | – | – | – |
//! | admitted | admitted | sent | accepted | rejected | refused | stays | stays | stays | aborted |
//! | sent | admitted | – | accepted | rejected | refused | rejected | admitted | aborted | aborted |
//! | accepted | accepted | – | refused | refused | completed | stays | stays | stays | failed |
//! | completed | outcome | – | refused | refused | refused | stays | stays | stays | stays |

mod messages;

use perdure_proto::api::{
    enums::UpdateWorkflowExecutionLifecycleStage as Stage,
    failure::{ApplicationFailureInfo, Failure, failure::FailureInfo},
    history::{HistoryEvent, WorkflowExecutionUpdateAdmittedEventAttributes, history_event::Attributes},
    update::{Outcome, Request, outcome::Value},
};
use prost::Message as _;

pub(crate) use self::messages::{handle_messages, is_rejection, messages_for_task};
use crate::{
    apply::Corrupt,
    callback,
    change::VolatileChange,
    outcome::{Notice, Reply, UpdateAbort},
    pause,
    reject::Reject,
    state::{AdmittedUpdate, RunState, Update, Volatile, WorkflowState},
    tx::Tx,
    workflow_task,
};

/// Attempts of a workflow task after which updates are refused: the workflow cannot take them.
const FAILING_ATTEMPTS: i32 = 3;

// === Effects ===

pub(crate) fn apply(state: &mut WorkflowState, event: &HistoryEvent, attributes: &Attributes) -> Result<(), Corrupt> {
    match attributes {
        Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(accepted) => {
            let update_id = accepted.protocol_instance_id.clone();
            let update = Update {
                update_id: update_id.clone(),
                accepted_event_id: event.event_id,
                protocol_instance_id: update_id.clone(),
                ..Default::default()
            };
            forget(state, &update_id);
            state.run.updates.insert(update_id.clone(), update);
            if let Some(request) = &accepted.accepted_request {
                let callbacks = &request.completion_callbacks;
                callback::update::keep(&mut state.run, event, &update_id, &request.request_id, callbacks);
            }
            Ok(())
        }
        Attributes::WorkflowExecutionUpdateCompletedEventAttributes(completed) => {
            let update_id = completed.meta.as_ref().map_or("", |meta| &meta.update_id);
            let unknown = Corrupt::at(event.event_id, "an update completed that was not accepted");
            let update = state.run.updates.get_mut(update_id).ok_or(unknown)?;
            update.outcome.clone_from(&completed.outcome);
            update.completed_event_id = event.event_id;
            callback::update::ended(&mut state.run, update_id);
            Ok(())
        }
        _ => Err(Corrupt::at(event.event_id, "an update event that this version does not write")),
    }
}

/// Only a reset admits an update by an event.
pub(crate) fn apply_admitted(
    state: &mut WorkflowState,
    event: &HistoryEvent,
    admitted: &WorkflowExecutionUpdateAdmittedEventAttributes,
) -> Result<(), Corrupt> {
    let nothing = Corrupt::at(event.event_id, "an admitted update without its request");
    let request = admitted.request.as_ref();
    let Some((request, meta)) = request.and_then(|request| Some((request, request.meta.as_ref()?))) else {
        return Err(nothing);
    };
    let update_id = meta.update_id.clone();
    let callbacks = &request.completion_callbacks;
    callback::update::keep(&mut state.run, event, &update_id, &request.request_id, callbacks);
    state.volatile.admitted.push(admitted_by_event(&update_id));
    state.run.reapplied_updates.push(update_id);
    Ok(())
}

/// What waits for its worker though memory was lost.
pub(crate) fn reapplied(run: &RunState) -> Vec<AdmittedUpdate> {
    run.reapplied_updates.iter().map(|update_id| admitted_by_event(update_id)).collect()
}

fn admitted_by_event(update_id: &str) -> AdmittedUpdate {
    AdmittedUpdate { update_id: update_id.to_owned(), ..Default::default() }
}

/// It waits for its worker no more: not even after memory was lost.
pub(crate) fn forget(state: &mut WorkflowState, update_id: &str) {
    state.run.reapplied_updates.retain(|reapplied| reapplied != update_id);
    state.volatile.admitted.retain(|update| update.update_id != update_id);
}

fn is_reapplied(run: &RunState, update_id: &str) -> bool {
    run.reapplied_updates.iter().any(|reapplied| reapplied == update_id)
}

pub(crate) fn is_known(state: &WorkflowState, update_id: &str) -> bool {
    known(state, update_id).is_some()
}

pub(crate) fn apply_volatile(volatile: &mut Volatile, change: &VolatileChange) -> Result<(), Corrupt> {
    let admitted = &mut volatile.admitted;
    match change {
        VolatileChange::UpdateAdmitted(update) => admitted.push(update.clone()),
        VolatileChange::UpdateJoined { update_id, request_id, callbacks } => {
            for update in admitted.iter_mut().filter(|update| update.update_id == *update_id) {
                update.joined.push((request_id.clone(), callbacks.clone()));
            }
        }
        VolatileChange::UpdateRemoved(id) => admitted.retain(|update| update.update_id != *id),
        VolatileChange::UpdatesSent { ids, scheduled_event_id, attempt } => {
            for update in admitted.iter_mut().filter(|update| ids.contains(&update.update_id)) {
                update.sent_in = Some((*scheduled_event_id, *attempt));
            }
        }
        VolatileChange::UpdatesUnsent => admitted.iter_mut().for_each(|update| update.sent_in = None),
        _ => return Err(Corrupt::at(0, "not a change of updates")),
    }
    Ok(())
}

// === Requests ===

/// A new update request, or one that repeats an update id.
pub(crate) fn admit(tx: &mut Tx, request: Request, update_id: String) -> Result<Reply, Reject> {
    if let Some((stage, outcome)) = known(tx.state, &update_id) {
        join(tx, &update_id, stage, request)?;
        return Ok(Reply::Update { stage, outcome: outcome.map(Box::new) });
    }
    if tx.state.run.close.is_some() {
        return Err(Reject::WorkflowClosed);
    }
    if pause::is_paused(&tx.state.run) {
        return Err(Reject::FailedPrecondition("Workflow is paused. Cannot update the workflow.".into()));
    }
    check_limits(tx, &request)?;
    let callbacks = request.completion_callbacks.len();
    callback::update::check_limit(&tx.state.run, callbacks, tx.ctx.limits.callbacks)?;
    let failing = tx.state.run.workflow_task.as_ref().is_some_and(|task| task.attempt >= FAILING_ATTEMPTS);
    if failing {
        return Err(Reject::WorkflowNotReady(
            "Unable to perform workflow execution update due to Workflow Task in failed state.".into(),
        ));
    }
    tx.volatile(VolatileChange::UpdateAdmitted(AdmittedUpdate { update_id, request, ..Default::default() }));
    workflow_task::schedule_for_update(tx);
    Ok(Reply::Update { stage: Stage::Admitted, outcome: None })
}

/// Another request for an update that the run knows: its callbacks hear of the end too, unless that is known already.
fn join(tx: &mut Tx, update_id: &str, stage: Stage, request: Request) -> Result<(), Reject> {
    let (request_id, callbacks) = (request.request_id, request.completion_callbacks);
    if callbacks.is_empty() || stage == Stage::Completed {
        return Ok(());
    }
    let admitted = tx.state.volatile.admitted.iter().find(|update| update.update_id == update_id);
    let is_known = tx.state.run.start_request_ids.contains_key(&request_id);
    if is_known || admitted.is_some_and(|update| has_joined(update, &request_id)) {
        return Ok(());
    }
    callback::update::check_limit(&tx.state.run, callbacks.len(), tx.ctx.limits.callbacks)?;
    if stage == Stage::Accepted {
        callback::update::attach(tx, update_id, request_id, callbacks);
    } else {
        tx.volatile(VolatileChange::UpdateJoined { update_id: update_id.to_owned(), request_id, callbacks });
    }
    Ok(())
}

fn has_joined(update: &AdmittedUpdate, request_id: &str) -> bool {
    update.request.request_id == request_id || update.joined.iter().any(|(joined, _)| joined == request_id)
}

impl WorkflowState {
    /// How far an update is, and how it ended: a run that closes under an accepted update fails it. None: it is not known.
    pub fn update_progress(&self, update_id: &str) -> Option<(Stage, Option<Outcome>)> {
        known(self, update_id)
    }

    /// How an accepted update ended; a run that closes under it fails it. None: it has not ended.
    pub fn update_outcome(&self, update_id: &str) -> Option<Outcome> {
        known(self, update_id)?.1
    }
}

/// The stage of an update that the run knows.
fn known(state: &WorkflowState, update_id: &str) -> Option<(Stage, Option<Outcome>)> {
    match state.run.updates.get(update_id) {
        Some(update) if update.outcome.is_some() => Some((Stage::Completed, update.outcome.clone())),
        // The run ended under it: nothing will answer any more.
        Some(_) if state.run.close.is_some() => Some((Stage::Completed, Some(failed(outlived())))),
        Some(_) => Some((Stage::Accepted, None)),
        None => {
            let admitted = state.volatile.admitted.iter().any(|update| update.update_id == update_id);
            admitted.then_some((Stage::Admitted, None))
        }
    }
}

fn check_limits(tx: &Tx, request: &Request) -> Result<(), Reject> {
    let limits = tx.ctx.limits;
    let admitted = &tx.state.volatile.admitted;
    let updates = &tx.state.run.updates;
    let accepted = updates.values().filter(|update| update.outcome.is_none()).count();
    if admitted.len() + accepted >= limits.in_flight_updates {
        let text = "limit on number of concurrent in-flight updates has been reached";
        return Err(Reject::ConcurrentLimit(format!("{text} ({})", limits.in_flight_updates)));
    }
    if admitted.len() + updates.len() >= limits.total_updates {
        return Err(Reject::FailedPrecondition(format!(
            "The limit on the total number of distinct updates in this workflow has been reached ({}). Make sure any \
             duplicate updates share an Update ID so the server can deduplicate them, and consider rejecting updates that \
             you aren't going to process. You can also Continue-as-New to avoid this; we recommend you check \
             Continue-as-New Suggested in your Workflow.",
            limits.total_updates
        )));
    }
    let waiting: usize = admitted.iter().map(|update| update.request.encoded_len()).sum();
    if (waiting + request.encoded_len()) as i64 > limits.in_flight_update_bytes {
        let text = "limit on total payload size of in-flight updates has been reached";
        return Err(Reject::ConcurrentLimit(format!("{text} ({} bytes)", limits.in_flight_update_bytes)));
    }
    Ok(())
}

// === What workflow tasks and the close ask ===

/// Updates went out with the started workflow task, so its completion must be looked at.
pub(crate) fn any_sent(state: &WorkflowState) -> bool {
    state.volatile.admitted.iter().any(|update| update.sent_in.is_some())
}

/// Updates wait for a workflow task.
pub(crate) fn wants_task(state: &WorkflowState) -> bool {
    state.volatile.admitted.iter().any(|update| update.sent_in.is_none())
}

/// The run nears its limit of updates.
pub(crate) fn suggests_continue_as_new(tx: &Tx) -> bool {
    let known = tx.state.run.updates.len() + tx.state.volatile.admitted.len();
    let limits = tx.ctx.limits;
    known as f64 >= limits.total_updates as f64 * limits.total_updates_suggest_continue_as_new
}

/// The completed workflow task carried updates that its worker did not answer: a worker that does not know updates.
pub(crate) fn reject_unanswered(tx: &mut Tx) {
    let unanswered: Vec<String> = sent_ids(tx.state);
    for update_id in unanswered {
        let failure = server_made(
            "Workflow Update is rejected because it wasn't processed by worker. Probably, Workflow Update is not \
             supported by the worker.",
            "UnprocessedUpdate",
        );
        messages::rejected(tx, update_id, failure);
    }
}

/// The workflow task that carried updates ended without an answer: they wait for the next one.
pub(crate) fn on_task_lost(tx: &mut Tx) {
    if any_sent(tx.state) {
        tx.volatile(VolatileChange::UpdatesUnsent);
    }
}

/// The worker completed the workflow task badly: the updates that it had seen may be the reason.
pub(crate) fn on_task_failed(tx: &mut Tx) {
    for update_id in sent_ids(tx.state) {
        // One that the history has as admitted comes with the next task again.
        if !is_reapplied(&tx.state.run, &update_id) {
            abort(tx, update_id, UpdateAbort::WorkflowTaskFailed);
        }
    }
}

/// The run closes: updates that nobody accepted are aborted, accepted ones will have no answer.
pub(crate) fn on_close(tx: &mut Tx, reason: UpdateAbort) {
    let admitted: Vec<String> = tx.state.volatile.admitted.iter().map(|update| update.update_id.clone()).collect();
    for update_id in admitted {
        abort(tx, update_id, reason);
    }
    let open = tx.state.run.updates.values().filter(|update| update.outcome.is_none());
    let accepted: Vec<String> = open.map(|update| update.update_id.clone()).collect();
    for update_id in accepted {
        tx.notice(Notice::Update { update_id, stage: Stage::Completed, outcome: Some(failed(outlived())) });
    }
}

fn sent_ids(state: &WorkflowState) -> Vec<String> {
    let sent = state.volatile.admitted.iter().filter(|update| update.sent_in.is_some());
    sent.map(|update| update.update_id.clone()).collect()
}

fn abort(tx: &mut Tx, update_id: String, reason: UpdateAbort) {
    tx.volatile(VolatileChange::UpdateRemoved(update_id.clone()));
    tx.notice(Notice::UpdateAborted { update_id, reason });
}

fn outlived() -> Failure {
    server_made(
        "Workflow Update failed because the Workflow completed before the Update completed.",
        "AcceptedUpdateCompletedWorkflow",
    )
}

/// An outcome that is a failure.
fn failed(failure: Failure) -> Outcome {
    Outcome { value: Some(Value::Failure(failure)) }
}

fn server_made(message: &str, kind: &str) -> Failure {
    Failure {
        message: message.into(),
        source: "Server".into(),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
            r#type: kind.into(),
            non_retryable: true,
            ..Default::default()
        })),
        ..Default::default()
    }
}

/// The id of the message that carries an update's request.
fn request_message_id(update_id: &str) -> String {
    format!("{update_id}/request")
}
