//! Time skipping: in the API, switched off by default in Temporal's server, and not built here. Whoever asks for it is refused as
//! there: a run that did not skip time would not do what was asked.

use perdure_proto::api::{
    common::TimeSkippingConfig,
    workflowservice::{PollWorkflowExecutionTimeSkippingRequest, PollWorkflowExecutionTimeSkippingResponse},
};
use tonic::Status;

use crate::{Frontend, call::Call};

/// UNIMPLEMENTED where a request has a configuration.
pub(crate) fn check(config: Option<&TimeSkippingConfig>) -> Result<(), Status> {
    config.map_or(Ok(()), |_| Err(refusal()))
}

fn refusal() -> Status {
    Status::unimplemented("The Time-Skipping feature is not enabled for namespace.")
}

impl Frontend {
    pub(crate) async fn poll_time_skipping(
        &self,
        _call: &Call,
        _request: PollWorkflowExecutionTimeSkippingRequest,
    ) -> Result<PollWorkflowExecutionTimeSkippingResponse, Status> {
        Err(refusal())
    }
}
