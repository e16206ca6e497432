//! PauseWorkflowExecution and UnpauseWorkflowExecution.

use perdure_engine::{Input, PauseRequest};
use perdure_proto::api::{
    common::WorkflowExecution,
    workflowservice::{
        PauseWorkflowExecutionRequest, PauseWorkflowExecutionResponse, UnpauseWorkflowExecutionRequest,
        UnpauseWorkflowExecutionResponse,
    },
};
use tonic::Status;

use crate::{Frontend, call::Call, limits::FrontendLimits, namespaces::AuthorizedNamespace, status, validate::ids};

impl Frontend {
    pub(crate) async fn pause_workflow(
        &self,
        _call: &Call,
        request: PauseWorkflowExecutionRequest,
    ) -> Result<PauseWorkflowExecutionResponse, Status> {
        let PauseWorkflowExecutionRequest { namespace, workflow_id, run_id, identity, reason, request_id, .. } =
            request;
        let namespace = self.namespaces.resolve(&namespace)?;
        let request = checked(PauseRequest { identity, reason, request_id }, namespace.limits())?;
        self.pause_input(&namespace, WorkflowExecution { workflow_id, run_id }, Input::Pause(request)).await?;
        Ok(PauseWorkflowExecutionResponse {})
    }

    pub(crate) async fn unpause_workflow(
        &self,
        _call: &Call,
        request: UnpauseWorkflowExecutionRequest,
    ) -> Result<UnpauseWorkflowExecutionResponse, Status> {
        let UnpauseWorkflowExecutionRequest { namespace, workflow_id, run_id, identity, reason, request_id, .. } =
            request;
        let namespace = self.namespaces.resolve(&namespace)?;
        let request = checked(PauseRequest { identity, reason, request_id }, namespace.limits())?;
        self.pause_input(&namespace, WorkflowExecution { workflow_id, run_id }, Input::Unpause(request)).await?;
        Ok(UnpauseWorkflowExecutionResponse {})
    }

    async fn pause_input(
        &self,
        namespace: &AuthorizedNamespace,
        execution: WorkflowExecution,
        input: Input,
    ) -> Result<(), Status> {
        let target = ids::execution(namespace.id(), Some(&execution))?;
        self.send(&target, input).await.map(|_| ())
    }
}

fn checked(request: PauseRequest, limits: &FrontendLimits) -> Result<PauseRequest, Status> {
    let parts = [("reason", &request.reason), ("request id", &request.request_id), ("identity", &request.identity)];
    for (name, value) in parts {
        if value.len() > limits.runs.id_length {
            return Err(status::invalid(format!("{name} is too long.")));
        }
        ids::no_nul(name, value)?;
    }
    Ok(request)
}
