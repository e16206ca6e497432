//! What a run has beside its activity, where that activity is all there is to it.

use perdure_proto::api::{common::Payloads, failure::Failure};

use super::{Activity, Nanos};

#[derive(Clone, PartialEq, prost::Message)]
pub struct StandaloneActivity {
    /// The activity as it was at the close; until then it is among the run's activities.
    #[prost(message, optional, tag = "1")]
    pub last: Option<Activity>,
    /// Set at the close.
    #[prost(oneof = "ActivityOutcome", tags = "2, 3")]
    pub outcome: Option<ActivityOutcome>,
    /// `RetryState`: why there was no further attempt.
    #[prost(int32, tag = "4")]
    pub retry_state: i32,
    #[prost(message, optional, tag = "5")]
    pub cancel: Option<ActivityCancelRequest>,
    /// Request id of the call that terminated it.
    #[prost(string, tag = "6")]
    pub terminate_request_id: String,
    #[prost(int64, tag = "7")]
    pub heartbeats: i64,
    /// Request id of the last operation of each kind that was taken, by `OperationKind`.
    #[prost(btree_map = "int32, string", tag = "8")]
    pub operations: std::collections::BTreeMap<i32, String>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum ActivityOutcome {
    #[prost(message, tag = "2")]
    Result(Payloads),
    #[prost(message, tag = "3")]
    Failure(Box<Failure>),
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ActivityCancelRequest {
    #[prost(string, tag = "1")]
    pub request_id: String,
    #[prost(string, tag = "2")]
    pub identity: String,
    #[prost(string, tag = "3")]
    pub reason: String,
    #[prost(int64, tag = "4")]
    pub time: Nanos,
}
