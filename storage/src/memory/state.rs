//! The tables.

use std::collections::{BTreeMap, HashMap};

use perdure_engine::Nanos;
use perdure_proto::perdure::persistence::v1::{ClusterMetadata, Namespace, NexusEndpoint};
use uuid::Uuid;

use crate::{
    batch::{JournalRow, Snapshot},
    keys::{RunKey, WorkflowKey},
    lease::LeaseRow,
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
    pub(super) metadata: Option<ClusterMetadata>,
}

#[derive(Debug)]
pub(super) struct Run {
    pub(super) workflow: WorkflowKey,
    pub(super) snapshot: Option<Snapshot>,
    pub(super) wake_at: Option<Nanos>,
}
