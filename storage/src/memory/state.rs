//! The tables.

use std::collections::{BTreeMap, HashMap};

use perdure_engine::Nanos;
use perdure_proto::perdure::persistence::v1::{ClusterMetadata, Namespace, NexusEndpoint, WorkerDeployment};
use uuid::Uuid;

use crate::{
    backlog::{BacklogId, BacklogOrder},
    batch::{JournalRow, Snapshot},
    keys::{RunKey, WorkflowKey},
    lease::LeaseRow,
    store::TaskQueueConfigRow,
    visibility::VisibilityRow,
};

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) runs: BTreeMap<RunKey, Run>,
    pub(super) current_runs: HashMap<WorkflowKey, Uuid>,
    pub(super) journal: BTreeMap<(RunKey, i64), JournalRow>,
    pub(super) visibility: HashMap<(Uuid, Uuid), VisibilityRow>,
    pub(super) leases: Vec<LeaseRow>,
    pub(super) namespaces: Vec<Namespace>,
    pub(super) nexus_endpoints: BTreeMap<String, NexusEndpoint>,
    /// By namespace id and name.
    pub(super) worker_deployments: BTreeMap<(String, String), WorkerDeployment>,
    pub(super) task_queue_configs: BTreeMap<(Uuid, String, i32), TaskQueueConfigRow>,
    pub(super) backlogs: BTreeMap<(BacklogId, BacklogOrder), Vec<u8>>,
    pub(super) metadata: Option<ClusterMetadata>,
}

#[derive(Debug)]
pub(super) struct Run {
    pub(super) workflow: WorkflowKey,
    pub(super) snapshot: Option<Snapshot>,
    pub(super) wake_at: Option<Nanos>,
}
