//! SignalWorkflowExecution.

use perdure_engine::{Input, Signal};
use perdure_proto::api::{
    enums::EventType,
    workflowservice::{SignalWorkflowExecutionRequest, SignalWorkflowExecutionResponse},
};
use tonic::Status;
use uuid::Uuid;

use crate::{
    Frontend,
    call::Call,
    links,
    validate::{ids, links as valid_links, sizes},
};

impl Frontend {
    pub(crate) async fn signal_workflow(
        &self,
        _call: &Call,
        request: SignalWorkflowExecutionRequest,
    ) -> Result<SignalWorkflowExecutionResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let target = ids::execution(namespace.id(), request.workflow_execution.as_ref())?;
        ids::required("SignalName", &request.signal_name, namespace.limits())?;
        ids::optional("RequestId", &request.request_id, namespace.limits())?;
        ids::optional("Identity", &request.identity, namespace.limits())?;
        valid_links::check(&request.links, namespace.limits())?;
        sizes::blob(request.input.as_ref(), namespace.limits())?;
        sizes::blob(request.header.as_ref(), namespace.limits())?;
        let request_id = if request.request_id.is_empty() { Uuid::new_v4().to_string() } else { request.request_id };
        let signal = Signal {
            name: request.signal_name,
            input: request.input,
            header: request.header,
            identity: request.identity,
            request_id: request_id.clone(),
            links: request.links,
            ..Default::default()
        };
        let reply = self.send(&target, Input::Signal(Box::new(signal))).await?;
        let (workflow_id, run_id) = (&target.workflow.workflow_id, reply.run_id.to_string());
        let signaled = EventType::WorkflowExecutionSignaled;
        let link = links::by_request_id(namespace.name(), workflow_id, &run_id, &request_id, signaled);
        Ok(SignalWorkflowExecutionResponse { link: Some(link) })
    }
}
