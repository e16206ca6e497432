//! Reads of runs: order, pages of events in both directions, what is due.

use bytes::Bytes;
use perdure_storage::{JournalRow, Lease, RunKey, RunWrite, Store, WakeAt, WorkflowKey, store::EventBatch};

use crate::{
    on_all_stores,
    rows::{NAMESPACE, commit, create, journal_row, lease, run_key, write},
};

on_all_stores!(
    reads_answer_in_the_order_asked,
    load_returns_the_journal_in_order,
    events_forward,
    events_backward,
    events_stop_at_bytes_and_batches,
    events_of_an_unknown_run,
    due_runs_by_time_and_slot,
);

async fn reads_answer_in_the_order_asked(store: &dyn Store) {
    let lease = lease(store).await;
    let (a, b, missing) = (run_key("a"), run_key("b"), run_key("missing"));
    commit(store, &lease, vec![create(a, "a"), create(b, "b")]).await.unwrap();
    let ids = |runs: Vec<Option<perdure_storage::StoredRun>>| -> Vec<Option<String>> {
        runs.into_iter().map(|run| run.map(|run| run.workflow.workflow_id.to_string())).collect()
    };
    let (a_id, b_id) = (Some("a".to_owned()), Some("b".to_owned()));
    let loaded = ids(store.load_runs(&[b, missing, a, b]).await.unwrap());
    assert_eq!(loaded, [b_id.clone(), None, a_id, b_id]);
    assert_eq!(store.load_runs(&[]).await.unwrap(), []);

    let workflow = |id: &str| WorkflowKey::new(NAMESPACE, id);
    let asked = [workflow("b"), workflow("missing"), workflow("a"), workflow("b")];
    let current = store.current_runs(&asked).await.unwrap();
    assert_eq!(current, [Some(b.run_id), None, Some(a.run_id), Some(b.run_id)]);
    assert_eq!(store.current_runs(&[]).await.unwrap(), []);
    let strange = [workflow("O'Neil \"x\" \\ %_ ü 🦀"), workflow("")];
    assert_eq!(store.current_runs(&strange).await.unwrap(), [None, None]);
}

async fn load_returns_the_journal_in_order(store: &dyn Store) {
    let lease = lease(store).await;
    let key = run_key("w");
    commit(store, &lease, vec![create(key, "w")]).await.unwrap();
    let mut expected = vec![journal_row(1, 1, 2)];
    for seq in 2..=30 {
        expected.push(JournalRow { changes: Bytes::from(vec![0, 255, seq as u8]), ..journal_row(seq, seq + 1, 1) });
    }
    // One row, then three at a time.
    for rows in expected[1..2].chunks(1).chain(expected[2..].chunks(3)) {
        commit(store, &lease, vec![RunWrite { journal: rows.to_vec(), ..write(key) }]).await.unwrap();
    }
    let run = store.load_runs(&[key]).await.unwrap().remove(0).unwrap();
    assert_eq!((run.snapshot, run.journal), (None, expected));
}

/// Rows (first event id, events): 1..=2, 3..=5, none, none, 6, none, 7..=9.
const ROWS: [(i64, i32); 7] = [(1, 2), (3, 3), (6, 0), (6, 0), (6, 1), (7, 0), (7, 3)];

async fn written(store: &dyn Store) -> (Lease, RunKey) {
    let lease = lease(store).await;
    let key = run_key("w");
    let other = run_key("w");
    commit(store, &lease, vec![create(key, "w"), create(other, "w")]).await.unwrap();
    for (seq, (first, count)) in (1..).zip(ROWS).skip(1) {
        let row = journal_row(seq, first, count);
        let writes = [key, other].map(|key| RunWrite { journal: vec![row.clone()], ..write(key) });
        commit(store, &lease, writes.to_vec()).await.unwrap();
    }
    (lease, key)
}

fn first_ids(batches: &[EventBatch]) -> Vec<i64> {
    batches.iter().map(|batch| batch.first_event_id).collect()
}

async fn events_forward(store: &dyn Store) {
    let (_, key) = written(store).await;
    let all = i64::MAX;
    let cases: &[(i64, i64, &[i64])] = &[
        (1, all, &[1, 3, 6, 7]),
        (0, all, &[1, 3, 6, 7]),
        (2, all, &[1, 3, 6, 7]),
        (3, all, &[3, 6, 7]),
        (5, all, &[3, 6, 7]),
        (6, all, &[6, 7]),
        (7, all, &[7]),
        (9, all, &[7]),
        (10, all, &[]),
        (1, 1, &[]),
        (1, 3, &[1]),
        (1, 4, &[1, 3]),
        (4, 6, &[3]),
        (6, 7, &[6]),
    ];
    for (from, end, expected) in cases {
        let read = store.read_events(key, *from, *end, 100, 1 << 20).await.unwrap();
        assert_eq!(first_ids(&read), *expected, "from {from} to {end}");
    }
    let read = store.read_events(key, 6, 7, 100, 1 << 20).await.unwrap();
    assert_eq!(read, [EventBatch { first_event_id: 6, event_count: 1, events: Bytes::from("events 5") }]);
}

async fn events_backward(store: &dyn Store) {
    let (_, key) = written(store).await;
    let cases: &[(i64, usize, &[i64])] = &[
        (i64::MAX, 100, &[7, 6, 3, 1]),
        (9, 100, &[7, 6, 3, 1]),
        (7, 2, &[7, 6]),
        (6, 100, &[6, 3, 1]),
        (5, 100, &[3, 1]),
        (3, 1, &[3]),
        (2, 100, &[1]),
        (0, 100, &[]),
    ];
    for (last, batches, expected) in cases {
        let read = store.read_events_reverse(key, *last, *batches).await.unwrap();
        assert_eq!(first_ids(&read), *expected, "up to {last}, {batches} batches");
    }
}

async fn events_stop_at_bytes_and_batches(store: &dyn Store) {
    let (_, key) = written(store).await;
    // Each batch has 8 bytes; one is returned always, and the one that passes the limit is the last.
    let cases: &[(usize, usize, &[i64])] =
        &[(100, 1, &[1]), (100, 8, &[1]), (100, 9, &[1, 3]), (100, 17, &[1, 3, 6]), (2, 1000, &[1, 3])];
    for (batches, bytes, expected) in cases {
        let read = store.read_events(key, 1, i64::MAX, *batches, *bytes).await.unwrap();
        assert_eq!(first_ids(&read), *expected, "{batches} batches, {bytes} bytes");
    }
}

async fn events_of_an_unknown_run(store: &dyn Store) {
    let key = run_key("w");
    assert_eq!(store.read_events(key, 1, i64::MAX, 10, 1000).await.unwrap(), []);
    assert_eq!(store.read_events_reverse(key, i64::MAX, 10).await.unwrap(), []);
}

async fn due_runs_by_time_and_slot(store: &dyn Store) {
    let lease = lease(store).await;
    let due = |slot: u16, wake_at: WakeAt| {
        let key = RunKey { slot, ..run_key("w") };
        (key, RunWrite { wake_at, ..create(key, "w") })
    };
    let (late, late_write) = due(3, WakeAt::Set(30));
    let (early, early_write) = due(5, WakeAt::Set(-10));
    let (middle, middle_write) = due(16_383, WakeAt::Set(20));
    let (_, idle_write) = due(4, WakeAt::Keep);
    commit(store, &lease, vec![late_write, early_write, middle_write, idle_write]).await.unwrap();

    let (early, middle, late) = ((-10, early), (20, middle), (30, late));
    let (min, max) = (i64::MIN, i64::MAX);
    let cases = [
        (0..16_384, min, max, 10, vec![early, middle, late]),
        (0..16_384, min, max, 2, vec![early, middle]),
        (0..16_384, min, 20, 10, vec![early]),
        (0..16_384, 20, 30, 10, vec![middle]),
        (0..16_384, 20, 31, 10, vec![middle, late]),
        (0..16_384, 31, max, 10, vec![]),
        (3..5, min, max, 10, vec![late]),
        (4..16_383, min, max, 10, vec![early]),
        (0..3, min, max, 10, vec![]),
    ];
    for (slots, from, to, limit, expected) in cases {
        let found = store.due_runs(slots.clone(), from, to, limit).await.unwrap();
        assert_eq!(found, expected, "{slots:?}, {from} to {to}, {limit}");
    }
}
