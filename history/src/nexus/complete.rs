//! The end of an operation, on its way from a handler to the run that asked for it.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as TEXT};
use perdure_engine::{Archetype, Input, NexusCompletion, Reject};
use perdure_proto::token::NexusCallbackToken;
use perdure_storage::WorkflowKey;
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
        match self.tell_operation(to, completion.clone()).await {
            // The run may have been reset: the one in its place waits for the same operation.
            Err(Error::Reject(Reject::WorkflowClosed) | Error::RunNotFound) => {
                self.tell_operation(Target { workflow, run_id: None }, completion).await.map_err(refused)
            }
            answer => answer.map_err(refused),
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
