//! A database that has no room goes on when it has some again.

use perdure_engine::Archetype;
use uuid::Uuid;

use super::SqliteStore;
use crate::{
    batch::{Batch, CreateRun, RunWrite, Snapshot},
    error::CommitError,
    keys::{RunKey, WorkflowKey},
    store::{Lease, Store},
};

/// A run with a snapshot of so many bytes.
fn batch(lease: &Lease, run_id: u128, bytes: usize) -> Batch {
    let workflow = WorkflowKey::of(Archetype::Workflow, Uuid::nil(), "workflow");
    let key = RunKey { slot: workflow.slot(), run_id: Uuid::from_u128(run_id) };
    let run = RunWrite {
        create: Some(CreateRun { workflow, make_current: true }),
        snapshot: Some(Snapshot { seq: 0, state: vec![7; bytes].into() }),
        ..RunWrite::new(key)
    };
    Batch { lease: lease.clone(), runs: vec![run] }
}

#[tokio::test]
async fn commits_go_on_after_the_disk_was_full() {
    let folder = std::env::temp_dir().join(format!("perdure-full-disk-{}", Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    let store = SqliteStore::open(Some(&folder.join("full.db"))).await.unwrap();
    let leases = store.acquire_leases("test", 1, std::time::Duration::from_secs(600)).await.unwrap();
    store.commit(&[batch(&leases[0], 1, 10)]).await.unwrap();
    // What a full disk is to SQLite: no page can be added.
    sqlx::query("PRAGMA max_page_count = 1").execute(&mut *store.writer.lock().await).await.unwrap();
    let full = store.commit(&[batch(&leases[0], 2, 1_000_000)]).await;
    assert!(matches!(&full, Err(CommitError::Unknown(error)) if error.to_string().contains("full")), "{full:?}");
    // With another connection the bound is gone: there is room again.
    store.commit(&[batch(&leases[0], 3, 1_000_000)]).await.unwrap();
    let keys = [1, 2, 3].map(|run_id| batch(&leases[0], run_id, 0).runs[0].key);
    let found: Vec<_> = store.load_runs(&keys).await.unwrap().iter().map(Option::is_some).collect();
    assert_eq!(found, [true, false, true]);
    drop(store);
    std::fs::remove_dir_all(&folder).unwrap();
}
