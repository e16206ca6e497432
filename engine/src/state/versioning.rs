//! What a run knows about the versions of its workers.

use perdure_proto::api::{
    history::DeclinedTargetVersionUpgrade,
    workflow::{ResetPointInfo, WorkflowExecutionVersioningInfo},
};

#[derive(Clone, PartialEq, prost::Message)]
pub struct Versioning {
    /// None until a versioned worker or an override had to do with the run. Only the newest form of each field is kept.
    #[prost(message, optional, boxed, tag = "1")]
    pub info: Option<Box<WorkflowExecutionVersioningInfo>>,
    /// Of the override, else of the worker that completed the last workflow task; also unversioned workers may name one.
    #[prost(string, tag = "2")]
    pub worker_deployment_name: String,
    #[prost(message, repeated, tag = "3")]
    pub reset_points: Vec<ResetPointInfo>,
    /// The target version that this pinned run was told of.
    #[prost(message, optional, tag = "4")]
    pub target_notified: Option<DeclinedTargetVersionUpgrade>,
    /// The target version that the run before was told of, and did not go to.
    #[prost(message, optional, tag = "5")]
    pub target_declined: Option<DeclinedTargetVersionUpgrade>,
    /// Builds of unversioned workers that completed workflow tasks, oldest first.
    #[prost(string, repeated, tag = "6")]
    pub builds: Vec<String>,
    /// Versions whose workers completed workflow tasks, oldest first.
    #[prost(string, repeated, tag = "7")]
    pub used_versions: Vec<String>,
}
