//! The store in a SQLite file or in memory, for one process.
//!
//! One connection writes; a file has a few more that read beside it (write-ahead log). Every commit is flushed to disk.

mod backlog;
mod commit;
mod dialect;
mod leases;
mod narrow;
mod open;
mod runs;

use std::{
    fs::File,
    ops::Range,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use perdure_engine::{Archetype, Nanos};
use perdure_proto::perdure::persistence::v1::{ClusterMetadata, Namespace, NexusEndpoint, WorkerDeployment};
use prost::Message;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{Mutex, MutexGuard};
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

pub(crate) use open::{MIGRATIONS, is_open, options, set_up};

use narrow::Narrow;

#[derive(Debug)]
pub struct SqliteStore {
    writer: Mutex<SqliteConnection>,
    /// None in memory.
    path: Option<PathBuf>,
    /// None in memory: the writer's connection is the database.
    readers: Vec<Mutex<SqliteConnection>>,
    /// Takes turns where all readers are busy.
    turn: AtomicUsize,
    /// Keeps other processes out for as long as this one lives.
    _lock: Option<File>,
}

impl SqliteStore {
    /// Where the disk is full or fails, SQLite ends a transaction by itself. The driver believes for ever that it goes on, and
    /// begins no other one: such a connection is replaced.
    async fn writer(&self) -> Result<MutexGuard<'_, SqliteConnection>, sqlx::Error> {
        let mut writer = self.writer.lock().await;
        if writer.is_in_transaction() {
            // The rollback of a transaction that was dropped may be under way; this comes after it.
            writer.ping().await?;
            if let Some(path) = self.path.as_deref().filter(|_| writer.is_in_transaction()) {
                *writer = SqliteConnection::connect_with(&options(Some(path))).await?;
            }
        }
        Ok(writer)
    }

    async fn reader(&self) -> MutexGuard<'_, SqliteConnection> {
        if let Some(free) = self.readers.iter().find_map(|reader| reader.try_lock().ok()) {
            return free;
        }
        match self.turn.fetch_add(1, Ordering::Relaxed).checked_rem(self.readers.len()) {
            Some(index) => self.readers[index].lock().await,
            None => self.writer.lock().await,
        }
    }
}

impl SqliteStore {
    /// How the database would find a list's rows: the steps of its plan.
    pub async fn explain(&self, query: &ListQuery) -> Result<Vec<String>, StoreError> {
        let mut reader = self.reader().await;
        let narrow = Narrow::few(&mut reader, query).await?;
        let mut sql = list::explain(query, narrow.as_ref());
        let query = sql.build_query_as::<(i64, i64, i64, String)>().persistent(false);
        let steps = query.fetch_all(&mut *reader).await?;
        Ok(steps.into_iter().map(|(_, _, _, step)| step).collect())
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, batches: &[Batch]) -> Result<(), CommitError> {
        commit::commit(&mut *self.writer().await?, batches).await
    }

    async fn current_runs(&self, workflows: &[WorkflowKey]) -> Result<Vec<Option<Uuid>>, StoreError> {
        runs::current_runs(&mut *self.reader().await, workflows).await
    }

    async fn workflows_after(&self, after: Option<&WorkflowKey>, limit: usize) -> Result<Vec<WorkflowKey>, StoreError> {
        runs::workflows_after(&mut *self.reader().await, after, limit).await
    }

    async fn load_runs(&self, runs: &[RunKey]) -> Result<Vec<Option<StoredRun>>, StoreError> {
        runs::load_runs(&mut *self.reader().await, runs).await
    }

    async fn find_run(&self, run_id: Uuid) -> Result<Option<WorkflowKey>, StoreError> {
        let query = sqlx::query_as::<_, WorkflowRecord>(statements::FIND_RUN).bind(run_id);
        Ok(query.fetch_optional(&mut *self.reader().await).await?.map(Into::into))
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
        Ok(rows::convert(query.fetch_all(&mut *self.reader().await).await?))
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
        Ok(rows::convert(query.fetch_all(&mut *self.reader().await).await?))
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
        Ok(rows::convert(query.fetch_all(&mut *self.reader().await).await?))
    }

    async fn acquire_leases(&self, owner: &str, ranges: u16, ttl: Duration) -> Result<Vec<Lease>, StoreError> {
        leases::acquire(&mut *self.writer().await?, owner, ranges, ttl).await
    }

    async fn renew_leases(&self, owner: &str, leases: &[Lease], ttl: Duration) -> Result<(), StoreError> {
        leases::renew(&mut *self.writer().await?, owner, leases, ttl).await
    }

    async fn release_leases(&self, owner: &str, leases: &[Lease]) -> Result<(), StoreError> {
        leases::release(&mut *self.writer().await?, owner, leases).await
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
        let query = sql.build_query_as::<ExpiredRecord>().persistent(false);
        let records = query.fetch_all(&mut *self.reader().await).await?;
        Ok(records.into_iter().map(|record| record.into_run(namespace_id, archetype)).collect())
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<VisibilityRow>, StoreError> {
        let mut reader = self.reader().await;
        let narrow = Narrow::few(&mut reader, query).await?;
        let mut sql = list::list(query, narrow.as_ref());
        let query = sql.build_query_as::<VisibilityRecord>().persistent(false);
        Ok(rows::convert(query.fetch_all(&mut *reader).await?))
    }

    async fn count(&self, query: &ListQuery) -> Result<i64, StoreError> {
        let mut reader = self.reader().await;
        let narrow = Narrow::to_count(&mut reader, query).await?;
        let mut sql = list::count(query, narrow.as_ref());
        let (count,) = sql.build_query_as().persistent(false).fetch_one(&mut *reader).await?;
        Ok(count)
    }

    async fn count_by(&self, query: &ListQuery, by: GroupBy, limit: usize) -> Result<Vec<CountGroup>, StoreError> {
        let mut reader = self.reader().await;
        let narrow = Narrow::to_count(&mut reader, query).await?;
        let mut sql = list::count_by(query, narrow.as_ref(), by, limit);
        Ok(match by {
            GroupBy::Status => {
                rows::status_groups(sql.build_query_as().persistent(false).fetch_all(&mut *reader).await?)
            }
            _ => rows::text_groups(sql.build_query_as().persistent(false).fetch_all(&mut *reader).await?),
        })
    }

    async fn create_namespace(&self, namespace: &Namespace) -> Result<(), StoreError> {
        let query = sqlx::query(statements::INSERT_NAMESPACE)
            .bind(&namespace.id)
            .bind(&namespace.name)
            .bind(namespace.encode_to_vec());
        query.execute(&mut *self.writer().await?).await?;
        Ok(())
    }

    async fn update_namespace(&self, namespace: &Namespace) -> Result<(), StoreError> {
        let query = sqlx::query(statements::UPDATE_NAMESPACE)
            .bind(&namespace.id)
            .bind(&namespace.name)
            .bind(namespace.encode_to_vec());
        rows::found(query.execute(&mut *self.writer().await?).await?.rows_affected())
    }

    async fn delete_namespace(&self, id: Uuid) -> Result<(), StoreError> {
        let mut writer = self.writer().await?;
        sqlx::query(statements::DELETE_TASK_QUEUE_CONFIGS).bind(id).execute(&mut *writer).await?;
        for statement in statements::DELETE_NAMESPACE {
            sqlx::query(statement).bind(id.to_string()).execute(&mut *writer).await?;
        }
        Ok(())
    }

    async fn namespaces(&self) -> Result<Vec<Namespace>, StoreError> {
        rows::messages(sqlx::query_as(statements::NAMESPACES).fetch_all(&mut *self.reader().await).await?)
    }

    async fn create_nexus_endpoint(&self, endpoint: &NexusEndpoint) -> Result<(), StoreError> {
        let query = sqlx::query(statements::INSERT_NEXUS_ENDPOINT)
            .bind(&endpoint.id)
            .bind(&endpoint.name)
            .bind(endpoint.version)
            .bind(endpoint.encode_to_vec());
        query.execute(&mut *self.writer().await?).await?;
        Ok(())
    }

    async fn update_nexus_endpoint(&self, endpoint: &NexusEndpoint) -> Result<(), StoreError> {
        let query = sqlx::query(statements::UPDATE_NEXUS_ENDPOINT)
            .bind(&endpoint.id)
            .bind(&endpoint.name)
            .bind(endpoint.version)
            .bind(endpoint.encode_to_vec());
        rows::found(query.execute(&mut *self.writer().await?).await?.rows_affected())
    }

    async fn delete_nexus_endpoint(&self, id: &str) -> Result<(), StoreError> {
        let query = sqlx::query(statements::DELETE_NEXUS_ENDPOINT).bind(id);
        rows::found(query.execute(&mut *self.writer().await?).await?.rows_affected())
    }

    async fn nexus_endpoints(&self) -> Result<Vec<NexusEndpoint>, StoreError> {
        rows::messages(sqlx::query_as(statements::NEXUS_ENDPOINTS).fetch_all(&mut *self.reader().await).await?)
    }

    async fn create_worker_deployment(&self, deployment: &WorkerDeployment) -> Result<(), StoreError> {
        let query = sqlx::query(statements::INSERT_WORKER_DEPLOYMENT)
            .bind(&deployment.namespace_id)
            .bind(&deployment.name)
            .bind(deployment.revision)
            .bind(deployment.encode_to_vec());
        query.execute(&mut *self.writer().await?).await?;
        Ok(())
    }

    async fn update_worker_deployment(&self, deployment: &WorkerDeployment) -> Result<(), StoreError> {
        let query = sqlx::query(statements::UPDATE_WORKER_DEPLOYMENT)
            .bind(&deployment.namespace_id)
            .bind(&deployment.name)
            .bind(deployment.revision)
            .bind(deployment.encode_to_vec());
        rows::found(query.execute(&mut *self.writer().await?).await?.rows_affected())
    }

    async fn delete_worker_deployment(&self, deployment: &WorkerDeployment) -> Result<(), StoreError> {
        let query = sqlx::query(statements::DELETE_WORKER_DEPLOYMENT)
            .bind(&deployment.namespace_id)
            .bind(&deployment.name)
            .bind(deployment.revision);
        rows::found(query.execute(&mut *self.writer().await?).await?.rows_affected())
    }

    async fn worker_deployments(&self) -> Result<Vec<WorkerDeployment>, StoreError> {
        rows::messages(sqlx::query_as(statements::WORKER_DEPLOYMENTS).fetch_all(&mut *self.reader().await).await?)
    }

    async fn put_task_queue_config(&self, row: &TaskQueueConfigRow) -> Result<(), StoreError> {
        let query = sqlx::query(statements::PUT_TASK_QUEUE_CONFIG)
            .bind(row.namespace_id)
            .bind(&row.name)
            .bind(row.queue_type)
            .bind(row.config.encode_to_vec());
        query.execute(&mut *self.writer().await?).await?;
        Ok(())
    }

    async fn task_queue_configs(&self) -> Result<Vec<TaskQueueConfigRow>, StoreError> {
        let query = sqlx::query_as(statements::TASK_QUEUE_CONFIGS);
        let records: Vec<rows::TaskQueueConfigRecord> = query.fetch_all(&mut *self.reader().await).await?;
        records.into_iter().map(TaskQueueConfigRow::try_from).collect()
    }

    async fn add_to_backlog(&self, backlog: BacklogId, rows: &[BacklogRow]) -> Result<(), StoreError> {
        backlog::add(&mut *self.writer().await?, backlog, rows).await
    }

    async fn read_backlog(
        &self,
        backlog: BacklogId,
        after: Option<BacklogOrder>,
        limit: usize,
    ) -> Result<Vec<BacklogRow>, StoreError> {
        backlog::read(&mut *self.reader().await, backlog, after, limit).await
    }

    async fn trim_backlog(&self, backlog: BacklogId, last: BacklogOrder) -> Result<(), StoreError> {
        backlog::trim(&mut *self.writer().await?, backlog, last).await
    }

    async fn clear_backlogs(&self) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM backlogs").execute(&mut *self.writer().await?).await?;
        Ok(())
    }

    async fn cluster_metadata(&self, initial: &ClusterMetadata) -> Result<ClusterMetadata, StoreError> {
        let mut writer = self.writer().await?;
        sqlx::query(statements::INSERT_METADATA).bind(initial.encode_to_vec()).execute(&mut *writer).await?;
        let data: Vec<u8> = sqlx::query_scalar(statements::METADATA).fetch_one(&mut *writer).await?;
        Ok(ClusterMetadata::decode(data.as_slice())?)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&mut *self.reader().await).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
