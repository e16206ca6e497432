//! StartWorkflowExecution and SignalWithStartWorkflowExecution.

use perdure_engine::Start;
use perdure_history::{Started, Target};
use perdure_proto::api::{
    enums::{EventType, NamespaceState},
    workflowservice::{
        SignalWithStartWorkflowExecutionRequest, SignalWithStartWorkflowExecutionResponse,
        StartWorkflowExecutionRequest, StartWorkflowExecutionResponse,
    },
};
use perdure_storage::WorkflowKey;
use tonic::Status;

use crate::{Frontend, call::Call, error, links, namespaces::AuthorizedNamespace, validate};

impl Frontend {
    pub(crate) async fn start_workflow(
        &self,
        call: &Call,
        request: StartWorkflowExecutionRequest,
    ) -> Result<StartWorkflowExecutionResponse, Status> {
        let namespace = self.namespace_for_start(&request.namespace)?;
        // Large, and it goes through several futures.
        let start = Box::new(validate::start::start(request, &namespace, call.time)?);
        let workflow_id = start.workflow_id.clone();
        let attached = start.on_conflict.filter(|options| options.attach_request_id).map(|_| start.request_id.clone());
        let started = self.admit(&namespace, start).await?;
        let mut response = self.start_response(&namespace, &workflow_id, started).await?;
        if let Some(request_id) = attached.filter(|_| !response.started) {
            let kind = EventType::WorkflowExecutionOptionsUpdated;
            let (name, run_id) = (namespace.name(), &response.run_id);
            response.link = Some(links::by_request_id(name, &workflow_id, run_id, &request_id, kind));
        }
        Ok(response)
    }

    pub(crate) async fn start_response(
        &self,
        namespace: &AuthorizedNamespace,
        workflow_id: &str,
        started: Started,
    ) -> Result<StartWorkflowExecutionResponse, Status> {
        let eager_workflow_task = match started.eager {
            Some(task) => Some(self.workflow_task_response(namespace, task).await?),
            None => None,
        };
        let reply = started.reply;
        Ok(StartWorkflowExecutionResponse {
            link: Some(links::started(namespace.name(), workflow_id, &reply.run_id)),
            run_id: reply.run_id,
            first_execution_run_id: reply.first_execution_run_id,
            started: reply.started,
            status: started.status.into(),
            eager_workflow_task,
        })
    }

    pub(crate) async fn signal_with_start(
        &self,
        call: &Call,
        request: SignalWithStartWorkflowExecutionRequest,
    ) -> Result<SignalWithStartWorkflowExecutionResponse, Status> {
        let namespace = self.namespace_for_start(&request.namespace)?;
        let start = Box::new(validate::start::signal_with_start(request, &namespace, call.time)?);
        let (workflow_id, request_id) = (start.workflow_id.clone(), start.request_id.clone());
        let reply = self.admit(&namespace, start).await?.reply;
        let signaled = EventType::WorkflowExecutionSignaled;
        let link = links::by_request_id(namespace.name(), &workflow_id, &reply.run_id, &request_id, signaled);
        Ok(SignalWithStartWorkflowExecutionResponse {
            run_id: reply.run_id,
            first_execution_run_id: reply.first_execution_run_id,
            started: reply.started,
            signal_link: Some(link),
        })
    }

    /// A deprecated namespace lets its runs end, but takes no new ones.
    pub(crate) fn namespace_for_start(&self, name: &str) -> Result<AuthorizedNamespace, Status> {
        self.namespaces.resolve_in(name, &[NamespaceState::Registered])
    }

    async fn admit(&self, namespace: &AuthorizedNamespace, start: Box<Start>) -> Result<Started, Status> {
        let workflow = WorkflowKey::new(namespace.id(), start.workflow_id.as_str());
        let target = Target { workflow, run_id: None };
        self.deployments.pin(namespace.id(), start.versioning_override.as_ref()).await?;
        self.history.start(*start).await.map_err(|error| error::of_call(error, &target))
    }
}
