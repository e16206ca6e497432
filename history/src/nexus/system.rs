//! The endpoint whose operations the server itself handles: what a workflow may ask of the API.

use async_trait::async_trait;
use perdure_engine::NexusStartOutcome;
use perdure_proto::api::common::{Link, Payload};

use super::RequestError;

/// Its name, which none that is made can have.
pub const SYSTEM_ENDPOINT: &str = "__temporal_system";

/// An operation that a run asks of the server.
#[derive(Clone, Debug)]
pub struct SystemOperation {
    /// Of the run: the operation acts in no other.
    pub namespace: String,
    pub service: String,
    pub operation: String,
    pub input: Option<Payload>,
    /// The same in each attempt.
    pub request_id: String,
    /// To the run that asks.
    pub caller: Link,
}

/// The frontend, which knows the API. An operation may be asked for again.
#[async_trait]
pub trait SystemOperations: Send + Sync + 'static {
    async fn start(&self, operation: SystemOperation) -> Result<NexusStartOutcome, RequestError>;
}
