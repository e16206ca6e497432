//! `AdminService`: closed runs that another server has written.

use std::sync::Arc;

use perdure_engine::{Import, Nanos, time::from_timestamp};
use perdure_history::{Imported, Target};
use perdure_proto::{
    api::{
        common::WorkflowExecution,
        enums::NamespaceState,
        history::{HistoryEvent, WorkflowExecutionStartedEventAttributes, history_event::Attributes},
    },
    perdure::admin::v1::{
        ImportWorkflowExecutionRequest, ImportWorkflowExecutionResponse, admin_service_server::AdminService,
    },
};
use perdure_storage::WorkflowKey;
use prost::Message;
use tokio::sync::Semaphore;
use tonic::{Code, Request, Response, Status, Streaming};
use uuid::Uuid;

use crate::{
    Frontend,
    call::Call,
    error,
    limits::FrontendLimits,
    namespaces::AuthorizedNamespace,
    status,
    validate::{ids, search_attributes},
};

/// Imports at once: each holds a whole history in memory.
const AT_ONCE: usize = 8;

/// How far the clock of another server may be ahead.
const CLOCKS_APART: Nanos = 3_600 * 1_000_000_000;

/// Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    frontend: Frontend,
    room: Arc<Semaphore>,
}

impl Admin {
    pub fn new(frontend: &Frontend) -> Self {
        Self { frontend: frontend.clone(), room: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// All events of a stream, and the first message without its own.
    async fn receive(
        &self,
        mut stream: Streaming<ImportWorkflowExecutionRequest>,
    ) -> Result<(ImportWorkflowExecutionRequest, Vec<HistoryEvent>), Status> {
        let mut first = stream.message().await?.ok_or_else(|| status::invalid("The import has no messages."))?;
        let limit = self.frontend.history.largest_import(&first.namespace);
        let (mut events, mut bytes) = (Vec::new(), 0);
        let mut next = first.history.take();
        loop {
            let history = next.unwrap_or_default();
            bytes += history.encoded().len();
            if i64::try_from(bytes).unwrap_or(i64::MAX) > limit {
                return Err(status::invalid(format!("The history has more than {limit} bytes.")));
            }
            let decoded =
                history.events().map_err(|error| status::invalid(format!("The history is damaged: {error}")))?;
            events.extend(decoded);
            match stream.message().await? {
                Some(message) => next = message.history,
                None => return Ok((first, events)),
            }
        }
    }
}

#[tonic::async_trait]
impl AdminService for Admin {
    async fn import_workflow_execution(
        &self,
        request: Request<Streaming<ImportWorkflowExecutionRequest>>,
    ) -> Result<Response<ImportWorkflowExecutionResponse>, Status> {
        self.frontend.quotas.call()?;
        let call = Call::new(request.metadata())?;
        let _room = self.room.acquire().await.map_err(|_| status::unavailable())?;
        let (request, mut events) = self.receive(request.into_inner()).await?;
        let namespace = self.frontend.namespaces.resolve_in(&request.namespace, &[NamespaceState::Registered])?;
        let (workflow_id, run_id) = execution(request.execution, namespace.limits())?;
        check(&mut events, &namespace, call.time)?;

        let workflow = WorkflowKey::new(namespace.id(), workflow_id.as_str());
        let target = Target { workflow: workflow.clone(), run_id: Some(run_id) };
        let import = Import {
            namespace_id: namespace.id().to_string(),
            namespace: namespace.name().to_string(),
            workflow_id: workflow_id.clone(),
            run_id: run_id.to_string(),
            events,
        };
        let imported = self.frontend.history.import(workflow, run_id, import).await;
        let exists = |what: &str| {
            Status::new(Code::AlreadyExists, format!("Run {run_id} {what}. Nothing was imported or written over."))
        };
        match imported.map_err(|error| error::of_call(error, &target))? {
            Imported::New => Ok(Response::new(ImportWorkflowExecutionResponse { was_there: false })),
            Imported::WasThere => Ok(Response::new(ImportWorkflowExecutionResponse { was_there: true })),
            Imported::Differs => Err(exists(&format!("of workflow {workflow_id} exists with another history"))),
            Imported::OfAnother => {
                Err(exists("exists as a run of another workflow or namespace: a server has each run id once"))
            }
        }
    }
}

fn execution(execution: Option<WorkflowExecution>, limits: &FrontendLimits) -> Result<(String, Uuid), Status> {
    let WorkflowExecution { workflow_id, run_id } =
        execution.ok_or_else(|| status::invalid("Execution is not set on request."))?;
    ids::workflow_id(&workflow_id, limits)?;
    let invalid = || status::invalid(format!("Run id {run_id:?} is not a UUID."));
    Uuid::parse_str(&run_id).map(|id| (workflow_id, id)).map_err(|_| invalid())
}

/// What the engine cannot know of a history: what lists can hold, and how long the namespace keeps it. Whether it is sound, the
/// engine says.
fn check(events: &mut [HistoryEvent], namespace: &AuthorizedNamespace, now: Nanos) -> Result<(), Status> {
    for event in &mut *events {
        check_time(event, now)?;
        match &mut event.attributes {
            Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => {
                check_names(started, namespace.limits())?;
                let memo = started.memo.as_ref().map_or(0, Message::encoded_len);
                if i64::try_from(memo).unwrap_or(i64::MAX) > namespace.limits().runs.memo_size {
                    return Err(status::invalid("Memo size exceeds limit."));
                }
                if let Some(attributes) = &mut started.search_attributes {
                    search_attributes::check_imported(attributes, namespace)?;
                }
            }
            Some(Attributes::UpsertWorkflowSearchAttributesEventAttributes(upsert)) => {
                if let Some(attributes) = &mut upsert.search_attributes {
                    search_attributes::check_imported(attributes, namespace)?;
                }
            }
            _ => {}
        }
    }
    let closed = events.last().and_then(|last| last.event_time.as_ref()).map_or(now, from_timestamp);
    if closed.saturating_add(namespace.retention()) < now {
        let hours = namespace.retention() / (3_600 * 1_000_000_000);
        let name = namespace.name();
        return Err(status::failed_precondition(format!(
            "The workflow closed longer ago than namespace {name} keeps closed workflows ({hours}h): it would be deleted at \
             once. Give the namespace a longer retention first."
        )));
    }
    Ok(())
}

/// Lists have an order by times, in which those of other ages would stand for ever.
fn check_time(event: &HistoryEvent, now: Nanos) -> Result<(), Status> {
    match event.event_time.as_ref().map(from_timestamp) {
        Some(time) if !(0..=now.saturating_add(CLOCKS_APART)).contains(&time) => {
            Err(status::invalid(format!("Event {} has a time before 1970 or in the future.", event.event_id)))
        }
        // That it has none the engine tells.
        _ => Ok(()),
    }
}

/// Texts that lists show.
fn check_names(started: &WorkflowExecutionStartedEventAttributes, limits: &FrontendLimits) -> Result<(), Status> {
    let execution = |execution: &Option<WorkflowExecution>| {
        execution.as_ref().map(|one| [one.workflow_id.clone(), one.run_id.clone()]).unwrap_or_default()
    };
    let [parent, parent_run] = execution(&started.parent_workflow_execution);
    let [root, root_run] = execution(&started.root_workflow_execution);
    let names = [
        ("WorkflowType", started.workflow_type.as_ref().map(|kind| kind.name.as_str()).unwrap_or_default()),
        ("TaskQueue", started.task_queue.as_ref().map(|queue| queue.name.as_str()).unwrap_or_default()),
        ("ParentWorkflowId", &parent),
        ("ParentRunId", &parent_run),
        ("RootWorkflowId", &root),
        ("RootRunId", &root_run),
    ];
    names.iter().try_for_each(|(name, value)| ids::optional(name, value, limits))
}
