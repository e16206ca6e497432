//! A store whose calls are counted and timed.

use std::{future::Future, ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use perdure_engine::{Archetype, Nanos};
use perdure_metrics::{
    Counters, Histogram, Histograms, IntCounter, Operations, Registry, camel_case, definitions, position,
};
use perdure_proto::perdure::persistence::v1::{ClusterMetadata, Namespace, NexusEndpoint, WorkerDeployment};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    backlog::{BacklogId, BacklogOrder, BacklogRow},
    batch::Batch,
    error::{CommitError, StoreError},
    keys::{RunKey, Slot, WorkflowKey},
    store::{EventBatch, Lease, Store, StoredRun, TaskQueueConfigRow},
    visibility::{CountGroup, ExpiredRun, GroupBy, ListQuery, Position, VisibilityRow},
};

/// The store in it does the work.
pub struct MeteredStore {
    store: Arc<dyn Store>,
    requests: Counters,
    errors: Counters,
    latency: Histograms,
    operations: Operations<Operation>,
}

struct Operation {
    requests: IntCounter,
    errors: IntCounter,
    latency: Histogram,
}

/// Whether an error says that the database did not do what it should.
trait Failure {
    fn is_failure(&self) -> bool;
}

impl Failure for CommitError {
    fn is_failure(&self) -> bool {
        true
    }
}

impl Failure for StoreError {
    fn is_failure(&self) -> bool {
        !matches!(self, Self::AlreadyExists | Self::NotFound | Self::LeaseHeld { .. })
    }
}

impl MeteredStore {
    pub fn new(store: Arc<dyn Store>, registry: &Registry) -> Self {
        Self {
            store,
            requests: registry.counters(&definitions::PERSISTENCE_REQUESTS),
            errors: registry.counters(&definitions::PERSISTENCE_ERRORS),
            latency: registry.histograms(&definitions::PERSISTENCE_LATENCY),
            operations: Operations::new(&METHODS),
        }
    }

    async fn measure<T, E: Failure>(&self, at: usize, call: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let began = Instant::now();
        let result = call.await;
        if let Some(operation) = self.operations.get(at, || self.operation(METHODS[at])) {
            operation.requests.inc();
            operation.latency.observe(began.elapsed().as_secs_f64());
            if result.as_ref().is_err_and(Failure::is_failure) {
                operation.errors.inc();
            }
        }
        result
    }

    fn operation(&self, method: &str) -> Operation {
        let name = camel_case(method);
        Operation {
            requests: self.requests.of(&[&name]),
            errors: self.errors.of(&[&name]),
            latency: self.latency.of(&[&name]),
        }
    }
}

macro_rules! measure {
    ($($method:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        const METHODS: [&str; [$(stringify!($method)),*].len()] = [$(stringify!($method)),*];

        #[async_trait]
        impl Store for MeteredStore {
            $(async fn $method(&self, $($argument: $type),*) -> $result {
                const AT: usize = position(&METHODS, stringify!($method));
                self.measure(AT, self.store.$method($($argument),*)).await
            })*
        }
    };
}

measure! {
    commit(batches: &[Batch]) -> Result<(), CommitError>;
    current_runs(workflows: &[WorkflowKey]) -> Result<Vec<Option<Uuid>>, StoreError>;
    workflows_after(after: Option<&WorkflowKey>, limit: usize) -> Result<Vec<WorkflowKey>, StoreError>;
    load_runs(runs: &[RunKey]) -> Result<Vec<Option<StoredRun>>, StoreError>;
    find_run(run_id: Uuid) -> Result<Option<WorkflowKey>, StoreError>;
    read_events(run: RunKey, from_event_id: i64, end_event_id: i64, max_batches: usize, max_bytes: usize) -> Result<Vec<EventBatch>, StoreError>;
    read_events_reverse(run: RunKey, last_event_id: i64, max_batches: usize) -> Result<Vec<EventBatch>, StoreError>;
    due_runs(slots: Range<Slot>, from: Nanos, to: Nanos, limit: usize) -> Result<Vec<(Nanos, RunKey)>, StoreError>;
    acquire_leases(owner: &str, ranges: u16, ttl: Duration) -> Result<Vec<Lease>, StoreError>;
    renew_leases(owner: &str, leases: &[Lease], ttl: Duration) -> Result<(), StoreError>;
    release_leases(owner: &str, leases: &[Lease]) -> Result<(), StoreError>;
    expired(namespace_id: Uuid, archetype: Archetype, closed_before: Nanos, after: Option<Position>, limit: usize) -> Result<Vec<ExpiredRun>, StoreError>;
    list(query: &ListQuery) -> Result<Vec<VisibilityRow>, StoreError>;
    count(query: &ListQuery) -> Result<i64, StoreError>;
    count_by(query: &ListQuery, by: GroupBy, limit: usize) -> Result<Vec<CountGroup>, StoreError>;
    create_namespace(namespace: &Namespace) -> Result<(), StoreError>;
    update_namespace(namespace: &Namespace) -> Result<(), StoreError>;
    delete_namespace(id: Uuid) -> Result<(), StoreError>;
    namespaces() -> Result<Vec<Namespace>, StoreError>;
    create_nexus_endpoint(endpoint: &NexusEndpoint) -> Result<(), StoreError>;
    update_nexus_endpoint(endpoint: &NexusEndpoint) -> Result<(), StoreError>;
    delete_nexus_endpoint(id: &str) -> Result<(), StoreError>;
    nexus_endpoints() -> Result<Vec<NexusEndpoint>, StoreError>;
    put_task_queue_config(row: &TaskQueueConfigRow) -> Result<(), StoreError>;
    task_queue_configs() -> Result<Vec<TaskQueueConfigRow>, StoreError>;
    add_to_backlog(backlog: BacklogId, rows: &[BacklogRow]) -> Result<(), StoreError>;
    read_backlog(backlog: BacklogId, after: Option<BacklogOrder>, limit: usize) -> Result<Vec<BacklogRow>, StoreError>;
    trim_backlog(backlog: BacklogId, last: BacklogOrder) -> Result<(), StoreError>;
    clear_backlogs() -> Result<(), StoreError>;
    create_worker_deployment(deployment: &WorkerDeployment) -> Result<(), StoreError>;
    update_worker_deployment(deployment: &WorkerDeployment) -> Result<(), StoreError>;
    delete_worker_deployment(deployment: &WorkerDeployment) -> Result<(), StoreError>;
    worker_deployments() -> Result<Vec<WorkerDeployment>, StoreError>;
    cluster_metadata(initial: &ClusterMetadata) -> Result<ClusterMetadata, StoreError>;
    ping() -> Result<(), StoreError>;
}
