//! Calls of completion callbacks. Each attempt is one delivery, as with Nexus requests.

use perdure_engine::{CallbackOutcome, Input, NexusCompletion, state::Callback};
use perdure_proto::api::{common::callback::Variant, failure::failure::FailureInfo};

use super::{Message, end_told, nexus::span, schedule};
use crate::{
    nexus::{self, CALLBACK_TOKEN, CompleteError, OPERATION_TOKEN, RequestError, SYSTEM_CALLBACK},
    shard::cell::Cell,
    shared::Shared,
};

/// A callback, and what it is to hear.
pub(super) struct Call {
    callback_id: String,
    attempt: i32,
    namespace: String,
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
            links: vec![end_told::link(run, &callback)],
            result: end_told::result(&cell.state, &callback)?,
        };
        let (callback_id, namespace) = (callback_id.to_owned(), run.namespace.clone());
        Some(Self { callback_id, attempt, namespace, callback, completion })
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
            let timeout = span(shared.limits.load().of(&self.namespace).callback_timeout);
            return match http.complete(&target.url, &target.header, &self.completion, timeout).await {
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
