//! DescribeWorkflowExecution.

use perdure_proto::api::workflowservice::{DescribeWorkflowExecutionRequest, DescribeWorkflowExecutionResponse};
use tonic::Status;

use crate::{Frontend, call::Call, error, validate::ids};

impl Frontend {
    pub(crate) async fn describe_workflow(
        &self,
        call: &Call,
        request: DescribeWorkflowExecutionRequest,
    ) -> Result<DescribeWorkflowExecutionResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let target = ids::execution(namespace.id(), request.execution.as_ref())?;
        let now = call.time;
        let described = self.history.view(target.clone(), move |state| state.describe(now)).await;
        described.map_err(|error| error::of_call(error, &target))
    }
}
