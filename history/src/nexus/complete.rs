//! The end of an operation, on its way from a handler to the run that asked for it.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as TEXT};
use perdure_engine::{Archetype, Input, NexusCompletion, Reject};
use perdure_proto::token::NexusCallbackToken;
use perdure_storage::{RunKey, WorkflowKey};
use uuid::Uuid;

use super::NexusConfig;
use crate::{History, api::Target, error::Error, shard::message::Action, shared::Shared};

/// Why a completion was not taken.
#[derive(Debug, thiserror::Error)]
pub enum CompleteError {
    /// The token was not made here.
    #[error("invalid callback token")]
    BadToken,
    /// The run, or the operation in it, is over or unknown: nobody waits.
    #[error("{0}")]
    NotFound(String),
    /// Trying again is right.
    #[error("service unavailable")]
    Unavailable,
}

impl NexusConfig {
    /// The token as it stands in a header.
    pub(crate) fn seal(&self, token: &NexusCallbackToken) -> String {
        TEXT.encode(self.sealer.seal(token))
    }
}

impl History {
    /// The end of an operation that its handler sends. `token`: what the handler was given with its request.
    pub async fn complete_nexus(&self, token: &str, completion: NexusCompletion) -> Result<(), CompleteError> {
        self.shared.complete_nexus(token, completion).await
    }
}

impl Shared {
    /// `sealed`: what the handler was given with its request, sealed.
    pub(crate) async fn complete_nexus(&self, sealed: &str, completion: NexusCompletion) -> Result<(), CompleteError> {
        let bytes = TEXT.decode(sealed).map_err(|_| CompleteError::BadToken)?;
        let token: NexusCallbackToken = self.nexus.sealer.open(&bytes).map_err(|_| CompleteError::BadToken)?;
        let namespace_id = Uuid::from_slice(&token.namespace_id).map_err(|_| CompleteError::BadToken)?;
        let run_id = Uuid::from_slice(&token.run_id).map_err(|_| CompleteError::BadToken)?;
        let completion = NexusCompletion {
            scheduled_event_id: token.scheduled_event_id,
            request_id: token.request_id,
            ..completion
        };
        let archetype = Archetype::try_from(token.archetype).map_err(|_| CompleteError::BadToken)?;
        let workflow = WorkflowKey::of(archetype, namespace_id, token.workflow_id.as_str());
        let to = Target { workflow: workflow.clone(), run_id: Some(run_id) };
        let run = RunKey { slot: workflow.slot(), run_id };
        let told = match self.tell_operation(to, completion.clone()).await {
            // The run may have been reset: the one in its place waits for the same operation.
            Err(Error::Reject(Reject::WorkflowClosed) | Error::RunNotFound) => {
                self.tell_operation(Target { workflow, run_id: None }, completion.clone()).await
            }
            answer => answer,
        };
        match told.map_err(refused) {
            Err(CompleteError::NotFound(_)) if self.was_told(run, &completion).await? => Ok(()),
            told => told,
        }
    }

    /// The end is in the run's history. Who tells of an end does so again after a crash that came before it wrote down that
    /// it had; the run, which has forgotten the operation by then, must not look as if it had never heard of it.
    async fn was_told(&self, run: RunKey, completion: &NexusCompletion) -> Result<bool, CompleteError> {
        let mut from = completion.scheduled_event_id + 1;
        loop {
            let page = self.event_page(run, from, i64::MAX).await.map_err(|_| CompleteError::Unavailable)?;
            let Some(last) = page.last().and_then(|(_, events)| events.last()) else { return Ok(false) };
            from = last.event_id + 1;
            let mut attributes =
                page.iter().flat_map(|(_, events)| events).filter_map(|event| event.attributes.as_ref());
            if attributes.any(|attributes| completion.became(attributes)) {
                return Ok(true);
            }
        }
    }

    async fn tell_operation(&self, to: Target, completion: NexusCompletion) -> Result<(), Error> {
        let input = Input::NexusOperationCompleted(Box::new(completion));
        self.ask(to, |reply| Action::Input { input, reply }).await.map(|_| ())
    }
}

fn refused(error: Error) -> CompleteError {
    match error {
        Error::Unavailable | Error::Busy(_) | Error::Timeout | Error::Reject(Reject::BusyWorkflow(_)) => {
            CompleteError::Unavailable
        }
        error => CompleteError::NotFound(error.to_string()),
    }
}
