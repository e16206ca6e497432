use perdure_engine::Archetype;
use perdure_storage::{Batch, Lease, MemoryStore, RunKey, RunWrite, batch::CreateRun};
use uuid::Uuid;

use super::*;

async fn two_shards() -> (Arc<MemoryStore>, Vec<Lease>) {
    let store = Arc::new(MemoryStore::new());
    let leases = store.acquire_leases("test", 2, std::time::Duration::from_secs(60)).await.unwrap();
    (store, leases)
}

fn workflow(name: &str) -> WorkflowKey {
    WorkflowKey::of(Archetype::Workflow, Uuid::nil(), name)
}

fn key(name: &str) -> RunKey {
    let mut run_id = [0; 16];
    run_id[..name.len()].copy_from_slice(name.as_bytes());
    RunKey { slot: workflow(name).slot(), run_id: Uuid::from_bytes(run_id) }
}

/// New runs of these names.
fn batch(lease: &Lease, names: &[&str]) -> (Batch, Vec<WorkflowKey>) {
    let create = |name: &&str| RunWrite {
        create: Some(CreateRun { workflow: workflow(name), make_current: true }),
        ..RunWrite::new(key(name))
    };
    let runs = names.iter().map(create).collect();
    (Batch { lease: lease.clone(), runs }, names.iter().map(|name| workflow(name)).collect())
}

async fn exist(store: &MemoryStore, names: &[&str]) -> Vec<bool> {
    let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
    store.load_runs(&keys).await.unwrap().iter().map(Option::is_some).collect()
}

/// How batches end that are committed together.
async fn together(store: &MemoryStore, batches: Vec<(Batch, Vec<WorkflowKey>)>) -> Vec<Result<usize, String>> {
    let mut answers = Vec::new();
    let submissions = batches.into_iter().map(|(batch, workflows)| {
        let (done, answer) = oneshot::channel();
        answers.push(answer);
        Submission { batch, workflows, done }
    });
    let submissions = submissions.collect();
    commit(store, submissions).await;
    let mut ends = Vec::new();
    for answer in answers {
        let end = answer.await.unwrap();
        ends.push(end.map(|refused| refused.len()).map_err(|error| error.to_string()));
    }
    ends
}

#[tokio::test]
async fn what_waits_goes_together_and_each_hears_of_it() {
    let (store, leases) = two_shards().await;
    let committer = Arc::new(Committer::new(store.clone()));
    let names = ["a", "b", "c", "d"];
    let submitted = names.iter().zip(leases.iter().cycle()).map(|(name, lease)| {
        let (batch, workflows) = batch(lease, &[name]);
        committer.submit(batch, workflows)
    });
    // None of them has run when the last is there: the others wait behind the first.
    for answer in submitted.collect::<Vec<_>>() {
        assert!(answer.await.unwrap().unwrap().is_empty());
    }
    assert_eq!(exist(&store, &names).await, [true; 4]);
    assert!(!committer.queue.lock().busy);
    let (batch, workflows) = batch(&leases[0], &["later"]);
    assert!(committer.submit(batch, workflows).await.unwrap().is_ok());
    tokio::task::yield_now().await;
    assert_eq!(Arc::strong_count(&committer), 1, "a turn that is over holds nothing");
}

#[tokio::test]
async fn only_whose_lease_is_lost_fails() {
    let (store, leases) = two_shards().await;
    let stale = Lease { epoch: leases[1].epoch - 1, ..leases[1].clone() };
    let ends = together(&store, vec![batch(&leases[0], &["a"]), batch(&stale, &["b"])]).await;
    assert_eq!(ends, [Ok(0), Err("the lease on the shard was lost".to_owned())]);
    assert_eq!(exist(&store, &["a", "b"]).await, [true, false]);
}

#[tokio::test]
async fn only_what_cannot_be_stored_is_refused() {
    let (store, leases) = two_shards().await;
    let ends = together(&store, vec![batch(&leases[0], &["a", "b\0"]), batch(&leases[1], &["c"])]).await;
    assert_eq!(ends, [Ok(1), Ok(0)]);
    assert_eq!(exist(&store, &["a", "b\0", "c"]).await, [true, false, true]);
}

#[tokio::test]
async fn an_unknown_fate_is_unknown_for_all() {
    let (store, leases) = two_shards().await;
    let committed = together(&store, vec![batch(&leases[0], &["a"])]).await;
    assert_eq!(committed, [Ok(0)]);
    let ends = together(&store, vec![batch(&leases[0], &["a"]), batch(&leases[1], &["b"])]).await;
    assert!(ends.iter().all(|end| end.as_ref().is_err_and(|text| text.contains("unknown"))), "{ends:?}");
    assert_eq!(exist(&store, &["b"]).await, [false]);
}
