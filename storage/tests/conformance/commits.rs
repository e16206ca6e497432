//! Batches: all or nothing, under the lease.

use perdure_storage::{Batch, CommitError, RunWrite, Store, StoredRun, WakeAt, WorkflowKey, batch::CreateRun};

use crate::{
    on_all_stores,
    rows::{NAMESPACE, TTL, closed, commit, create, journal_row, lease, run_key, snapshot, visibility, write},
};

on_all_stores!(
    batch_writes_every_part,
    batch_with_nothing_is_fenced,
    lost_lease_writes_nothing,
    released_lease_writes_nothing,
    shards_that_commit_together_stand_or_fall_together,
    duplicate_run_fails_the_batch,
    duplicate_journal_row_fails_the_batch,
    refused_data_leaves_nothing_and_the_store_goes_on,
    last_created_run_is_current,
    workflow_ids_are_paged_in_the_order_of_their_keys,
    wake_at_is_kept_set_and_cleared,
    snapshot_replaces_and_hides_older_rows,
    batches_of_many_sizes,
);

async fn load(store: &dyn Store, key: perdure_storage::RunKey) -> Option<StoredRun> {
    store.load_runs(&[key]).await.unwrap().remove(0)
}

async fn batch_writes_every_part(store: &dyn Store) {
    let lease = lease(store).await;
    let key = run_key("w");
    let mut shown = visibility("w", 10);
    shown.run_id = key.run_id;
    let first = RunWrite {
        snapshot: Some(snapshot(1, 10)),
        wake_at: WakeAt::Set(99),
        visibility: Some(shown.clone()),
        ..create(key, "w")
    };
    commit(store, &lease, vec![first]).await.unwrap();

    let expected = StoredRun {
        workflow: WorkflowKey::new(NAMESPACE, "w"),
        snapshot: Some(snapshot(1, 10)),
        journal: vec![],
        wake_at: Some(99),
    };
    assert_eq!(load(store, key).await, Some(expected.clone()));
    assert_eq!(store.current_runs(&[WorkflowKey::new(NAMESPACE, "w")]).await.unwrap(), [Some(key.run_id)]);
    assert_eq!(store.find_run(key.run_id).await.unwrap(), Some(WorkflowKey::new(NAMESPACE, "w")));
    assert_eq!(store.find_run(run_key("w").run_id).await.unwrap(), None);
    let query = perdure_storage::visibility::ListQuery { namespace_id: NAMESPACE, page_size: 10, ..Default::default() };
    assert_eq!(store.list(&query).await.unwrap(), std::slice::from_ref(&shown));

    let second = RunWrite {
        journal: vec![journal_row(2, 3, 1)],
        wake_at: WakeAt::Clear,
        visibility: Some(closed(shown.clone(), 20, 2)),
        ..write(key)
    };
    commit(store, &lease, vec![second]).await.unwrap();
    let expected = StoredRun { journal: vec![journal_row(2, 3, 1)], wake_at: None, ..expected };
    assert_eq!(load(store, key).await, Some(expected));
    assert_eq!(store.list(&query).await.unwrap(), [closed(shown, 20, 2)]);
}

async fn workflow_ids_are_paged_in_the_order_of_their_keys(store: &dyn Store) {
    let lease = lease(store).await;
    assert_eq!(store.workflows_after(None, 10).await.unwrap(), []);
    let ids = ["", "a", "b", "ä", "zz"];
    let runs = ids.iter().rev().map(|id| create(run_key(id), id)).collect();
    commit(store, &lease, runs).await.unwrap();
    // A second run of an id adds none.
    commit(store, &lease, vec![create(run_key("a"), "a")]).await.unwrap();
    let mut seen = Vec::new();
    loop {
        let page = store.workflows_after(seen.last(), 2).await.unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    let expected = ["", "a", "b", "zz", "ä"].map(|id| WorkflowKey::new(NAMESPACE, id));
    assert_eq!(seen, expected);
}

async fn batch_with_nothing_is_fenced(store: &dyn Store) {
    let lease = lease(store).await;
    commit(store, &lease, vec![]).await.unwrap();
    let stale = perdure_storage::Lease { epoch: lease.epoch - 1, ..lease };
    assert!(matches!(commit(store, &stale, vec![]).await, Err(CommitError::LeaseLost)));
}

async fn lost_lease_writes_nothing(store: &dyn Store) {
    let old = lease(store).await;
    let (known, unknown) = (run_key("known"), run_key("unknown"));
    commit(store, &old, vec![create(known, "known")]).await.unwrap();
    let before = load(store, known).await;
    let new = lease(store).await;
    assert!(new.epoch > old.epoch);

    let update = RunWrite {
        journal: vec![journal_row(2, 3, 1)],
        snapshot: Some(snapshot(2, 10)),
        wake_at: WakeAt::Set(1),
        visibility: Some(visibility("known", 1)),
        ..write(known)
    };
    let batches = [Batch { lease: old, runs: vec![update, create(unknown, "unknown")] }];
    assert!(matches!(store.commit(&batches).await, Err(CommitError::LeaseLost)));
    assert_eq!(load(store, known).await, before);
    assert_eq!(load(store, unknown).await, None);
    assert_eq!(store.current_runs(&[WorkflowKey::new(NAMESPACE, "unknown")]).await.unwrap(), [None]);
    let query = perdure_storage::visibility::ListQuery { namespace_id: NAMESPACE, page_size: 10, ..Default::default() };
    assert_eq!(store.count(&query).await.unwrap(), 0);

    let [batch] = batches;
    store.commit(&[Batch { lease: new, ..batch }]).await.unwrap();
    assert!(load(store, unknown).await.is_some());
}

async fn shards_that_commit_together_stand_or_fall_together(store: &dyn Store) {
    let leases = store.acquire_leases("test", 2, TTL).await.unwrap();
    let keys = ["a", "b", "c", "d"].map(run_key);
    let of = |at: usize, lease: &perdure_storage::Lease| {
        let runs = vec![create(keys[at], &format!("w{at}"))];
        Batch { lease: lease.clone(), runs }
    };
    store.commit(&[of(0, &leases[0]), of(1, &leases[1])]).await.unwrap();
    let stale = perdure_storage::Lease { epoch: leases[1].epoch - 1, ..leases[1].clone() };
    let lost = store.commit(&[of(2, &leases[0]), of(3, &stale)]).await;
    assert!(matches!(lost, Err(CommitError::LeaseLost)));
    let found = store.load_runs(&keys).await.unwrap();
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false, false]);
}

async fn released_lease_writes_nothing(store: &dyn Store) {
    let lease = lease(store).await;
    store.release_leases("test", std::slice::from_ref(&lease)).await.unwrap();
    let key = run_key("w");
    assert!(matches!(commit(store, &lease, vec![create(key, "w")]).await, Err(CommitError::LeaseLost)));
    assert_eq!(load(store, key).await, None);
}

async fn duplicate_run_fails_the_batch(store: &dyn Store) {
    let lease = lease(store).await;
    let (key, other) = (run_key("w"), run_key("other"));
    commit(store, &lease, vec![create(key, "w")]).await.unwrap();
    let again = RunWrite { journal: Vec::new(), ..create(key, "w") };
    let result = commit(store, &lease, vec![create(other, "other"), again]).await;
    assert!(matches!(result, Err(CommitError::Unknown(_))), "{result:?}");
    assert_eq!(load(store, other).await, None);
    // The store goes on.
    commit(store, &lease, vec![create(other, "other")]).await.unwrap();
}

async fn duplicate_journal_row_fails_the_batch(store: &dyn Store) {
    let lease = lease(store).await;
    let (key, other) = (run_key("w"), run_key("other"));
    commit(store, &lease, vec![create(key, "w")]).await.unwrap();
    let again = RunWrite { journal: vec![journal_row(1, 1, 2)], wake_at: WakeAt::Set(5), ..write(key) };
    let result = commit(store, &lease, vec![create(other, "other"), again]).await;
    assert!(matches!(result, Err(CommitError::Unknown(_))), "{result:?}");
    assert_eq!(load(store, other).await, None);
    assert_eq!(load(store, key).await.unwrap().wake_at, None);
}

/// PostgreSQL has no text with a NUL, and the store in memory does the same. SQLite writes it like anything else.
async fn refused_data_leaves_nothing_and_the_store_goes_on(store: &dyn Store) {
    let lease = lease(store).await;
    let (key, other) = (run_key("a\0b"), run_key("other"));
    match commit(store, &lease, vec![create(other, "other"), create(key, "a\0b")]).await {
        Ok(()) => assert!(load(store, key).await.is_some()),
        Err(CommitError::Refused(_)) => {
            assert_eq!(load(store, other).await, None);
            commit(store, &lease, vec![create(other, "other")]).await.unwrap();
        }
        Err(error) => panic!("{error:?}"),
    }
    assert!(load(store, other).await.is_some());
}

async fn last_created_run_is_current(store: &dyn Store) {
    let lease = lease(store).await;
    let workflow = [WorkflowKey::new(NAMESPACE, "w")];
    let (first, second, third, detached) = (run_key("w"), run_key("w"), run_key("w"), run_key("w"));
    commit(store, &lease, vec![create(first, "w"), create(second, "w")]).await.unwrap();
    assert_eq!(store.current_runs(&workflow).await.unwrap(), [Some(second.run_id)]);
    commit(store, &lease, vec![create(third, "w")]).await.unwrap();
    assert_eq!(store.current_runs(&workflow).await.unwrap(), [Some(third.run_id)]);

    let create_detached = CreateRun { workflow: WorkflowKey::new(NAMESPACE, "w"), make_current: false };
    commit(store, &lease, vec![RunWrite { create: Some(create_detached), ..write(detached) }]).await.unwrap();
    assert_eq!(store.current_runs(&workflow).await.unwrap(), [Some(third.run_id)]);
    assert!(load(store, detached).await.is_some());
}

async fn wake_at_is_kept_set_and_cleared(store: &dyn Store) {
    let lease = lease(store).await;
    let key = run_key("w");
    commit(store, &lease, vec![create(key, "w")]).await.unwrap();
    let steps = [
        (WakeAt::Keep, None),
        (WakeAt::Set(7), Some(7)),
        (WakeAt::Keep, Some(7)),
        (WakeAt::Set(0), Some(0)),
        (WakeAt::Clear, None),
        (WakeAt::Clear, None),
    ];
    for (seq, (wake_at, expected)) in (2..).zip(steps) {
        let state = Some(snapshot(seq, 5));
        commit(store, &lease, vec![RunWrite { wake_at, snapshot: state.clone(), ..write(key) }]).await.unwrap();
        let run = load(store, key).await.unwrap();
        assert_eq!((run.wake_at, run.snapshot), (expected, state), "{wake_at:?}");
    }
}

async fn snapshot_replaces_and_hides_older_rows(store: &dyn Store) {
    let lease = lease(store).await;
    let key = run_key("w");
    commit(store, &lease, vec![create(key, "w")]).await.unwrap();
    for seq in 2..=6 {
        let journal = vec![journal_row(seq, seq + 1, 1)];
        // Far over a page, so that the databases move it out of line.
        let state = (seq == 4).then(|| snapshot(seq, 100_000));
        commit(store, &lease, vec![RunWrite { journal, snapshot: state, ..write(key) }]).await.unwrap();
    }
    let wake = RunWrite { wake_at: WakeAt::Set(3), ..write(key) };
    commit(store, &lease, vec![wake]).await.unwrap();
    let run = load(store, key).await.unwrap();
    assert_eq!(run.snapshot, Some(snapshot(4, 100_000)));
    assert_eq!(run.journal, [journal_row(5, 6, 1), journal_row(6, 7, 1)]);
}

async fn batches_of_many_sizes(store: &dyn Store) {
    let lease = lease(store).await;
    for size in [1, 2, 3, 64, 65, 150] {
        let ids: Vec<String> = (0..size).map(|index| format!("w-{size}-{index}")).collect();
        let keys: Vec<_> = ids.iter().map(|id| run_key(id)).collect();
        let creates = keys.iter().zip(&ids).map(|(key, id)| RunWrite {
            visibility: Some(visibility(id, 1)),
            wake_at: WakeAt::Set(size),
            ..create(*key, id)
        });
        commit(store, &lease, creates.collect()).await.unwrap();
        let updates = keys.iter().map(|key| RunWrite {
            journal: vec![journal_row(2, 3, 1)],
            snapshot: Some(snapshot(2, 20)),
            ..write(*key)
        });
        commit(store, &lease, updates.collect()).await.unwrap();
        let loaded = store.load_runs(&keys).await.unwrap();
        for (run, id) in loaded.iter().zip(&ids) {
            let run = run.as_ref().unwrap();
            assert_eq!((&*run.workflow.workflow_id, run.wake_at), (id.as_str(), Some(size)));
            assert_eq!((&run.snapshot, run.journal.len()), (&Some(snapshot(2, 20)), 0));
        }
        let workflows: Vec<_> = ids.iter().map(|id| WorkflowKey::new(NAMESPACE, id.as_str())).collect();
        let current: Vec<_> = keys.iter().map(|key| Some(key.run_id)).collect();
        assert_eq!(store.current_runs(&workflows).await.unwrap(), current);
    }
    store.renew_leases("test", &[lease], TTL).await.unwrap();
}
