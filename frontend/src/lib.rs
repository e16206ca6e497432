//! gRPC services: validation, namespaces, the error contract, lists. Decides nothing about a run.

mod activity;
mod activity_operations;
mod admin;
pub mod api_keys;
mod batch;
mod call;
mod client_version;
pub mod cluster;
mod control;
pub mod deployments;
mod describe;
mod error;
pub mod health;
mod history_read;
pub mod http;
pub mod import;
pub mod layers;
pub mod limits;
mod links;
pub mod list;
mod multi;
pub mod namespaces;
mod nexus;
pub mod operator;
mod pause;
mod poll;
mod query;
pub mod quotas;
pub mod requests;
mod reset;
mod respond;
mod schedules;
mod service;
mod signal;
mod standalone_activity;
mod standalone_nexus;
mod start;
mod status;
mod task_queue;
pub mod task_queue_config;
mod task_response;
mod time_skipping;
mod token;
mod update;
mod validate;
mod worker;
pub mod workers;
mod workflow_options;

pub use validate::callbacks::{CallbackAddress, CallbackAddresses};

use perdure_history::{History, NexusEndpoints};
use perdure_matching::Matching;
use perdure_proto::{api::workflowservice::workflow_service_server::WorkflowServiceServer, token::Sealer};

use crate::{
    cluster::Cluster, deployments::Deployments, list::Lists, namespaces::Namespaces, quotas::Quotas,
    requests::Requests, task_queue_config::TaskQueueConfigs, workers::Workers,
};

/// Largest message that a client may send; the same limit as Temporal's.
pub const MAX_REQUEST: usize = 4 * 1024 * 1024;

/// All that the RPCs of `WorkflowService` work with. Cheap to clone.
#[derive(Clone)]
pub struct Frontend {
    pub history: History,
    pub matching: Matching,
    pub namespaces: Namespaces,
    pub nexus_endpoints: NexusEndpoints,
    pub lists: Lists,
    pub workers: Workers,
    pub deployments: Deployments,
    pub task_queues: TaskQueueConfigs,
    pub cluster: Cluster,
    pub sealer: Sealer,
    pub quotas: Quotas,
    pub requests: Requests,
}

impl Frontend {
    /// The gRPC service. What it answers may be larger than what it takes: a page of history has its own limit.
    pub fn into_service(self) -> WorkflowServiceServer<Self> {
        WorkflowServiceServer::new(self).max_decoding_message_size(MAX_REQUEST).max_encoding_message_size(usize::MAX)
    }
}
