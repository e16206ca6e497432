//! RequestCancelNexusOperationExecution, TerminateNexusOperationExecution and DeleteNexusOperationExecution.

use perdure_engine::{Input, standalone_nexus::NexusControl};
use perdure_proto::api::workflowservice::{
    DeleteNexusOperationExecutionRequest, DeleteNexusOperationExecutionResponse,
    RequestCancelNexusOperationExecutionRequest, RequestCancelNexusOperationExecutionResponse,
    TerminateNexusOperationExecutionRequest, TerminateNexusOperationExecutionResponse,
};
use tonic::Status;

use super::target;
use crate::{Frontend, call::Call, control::or_new, limits::FrontendLimits, validate::ids};

impl Frontend {
    pub(crate) async fn request_cancel_nexus_operation(
        &self,
        _call: &Call,
        request: RequestCancelNexusOperationExecutionRequest,
    ) -> Result<RequestCancelNexusOperationExecutionResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        ids::limited("request_id", &request.request_id, namespace.limits())?;
        let target = target(&namespace, &request.operation_id, &request.run_id)?;
        check(&request.identity, &request.reason, namespace.limits())?;
        let RequestCancelNexusOperationExecutionRequest { request_id, identity, reason, .. } = request;
        let control = NexusControl::Cancel { request_id: or_new(request_id), identity, reason };
        self.send(&target, Input::ControlNexusOperation(control)).await?;
        Ok(RequestCancelNexusOperationExecutionResponse {})
    }

    pub(crate) async fn terminate_nexus_operation(
        &self,
        _call: &Call,
        request: TerminateNexusOperationExecutionRequest,
    ) -> Result<TerminateNexusOperationExecutionResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        ids::limited("request_id", &request.request_id, namespace.limits())?;
        let target = target(&namespace, &request.operation_id, &request.run_id)?;
        check(&request.identity, &request.reason, namespace.limits())?;
        let TerminateNexusOperationExecutionRequest { request_id, identity, reason, .. } = request;
        let control = NexusControl::Terminate { request_id: or_new(request_id), identity, reason };
        self.send(&target, Input::ControlNexusOperation(control)).await?;
        Ok(TerminateNexusOperationExecutionResponse {})
    }

    pub(crate) async fn delete_nexus_operation(
        &self,
        _call: &Call,
        request: DeleteNexusOperationExecutionRequest,
    ) -> Result<DeleteNexusOperationExecutionResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let target = target(&namespace, &request.operation_id, &request.run_id)?;
        self.send(&target, Input::Delete).await?;
        Ok(DeleteNexusOperationExecutionResponse {})
    }
}

fn check(identity: &str, reason: &str, limits: &FrontendLimits) -> Result<(), Status> {
    ids::limited("identity", identity, limits)?;
    ids::within("reason", reason, limits.nexus_reason)
}
