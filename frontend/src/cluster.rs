//! What this server is: version, capabilities, cluster.

use std::collections::BTreeMap;

use perdure_proto::{
    api::{
        version::{ReleaseInfo, VersionInfo},
        workflowservice::{GetClusterInfoResponse, GetSystemInfoResponse, get_system_info_response::Capabilities},
    },
    perdure::persistence::v1::ClusterMetadata,
};
use perdure_storage::SLOTS;

/// Version of the Temporal server whose behaviour this is. Clients and web UI switch features on by it.
pub const SERVER_VERSION: &str = concat!("1.32.1-perdure.", env!("CARGO_PKG_VERSION"));

/// Client names and the versions of them that work with this server.
pub const SUPPORTED_CLIENTS: [(&str, &str); 8] = [
    ("temporal-go", "<2.0.0"),
    ("temporal-java", "<2.0.0"),
    ("temporal-php", "<2.0.0"),
    ("temporal-typescript", "<2.0.0"),
    ("temporal-cli", "<2.0.0"),
    ("temporal-server", "<2.0.0"),
    ("temporal-ui", "<3.0.0"),
    ("Nexus-go-sdk", "<2.0.0"),
];

/// The database's identity, and the name of the store it is in.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub metadata: ClusterMetadata,
    /// `postgresql`, `sqlite` or `memory`.
    pub store: &'static str,
}

impl Cluster {
    /// Each `true` here switches a code path on in SDKs: only what is built may be true.
    pub(crate) fn system_info(&self) -> GetSystemInfoResponse {
        GetSystemInfoResponse {
            server_version: SERVER_VERSION.to_owned(),
            capabilities: Some(Capabilities {
                signal_and_query_header: true,
                internal_error_differentiation: true,
                activity_failure_include_heartbeat: true,
                supports_schedules: true,
                encoded_failure_attributes: true,
                upsert_memo: true,
                eager_workflow_start: true,
                // Workers then stamp their tasks with their build id, which workflows can ask for, instead of a checksum.
                build_id_based_versioning: true,
                sdk_metadata: true,
                count_group_by_execution_status: true,
                nexus: true,
                ..Capabilities::default()
            }),
        }
    }

    pub(crate) fn cluster_info(&self) -> GetClusterInfoResponse {
        let supported_clients: BTreeMap<_, _> =
            SUPPORTED_CLIENTS.iter().map(|(name, versions)| ((*name).to_owned(), (*versions).to_owned())).collect();
        let current = ReleaseInfo { version: SERVER_VERSION.to_owned(), ..ReleaseInfo::default() };
        GetClusterInfoResponse {
            supported_clients,
            server_version: SERVER_VERSION.to_owned(),
            cluster_id: self.metadata.cluster_id.clone(),
            version_info: Some(VersionInfo { current: Some(current), ..VersionInfo::default() }),
            cluster_name: self.metadata.cluster_name.clone(),
            history_shard_count: SLOTS.into(),
            persistence_store: self.store.to_owned(),
            visibility_store: self.store.to_owned(),
            initial_failover_version: 1,
            failover_version_increment: 10,
        }
    }
}
