//! The store in memory: the same answers and errors as the databases give, for tests and simulation.

mod commit;
mod runs;
mod state;

use std::{
    collections::BTreeMap,
    ops::{Bound, Range},
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use perdure_engine::{Archetype, Nanos};
use perdure_proto::perdure::persistence::v1::{ClusterMetadata, Namespace, NexusEndpoint, WorkerDeployment};
use uuid::Uuid;

use crate::{
    backlog::{BacklogId, BacklogOrder, BacklogRow},
    batch::Batch,
    error::{CommitError, StoreError},
    filter::{Condition, compare, matches, sort_value},
    keys::{RunKey, Slot, WorkflowKey},
    lease::{LeaseRow, check_free, equal_ranges, lost, nanos, now},
    store::{EventBatch, Lease, Store, StoredRun, TaskQueueConfigRow},
    visibility::{CountGroup, Cursor, ExpiredRun, GroupBy, ListQuery, Position, Value, VisibilityRow},
};
use state::State;

/// Lost with the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

impl MemoryStore {
    pub fn new() -> Self {
        Self::default()
    }

    /// Rows that a query selects, in its order, without its page limits; each with its place.
    fn select(&self, query: &ListQuery) -> Vec<(Cursor, VisibilityRow)> {
        let condition = query.filter.as_ref().map(Condition::new);
        let selected = |row: &&VisibilityRow| {
            row.namespace_id == query.namespace_id
                && row.archetype == query.archetype
                && condition.as_ref().is_none_or(|condition| matches(condition, row))
        };
        let place = |row: &VisibilityRow| {
            let values = query.order.iter().map(|key| sort_value(key, row, &row.search_values)).collect();
            (Cursor { values, position: Position::of(row) }, row.clone())
        };
        let mut rows: Vec<_> = self.state.lock().visibility.values().filter(selected).map(place).collect();
        rows.sort_by(|(one, _), (other, _)| compare(&query.order, one, other));
        rows
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn commit(&self, batches: &[Batch]) -> Result<(), CommitError> {
        self.state.lock().commit(batches)
    }

    async fn current_runs(&self, workflows: &[WorkflowKey]) -> Result<Vec<Option<Uuid>>, StoreError> {
        let state = self.state.lock();
        Ok(workflows.iter().map(|workflow| state.current_runs.get(workflow).copied()).collect())
    }

    async fn workflows_after(&self, after: Option<&WorkflowKey>, limit: usize) -> Result<Vec<WorkflowKey>, StoreError> {
        let state = self.state.lock();
        let mut keys: Vec<WorkflowKey> =
            state.current_runs.keys().filter(|key| after.is_none_or(|after| *key > after)).cloned().collect();
        keys.sort_unstable();
        keys.truncate(limit);
        Ok(keys)
    }

    async fn load_runs(&self, runs: &[RunKey]) -> Result<Vec<Option<StoredRun>>, StoreError> {
        let state = self.state.lock();
        Ok(runs.iter().map(|run| state.load(*run)).collect())
    }

    async fn find_run(&self, run_id: Uuid) -> Result<Option<WorkflowKey>, StoreError> {
        let state = self.state.lock();
        let found = state.runs.iter().find(|(key, _)| key.run_id == run_id);
        Ok(found.map(|(_, run)| run.workflow.clone()))
    }

    async fn read_events(
        &self,
        run: RunKey,
        from_event_id: i64,
        end_event_id: i64,
        max_batches: usize,
        max_bytes: usize,
    ) -> Result<Vec<EventBatch>, StoreError> {
        Ok(self.state.lock().events(run, from_event_id, end_event_id, max_batches, max_bytes))
    }

    async fn read_events_reverse(
        &self,
        run: RunKey,
        last_event_id: i64,
        max_batches: usize,
    ) -> Result<Vec<EventBatch>, StoreError> {
        Ok(self.state.lock().events_reverse(run, last_event_id, max_batches))
    }

    async fn due_runs(
        &self,
        slots: Range<Slot>,
        from: Nanos,
        to: Nanos,
        limit: usize,
    ) -> Result<Vec<(Nanos, RunKey)>, StoreError> {
        Ok(self.state.lock().due(slots, from..to, limit))
    }

    async fn acquire_leases(&self, owner: &str, ranges: u16, ttl: Duration) -> Result<Vec<Lease>, StoreError> {
        let mut state = self.state.lock();
        let now = now();
        check_free(&state.leases, owner, now)?;
        if state.leases.is_empty() {
            state.leases.extend(equal_ranges(ranges).into_iter().map(|slots| LeaseRow {
                lease: Lease { first_slot: slots.start, end_slot: slots.end, epoch: 0 },
                owner: String::new(),
                expires_at: 0,
            }));
        }
        for row in &mut state.leases {
            row.lease.epoch += 1;
            row.owner = owner.to_owned();
            row.expires_at = now.saturating_add(nanos(ttl));
        }
        Ok(state.leases.iter().map(|row| row.lease.clone()).collect())
    }

    async fn renew_leases(&self, owner: &str, leases: &[Lease], ttl: Duration) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        let expires_at = now().saturating_add(nanos(ttl));
        for lease in leases {
            match state.leases.iter_mut().find(|row| row.owner == owner && row.lease == *lease) {
                Some(row) => row.expires_at = expires_at,
                None => return Err(lost(&state.leases, lease.first_slot)),
            }
        }
        Ok(())
    }

    async fn release_leases(&self, owner: &str, leases: &[Lease]) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        for row in state.leases.iter_mut().filter(|row| row.owner == owner && leases.contains(&row.lease)) {
            row.lease.epoch += 1;
            row.owner.clear();
            row.expires_at = 0;
        }
        Ok(())
    }

    async fn expired(
        &self,
        namespace_id: Uuid,
        archetype: Archetype,
        closed_before: Nanos,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<ExpiredRun>, StoreError> {
        let mut rows = self.select(&ListQuery { namespace_id, archetype, ..ListQuery::default() });
        rows.reverse();
        let found = rows.into_iter().map(|(place, row)| (place.position, row.workflow_id));
        let expired = found
            .filter(|(position, _)| closed_before == Nanos::MAX || position.close_time < closed_before)
            .filter(|(position, _)| after.is_none_or(|after| *position > after))
            .take(limit);
        Ok(expired.map(|(position, id)| ExpiredRun::new(namespace_id, archetype, id, position)).collect())
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<VisibilityRow>, StoreError> {
        let rows = self.select(query).into_iter();
        let after = |(place, _): &(Cursor, _)| {
            query.after.as_ref().is_none_or(|after| compare(&query.order, after, place).is_lt())
        };
        let page = rows.filter(after).take(query.page_size);
        Ok(page.map(|(_, row)| VisibilityRow { search_values: serde_json::Value::Null, ..row }).collect())
    }

    async fn count(&self, query: &ListQuery) -> Result<i64, StoreError> {
        Ok(self.select(query).len() as i64)
    }

    async fn count_by(&self, query: &ListQuery, by: GroupBy, limit: usize) -> Result<Vec<CountGroup>, StoreError> {
        let mut counts = BTreeMap::<(i32, String), i64>::new();
        for (_, row) in self.select(query) {
            let group = match by {
                GroupBy::Status => (row.status, String::new()),
                GroupBy::WorkflowType => (0, row.workflow_type),
                GroupBy::TaskQueue => (0, row.task_queue),
            };
            *counts.entry(group).or_default() += 1;
        }
        let value = |(status, text)| match by {
            GroupBy::Status => Value::Int(i64::from(status)),
            GroupBy::WorkflowType | GroupBy::TaskQueue => Value::Text(text),
        };
        Ok(counts.into_iter().map(|(group, count)| CountGroup { value: value(group), count }).take(limit).collect())
    }

    async fn create_namespace(&self, namespace: &Namespace) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        if state.namespaces.iter().any(|other| other.id == namespace.id || other.name == namespace.name) {
            return Err(StoreError::AlreadyExists);
        }
        state.namespaces.push(namespace.clone());
        Ok(())
    }

    async fn update_namespace(&self, namespace: &Namespace) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        if state.namespaces.iter().any(|other| other.id != namespace.id && other.name == namespace.name) {
            return Err(StoreError::AlreadyExists);
        }
        let stored = state.namespaces.iter_mut().find(|stored| stored.id == namespace.id);
        *stored.ok_or(StoreError::NotFound)? = namespace.clone();
        Ok(())
    }

    async fn delete_namespace(&self, id: Uuid) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        let text = id.to_string();
        state.worker_deployments.retain(|(namespace_id, _), _| *namespace_id != text);
        state.task_queue_configs.retain(|key, _| key.0 != id);
        state.namespaces.retain(|namespace| namespace.id != text);
        Ok(())
    }

    async fn namespaces(&self) -> Result<Vec<Namespace>, StoreError> {
        let mut namespaces = self.state.lock().namespaces.clone();
        namespaces.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(namespaces)
    }

    async fn create_nexus_endpoint(&self, endpoint: &NexusEndpoint) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        if state.nexus_endpoints.values().any(|other| other.id == endpoint.id || other.name == endpoint.name) {
            return Err(StoreError::AlreadyExists);
        }
        state.nexus_endpoints.insert(endpoint.id.clone(), endpoint.clone());
        Ok(())
    }

    async fn update_nexus_endpoint(&self, endpoint: &NexusEndpoint) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        let named_alike =
            state.nexus_endpoints.values().any(|other| other.id != endpoint.id && other.name == endpoint.name);
        match state.nexus_endpoints.get_mut(&endpoint.id).filter(|stored| stored.version + 1 == endpoint.version) {
            Some(_) if named_alike => Err(StoreError::AlreadyExists),
            Some(stored) => {
                *stored = endpoint.clone();
                Ok(())
            }
            None => Err(StoreError::NotFound),
        }
    }

    async fn delete_nexus_endpoint(&self, id: &str) -> Result<(), StoreError> {
        self.state.lock().nexus_endpoints.remove(id).map(|_| ()).ok_or(StoreError::NotFound)
    }

    async fn nexus_endpoints(&self) -> Result<Vec<NexusEndpoint>, StoreError> {
        Ok(self.state.lock().nexus_endpoints.values().cloned().collect())
    }

    async fn create_worker_deployment(&self, deployment: &WorkerDeployment) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        let key = (deployment.namespace_id.clone(), deployment.name.clone());
        if state.worker_deployments.contains_key(&key) {
            return Err(StoreError::AlreadyExists);
        }
        state.worker_deployments.insert(key, deployment.clone());
        Ok(())
    }

    async fn update_worker_deployment(&self, deployment: &WorkerDeployment) -> Result<(), StoreError> {
        let key = (deployment.namespace_id.clone(), deployment.name.clone());
        let mut state = self.state.lock();
        let stored = state.worker_deployments.get_mut(&key).ok_or(StoreError::NotFound)?;
        if stored.revision + 1 != deployment.revision {
            return Err(StoreError::NotFound);
        }
        *stored = deployment.clone();
        Ok(())
    }

    async fn delete_worker_deployment(&self, deployment: &WorkerDeployment) -> Result<(), StoreError> {
        let key = (deployment.namespace_id.clone(), deployment.name.clone());
        let mut state = self.state.lock();
        if state.worker_deployments.get(&key).is_none_or(|stored| stored.revision != deployment.revision) {
            return Err(StoreError::NotFound);
        }
        state.worker_deployments.remove(&key);
        Ok(())
    }

    async fn worker_deployments(&self) -> Result<Vec<WorkerDeployment>, StoreError> {
        Ok(self.state.lock().worker_deployments.values().cloned().collect())
    }

    async fn put_task_queue_config(&self, row: &TaskQueueConfigRow) -> Result<(), StoreError> {
        let key = (row.namespace_id, row.name.clone(), row.queue_type);
        self.state.lock().task_queue_configs.insert(key, row.clone());
        Ok(())
    }

    async fn task_queue_configs(&self) -> Result<Vec<TaskQueueConfigRow>, StoreError> {
        Ok(self.state.lock().task_queue_configs.values().cloned().collect())
    }

    async fn add_to_backlog(&self, backlog: BacklogId, rows: &[BacklogRow]) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        for row in rows {
            state.backlogs.entry((backlog, row.order)).or_insert_with(|| row.task.clone());
        }
        Ok(())
    }

    async fn read_backlog(
        &self,
        backlog: BacklogId,
        after: Option<BacklogOrder>,
        limit: usize,
    ) -> Result<Vec<BacklogRow>, StoreError> {
        let state = self.state.lock();
        let from = Bound::Excluded((backlog, after.unwrap_or(BacklogOrder::FIRST)));
        let rows = state.backlogs.range((from, Bound::Unbounded)).take_while(|((id, _), _)| *id == backlog);
        Ok(rows.take(limit).map(|((_, order), task)| BacklogRow { order: *order, task: task.clone() }).collect())
    }

    async fn trim_backlog(&self, backlog: BacklogId, last: BacklogOrder) -> Result<(), StoreError> {
        self.state.lock().backlogs.retain(|(id, order), _| *id != backlog || *order > last);
        Ok(())
    }

    async fn clear_backlogs(&self) -> Result<(), StoreError> {
        self.state.lock().backlogs.clear();
        Ok(())
    }

    async fn cluster_metadata(&self, initial: &ClusterMetadata) -> Result<ClusterMetadata, StoreError> {
        Ok(self.state.lock().metadata.get_or_insert_with(|| initial.clone()).clone())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
