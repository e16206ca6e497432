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

/// Takes its place with a new run of this name.
fn take(place: Place, lease: &Lease, name: &str) -> oneshot::Receiver<Committed> {
    let (batch, workflows) = batch(lease, &[name]);
    place.take(batch, workflows)
}

/// The turn has ended by itself.
async fn idle(committer: &Arc<Committer>) {
    while committer.queue.lock().busy || Arc::strong_count(committer) > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_idle_committer_gives_a_place_at_once() {
    let (store, leases) = two_shards().await;
    let committer = Arc::new(Committer::new(store.clone()));
    for name in ["a", "b"] {
        let place = committer.ask().try_recv().expect("nobody else has one");
        assert!(take(place, &leases[0], name).await.unwrap().unwrap().is_empty());
        idle(&committer).await;
    }
    assert_eq!(exist(&store, &["a", "b"]).await, [true; 2]);
}

#[tokio::test]
async fn who_asks_during_a_transaction_gets_a_place_in_the_next() {
    let (store, leases) = two_shards().await;
    let committer = Arc::new(Committer::new(store.clone()));
    let first = committer.ask().try_recv().unwrap();
    let mut waiting = [committer.ask(), committer.ask()];
    tokio::task::yield_now().await;
    assert!(waiting.iter_mut().all(|place| place.try_recv().is_err()), "the first has no batch yet");
    let first = take(first, &leases[0], "a");
    let [second, third] = waiting;
    let (second, third) = (second.await.unwrap(), third.await.unwrap());
    assert!(first.await.unwrap().is_ok(), "its transaction was over before");
    let mut second = take(second, &leases[0], "b");
    tokio::task::yield_now().await;
    assert!(second.try_recv().is_err(), "it waits for the third");
    let third = take(third, &leases[1], "c");
    assert!(second.await.unwrap().is_ok() && third.await.unwrap().is_ok());
    assert_eq!(exist(&store, &["a", "b", "c"]).await, [true; 3]);
    idle(&committer).await;
}

#[tokio::test]
async fn a_place_may_be_given_back_and_a_shard_may_be_gone() {
    let (store, leases) = two_shards().await;
    let committer = Arc::new(Committer::new(store.clone()));
    drop(committer.ask());
    idle(&committer).await;
    let first = committer.ask().try_recv().unwrap();
    let (second, gone) = (committer.ask(), committer.ask());
    drop(gone);
    drop(first);
    let second = second.await.unwrap();
    assert!(take(second, &leases[0], "a").await.unwrap().is_ok());
    idle(&committer).await;
    assert_eq!(exist(&store, &["a"]).await, [true]);
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
