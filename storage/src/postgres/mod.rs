//! The store in PostgreSQL.
//!
//! Commits and reads by key have connections of their own (`keys`), so that lists, which may take long, never stand before
//! them. After a lost connection the next call connects again.

mod backlog;
mod commit;
mod connect;
mod connections;
mod dialect;
mod leases;
mod presence;
mod runs;
mod shapes;

use std::{ops::Range, time::Duration};

use async_trait::async_trait;
use perdure_engine::{Archetype, Nanos};
use perdure_proto::perdure::persistence::v1::{ClusterMetadata, Namespace, NexusEndpoint, WorkerDeployment};
use prost::Message;
use uuid::Uuid;

use crate::{
    backlog::{BacklogId, BacklogOrder, BacklogRow},
    batch::Batch,
    error::{CommitError, StoreError},
    keys::{RunKey, Slot, WorkflowKey},
    sql::{
        list,
        rows::{self, DueRecord, EventsRecord, ExpiredRecord, VisibilityRecord, WorkflowRecord, slot_to_sql},
        statements,
    },
    store::{EventBatch, Lease, Store, StoredRun, TaskQueueConfigRow},
    visibility::{CountGroup, ExpiredRun, GroupBy, ListQuery, Position, VisibilityRow},
};
pub(crate) use connect::{MIGRATIONS, set_up};
pub use connect::{PostgresConfig, PostgresTls};
use connections::Connections;
use presence::Presence;

#[derive(Debug)]
pub struct PostgresStore {
    keys: Connections,
    lists: Connections,
    presence: Presence,
}

impl PostgresStore {
    /// How the database would find a list's rows: the lines of its plan.
    pub async fn explain(&self, query: &ListQuery) -> Result<Vec<String>, StoreError> {
        let mut sql = list::explain(query, None);
        let lines: Vec<(String,)> = self.lists.fetch_all(sql.build_query_as().persistent(false)).await?;
        Ok(lines.into_iter().map(|(line,)| line).collect())
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn commit(&self, batches: &[Batch]) -> Result<(), CommitError> {
        commit::commit(&self.keys, batches).await
    }

    async fn current_runs(&self, workflows: &[WorkflowKey]) -> Result<Vec<Option<Uuid>>, StoreError> {
        runs::current_runs(&self.keys, workflows).await
    }

    async fn workflows_after(&self, after: Option<&WorkflowKey>, limit: usize) -> Result<Vec<WorkflowKey>, StoreError> {
        runs::workflows_after(&self.keys, after, limit).await
    }

    async fn load_runs(&self, runs: &[RunKey]) -> Result<Vec<Option<StoredRun>>, StoreError> {
        runs::load_runs(&self.keys, runs).await
    }

    async fn find_run(&self, run_id: Uuid) -> Result<Option<WorkflowKey>, StoreError> {
        let query = sqlx::query_as::<_, WorkflowRecord>(statements::FIND_RUN).bind(run_id);
        Ok(self.keys.fetch_all(query).await?.pop().map(Into::into))
    }

    async fn read_events(
        &self,
        run: RunKey,
        from_event_id: i64,
        end_event_id: i64,
        max_batches: usize,
        max_bytes: usize,
    ) -> Result<Vec<EventBatch>, StoreError> {
        let query = sqlx::query_as::<_, EventsRecord>(statements::READ_EVENTS)
            .bind(slot_to_sql(run.slot))
            .bind(run.run_id)
            .bind(from_event_id)
            .bind(end_event_id)
            .bind(rows::limit(max_batches))
            .bind(rows::limit(max_bytes));
        Ok(rows::convert(self.keys.fetch_all(query).await?))
    }

    async fn read_events_reverse(
        &self,
        run: RunKey,
        last_event_id: i64,
        max_batches: usize,
    ) -> Result<Vec<EventBatch>, StoreError> {
        let query = sqlx::query_as::<_, EventsRecord>(statements::READ_EVENTS_REVERSE)
            .bind(slot_to_sql(run.slot))
            .bind(run.run_id)
            .bind(last_event_id)
            .bind(rows::limit(max_batches));
        Ok(rows::convert(self.keys.fetch_all(query).await?))
    }

    async fn due_runs(
        &self,
        slots: Range<Slot>,
        from: Nanos,
        to: Nanos,
        limit: usize,
    ) -> Result<Vec<(Nanos, RunKey)>, StoreError> {
        let query = sqlx::query_as::<_, DueRecord>(statements::DUE_RUNS)
            .bind(slot_to_sql(slots.start))
            .bind(slot_to_sql(slots.end))
            .bind(from)
            .bind(to)
            .bind(rows::limit(limit));
        Ok(rows::convert(self.keys.fetch_all(query).await?))
    }

    async fn acquire_leases(&self, owner: &str, ranges: u16, ttl: Duration) -> Result<Vec<Lease>, StoreError> {
        leases::acquire(&self.keys, &self.presence, owner, ranges, ttl).await
    }

    async fn renew_leases(&self, owner: &str, leases: &[Lease], ttl: Duration) -> Result<(), StoreError> {
        leases::renew(&self.keys, &self.presence, owner, leases, ttl).await
    }

    async fn release_leases(&self, owner: &str, leases: &[Lease]) -> Result<(), StoreError> {
        leases::release(&self.keys, owner, leases).await
    }

    async fn expired(
        &self,
        namespace_id: Uuid,
        archetype: Archetype,
        closed_before: Nanos,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<ExpiredRun>, StoreError> {
        let mut sql = list::expired(namespace_id, archetype, closed_before, after, limit);
        let records = self.lists.fetch_all(sql.build_query_as::<ExpiredRecord>().persistent(false)).await?;
        Ok(records.into_iter().map(|record| record.into_run(namespace_id, archetype)).collect())
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<VisibilityRow>, StoreError> {
        let mut sql = list::list(query, None);
        let query = sql.build_query_as::<VisibilityRecord>().persistent(false);
        Ok(rows::convert(self.lists.fetch_all(query).await?))
    }

    async fn count(&self, query: &ListQuery) -> Result<i64, StoreError> {
        let mut sql = list::count(query, None);
        let (count,) = self.lists.fetch_one(sql.build_query_as().persistent(false)).await?;
        Ok(count)
    }

    async fn count_by(&self, query: &ListQuery, by: GroupBy, limit: usize) -> Result<Vec<CountGroup>, StoreError> {
        let mut sql = list::count_by(query, None, by, limit);
        Ok(match by {
            GroupBy::Status => rows::status_groups(self.lists.fetch_all(sql.build_query_as().persistent(false)).await?),
            _ => rows::text_groups(self.lists.fetch_all(sql.build_query_as().persistent(false)).await?),
        })
    }

    async fn create_namespace(&self, namespace: &Namespace) -> Result<(), StoreError> {
        let query = sqlx::query(statements::INSERT_NAMESPACE)
            .bind(&namespace.id)
            .bind(&namespace.name)
            .bind(namespace.encode_to_vec());
        self.lists.execute(query).await?;
        Ok(())
    }

    async fn update_namespace(&self, namespace: &Namespace) -> Result<(), StoreError> {
        let query = sqlx::query(statements::UPDATE_NAMESPACE)
            .bind(&namespace.id)
            .bind(&namespace.name)
            .bind(namespace.encode_to_vec());
        rows::found(self.lists.execute(query).await?)
    }

    async fn delete_namespace(&self, id: Uuid) -> Result<(), StoreError> {
        self.lists.execute(sqlx::query(statements::DELETE_TASK_QUEUE_CONFIGS).bind(id)).await?;
        for statement in statements::DELETE_NAMESPACE {
            self.lists.execute(sqlx::query(statement).bind(id.to_string())).await?;
        }
        Ok(())
    }

    async fn namespaces(&self) -> Result<Vec<Namespace>, StoreError> {
        rows::messages(self.lists.fetch_all(sqlx::query_as(statements::NAMESPACES)).await?)
    }

    async fn create_nexus_endpoint(&self, endpoint: &NexusEndpoint) -> Result<(), StoreError> {
        let query = sqlx::query(statements::INSERT_NEXUS_ENDPOINT)
            .bind(&endpoint.id)
            .bind(&endpoint.name)
            .bind(endpoint.version)
            .bind(endpoint.encode_to_vec());
        self.lists.execute(query).await?;
        Ok(())
    }

    async fn update_nexus_endpoint(&self, endpoint: &NexusEndpoint) -> Result<(), StoreError> {
        let query = sqlx::query(statements::UPDATE_NEXUS_ENDPOINT)
            .bind(&endpoint.id)
            .bind(&endpoint.name)
            .bind(endpoint.version)
            .bind(endpoint.encode_to_vec());
        rows::found(self.lists.execute(query).await?)
    }

    async fn delete_nexus_endpoint(&self, id: &str) -> Result<(), StoreError> {
        rows::found(self.lists.execute(sqlx::query(statements::DELETE_NEXUS_ENDPOINT).bind(id)).await?)
    }

    async fn nexus_endpoints(&self) -> Result<Vec<NexusEndpoint>, StoreError> {
        rows::messages(self.lists.fetch_all(sqlx::query_as(statements::NEXUS_ENDPOINTS)).await?)
    }

    async fn create_worker_deployment(&self, deployment: &WorkerDeployment) -> Result<(), StoreError> {
        let query = sqlx::query(statements::INSERT_WORKER_DEPLOYMENT)
            .bind(&deployment.namespace_id)
            .bind(&deployment.name)
            .bind(deployment.revision)
            .bind(deployment.encode_to_vec());
        self.lists.execute(query).await?;
        Ok(())
    }

    async fn update_worker_deployment(&self, deployment: &WorkerDeployment) -> Result<(), StoreError> {
        let query = sqlx::query(statements::UPDATE_WORKER_DEPLOYMENT)
            .bind(&deployment.namespace_id)
            .bind(&deployment.name)
            .bind(deployment.revision)
            .bind(deployment.encode_to_vec());
        rows::found(self.lists.execute(query).await?)
    }

    async fn delete_worker_deployment(&self, deployment: &WorkerDeployment) -> Result<(), StoreError> {
        let query = sqlx::query(statements::DELETE_WORKER_DEPLOYMENT)
            .bind(&deployment.namespace_id)
            .bind(&deployment.name)
            .bind(deployment.revision);
        rows::found(self.lists.execute(query).await?)
    }

    async fn worker_deployments(&self) -> Result<Vec<WorkerDeployment>, StoreError> {
        rows::messages(self.lists.fetch_all(sqlx::query_as(statements::WORKER_DEPLOYMENTS)).await?)
    }

    async fn put_task_queue_config(&self, row: &TaskQueueConfigRow) -> Result<(), StoreError> {
        let query = sqlx::query(statements::PUT_TASK_QUEUE_CONFIG)
            .bind(row.namespace_id)
            .bind(&row.name)
            .bind(row.queue_type)
            .bind(row.config.encode_to_vec());
        self.lists.execute(query).await?;
        Ok(())
    }

    async fn task_queue_configs(&self) -> Result<Vec<TaskQueueConfigRow>, StoreError> {
        let query = sqlx::query_as(statements::TASK_QUEUE_CONFIGS);
        let records: Vec<rows::TaskQueueConfigRecord> = self.lists.fetch_all(query).await?;
        records.into_iter().map(TaskQueueConfigRow::try_from).collect()
    }

    async fn add_to_backlog(&self, backlog: BacklogId, rows: &[BacklogRow]) -> Result<(), StoreError> {
        backlog::add(&self.lists, backlog, rows).await
    }

    async fn read_backlog(
        &self,
        backlog: BacklogId,
        after: Option<BacklogOrder>,
        limit: usize,
    ) -> Result<Vec<BacklogRow>, StoreError> {
        backlog::read(&self.lists, backlog, after, limit).await
    }

    async fn trim_backlog(&self, backlog: BacklogId, last: BacklogOrder) -> Result<(), StoreError> {
        backlog::trim(&self.lists, backlog, last).await
    }

    async fn clear_backlogs(&self) -> Result<(), StoreError> {
        self.lists.execute(sqlx::query("TRUNCATE backlogs")).await?;
        Ok(())
    }

    async fn cluster_metadata(&self, initial: &ClusterMetadata) -> Result<ClusterMetadata, StoreError> {
        self.lists.execute(sqlx::query(statements::INSERT_METADATA).bind(initial.encode_to_vec())).await?;
        let (data,): (Vec<u8>,) = self.lists.fetch_one(sqlx::query_as(statements::METADATA)).await?;
        Ok(ClusterMetadata::decode(data.as_slice())?)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.lists.execute(sqlx::query("SELECT 1")).await?;
        Ok(())
    }
}
