//! Rows to write.

use std::time::Duration;

use bytes::Bytes;
use perdure_storage::{
    Batch, CommitError, JournalRow, Lease, RunKey, RunWrite, Snapshot, Store, VisibilityRow, WorkflowKey,
    batch::CreateRun,
};
use uuid::Uuid;

pub(crate) const NAMESPACE: Uuid = Uuid::from_u128(7);
pub(crate) const TTL: Duration = Duration::from_secs(3600);

/// One lease on all slots.
pub(crate) async fn lease(store: &dyn Store) -> Lease {
    store.acquire_leases("test", 1, TTL).await.unwrap().remove(0)
}

pub(crate) async fn commit(store: &dyn Store, lease: &Lease, runs: Vec<RunWrite>) -> Result<(), CommitError> {
    store.commit(&[Batch { lease: lease.clone(), runs }]).await
}

pub(crate) fn run_key(workflow_id: &str) -> RunKey {
    RunKey { slot: WorkflowKey::new(NAMESPACE, workflow_id).slot(), run_id: Uuid::now_v7() }
}

/// Nothing to write.
pub(crate) fn write(key: RunKey) -> RunWrite {
    RunWrite::new(key)
}

/// The first write of a run: its row, which becomes current, and one journal row with two events.
pub(crate) fn create(key: RunKey, workflow_id: &str) -> RunWrite {
    let create = CreateRun { workflow: WorkflowKey::new(NAMESPACE, workflow_id), make_current: true };
    RunWrite { create: Some(create), journal: vec![journal_row(1, 1, 2)], ..write(key) }
}

pub(crate) fn journal_row(seq: i64, first_event_id: i64, event_count: i32) -> JournalRow {
    JournalRow {
        seq,
        first_event_id,
        event_count,
        events: Bytes::from(format!("events {seq}")),
        changes: Bytes::from(format!("changes {seq}")),
    }
}

pub(crate) fn snapshot(seq: i64, size: usize) -> Snapshot {
    Snapshot { seq, state: vec![seq as u8; size].into() }
}

/// An open run.
pub(crate) fn visibility(workflow_id: &str, start_time: i64) -> VisibilityRow {
    let run_id = Uuid::now_v7();
    VisibilityRow {
        namespace_id: NAMESPACE,
        workflow_id: workflow_id.to_owned(),
        run_id,
        workflow_type: "type".to_owned(),
        task_queue: "queue".to_owned(),
        start_time,
        execution_time: start_time,
        status: 1,
        root_workflow_id: workflow_id.to_owned(),
        root_run_id: run_id.to_string(),
        ..VisibilityRow::default()
    }
}

pub(crate) fn closed(row: VisibilityRow, close_time: i64, status: i32) -> VisibilityRow {
    VisibilityRow {
        close_time: Some(close_time),
        status,
        history_length: Some(11),
        history_size_bytes: Some(2048),
        state_transition_count: Some(5),
        ..row
    }
}

/// Writes rows that only lists see.
pub(crate) async fn show(store: &dyn Store, lease: &Lease, rows: &[VisibilityRow]) {
    let writes = rows.iter().map(|row| {
        let key = RunKey { slot: 1, run_id: row.run_id };
        RunWrite { visibility: Some(row.clone()), ..write(key) }
    });
    commit(store, lease, writes.collect()).await.unwrap();
}
