//! RequestCancelActivityExecution, TerminateActivityExecution and DeleteActivityExecution.

use perdure_engine::{Input, standalone_activity::ActivityControl};
use perdure_proto::api::workflowservice::{
    DeleteActivityExecutionRequest, DeleteActivityExecutionResponse, RequestCancelActivityExecutionRequest,
    RequestCancelActivityExecutionResponse, TerminateActivityExecutionRequest, TerminateActivityExecutionResponse,
};
use tonic::Status;

use super::target;
use crate::{Frontend, call::Call, control::or_new, limits::FrontendLimits, status, validate::ids};

impl Frontend {
    pub(crate) async fn request_cancel_activity(
        &self,
        _call: &Call,
        request: RequestCancelActivityExecutionRequest,
    ) -> Result<RequestCancelActivityExecutionResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let target = target(&namespace, &request.activity_id, &request.run_id)?;
        check(&request.request_id, &request.identity, &request.reason, namespace.limits())?;
        let RequestCancelActivityExecutionRequest { request_id, identity, reason, .. } = request;
        let control = ActivityControl::Cancel { request_id: or_new(request_id), identity, reason };
        self.send(&target, Input::ControlActivity(Box::new(control))).await?;
        Ok(RequestCancelActivityExecutionResponse {})
    }

    pub(crate) async fn terminate_activity(
        &self,
        _call: &Call,
        request: TerminateActivityExecutionRequest,
    ) -> Result<TerminateActivityExecutionResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let target = target(&namespace, &request.activity_id, &request.run_id)?;
        check(&request.request_id, &request.identity, &request.reason, namespace.limits())?;
        let TerminateActivityExecutionRequest { request_id, identity, reason, .. } = request;
        let control = ActivityControl::Terminate { request_id: or_new(request_id), identity, reason };
        self.send(&target, Input::ControlActivity(Box::new(control))).await?;
        Ok(TerminateActivityExecutionResponse {})
    }

    pub(crate) async fn delete_activity(
        &self,
        _call: &Call,
        request: DeleteActivityExecutionRequest,
    ) -> Result<DeleteActivityExecutionResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let target = target(&namespace, &request.activity_id, &request.run_id)?;
        self.send(&target, Input::Delete).await?;
        Ok(DeleteActivityExecutionResponse {})
    }
}

fn check(request_id: &str, identity: &str, reason: &str, limits: &FrontendLimits) -> Result<(), Status> {
    ids::limited("request ID", request_id, limits)?;
    ids::limited("identity", identity, limits)?;
    if reason.len() as i64 > limits.runs.blob_size {
        return Err(status::invalid("reason exceeds length limit"));
    }
    Ok(())
}
