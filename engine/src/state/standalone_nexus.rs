//! What a run has beside its Nexus operation, where that operation is all there is to it.

use perdure_proto::api::{common::Payload, failure::Failure};

use super::{Nanos, NexusOperation};

#[derive(Clone, PartialEq, prost::Message)]
pub struct StandaloneNexus {
    /// The operation as it was at the close; until then it is among the run's operations.
    #[prost(message, optional, tag = "1")]
    pub last: Option<NexusOperation>,
    /// Set at the close.
    #[prost(oneof = "NexusOutcome", tags = "2, 3")]
    pub outcome: Option<NexusOutcome>,
    #[prost(message, optional, tag = "4")]
    pub cancel: Option<NexusCancelRequest>,
    /// Request id of the call that terminated it.
    #[prost(string, tag = "5")]
    pub terminate_request_id: String,
    /// What it was asked to do: kept when the operation itself needs it no longer.
    #[prost(message, optional, tag = "6")]
    pub input: Option<Payload>,
    /// Who started it.
    #[prost(string, tag = "7")]
    pub identity: String,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum NexusOutcome {
    #[prost(message, tag = "2")]
    Result(Payload),
    #[prost(message, tag = "3")]
    Failure(Box<Failure>),
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct NexusCancelRequest {
    #[prost(string, tag = "1")]
    pub request_id: String,
    #[prost(string, tag = "2")]
    pub identity: String,
    #[prost(string, tag = "3")]
    pub reason: String,
    #[prost(int64, tag = "4")]
    pub time: Nanos,
}
