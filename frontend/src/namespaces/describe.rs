//! A stored namespace as the API shows it.

use perdure_engine::Limits;
use perdure_proto::api::{
    enums::{ArchivalState, ReplicationState},
    namespace::{
        BadBinaries, NamespaceConfig, NamespaceInfo,
        namespace_info::{Capabilities, Limits as ApiLimits},
    },
    replication::{ClusterReplicationConfig, NamespaceReplicationConfig},
    workflowservice::DescribeNamespaceResponse,
};

use super::{AuthorizedNamespace, Inner};

/// What this server can do for a namespace. SDKs switch code paths on by these, so each is true only when it is built.
fn capabilities() -> Capabilities {
    Capabilities {
        eager_workflow_start: true,
        sync_update: true,
        async_update: true,
        worker_heartbeats: true,
        reported_problems_search_attribute: true,
        workflow_pause: true,
        worker_poll_complete_on_shutdown: true,
        poller_autoscaling: true,
        standalone_activities: true,
        standalone_nexus_operation: true,
        workflow_update_callbacks: true,
        standalone_activity_start_delay: true,
        standalone_activity_operator_commands: true,
        ..Capabilities::default()
    }
}

/// Sizes that SDKs check before they send, in bytes. A completion is one message of at most 4 MiB, so it has no limit of
/// its own (0).
fn limits(limits: &Limits) -> ApiLimits {
    ApiLimits {
        blob_size_limit_error: limits.blob_size,
        memo_size_limit_error: limits.memo_size,
        workflow_task_completion_size_limit_error: 0,
    }
}

impl Inner {
    pub(super) fn info(&self, namespace: &AuthorizedNamespace) -> NamespaceInfo {
        let stored = namespace.stored();
        NamespaceInfo {
            name: stored.name.clone(),
            state: stored.state,
            description: stored.description.clone(),
            owner_email: stored.owner_email.clone(),
            data: stored.data.clone(),
            id: stored.id.clone(),
            capabilities: Some(capabilities()),
            limits: Some(limits(&namespace.limits().runs)),
            supports_schedules: true,
        }
    }

    /// Search attributes have no alias here: each is its own field.
    pub(super) fn config(&self, namespace: &AuthorizedNamespace) -> NamespaceConfig {
        let stored = namespace.stored();
        NamespaceConfig {
            workflow_execution_retention_ttl: stored.retention,
            bad_binaries: Some(BadBinaries::default()),
            history_archival_state: ArchivalState::Disabled.into(),
            history_archival_uri: String::new(),
            visibility_archival_state: ArchivalState::Disabled.into(),
            visibility_archival_uri: String::new(),
            custom_search_attribute_aliases: stored
                .search_attributes
                .keys()
                .map(|name| (name.clone(), name.clone()))
                .collect(),
        }
    }

    pub(super) fn replication(&self) -> NamespaceReplicationConfig {
        NamespaceReplicationConfig {
            active_cluster_name: self.cluster_name.clone(),
            clusters: vec![ClusterReplicationConfig {
                cluster_name: self.cluster_name.clone(),
                ..ClusterReplicationConfig::default()
            }],
            state: ReplicationState::Normal.into(),
        }
    }

    pub(super) fn describe(&self, namespace: &AuthorizedNamespace) -> DescribeNamespaceResponse {
        DescribeNamespaceResponse {
            namespace_info: Some(self.info(namespace)),
            config: Some(self.config(namespace)),
            replication_config: Some(self.replication()),
            is_global_namespace: false,
            ..DescribeNamespaceResponse::default()
        }
    }
}
