//! Rows as both databases give them, and their way into our types.

use perdure_engine::{Archetype, Nanos};
use prost::Message;
use sqlx::FromRow;
use uuid::Uuid;

use crate::{
    backlog::{BacklogOrder, BacklogRow},
    batch::{JournalRow, Snapshot},
    error::StoreError,
    keys::{RunKey, Slot, WorkflowKey},
    lease::LeaseRow,
    store::{EventBatch, Lease, StoredRun, TaskQueueConfigRow},
    visibility::{CountGroup, ExpiredRun, OPEN, Position, Value, VisibilityRow},
};

/// Slots are stored as smallint, PostgreSQL's two bytes: below 16,384 they have room.
pub(crate) fn slot_to_sql(slot: Slot) -> i16 {
    slot as i16
}

pub(crate) fn slot_from_sql(slot: i16) -> Slot {
    slot as Slot
}

/// Columns of a workflow key.
#[derive(FromRow)]
pub(crate) struct WorkflowRecord {
    namespace_id: Uuid,
    #[sqlx(try_from = "i16")]
    archetype: Archetype,
    workflow_id: String,
}

impl From<WorkflowRecord> for WorkflowKey {
    fn from(record: WorkflowRecord) -> Self {
        Self::of(record.archetype, record.namespace_id, record.workflow_id)
    }
}

#[derive(FromRow)]
pub(crate) struct RunRecord {
    #[sqlx(flatten)]
    workflow: WorkflowRecord,
    wake_at: Option<i64>,
    snapshot_seq: Option<i64>,
    snapshot: Option<Vec<u8>>,
}

impl RunRecord {
    pub(crate) fn into_run(self, journal: Vec<JournalRow>) -> StoredRun {
        let snapshot = self.snapshot_seq.zip(self.snapshot).map(|(seq, state)| Snapshot { seq, state: state.into() });
        StoredRun { workflow: self.workflow.into(), snapshot, journal, wake_at: self.wake_at }
    }
}

#[derive(FromRow)]
pub(crate) struct JournalRecord {
    seq: i64,
    first_event_id: i64,
    event_count: i32,
    events: Vec<u8>,
    changes: Vec<u8>,
}

impl From<JournalRecord> for JournalRow {
    fn from(record: JournalRecord) -> Self {
        let JournalRecord { seq, first_event_id, event_count, events, changes } = record;
        Self { seq, first_event_id, event_count, events: events.into(), changes: changes.into() }
    }
}

#[derive(FromRow)]
pub(crate) struct EventsRecord {
    first_event_id: i64,
    event_count: i32,
    events: Vec<u8>,
}

impl From<EventsRecord> for EventBatch {
    fn from(record: EventsRecord) -> Self {
        Self { first_event_id: record.first_event_id, event_count: record.event_count, events: record.events.into() }
    }
}

#[derive(FromRow)]
pub(crate) struct DueRecord {
    wake_at: i64,
    slot: i16,
    run_id: Uuid,
}

impl From<DueRecord> for (Nanos, RunKey) {
    fn from(record: DueRecord) -> Self {
        (record.wake_at, RunKey { slot: slot_from_sql(record.slot), run_id: record.run_id })
    }
}

#[derive(FromRow)]
pub(crate) struct ExpiredRecord {
    workflow_id: String,
    close_time: i64,
    start_time: i64,
    run_id: Uuid,
}

impl ExpiredRecord {
    pub(crate) fn into_run(self, namespace_id: Uuid, archetype: Archetype) -> ExpiredRun {
        let position = Position { close_time: self.close_time, start_time: self.start_time, run_id: self.run_id };
        ExpiredRun::new(namespace_id, archetype, self.workflow_id, position)
    }
}

#[derive(FromRow)]
pub(crate) struct LeaseRecord {
    first_slot: i16,
    end_slot: i16,
    epoch: i64,
    owner: String,
    expires_at: i64,
}

impl From<LeaseRecord> for LeaseRow {
    fn from(record: LeaseRecord) -> Self {
        let lease = Lease {
            first_slot: slot_from_sql(record.first_slot),
            end_slot: slot_from_sql(record.end_slot),
            epoch: record.epoch,
        };
        Self { lease, owner: record.owner, expires_at: record.expires_at }
    }
}

/// Columns of [`VisibilityRecord`]. `search_values`, which serves filters alone, comes after them and is not read.
pub(crate) const VISIBILITY_COLUMNS: &str = "namespace_id, archetype, run_id, close_time, start_time, execution_time, history_length, history_size_bytes, \
    state_transition_count, status, workflow_id, workflow_type, task_queue, parent_workflow_id, \
    parent_run_id, root_workflow_id, root_run_id, memo, search_attributes";

/// All but the key and what never changes.
pub(crate) const VISIBILITY_UPDATES: &str = "close_time = excluded.close_time, start_time = excluded.start_time, execution_time = \
    excluded.execution_time, history_length = excluded.history_length, history_size_bytes = \
    excluded.history_size_bytes, state_transition_count = excluded.state_transition_count, status = \
    excluded.status, workflow_id = excluded.workflow_id, workflow_type = excluded.workflow_type, \
    task_queue = excluded.task_queue, parent_workflow_id = excluded.parent_workflow_id, parent_run_id = \
    excluded.parent_run_id, root_workflow_id = excluded.root_workflow_id, root_run_id = \
    excluded.root_run_id, memo = excluded.memo, search_attributes = excluded.search_attributes, \
    search_values = excluded.search_values";

pub(crate) fn close_time_to_sql(row: &VisibilityRow) -> Nanos {
    row.close_time.unwrap_or(OPEN)
}

/// None where the run is its own root, as most are: that costs no bytes, and keeps them out of an index.
pub(crate) fn root_to_sql(row: &VisibilityRow) -> Option<(&str, &str)> {
    let own = row.root_workflow_id == row.workflow_id && Uuid::try_parse(&row.root_run_id) == Ok(row.run_id);
    (!own).then_some((&row.root_workflow_id, &row.root_run_id))
}

/// None where there is nothing to find.
pub(crate) fn search_values_to_sql(row: &VisibilityRow) -> Option<&serde_json::Value> {
    Some(&row.search_values).filter(|values| values.as_object().is_some_and(|values| !values.is_empty()))
}

#[derive(FromRow)]
pub(crate) struct VisibilityRecord {
    namespace_id: Uuid,
    #[sqlx(try_from = "i16")]
    archetype: Archetype,
    run_id: Uuid,
    close_time: i64,
    start_time: i64,
    execution_time: i64,
    history_length: Option<i64>,
    history_size_bytes: Option<i64>,
    state_transition_count: Option<i64>,
    status: i32,
    workflow_id: String,
    workflow_type: String,
    task_queue: String,
    parent_workflow_id: Option<String>,
    parent_run_id: Option<String>,
    root_workflow_id: Option<String>,
    root_run_id: Option<String>,
    memo: Vec<u8>,
    search_attributes: Vec<u8>,
}

impl From<VisibilityRecord> for VisibilityRow {
    fn from(record: VisibilityRecord) -> Self {
        Self {
            namespace_id: record.namespace_id,
            archetype: record.archetype,
            run_id: record.run_id,
            workflow_type: record.workflow_type,
            task_queue: record.task_queue,
            start_time: record.start_time,
            execution_time: record.execution_time,
            close_time: (record.close_time != OPEN).then_some(record.close_time),
            status: record.status,
            history_length: record.history_length,
            history_size_bytes: record.history_size_bytes,
            state_transition_count: record.state_transition_count,
            parent_workflow_id: record.parent_workflow_id,
            parent_run_id: record.parent_run_id,
            root_workflow_id: record.root_workflow_id.unwrap_or_else(|| record.workflow_id.clone()),
            root_run_id: record.root_run_id.unwrap_or_else(|| record.run_id.to_string()),
            workflow_id: record.workflow_id,
            memo: record.memo.into(),
            search_attributes: record.search_attributes.into(),
            search_values: serde_json::Value::Null,
        }
    }
}

pub(crate) fn status_groups(rows: Vec<(i32, i64)>) -> Vec<CountGroup> {
    rows.into_iter().map(|(status, count)| CountGroup { value: Value::Int(status.into()), count }).collect()
}

pub(crate) fn text_groups(rows: Vec<(String, i64)>) -> Vec<CountGroup> {
    rows.into_iter().map(|(text, count)| CountGroup { value: Value::Text(text), count }).collect()
}

#[derive(FromRow)]
pub(crate) struct BacklogRecord {
    level: i16,
    pass: i64,
    sequence: i64,
    task: Vec<u8>,
}

impl From<BacklogRecord> for BacklogRow {
    fn from(record: BacklogRecord) -> Self {
        let BacklogRecord { level, pass, sequence, task } = record;
        Self { order: BacklogOrder { level, pass, sequence }, task }
    }
}

#[derive(FromRow)]
pub(crate) struct TaskQueueConfigRecord {
    namespace_id: Uuid,
    name: String,
    #[sqlx(rename = "type")]
    queue_type: i32,
    data: Vec<u8>,
}

impl TryFrom<TaskQueueConfigRecord> for TaskQueueConfigRow {
    type Error = StoreError;

    fn try_from(record: TaskQueueConfigRecord) -> Result<Self, StoreError> {
        let TaskQueueConfigRecord { namespace_id, name, queue_type, data } = record;
        Ok(Self { namespace_id, name, queue_type, config: Message::decode(data.as_slice())? })
    }
}

/// Rows whose one column is a message.
pub(crate) fn messages<M: Message + Default>(rows: Vec<(Vec<u8>,)>) -> Result<Vec<M>, StoreError> {
    rows.iter().map(|(data,)| Ok(M::decode(data.as_slice())?)).collect()
}

/// Turns all rows into our type.
pub(crate) fn convert<R: Into<T>, T>(rows: Vec<R>) -> Vec<T> {
    rows.into_iter().map(Into::into).collect()
}

pub(crate) fn limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// `NotFound` if an update met no row.
pub(crate) fn found(rows_affected: u64) -> Result<(), StoreError> {
    if rows_affected == 0 { Err(StoreError::NotFound) } else { Ok(()) }
}
