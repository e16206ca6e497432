//! gRPC statuses with Temporal's details.
//!
//! SDKs choose their error type by the code and by the first entry of `google.rpc.Status.details`, which travels in
//! `grpc-status-details-bin`. A code without details of its own carries none.

use perdure_proto::{
    api::{
        enums::{NamespaceState, ResourceExhaustedCause, ResourceExhaustedScope},
        errordetails::{self, multi_operation_execution_failure::OperationStatus},
        failure::{self, Failure},
    },
    google,
};
use prost::Message;
use tonic::{Code, Status, metadata::MetadataMap};

/// Longest message that leaves the server, in bytes.
const MAX_MESSAGE: usize = 4_000;
const TRUNCATED: &str = "... <truncated>";

/// Response headers that tell what was exhausted, beside the detail.
const CAUSE_HEADER: &str = "x-resource-exhausted-cause";
const SCOPE_HEADER: &str = "x-resource-exhausted-scope";

pub(crate) fn invalid(message: impl Into<String>) -> Status {
    Status::invalid_argument(shorten(message.into()))
}

pub(crate) fn failed_precondition(message: impl Into<String>) -> Status {
    Status::failed_precondition(shorten(message.into()))
}

/// Trying again may help. The text says nothing about the inside.
pub(crate) fn unavailable() -> Status {
    Status::unavailable("the service cannot answer now, please retry")
}

/// Whether the same call may succeed later.
pub(crate) fn may_pass(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded)
}

pub(crate) fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("Deadline Exceeded")
}

pub(crate) fn not_found(message: impl Into<String>) -> Status {
    detailed(Code::NotFound, message, "NotFoundFailure", &errordetails::NotFoundFailure::default())
}

pub(crate) fn namespace_not_found(namespace: &str) -> Status {
    let detail = errordetails::NamespaceNotFoundFailure { namespace: namespace.to_owned() };
    let message = format!("Namespace {namespace} is not found.");
    detailed(Code::NotFound, message, "NamespaceNotFoundFailure", &detail)
}

/// `allowed` are the states in which the call would have been served.
pub(crate) fn namespace_invalid_state(namespace: &str, state: NamespaceState, allowed: &[NamespaceState]) -> Status {
    let names: Vec<_> = allowed.iter().map(|state| state_name(*state)).collect();
    let message = format!("Namespace has invalid state: {}. Must be {}.", state_name(state), names.join(" or "));
    let detail = errordetails::NamespaceInvalidStateFailure {
        namespace: namespace.to_owned(),
        state: state.into(),
        allowed_states: allowed.iter().map(|state| i32::from(*state)).collect(),
    };
    detailed(Code::FailedPrecondition, message, "NamespaceInvalidStateFailure", &detail)
}

fn state_name(state: NamespaceState) -> &'static str {
    match state {
        NamespaceState::Unspecified => "Unspecified",
        NamespaceState::Registered => "Registered",
        NamespaceState::Deprecated => "Deprecated",
        NamespaceState::Deleted => "Deleted",
    }
}

pub(crate) fn namespace_already_exists(namespace: &str) -> Status {
    let message = format!("Namespace \"{namespace}\" already exists");
    let detail = errordetails::NamespaceAlreadyExistsFailure::default();
    detailed(Code::AlreadyExists, message, "NamespaceAlreadyExistsFailure", &detail)
}

pub(crate) fn already_started(
    message: impl Into<String>,
    detail: &errordetails::WorkflowExecutionAlreadyStartedFailure,
) -> Status {
    detailed(Code::AlreadyExists, message, "WorkflowExecutionAlreadyStartedFailure", detail)
}

pub(crate) fn activity_already_started(
    message: impl Into<String>,
    detail: &errordetails::ActivityExecutionAlreadyStartedFailure,
) -> Status {
    detailed(Code::AlreadyExists, message, "ActivityExecutionAlreadyStartedFailure", detail)
}

pub(crate) fn nexus_operation_already_started(
    message: impl Into<String>,
    detail: &errordetails::NexusOperationExecutionAlreadyStartedFailure,
) -> Status {
    detailed(Code::AlreadyExists, message, "NexusOperationExecutionAlreadyStartedFailure", detail)
}

pub(crate) fn client_version_not_supported(detail: &errordetails::ClientVersionNotSupportedFailure) -> Status {
    let errordetails::ClientVersionNotSupportedFailure { client_version, client_name, supported_versions } = detail;
    let message = format!(
        "Client version {client_version} is not supported. Server supports {client_name} versions: {supported_versions}"
    );
    detailed(Code::FailedPrecondition, message, "ClientVersionNotSupportedFailure", detail)
}

pub(crate) fn server_version_not_supported(detail: &errordetails::ServerVersionNotSupportedFailure) -> Status {
    let errordetails::ServerVersionNotSupportedFailure { server_version, client_supported_server_versions } = detail;
    let message = format!(
        "Server version {server_version} is not supported. Client supports server versions: \
         {client_supported_server_versions}"
    );
    detailed(Code::FailedPrecondition, message, "ServerVersionNotSupportedFailure", detail)
}

pub(crate) fn permission_denied(message: impl Into<String>) -> Status {
    let detail = errordetails::PermissionDeniedFailure::default();
    detailed(Code::PermissionDenied, message, "PermissionDeniedFailure", &detail)
}

pub(crate) fn workflow_not_ready(message: impl Into<String>) -> Status {
    let detail = errordetails::WorkflowNotReadyFailure {};
    detailed(Code::FailedPrecondition, message, "WorkflowNotReadyFailure", &detail)
}

pub(crate) fn query_failed(message: impl Into<String>, failure: Option<Failure>) -> Status {
    let detail = errordetails::QueryFailedFailure { failure };
    detailed(Code::InvalidArgument, message, "QueryFailedFailure", &detail)
}

pub(crate) fn resource_exhausted(message: impl Into<String>, cause: ResourceExhaustedCause) -> Status {
    exhausted(message, cause, ResourceExhaustedScope::Namespace)
}

pub(crate) fn exhausted(
    message: impl Into<String>,
    cause: ResourceExhaustedCause,
    scope: ResourceExhaustedScope,
) -> Status {
    let detail = errordetails::ResourceExhaustedFailure { cause: cause.into(), scope: scope.into() };
    let mut status = detailed(Code::ResourceExhausted, message, "ResourceExhaustedFailure", &detail);
    // The headers have the short names of the values, which is how the generated enums print.
    for (name, value) in [(CAUSE_HEADER, format!("{cause:?}")), (SCOPE_HEADER, format!("{scope:?}"))] {
        if let Ok(value) = value.parse() {
            status.metadata_mut().insert(name, value);
        }
    }
    status
}

/// Of Update-with-Start: each operation's own status in the detail, None for the innocent one, and the code of the one
/// that is to blame.
pub(crate) fn multi_operation(start: Option<Status>, update: Option<Status>) -> Status {
    let is_failure = |status: &&Status| status.code() != Code::Ok;
    let code = start.iter().chain(&update).find(is_failure).map_or(Code::Aborted, Status::code);
    let statuses = [start, update].map(|status| operation_status(&status.unwrap_or_else(operation_aborted)));
    let detail = errordetails::MultiOperationExecutionFailure { statuses: statuses.into() };
    detailed(code, "Update-with-Start could not be executed.", "MultiOperationExecutionFailure", &detail)
}

fn operation_status(status: &Status) -> OperationStatus {
    // Empty bytes are a status without details; the server made all others.
    let details = google::rpc::Status::decode(status.details()).map(|decoded| decoded.details).unwrap_or_default();
    OperationStatus { code: status.code().into(), message: status.message().to_owned(), details }
}

/// Of an operation that could not take place because another one failed.
fn operation_aborted() -> Status {
    let type_url = "type.googleapis.com/temporal.api.failure.v1.MultiOperationExecutionAborted".to_owned();
    let value = failure::MultiOperationExecutionAborted {}.encode_to_vec();
    with_detail(Code::Aborted, "Operation was aborted.".to_owned(), prost_types::Any { type_url, value })
}

/// A status whose first detail is `detail`, a message of the package `temporal.api.errordetails.v1`.
fn detailed(code: Code, message: impl Into<String>, name: &str, detail: &impl Message) -> Status {
    let message = shorten(message.into());
    let detail = prost_types::Any {
        type_url: format!("type.googleapis.com/temporal.api.errordetails.v1.{name}"),
        value: detail.encode_to_vec(),
    };
    with_detail(code, message, detail)
}

fn with_detail(code: Code, message: String, detail: prost_types::Any) -> Status {
    let status = google::rpc::Status { code: code.into(), message: message.clone(), details: vec![detail] };
    Status::with_details_and_metadata(code, message, status.encode_to_vec().into(), MetadataMap::new())
}

fn shorten(mut message: String) -> String {
    if message.len() <= MAX_MESSAGE {
        return message;
    }
    let mut end = MAX_MESSAGE - TRUNCATED.len();
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message.truncate(end);
    message.push_str(TRUNCATED);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_name_their_type_and_repeat_code_and_message() {
        let status = namespace_not_found("n");
        let decoded = google::rpc::Status::decode(status.details()).unwrap();
        assert_eq!(decoded.code, i32::from(Code::NotFound));
        assert_eq!(decoded.message, "Namespace n is not found.");
        let url = "type.googleapis.com/temporal.api.errordetails.v1.NamespaceNotFoundFailure";
        assert_eq!(decoded.details[0].type_url, url);
        let detail = errordetails::NamespaceNotFoundFailure::decode(decoded.details[0].value.as_slice()).unwrap();
        assert_eq!(detail.namespace, "n");
    }

    #[test]
    fn exhaustion_is_told_in_headers_too() {
        let status = resource_exhausted("busy", ResourceExhaustedCause::BusyWorkflow);
        assert_eq!(status.metadata().get(CAUSE_HEADER).unwrap(), "BusyWorkflow");
        assert_eq!(status.metadata().get(SCOPE_HEADER).unwrap(), "Namespace");
    }

    #[test]
    fn long_messages_end_at_a_character() {
        let status = invalid("é".repeat(MAX_MESSAGE));
        assert!(status.message().len() <= MAX_MESSAGE);
        assert!(status.message().ends_with("é... <truncated>"));
        assert_eq!(invalid("short").message(), "short");
    }
}
