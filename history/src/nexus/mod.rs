//! Nexus between a caller's run and a handler: requests, completions, and the forms that failures, links and payloads have
//! on the way.

mod complete;
mod endpoints;
pub mod failure;
pub mod http;
pub mod links;
pub mod payload;
pub mod system;
pub mod wire;
mod worker;

use std::sync::Arc;

use perdure_proto::{
    api::{enums::NexusHandlerErrorRetryBehavior as RetryBehavior, failure::Failure},
    perdure::persistence::v1::NexusEndpoint,
    token::Sealer,
};

pub use complete::CompleteError;
pub use endpoints::{EndpointError, NexusEndpoints};
pub(crate) use payload::or_null;
pub use worker::{Envelope, cancel, duration, start};

/// The callback address that handlers of this server get: nothing leaves the process.
pub const SYSTEM_CALLBACK: &str = "temporal://system";
/// In a callback's header: names the operation, sealed.
pub const CALLBACK_TOKEN: &str = "temporal-callback-token";
/// In a callback's header: the handler's token of the operation.
pub const OPERATION_TOKEN: &str = "nexus-operation-token";

/// What history needs to speak Nexus. Cheap to clone.
#[derive(Clone)]
pub struct NexusConfig {
    pub endpoints: NexusEndpoints,
    pub sealer: Sealer,
    pub http: http::HttpClient,
    /// Where other servers reach this one's HTTP side, as `http://host:port`: handlers that are outside services send the
    /// ends of their operations there. None: they cannot.
    pub callback_base: Option<String>,
}

impl NexusConfig {
    /// By id, or else by name: an endpoint may have been made anew.
    pub(crate) fn endpoint(&self, id: &str, name: &str) -> Result<Arc<NexusEndpoint>, RequestError> {
        let found = self.endpoints.by_id(id).or_else(|| self.endpoints.by_name(name));
        found.ok_or_else(|| RequestError::handler("NOT_FOUND", "endpoint not registered"))
    }
}

/// Why a request to a handler failed.
#[derive(Debug)]
pub struct RequestError {
    pub failure: Box<Failure>,
    pub retryable: bool,
}

impl RequestError {
    pub(crate) fn of(failure: Failure) -> Self {
        Self { retryable: failure::is_retryable(&failure), failure: Box::new(failure) }
    }

    pub fn handler(kind: &str, message: &str) -> Self {
        Self::of(failure::handler_error(kind, message, RetryBehavior::Unspecified))
    }

    /// No handler answered.
    pub(crate) fn call(message: impl Into<String>, retryable: bool) -> Self {
        Self { failure: Box::new(failure::call_error(message, retryable)), retryable }
    }
}

impl From<failure::Malformed> for RequestError {
    /// The handler's fault; it may do better next time.
    fn from(malformed: failure::Malformed) -> Self {
        tracing::debug!(%malformed, "a Nexus handler sent a failure that cannot be read");
        Self::handler("INTERNAL", "internal error")
    }
}
