//! Task tokens: opened, and bound to the namespace that the request names.

use perdure_engine::{ActivityRef, Archetype, WorkflowTaskRef};
use perdure_history::Target;
use perdure_proto::token::{ActivityTaskToken, NexusTaskToken, QueryTaskToken, Token, WorkflowTaskToken};
use perdure_storage::WorkflowKey;
use prost::Message;
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
    /// Opens a token. Its namespace is the one that the call may touch; a request that names another is refused. That one
    /// is looked for first: a client that mistypes it hears so whatever its token is.
    pub(crate) fn open_task_token<T: TaskToken>(
        &self,
        sealed: &[u8],
        request_namespace: &str,
    ) -> Result<(AuthorizedNamespace, T), Status> {
        let named = match request_namespace {
            "" => None,
            name => Some(self.namespaces.resolve(name)?.id()),
        };
        if sealed.is_empty() {
            return Err(status::invalid("Task token not set on request."));
        }
        let token: T = self.sealer.open(sealed).map_err(|_| self.refuse_task_token::<T>(sealed, named))?;
        let namespace = self.token_namespace(uuid(token.namespace_id())?, named)?;
        Ok((namespace, token))
    }

    /// The namespace of a token, which must be that of the request, if it names one.
    fn token_namespace(&self, id: Uuid, named: Option<Uuid>) -> Result<AuthorizedNamespace, Status> {
        let namespace = self.namespaces.by_id(id).ok_or_else(|| status::namespace_not_found(&id.to_string()))?;
        if named.is_some_and(|named| named != id) {
            return Err(status::invalid("Operation requested with a token from a different namespace."));
        }
        Ok(namespace)
    }

    fn refuse_task_token<T: TaskToken>(&self, sealed: &[u8], named: Option<Uuid>) -> Status {
        if let Some(id) = foreign_namespace(sealed) {
            return self.token_namespace(id, named).map_or_else(|refused| refused, |_| status::not_found(T::NOT_FOUND));
        }
        let another_kind = self.sealer.open::<WorkflowTaskToken>(sealed).is_ok()
            || self.sealer.open::<ActivityTaskToken>(sealed).is_ok()
            || self.sealer.open::<QueryTaskToken>(sealed).is_ok()
            || self.sealer.open::<NexusTaskToken>(sealed).is_ok();
        if another_kind { status::not_found(T::NOT_FOUND) } else { status::invalid("Error deserializing task token.") }
    }
}

/// What tokens of Temporal's servers of all kinds begin with. Who shows one worked for another server before: his task is not
/// here, which is worth telling apart from garbage.
#[derive(Clone, PartialEq, prost::Message)]
struct ForeignToken {
    #[prost(string, tag = "1")]
    namespace_id: String,
    /// Or a task queue.
    #[prost(string, tag = "2")]
    workflow_id: String,
}

/// The namespace of a token that a server of Temporal's made. None: it is no such token.
fn foreign_namespace(token: &[u8]) -> Option<Uuid> {
    let token = ForeignToken::decode(token).ok()?;
    if token.workflow_id.is_empty() { None } else { Uuid::parse_str(&token.namespace_id).ok() }
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
