//! The messages by which workers and the server speak of updates.

use perdure_proto::api::{
    enums::{UpdateWorkflowExecutionLifecycleStage as Stage, WorkflowTaskFailedCause as Cause},
    failure::Failure,
    history::{
        WorkflowExecutionUpdateAcceptedEventAttributes, WorkflowExecutionUpdateCompletedEventAttributes,
        history_event::Attributes,
    },
    protocol::{Message, message::SequencingId},
    update::{Acceptance, Rejection, Request, Response},
};
use prost::Message as _;
use prost_types::Any;

use super::{failed, is_reapplied, known, request_message_id};
use crate::{
    callback,
    change::{Kind, VolatileChange},
    commands::WorkflowTaskFailure,
    outcome::Notice,
    state::WorkflowState,
    tx::{EventExtras, Tx},
    workflow_task,
};

/// Package of the messages; its name is the protocol's.
const PROTOCOL: &str = "temporal.api.update.v1";

/// Messages for a workflow task that starts now; marks the updates as sent in it.
pub(crate) fn messages_for_task(tx: &mut Tx) -> Vec<Message> {
    if tx.state.volatile.admitted.is_empty() {
        return Vec::new();
    }
    let Some(task) = workflow_task::pending(tx.state) else { return Vec::new() };
    let (scheduled_event_id, attempt) = (task.scheduled_event_id, task.attempt);
    let to_send = |sent_in: Option<(i64, i32)>| sent_in.is_none_or(|sent| sent == (scheduled_event_id, attempt));
    let mut ids = Vec::new();
    let mut messages = Vec::new();
    for update in tx.state.volatile.admitted.iter().filter(|update| to_send(update.sent_in)) {
        ids.push(update.update_id.clone());
        if is_reapplied(&tx.state.run, &update.update_id) {
            // The worker takes it from the event that admitted it.
            continue;
        }
        messages.push(Message {
            id: request_message_id(&update.update_id),
            protocol_instance_id: update.update_id.clone(),
            body: Some(Any {
                type_url: format!("type.googleapis.com/{PROTOCOL}.Request"),
                value: update.request.encode_to_vec(),
            }),
            // The last event that the worker must have applied: the one before WorkflowTaskStarted.
            sequencing_id: Some(SequencingId::EventId(scheduled_event_id)),
        });
    }
    tx.volatile(VolatileChange::UpdatesSent { ids, scheduled_event_id, attempt });
    messages
}

pub(crate) fn is_rejection(message: &Message) -> bool {
    message.body.as_ref().is_some_and(|body| kind_of(body) == Some("Rejection"))
}

/// Takes messages of a completed workflow task: by the place of their command, or at the end where no command names them.
pub(crate) fn handle_messages(
    tx: &mut Tx,
    messages: Vec<Message>,
    _completed_event_id: i64,
) -> Result<(), WorkflowTaskFailure> {
    messages.into_iter().try_for_each(|message| handle(tx, message))
}

fn handle(tx: &mut Tx, message: Message) -> Result<(), WorkflowTaskFailure> {
    let Some(body) = &message.body else { return Err(WorkflowTaskFailure::refused("nil message body")) };
    let Some(kind) = kind_of(body) else {
        let full = body.type_url.rsplit('/').next().unwrap_or_default();
        let protocol = full.rsplit_once('.').map_or("", |(package, _)| package);
        return Err(bad(format!("unsupported protocol type {protocol}")));
    };
    let update_id = message.protocol_instance_id;
    match kind {
        "Acceptance" => accept(tx, update_id, decode(body)?),
        "Rejection" => reject(tx, update_id, decode(body)?),
        "Response" => complete(tx, update_id, decode(body)?),
        other => Err(bad(format!("Message type {other} not supported"))),
    }
}

fn accept(tx: &mut Tx, update_id: String, acceptance: Acceptance) -> Result<(), WorkflowTaskFailure> {
    if acceptance.accepted_request_message_id.is_empty() && known(tx.state, &update_id).is_some() {
        return Err(bad("invalid *update.Acceptance: accepted_request_message_id is not set"));
    }
    let admitted = tx.state.volatile.admitted.iter().find(|update| update.update_id == update_id);
    let request: Option<Request> = match admitted {
        Some(update) => Some(update.request.clone()),
        None if tx.state.run.updates.contains_key(&update_id) => return Err(unexpected("Acceptance", tx, &update_id)),
        // The server lost the update, the worker did not: what it sends back is enough.
        None => acceptance.accepted_request,
    };
    let Some(request) = request else { return Err(not_found(&update_id)) };
    let links = request.links.clone();
    let joined = admitted.map(|update| update.joined.clone()).unwrap_or_default();
    // The history has the request already where an event admitted it.
    let accepted_request = (!is_reapplied(&tx.state.run, &update_id)).then_some(request);
    let attributes = WorkflowExecutionUpdateAcceptedEventAttributes {
        protocol_instance_id: update_id.clone(),
        accepted_request_message_id: request_message_id(&update_id),
        accepted_request_sequencing_event_id: acceptance.accepted_request_sequencing_event_id,
        accepted_request,
    };
    let extras = EventExtras { links, ..Default::default() };
    tx.event_with(Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(attributes), extras);
    for (request_id, callbacks) in joined {
        callback::update::attach(tx, &update_id, request_id, callbacks);
    }
    tx.notice(Notice::Update { update_id, stage: Stage::Accepted, outcome: None });
    Ok(())
}

fn reject(tx: &mut Tx, update_id: String, rejection: Rejection) -> Result<(), WorkflowTaskFailure> {
    if !tx.state.volatile.admitted.iter().any(|update| update.update_id == update_id) {
        return Err(match known(tx.state, &update_id) {
            Some(_) => unexpected("Rejection", tx, &update_id),
            None => not_found(&update_id),
        });
    }
    rejected(tx, update_id, rejection.failure.unwrap_or_default());
    Ok(())
}

/// The update ends without a trace in the history.
pub(super) fn rejected(tx: &mut Tx, update_id: String, failure: Failure) {
    if is_reapplied(&tx.state.run, &update_id) {
        tx.durable(Kind::UpdateForgotten(update_id.clone()));
        callback::update::rejected(tx, &update_id, &failure);
    }
    tx.volatile(VolatileChange::UpdateRemoved(update_id.clone()));
    tx.notice(Notice::Update { update_id, stage: Stage::Completed, outcome: Some(failed(failure)) });
}

fn complete(tx: &mut Tx, update_id: String, response: Response) -> Result<(), WorkflowTaskFailure> {
    let Some(update) = tx.state.run.updates.get(&update_id) else {
        return Err(match known(tx.state, &update_id) {
            Some(_) => unexpected("Response", tx, &update_id),
            None => not_found(&update_id),
        });
    };
    if update.outcome.is_some() {
        return Err(unexpected("Response", tx, &update_id));
    }
    let accepted_event_id = update.accepted_event_id;
    let Some(outcome) = response.outcome else { return Err(bad("invalid *update.Response: outcome is not set")) };
    let meta = response.meta.unwrap_or_default();
    if meta.update_id != update_id {
        let text = format!("invalid *update.Response: meta.update_id != {update_id}");
        return Err(bad(text));
    }
    tx.event(Attributes::WorkflowExecutionUpdateCompletedEventAttributes(
        WorkflowExecutionUpdateCompletedEventAttributes {
            meta: Some(meta),
            accepted_event_id,
            outcome: Some(outcome.clone()),
        },
    ));
    callback::update::call(tx, &update_id);
    tx.notice(Notice::Update { update_id, stage: Stage::Completed, outcome: Some(outcome) });
    Ok(())
}

/// The name of a message of our protocol: `Acceptance`, `Rejection`, `Response`.
fn kind_of(body: &Any) -> Option<&str> {
    let full = body.type_url.rsplit('/').next()?;
    full.strip_prefix(PROTOCOL)?.strip_prefix('.')
}

fn decode<T: prost::Message + Default>(body: &Any) -> Result<T, WorkflowTaskFailure> {
    T::decode(body.value.as_slice()).map_err(|_| bad(format!("unable to unmarshal message body {}", body.type_url)))
}

fn bad(text: impl AsRef<str>) -> WorkflowTaskFailure {
    WorkflowTaskFailure::task_failed(Cause::BadUpdateWorkflowExecutionMessage, text)
}

fn not_found(update_id: &str) -> WorkflowTaskFailure {
    bad(format!(
        "update {update_id} wasn't found on the server. This is most likely a transient error which will be resolved \
         automatically by retries"
    ))
}

fn unexpected(kind: &str, tx: &Tx, update_id: &str) -> WorkflowTaskFailure {
    bad(format!("unexpected {kind} message for update {update_id} in state {}", state_name(tx.state, update_id)))
}

fn state_name(state: &WorkflowState, update_id: &str) -> &'static str {
    match known(state, update_id) {
        Some((Stage::Completed, _)) => "Completed",
        Some((Stage::Accepted, _)) => "Accepted",
        Some(_) => "Admitted",
        None => "unknown",
    }
}
