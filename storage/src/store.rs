//! The trait that all stores implement. Each method says what a caller may assume once it has returned.

use std::{ops::Range, time::Duration};

use async_trait::async_trait;
use perdure_engine::{Archetype, Nanos};
use perdure_proto::{
    api::taskqueue::TaskQueueConfig,
    perdure::persistence::v1::{ClusterMetadata, Namespace, NexusEndpoint, WorkerDeployment},
};
use uuid::Uuid;

use crate::{
    backlog::{BacklogId, BacklogOrder, BacklogRow},
    batch::{Batch, JournalRow, Snapshot},
    error::{CommitError, StoreError},
    keys::{RunKey, Slot, WorkflowKey},
    visibility::{CountGroup, ExpiredRun, GroupBy, ListQuery, Position, VisibilityRow},
};

/// The right to write a range of slots, until it expires by the database's clock or another owner takes it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// First slot of the range; names the lease's row.
    pub first_slot: Slot,
    /// One past the last slot.
    pub end_slot: Slot,
    /// Grows with each change of owner. Every commit checks it.
    pub epoch: i64,
}

impl Lease {
    pub fn slots(&self) -> Range<Slot> {
        self.first_slot..self.end_slot
    }
}

/// A run as stored: the newest snapshot (None: never written) and all journal rows after it, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRun {
    pub workflow: WorkflowKey,
    pub snapshot: Option<Snapshot>,
    pub journal: Vec<JournalRow>,
    pub wake_at: Option<Nanos>,
}

/// What operators set for a task queue.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskQueueConfigRow {
    pub namespace_id: Uuid,
    pub name: String,
    /// Temporal's number of the task queue's type.
    pub queue_type: i32,
    pub config: TaskQueueConfig,
}

/// Events of one journal row, undecoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventBatch {
    pub first_event_id: i64,
    pub event_count: i32,
    pub events: bytes::Bytes,
}

#[async_trait]
pub trait Store: Send + Sync + 'static {
    // === Runs ===

    /// Batches of shards that commit together, in one transaction: on `Ok` all of them are durable. On `LeaseLost` and
    /// `Refused` nothing is. On `Unknown` the caller must reload.
    async fn commit(&self, batches: &[Batch]) -> Result<(), CommitError>;

    /// The current run of each workflow id; same order as asked.
    async fn current_runs(&self, workflows: &[WorkflowKey]) -> Result<Vec<Option<Uuid>>, StoreError>;

    /// Ids that have a current run, of all kinds, in the order of their keys, after the given one (None: from the first), at most
    /// `limit`. For a node that wants to know which ids are new without asking each time.
    async fn workflows_after(&self, after: Option<&WorkflowKey>, limit: usize) -> Result<Vec<WorkflowKey>, StoreError>;

    /// Same order as asked; None where there is no such run.
    async fn load_runs(&self, runs: &[RunKey]) -> Result<Vec<Option<StoredRun>>, StoreError>;

    /// What the run with this id is a run of, whatever its slot: ids of runs are unique in a database.
    async fn find_run(&self, run_id: Uuid) -> Result<Option<WorkflowKey>, StoreError>;

    /// Event batches of a run from the one that holds `from_event_id` on (events before it in that batch included),
    /// in order, until about `max_bytes` or `max_batches`; stops before `end_event_id`.
    async fn read_events(
        &self,
        run: RunKey,
        from_event_id: i64,
        end_event_id: i64,
        max_batches: usize,
        max_bytes: usize,
    ) -> Result<Vec<EventBatch>, StoreError>;

    /// The same backwards: batches that hold events up to `last_event_id`, newest first.
    async fn read_events_reverse(
        &self,
        run: RunKey,
        last_event_id: i64,
        max_batches: usize,
    ) -> Result<Vec<EventBatch>, StoreError>;

    /// Runs of these slots with `from <= wake_at < to`, earliest first, at most `limit`.
    async fn due_runs(
        &self,
        slots: Range<Slot>,
        from: Nanos,
        to: Nanos,
        limit: usize,
    ) -> Result<Vec<(Nanos, RunKey)>, StoreError>;

    // === Leases ===

    /// Takes all lease rows of the database for `owner` (creating `ranges` equal ones where there are none yet), if they are
    /// free, expired, of an owner that is known to be gone, or already this owner's. Epochs grow. `LeaseHeld` otherwise.
    async fn acquire_leases(&self, owner: &str, ranges: u16, ttl: Duration) -> Result<Vec<Lease>, StoreError>;

    /// Extends leases that are still ours; `LeaseHeld` where one is not.
    async fn renew_leases(&self, owner: &str, leases: &[Lease], ttl: Duration) -> Result<(), StoreError>;

    /// Gives them up, so that another node need not wait for them to expire.
    async fn release_leases(&self, owner: &str, leases: &[Lease]) -> Result<(), StoreError>;

    // === Visibility ===

    /// Runs of a namespace and kind that closed before a time, the longest closed first, after a position, at most `limit`.
    /// [`Nanos::MAX`]: all of them, open ones last.
    async fn expired(
        &self,
        namespace_id: Uuid,
        archetype: Archetype,
        closed_before: Nanos,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<ExpiredRun>, StoreError>;

    /// Rows of one namespace in the order asked for, after the query's position, at most `page_size`.
    async fn list(&self, query: &ListQuery) -> Result<Vec<VisibilityRow>, StoreError>;

    async fn count(&self, query: &ListQuery) -> Result<i64, StoreError>;

    /// Counts by a field, in the order of its values, of at most `limit` of them.
    async fn count_by(&self, query: &ListQuery, by: GroupBy, limit: usize) -> Result<Vec<CountGroup>, StoreError>;

    // === Namespaces and the cluster ===

    /// `AlreadyExists` if the name or id is taken.
    async fn create_namespace(&self, namespace: &Namespace) -> Result<(), StoreError>;

    /// Replaces the row with this id. `NotFound` if there is none.
    async fn update_namespace(&self, namespace: &Namespace) -> Result<(), StoreError>;

    /// Removes the row and what else is stored under the namespace beside its runs. Nothing if it is gone already.
    async fn delete_namespace(&self, id: Uuid) -> Result<(), StoreError>;

    /// All of them, by name: there are few, and the frontend caches them.
    async fn namespaces(&self) -> Result<Vec<Namespace>, StoreError>;

    /// `AlreadyExists` if the name or id is taken.
    async fn create_nexus_endpoint(&self, endpoint: &NexusEndpoint) -> Result<(), StoreError>;

    /// Replaces the row with this id, if its version is the one before. `NotFound` if there is none such, `AlreadyExists` if
    /// another one has the name.
    async fn update_nexus_endpoint(&self, endpoint: &NexusEndpoint) -> Result<(), StoreError>;

    /// `NotFound` if there is none with this id.
    async fn delete_nexus_endpoint(&self, id: &str) -> Result<(), StoreError>;

    /// All of them, by id: there are few, and the server keeps them in memory.
    async fn nexus_endpoints(&self) -> Result<Vec<NexusEndpoint>, StoreError>;

    // === Task queues ===

    /// Sets what operators want of a queue, or replaces it.
    async fn put_task_queue_config(&self, row: &TaskQueueConfigRow) -> Result<(), StoreError>;

    /// All of them: there are few, and the frontend caches them.
    async fn task_queue_configs(&self) -> Result<Vec<TaskQueueConfigRow>, StoreError>;

    /// Adds tasks to a backlog; those that are there already stay as they are. Lost in a crash of the database.
    async fn add_to_backlog(&self, backlog: BacklogId, rows: &[BacklogRow]) -> Result<(), StoreError>;

    /// The first tasks of a backlog after `after` (None: from the first), in order, at most `limit`.
    async fn read_backlog(
        &self,
        backlog: BacklogId,
        after: Option<BacklogOrder>,
        limit: usize,
    ) -> Result<Vec<BacklogRow>, StoreError>;

    /// Deletes a backlog's tasks up to and including `last`.
    async fn trim_backlog(&self, backlog: BacklogId, last: BacklogOrder) -> Result<(), StoreError>;

    /// Deletes all backlogs. For the node that has taken all leases: no other one can have any.
    async fn clear_backlogs(&self) -> Result<(), StoreError>;

    /// `AlreadyExists` if the namespace has one of this name.
    async fn create_worker_deployment(&self, deployment: &WorkerDeployment) -> Result<(), StoreError>;

    /// Replaces the row, if its revision is the one before. `NotFound` if there is none such.
    async fn update_worker_deployment(&self, deployment: &WorkerDeployment) -> Result<(), StoreError>;

    /// Removes the row, if its revision is this one. `NotFound` if there is none such.
    async fn delete_worker_deployment(&self, deployment: &WorkerDeployment) -> Result<(), StoreError>;

    /// All of them, by namespace id and name: there are few, and the frontend keeps them in memory.
    async fn worker_deployments(&self) -> Result<Vec<WorkerDeployment>, StoreError>;

    /// What is stored, after storing `initial` if nothing was: the first caller wins.
    async fn cluster_metadata(&self, initial: &ClusterMetadata) -> Result<ClusterMetadata, StoreError>;

    /// A cheap round trip, for health checks.
    async fn ping(&self) -> Result<(), StoreError>;
}
