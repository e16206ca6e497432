//! Calls of a closed run's completion callbacks. Each attempt is one delivery, as with Nexus requests.

use std::time::Duration;

use perdure_engine::{CallbackOutcome, Input, NexusCompletion, NexusResult, state::Callback};
use perdure_proto::api::{
    common::{
        Link,
        callback::Variant,
        link::{
            Variant as LinkVariant, WorkflowEvent,
            workflow_event::{EventReference, Reference, RequestIdReference},
        },
    },
    enums::EventType,
    failure::{CanceledFailureInfo, Failure, TerminatedFailureInfo, TimeoutFailureInfo, failure::FailureInfo},
    history::history_event::Attributes,
    update::outcome::Value,
};

use super::{Message, schedule};
use crate::{
    nexus::{self, CALLBACK_TOKEN, CompleteError, OPERATION_TOKEN, RequestError, SYSTEM_CALLBACK},
    shard::cell::Cell,
    shared::Shared,
};

/// How long one call may take. Temporal's default.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A callback, and what it is to hear.
pub(super) struct Call {
    callback_id: String,
    attempt: i32,
    callback: Callback,
    completion: NexusCompletion,
}

/// The call of a callback, or the news for the schedule that started the workflow.
pub(super) fn message(cell: &Cell, callback_id: &str, attempt: i32) -> Option<Message> {
    let watched = cell.state.run.callbacks.get(callback_id)?.callback.as_ref();
    if let Some((to, ended)) = watched.and_then(|callback| schedule::watcher(cell, callback)) {
        return Some(Message::ActionEnded { callback_id: callback_id.to_owned(), attempt, to, ended: Box::new(ended) });
    }
    Call::of(cell, callback_id, attempt).map(|call| Message::Callback(Box::new(call)))
}

impl Call {
    fn of(cell: &Cell, callback_id: &str, attempt: i32) -> Option<Self> {
        let run = &cell.state.run;
        let callback = run.callbacks.get(callback_id)?.clone();
        let completion = NexusCompletion {
            scheduled_event_id: 0,
            request_id: String::new(),
            operation_token: String::new(),
            start_time: run.start_time,
            links: vec![link_of_start(cell, &callback)],
            result: match callback.update_id.as_str() {
                "" => result(run.close.as_ref()?.event.as_ref()?.attributes.as_ref()?)?,
                update_id => result_of_update(cell, update_id, &callback)?,
            },
        };
        Some(Self { callback_id: callback_id.to_owned(), attempt, callback, completion })
    }

    pub(super) async fn invoke(&self, shared: &Shared) -> Input {
        let outcome = self.try_invoke(shared).await;
        Input::CallbackDone { callback_id: self.callback_id.clone(), attempt: self.attempt, outcome }
    }

    async fn try_invoke(&self, shared: &Shared) -> CallbackOutcome {
        let Some(Variant::Nexus(target)) =
            self.callback.callback.as_ref().and_then(|callback| callback.variant.as_ref())
        else {
            return failed("unprocessable callback variant".to_owned(), false);
        };
        let header = |name: &str| target.header.get(name).cloned().unwrap_or_default();
        if target.url != SYSTEM_CALLBACK {
            let http = &shared.nexus.http;
            return match http.complete(&target.url, &target.header, &self.completion, REQUEST_TIMEOUT).await {
                Ok(()) => CallbackOutcome::Succeeded,
                Err(RequestError { failure, retryable: true }) => CallbackOutcome::Retry { failure },
                Err(RequestError { failure, retryable: false }) => CallbackOutcome::Failed { failure },
            };
        }
        let completion = NexusCompletion { operation_token: header(OPERATION_TOKEN), ..self.completion.clone() };
        match shared.complete_nexus(&header(CALLBACK_TOKEN), completion).await {
            Ok(()) => CallbackOutcome::Succeeded,
            Err(error @ CompleteError::Unavailable) => failed(handler_error("UNAVAILABLE", &error), true),
            Err(error @ CompleteError::BadToken) => failed(handler_error("BAD_REQUEST", &error), false),
            Err(error @ CompleteError::NotFound(_)) => failed(handler_error("NOT_FOUND", &error), false),
        }
    }
}

fn handler_error(kind: &str, error: &CompleteError) -> String {
    format!("handler error ({kind}): {error}")
}

fn failed(message: String, retryable: bool) -> CallbackOutcome {
    let mut failure = nexus::failure::call_error(message, retryable);
    if let Some(FailureInfo::ApplicationFailureInfo(info)) = &mut failure.failure_info {
        info.r#type.clear();
    }
    let failure = Box::new(failure);
    if retryable { CallbackOutcome::Retry { failure } } else { CallbackOutcome::Failed { failure } }
}

/// To the event that brought the callback: the start, or one that may have no event id yet.
fn link_of_start(cell: &Cell, callback: &Callback) -> Link {
    let run = &cell.state.run;
    let started = i32::from(EventType::WorkflowExecutionStarted);
    let brought = run.start_request_ids.get(&callback.request_id).map_or(started, |brought| brought.event_type);
    let reference = if brought == started {
        Reference::EventRef(EventReference { event_id: 1, event_type: started })
    } else {
        Reference::RequestIdRef(RequestIdReference { request_id: callback.request_id.clone(), event_type: brought })
    };
    let event = WorkflowEvent {
        namespace: run.namespace.clone(),
        workflow_id: run.workflow_id.clone(),
        run_id: run.run_id.clone(),
        reference: Some(reference),
    };
    Link { variant: Some(LinkVariant::WorkflowEvent(event)) }
}

/// How the update ended, in the words of an operation. None: it has not.
fn result_of_update(cell: &Cell, update_id: &str, callback: &Callback) -> Option<NexusResult> {
    if let Some(rejection) = &callback.rejection {
        return Some(NexusResult::Failed(rejection.clone()));
    }
    Some(match cell.state.update_outcome(update_id)?.value? {
        Value::Success(result) => {
            let result = result.payloads.into_iter().next();
            NexusResult::Succeeded(Some(nexus::or_null(result)))
        }
        Value::Failure(failure) => NexusResult::Failed(Box::new(failure)),
    })
}

/// How the run ended, in the words of an operation. None: it goes on as another run.
fn result(close: &Attributes) -> Option<NexusResult> {
    use Attributes as A;
    let of = |message: &str, info: FailureInfo| {
        Box::new(Failure { message: message.to_owned(), failure_info: Some(info), ..Failure::default() })
    };
    Some(match close {
        A::WorkflowExecutionCompletedEventAttributes(end) => {
            let result = end.result.as_ref().and_then(|result| result.payloads.first()).cloned();
            NexusResult::Succeeded(Some(nexus::or_null(result)))
        }
        A::WorkflowExecutionFailedEventAttributes(end) => {
            NexusResult::Failed(Box::new(end.failure.clone().unwrap_or_default()))
        }
        A::WorkflowExecutionCanceledEventAttributes(end) => {
            let info = CanceledFailureInfo { details: end.details.clone(), ..CanceledFailureInfo::default() };
            NexusResult::Canceled(of("operation canceled", FailureInfo::CanceledFailureInfo(info)))
        }
        A::WorkflowExecutionTerminatedEventAttributes(_) => {
            let info = FailureInfo::TerminatedFailureInfo(TerminatedFailureInfo::default());
            NexusResult::Failed(of("operation terminated", info))
        }
        A::WorkflowExecutionTimedOutEventAttributes(_) => {
            let info = FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo::default());
            NexusResult::Failed(of("operation exceeded internal timeout", info))
        }
        _ => return None,
    })
}
