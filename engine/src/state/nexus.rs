//! Nexus operations and completion callbacks, as a run keeps them.

use std::collections::BTreeMap;

use perdure_proto::api::{
    common::{Callback as CallbackSpec, Payload},
    failure::Failure,
};

use super::Nanos;

// === Nexus operation ===

#[derive(Clone, PartialEq, prost::Message)]
pub struct NexusOperation {
    #[prost(int64, tag = "1")]
    pub scheduled_event_id: i64,
    #[prost(string, tag = "2")]
    pub endpoint: String,
    #[prost(string, tag = "3")]
    pub endpoint_id: String,
    #[prost(string, tag = "4")]
    pub service: String,
    #[prost(string, tag = "5")]
    pub operation: String,
    /// The same for each attempt: handlers know by it a start that they have seen.
    #[prost(string, tag = "6")]
    pub request_id: String,
    #[prost(int64, tag = "7")]
    pub scheduled_time: Nanos,
    #[prost(int64, tag = "8")]
    pub schedule_to_close: Nanos,
    #[prost(int64, tag = "9")]
    pub schedule_to_start: Nanos,
    #[prost(int64, tag = "10")]
    pub start_to_close: Nanos,
    /// Attempts to start it that have ended, the successful one among them.
    #[prost(int32, tag = "11")]
    pub attempt: i32,
    #[prost(message, optional, boxed, tag = "12")]
    pub last_attempt_failure: Option<Box<Failure>>,
    #[prost(int64, tag = "13")]
    pub last_attempt_complete_time: Nanos,
    /// Dropped once it has started.
    #[prost(message, optional, tag = "14")]
    pub input: Option<Payload>,
    /// Sent with the start and with a cancel request.
    #[prost(btree_map = "string, string", tag = "15")]
    pub nexus_header: BTreeMap<String, String>,
    #[prost(message, optional, boxed, tag = "16")]
    pub cancellation: Option<Box<NexusCancellation>>,
    #[prost(oneof = "NexusOperationPhase", tags = "20, 21, 22")]
    pub phase: Option<NexusOperationPhase>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum NexusOperationPhase {
    /// Its start is on the way to the handler.
    #[prost(message, tag = "20")]
    Scheduled(InPhase),
    /// Waits for the next attempt to start it.
    #[prost(message, tag = "21")]
    Backoff(RetryBackoff),
    /// The handler works on it; a completion will come.
    #[prost(message, tag = "22")]
    Started(NexusStarted),
}

/// A phase that has nothing to tell but itself.
#[derive(Clone, PartialEq, prost::Message)]
pub struct InPhase {}

/// The wait between two attempts.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RetryBackoff {
    #[prost(int64, tag = "1")]
    pub until: Nanos,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct NexusStarted {
    #[prost(int64, tag = "1")]
    pub time: Nanos,
    #[prost(string, tag = "2")]
    pub operation_token: String,
}

impl NexusOperation {
    /// Set once it has started.
    pub fn started(&self) -> Option<&NexusStarted> {
        match &self.phase {
            Some(NexusOperationPhase::Started(started)) => Some(started),
            Some(NexusOperationPhase::Scheduled(_) | NexusOperationPhase::Backoff(_)) | None => None,
        }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct NexusCancellation {
    #[prost(int64, tag = "1")]
    pub requested_event_id: i64,
    /// When its delivery became possible; 0: not yet.
    #[prost(int64, tag = "2")]
    pub requested_time: Nanos,
    /// Attempts to deliver it that have ended.
    #[prost(int32, tag = "3")]
    pub attempt: i32,
    #[prost(message, optional, boxed, tag = "4")]
    pub last_attempt_failure: Option<Box<Failure>>,
    #[prost(int64, tag = "5")]
    pub last_attempt_complete_time: Nanos,
    /// None: waits for the start of the operation, whose token it needs.
    #[prost(oneof = "NexusCancellationPhase", tags = "20, 21, 22, 23")]
    pub phase: Option<NexusCancellationPhase>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum NexusCancellationPhase {
    /// On the way to the handler.
    #[prost(message, tag = "20")]
    Scheduled(InPhase),
    #[prost(message, tag = "21")]
    Backoff(RetryBackoff),
    /// The handler knows. Whether it ends the operation is its own affair.
    #[prost(message, tag = "22")]
    Succeeded(InPhase),
    /// The handler will not hear of it.
    #[prost(message, tag = "23")]
    Failed(InPhase),
}

// === Completion callback ===

#[derive(Clone, PartialEq, prost::Message)]
pub struct Callback {
    /// Address, header, links.
    #[prost(message, optional, tag = "1")]
    pub callback: Option<CallbackSpec>,
    /// Of the start, or of the update, that brought it.
    #[prost(string, tag = "2")]
    pub request_id: String,
    #[prost(int64, tag = "3")]
    pub registration_time: Nanos,
    /// Attempts to call it that have ended.
    #[prost(int32, tag = "4")]
    pub attempt: i32,
    #[prost(message, optional, boxed, tag = "5")]
    pub last_attempt_failure: Option<Box<Failure>>,
    #[prost(int64, tag = "6")]
    pub last_attempt_complete_time: Nanos,
    /// The update whose end it is to hear; empty: the run's.
    #[prost(string, tag = "7")]
    pub update_id: String,
    /// What the update's worker said, where no event does.
    #[prost(message, optional, boxed, tag = "8")]
    pub rejection: Option<Box<Failure>>,
    #[prost(oneof = "CallbackPhase", tags = "20, 21, 22, 23, 24")]
    pub phase: Option<CallbackPhase>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum CallbackPhase {
    /// Waits for the close of the run, or for the end of its update.
    #[prost(message, tag = "20")]
    Standby(InPhase),
    /// The call is on its way.
    #[prost(message, tag = "21")]
    Scheduled(InPhase),
    #[prost(message, tag = "22")]
    Backoff(RetryBackoff),
    #[prost(message, tag = "23")]
    Failed(InPhase),
    #[prost(message, tag = "24")]
    Succeeded(InPhase),
}
