//! RequestCancelWorkflowExecution, TerminateWorkflowExecution and DeleteWorkflowExecution.

use perdure_engine::Input;
use perdure_history::{InputReply, Target};
use perdure_proto::api::workflowservice::{
    DeleteWorkflowExecutionRequest, DeleteWorkflowExecutionResponse, RequestCancelWorkflowExecutionRequest,
    RequestCancelWorkflowExecutionResponse, TerminateWorkflowExecutionRequest, TerminateWorkflowExecutionResponse,
};
use tonic::Status;
use uuid::Uuid;

use crate::{
    Frontend,
    call::Call,
    error, status,
    validate::{ids, links, sizes},
};

/// Tell a user's terminate from one of the server's.
const DEFAULT_REASON: &str = "terminated by user via frontend";
const DEFAULT_IDENTITY: &str = "frontend-service";

impl Frontend {
    pub(crate) async fn request_cancel(
        &self,
        _call: &Call,
        request: RequestCancelWorkflowExecutionRequest,
    ) -> Result<RequestCancelWorkflowExecutionResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let target = ids::execution(namespace.id(), request.workflow_execution.as_ref())?;
        links::check(&request.links, namespace.limits())?;
        ids::optional("RequestId", &request.request_id, namespace.limits())?;
        ids::optional("Identity", &request.identity, namespace.limits())?;
        let target = self.open_run_of_chain(target, &request.first_execution_run_id).await?;
        let input = Input::RequestCancel {
            reason: request.reason,
            identity: request.identity,
            request_id: or_new(request.request_id),
            external: None,
            links: request.links,
        };
        self.send(&target, input).await?;
        Ok(RequestCancelWorkflowExecutionResponse {})
    }

    pub(crate) async fn terminate_workflow(
        &self,
        _call: &Call,
        request: TerminateWorkflowExecutionRequest,
    ) -> Result<TerminateWorkflowExecutionResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let target = ids::execution(namespace.id(), request.workflow_execution.as_ref())?;
        links::check(&request.links, namespace.limits())?;
        ids::optional("Identity", &request.identity, namespace.limits())?;
        sizes::blob(request.details.as_ref(), namespace.limits())?;
        let target = self.open_run_of_chain(target, &request.first_execution_run_id).await?;
        let input = Input::Terminate {
            reason: or_default(request.reason, DEFAULT_REASON),
            details: request.details,
            identity: or_default(request.identity, DEFAULT_IDENTITY),
            links: request.links,
        };
        self.send(&target, input).await?;
        Ok(TerminateWorkflowExecutionResponse {})
    }

    pub(crate) async fn delete_workflow(
        &self,
        _call: &Call,
        request: DeleteWorkflowExecutionRequest,
    ) -> Result<DeleteWorkflowExecutionResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let target = ids::execution(namespace.id(), request.workflow_execution.as_ref())?;
        self.send(&target, Input::Delete).await?;
        Ok(DeleteWorkflowExecutionResponse {})
    }

    pub(crate) async fn send(&self, target: &Target, input: Input) -> Result<InputReply, Status> {
        self.history.input(target.clone(), input).await.map_err(|error| error::of_call(error, target))
    }

    /// The open run of the chain that began with this one, whatever run of it is named. Empty: the run that is named.
    async fn open_run_of_chain(&self, target: Target, first_run_id: &str) -> Result<Target, Status> {
        let target = if first_run_id.is_empty() { target } else { Target { run_id: None, ..target } };
        self.pin_to_chain(target, first_run_id).await
    }

    /// The run that the call means, if it belongs to the chain of runs that began with this one. Empty: any chain.
    pub(crate) async fn pin_to_chain(&self, target: Target, first_run_id: &str) -> Result<Target, Status> {
        if first_run_id.is_empty() {
            return Ok(target);
        }
        let ids = self
            .history
            .view(target.clone(), |state| (state.run.run_id.clone(), state.run.first_execution_run_id.clone()));
        let (run_id, first) = ids.await.map_err(|error| error::of_call(error, &target))?;
        let run_id = Uuid::parse_str(&run_id).ok().filter(|_| first == first_run_id);
        match run_id {
            Some(run_id) => Ok(Target { run_id: Some(run_id), ..target }),
            None => Err(status::not_found("workflow execution not found")),
        }
    }
}

pub(crate) fn or_new(request_id: String) -> String {
    if request_id.is_empty() { Uuid::new_v4().to_string() } else { request_id }
}

fn or_default(value: String, default: &str) -> String {
    if value.is_empty() { default.to_owned() } else { value }
}
