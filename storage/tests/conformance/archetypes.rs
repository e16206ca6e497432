//! Kinds of runs are kept apart, and runs that go leave nothing.

use perdure_engine::Archetype;
use perdure_storage::{
    JournalRow, RunKey, RunWrite, Store, VisibilityRow, WakeAt, WorkflowKey,
    batch::CreateRun,
    visibility::{GroupBy, ListQuery},
};

use crate::{
    on_all_stores,
    rows::{NAMESPACE, commit, create, journal_row, lease, run_key, snapshot, visibility, write},
};

on_all_stores!(
    ids_of_different_kinds_never_meet,
    lists_show_one_kind,
    deleted_runs_leave_nothing,
    only_the_current_run_takes_its_id_along,
    a_new_run_takes_over_from_one_that_goes_in_the_same_batch,
    a_snapshot_takes_the_place_of_rows_that_are_not_history,
);

fn activity_key(id: &str) -> WorkflowKey {
    WorkflowKey::of(Archetype::Activity, NAMESPACE, id)
}

/// An activity of its own that lists show.
fn activity(id: &str, start_time: i64) -> RunWrite {
    let workflow = activity_key(id);
    let row = VisibilityRow { archetype: Archetype::Activity, ..visibility(id, start_time) };
    let key = RunKey { slot: workflow.slot(), run_id: row.run_id };
    let create = CreateRun { workflow, make_current: true };
    RunWrite { create: Some(create), visibility: Some(row), wake_at: WakeAt::Set(1), ..write(key) }
}

fn workflow(id: &str, start_time: i64) -> RunWrite {
    let row = visibility(id, start_time);
    let key = RunKey { run_id: row.run_id, ..run_key(id) };
    RunWrite { visibility: Some(row), wake_at: WakeAt::Set(2), ..create(key, id) }
}

fn list(archetype: Archetype) -> ListQuery {
    ListQuery { namespace_id: NAMESPACE, archetype, page_size: 10, ..Default::default() }
}

async fn listed(store: &dyn Store, archetype: Archetype) -> Vec<String> {
    store.list(&list(archetype)).await.unwrap().into_iter().map(|row| row.workflow_id).collect()
}

async fn ids_of_different_kinds_never_meet(store: &dyn Store) {
    let lease = lease(store).await;
    let (own, other) = (activity("id", 1), workflow("id", 2));
    let (own_key, other_key) = (own.key, other.key);
    commit(store, &lease, vec![own, other]).await.unwrap();
    let keys = [activity_key("id"), WorkflowKey::new(NAMESPACE, "id"), activity_key("another")];
    let current = store.current_runs(&keys).await.unwrap();
    assert_eq!(current, [Some(own_key.run_id), Some(other_key.run_id), None]);
    let loaded = store.load_runs(&[own_key, other_key]).await.unwrap();
    let kinds: Vec<_> = loaded.into_iter().map(|run| run.unwrap().workflow.archetype).collect();
    assert_eq!(kinds, [Archetype::Activity, Archetype::Workflow]);
    let mut seen = Vec::new();
    while let Some(key) = store.workflows_after(seen.last(), 1).await.unwrap().pop() {
        seen.push(key);
    }
    assert_eq!(seen, [WorkflowKey::new(NAMESPACE, "id"), activity_key("id")]);
}

async fn lists_show_one_kind(store: &dyn Store) {
    let lease = lease(store).await;
    commit(store, &lease, vec![activity("a", 1), workflow("w", 2), activity("b", 3)]).await.unwrap();
    assert_eq!(listed(store, Archetype::Activity).await, ["b", "a"]);
    assert_eq!(listed(store, Archetype::Workflow).await, ["w"]);
    assert_eq!(store.count(&list(Archetype::Activity)).await.unwrap(), 2);
    let groups = store.count_by(&list(Archetype::Workflow), GroupBy::Status, 10).await.unwrap();
    assert_eq!(groups.iter().map(|group| group.count).collect::<Vec<_>>(), [1]);
}

async fn deleted_runs_leave_nothing(store: &dyn Store) {
    let lease = lease(store).await;
    let (gone, stays) = (workflow("gone", 1), workflow("stays", 2));
    let (gone_key, stays_key) = (gone.key, stays.key);
    commit(store, &lease, vec![gone, stays]).await.unwrap();
    let id = WorkflowKey::new(NAMESPACE, "gone");
    commit(store, &lease, vec![RunWrite::delete(gone_key, id.clone())]).await.unwrap();
    let loaded = store.load_runs(&[gone_key, stays_key]).await.unwrap();
    assert!(loaded[0].is_none() && loaded[1].is_some());
    assert_eq!(store.current_runs(&[id]).await.unwrap(), [None]);
    assert!(store.read_events(gone_key, 1, 10, 10, 1000).await.unwrap().is_empty());
    assert_eq!(store.read_events(stays_key, 1, 10, 10, 1000).await.unwrap().len(), 1);
    assert_eq!(listed(store, Archetype::Workflow).await, ["stays"]);
    let slots = lease.slots();
    assert_eq!(store.due_runs(slots, 0, 10, 10).await.unwrap(), [(2, stays_key)]);
}

async fn only_the_current_run_takes_its_id_along(store: &dyn Store) {
    let lease = lease(store).await;
    let (first, second) = (run_key("w"), run_key("w"));
    commit(store, &lease, vec![create(first, "w"), create(second, "w")]).await.unwrap();
    let id = WorkflowKey::new(NAMESPACE, "w");
    commit(store, &lease, vec![RunWrite::delete(first, id.clone())]).await.unwrap();
    assert_eq!(store.current_runs(std::slice::from_ref(&id)).await.unwrap(), [Some(second.run_id)]);
    commit(store, &lease, vec![RunWrite::delete(second, id.clone())]).await.unwrap();
    assert_eq!(store.current_runs(&[id]).await.unwrap(), [None]);
}

async fn a_new_run_takes_over_from_one_that_goes_in_the_same_batch(store: &dyn Store) {
    let lease = lease(store).await;
    let (first, second) = (run_key("w"), run_key("w"));
    commit(store, &lease, vec![create(first, "w")]).await.unwrap();
    let id = WorkflowKey::new(NAMESPACE, "w");
    commit(store, &lease, vec![RunWrite::delete(first, id.clone()), create(second, "w")]).await.unwrap();
    assert_eq!(store.current_runs(&[id]).await.unwrap(), [Some(second.run_id)]);
    assert_eq!(store.load_runs(&[first]).await.unwrap(), [None]);
}

async fn a_snapshot_takes_the_place_of_rows_that_are_not_history(store: &dyn Store) {
    let lease = lease(store).await;
    let (trimmed, other) = (run_key("trimmed"), run_key("other"));
    commit(store, &lease, vec![create(trimmed, "trimmed"), create(other, "other")]).await.unwrap();
    let row = |seq: i64| RunWrite { journal: vec![journal_row(seq, 2 * seq - 1, 2)], ..write(trimmed) };
    commit(store, &lease, vec![row(2)]).await.unwrap();
    let with_snapshot = RunWrite { snapshot: Some(snapshot(3, 10)), trim: true, ..row(3) };
    commit(store, &lease, vec![with_snapshot]).await.unwrap();
    commit(store, &lease, vec![row(4)]).await.unwrap();
    // What is needed to load the run is there.
    let loaded = store.load_runs(&[trimmed]).await.unwrap().remove(0).unwrap();
    assert_eq!(loaded.snapshot, Some(snapshot(3, 10)));
    assert_eq!(loaded.journal.iter().map(|row: &JournalRow| row.seq).collect::<Vec<_>>(), [4]);
    // The first rows are gone; another run's are not.
    let first = store.read_events_reverse(trimmed, 4, 10).await.unwrap();
    assert!(first.is_empty(), "{first:?}");
    assert_eq!(store.read_events(other, 1, 10, 10, 1000).await.unwrap().len(), 1);
}
