//! Task tokens: opened, and bound to the namespace that the request names.

use perdure_engine::{ActivityRef, Archetype, WorkflowTaskRef};
use perdure_history::Target;
use perdure_proto::token::{ActivityTaskToken, NexusTaskToken, QueryTaskToken, Token, WorkflowTaskToken};
use perdure_storage::WorkflowKey;
use tonic::Status;
use uuid::Uuid;

use crate::{Frontend, namespaces::AuthorizedNamespace, status};

/// A kind of task whose answer carries a token.
pub(crate) trait TaskToken: Token {
    /// What the caller hears who shows a token of another kind of task: his task is not there.
    const NOT_FOUND: &str;

    fn namespace_id(&self) -> &[u8];
}

impl TaskToken for WorkflowTaskToken {
    const NOT_FOUND: &str = "Workflow task not found.";

    fn namespace_id(&self) -> &[u8] {
        &self.namespace_id
    }
}

impl TaskToken for ActivityTaskToken {
    const NOT_FOUND: &str = "invalid activityID or activity already timed out or invoking workflow is completed";

    fn namespace_id(&self) -> &[u8] {
        &self.namespace_id
    }
}

impl TaskToken for QueryTaskToken {
    const NOT_FOUND: &str = "query task not found, or already expired";

    fn namespace_id(&self) -> &[u8] {
        &self.namespace_id
    }
}

impl TaskToken for NexusTaskToken {
    const NOT_FOUND: &str = "Nexus task not found or already expired";

    fn namespace_id(&self) -> &[u8] {
        &self.namespace_id
    }
}

impl Frontend {
    /// Opens a token. Its namespace is the one that the call may touch; a request that names another is refused.
    pub(crate) fn open_task_token<T: TaskToken>(
        &self,
        sealed: &[u8],
        request_namespace: &str,
    ) -> Result<(AuthorizedNamespace, T), Status> {
        if sealed.is_empty() {
            return Err(status::invalid("Task token not set on request."));
        }
        let token: T = self.sealer.open(sealed).map_err(|_| self.refuse_task_token::<T>(sealed))?;
        let namespace_id = uuid(token.namespace_id())?;
        let Some(namespace) = self.namespaces.by_id(namespace_id) else {
            return Err(status::namespace_not_found(&namespace_id.to_string()));
        };
        if !request_namespace.is_empty() && self.namespaces.resolve(request_namespace)?.id() != namespace_id {
            return Err(status::invalid("Operation requested with a token from a different namespace."));
        }
        Ok((namespace, token))
    }

    fn refuse_task_token<T: TaskToken>(&self, sealed: &[u8]) -> Status {
        let another_kind = self.sealer.open::<WorkflowTaskToken>(sealed).is_ok()
            || self.sealer.open::<ActivityTaskToken>(sealed).is_ok()
            || self.sealer.open::<QueryTaskToken>(sealed).is_ok()
            || self.sealer.open::<NexusTaskToken>(sealed).is_ok();
        if another_kind { status::not_found(T::NOT_FOUND) } else { status::invalid("Error deserializing task token.") }
    }
}

/// The run and the workflow task that a token names.
pub(crate) fn workflow_task(token: WorkflowTaskToken) -> Result<(Target, WorkflowTaskRef), Status> {
    let target = target(&token.namespace_id, &token.workflow_id, &token.run_id)?;
    let task = WorkflowTaskRef {
        scheduled_event_id: token.scheduled_event_id,
        started_event_id: token.started_event_id,
        attempt: token.attempt,
        started_time: token.started_time,
    };
    Ok((target, task))
}

/// The run and the activity that a token names.
pub(crate) fn activity(token: ActivityTaskToken) -> Result<(Target, ActivityRef), Status> {
    let mut target = target(&token.namespace_id, &token.workflow_id, &token.run_id)?;
    if token.standalone {
        target.workflow.archetype = Archetype::Activity;
    }
    let activity = ActivityRef::Token {
        scheduled_event_id: token.scheduled_event_id,
        attempt: token.attempt,
        started_time: token.started_time,
    };
    Ok((target, activity))
}

fn target(namespace_id: &[u8], workflow_id: &str, run_id: &[u8]) -> Result<Target, Status> {
    let workflow = WorkflowKey::new(uuid(namespace_id)?, workflow_id);
    Ok(Target { workflow, run_id: Some(uuid(run_id)?) })
}

/// Sealed tokens hold what we put there; this only keeps a mistake of ours from being a panic.
pub(crate) fn uuid(bytes: &[u8]) -> Result<Uuid, Status> {
    Uuid::from_slice(bytes).map_err(|_| status::invalid("Error deserializing task token."))
}
