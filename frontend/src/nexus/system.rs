//! Operations of the system endpoint: calls of the API that workflows make, each of them once, through their histories.
//! SDKs have one, to signal a workflow and start it if it does not run.

use async_trait::async_trait;
use perdure_engine::{Nanos, NexusStartOutcome, outcome::server_failure};
use perdure_history::nexus::{
    RequestError,
    failure::of_json,
    system::{SYSTEM_ENDPOINT, SystemOperation, SystemOperations},
};
use perdure_proto::api::{
    command::ScheduleNexusOperationCommandAttributes,
    common::Payload,
    workflowservice::{SignalWithStartWorkflowExecutionRequest, SignalWithStartWorkflowExecutionResponse},
};
use prost::Message;
use tonic::Status;

use crate::{
    Frontend,
    call::Call,
    namespaces::AuthorizedNamespace,
    status::{self, invalid},
    validate,
};

const SERVICE: &str = "temporal.api.workflowservice.v1.WorkflowService";
const SIGNAL_WITH_START: &str = "SignalWithStartWorkflowExecution";
const REQUEST: &str = "temporal.api.workflowservice.v1.SignalWithStartWorkflowExecutionRequest";
const RESPONSE: &str = "temporal.api.workflowservice.v1.SignalWithStartWorkflowExecutionResponse";

/// What an operation that can never succeed lacks, before a workflow has it in its history.
pub(crate) fn check(
    command: &ScheduleNexusOperationCommandAttributes,
    namespace: &AuthorizedNamespace,
    now: Nanos,
) -> Result<(), Status> {
    if !command.nexus_header.is_empty() {
        return Err(invalid(format!(
            "ScheduleNexusOperationCommandAttributes.NexusHeader must be empty when using {SYSTEM_ENDPOINT} endpoint"
        )));
    }
    let request = request(&command.service, &command.operation, command.input.as_ref(), namespace.name())?;
    validate::start::signal_with_start(request, namespace, now).map(|_| ())
}

/// The request of an operation, for the namespace of the workflow that asks.
fn request(
    service: &str,
    operation: &str,
    input: Option<&Payload>,
    namespace: &str,
) -> Result<SignalWithStartWorkflowExecutionRequest, Status> {
    if service != SERVICE {
        return Err(status::not_found(format!("service {service:?} not found")));
    }
    if operation != SIGNAL_WITH_START {
        return Err(status::not_found(format!("operation {operation:?} not found")));
    }
    let mut request = decoded(input)?;
    if request.namespace.is_empty() {
        request.namespace = namespace.to_owned();
    }
    if request.namespace != namespace {
        return Err(invalid(format!(
            "Namespace in request {:?} does not match namespace in context {namespace:?}",
            request.namespace
        )));
    }
    if !request.request_id.is_empty() {
        return Err(invalid("RequestID should not be set on the request"));
    }
    if !request.links.is_empty() {
        return Err(invalid("Links should not be set on the request"));
    }
    Ok(request)
}

fn decoded(input: Option<&Payload>) -> Result<SignalWithStartWorkflowExecutionRequest, Status> {
    let Some(input) = input else { return Err(invalid("Request is empty")) };
    let encoding = input.metadata.get("encoding").map(|encoding| encoding.as_ref());
    let decoded = match encoding {
        Some(b"binary/protobuf") => {
            SignalWithStartWorkflowExecutionRequest::decode(input.data.clone()).map_err(|error| error.to_string())
        }
        Some(b"json/protobuf") => of_json(REQUEST, &input.data).map_err(|error| error.to_string()),
        _ => Err("its encoding is neither binary/protobuf nor json/protobuf".to_owned()),
    };
    decoded.map_err(|error| invalid(format!("failed to decode input payload: {error}")))
}

#[async_trait]
impl SystemOperations for Frontend {
    async fn start(&self, operation: SystemOperation) -> Result<NexusStartOutcome, RequestError> {
        self.start_system_operation(operation).await.map_err(|status| {
            let retryable = status::may_pass(&status);
            let text = format!("{:?}: {}", status.code(), status.message());
            RequestError { failure: Box::new(server_failure(text, !retryable)), retryable }
        })
    }
}

impl Frontend {
    async fn start_system_operation(&self, asked: SystemOperation) -> Result<NexusStartOutcome, Status> {
        let mut request = request(&asked.service, &asked.operation, asked.input.as_ref(), &asked.namespace)?;
        request.request_id = asked.request_id;
        request.links = vec![asked.caller];
        let response = self.signal_with_start(&Call::internal(), request).await?;
        let links = response.signal_link.iter().cloned().collect();
        Ok(NexusStartOutcome::Completed { result: Some(payload(&response)), links })
    }
}

/// As Temporal 1.32 has it. Later servers mark it as their own, which the Python SDK 1.31 does not understand.
fn payload(response: &SignalWithStartWorkflowExecutionResponse) -> Payload {
    let metadata = [("encoding", "binary/protobuf"), ("messageType", RESPONSE)];
    Payload {
        metadata: metadata.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect(),
        data: response.encode_to_vec().into(),
        ..Payload::default()
    }
}
