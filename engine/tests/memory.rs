//! How much memory a run takes that nothing happens to, and whether the cache knows it.

use std::alloc::System;

use bytes::Bytes;
use perdure_engine::{
    WorkflowState, journal,
    state::{Activity, ActivityPhase, ActivityScheduled, RequestIdInfo, RunState, Sticky, Timer},
};
use perdure_proto::api::common::{Payload, Payloads};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

/// Counts. This file has one test, so nobody else allocates meanwhile.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const UUID: &str = "0195d2a0-0000-7000-8000-00000000000b";
const QUEUE: &str = "orders";

/// A run that a worker of an SDK has seen, and that waits for a signal.
fn parked() -> RunState {
    RunState {
        namespace_id: UUID.into(),
        namespace: "default".into(),
        workflow_id: "order-0000000000000001".into(),
        run_id: UUID.into(),
        first_execution_run_id: UUID.into(),
        original_execution_run_id: UUID.into(),
        root_workflow_id: "order-0000000000000001".into(),
        root_run_id: UUID.into(),
        workflow_type: "OrderWorkflow".into(),
        task_queue: QUEUE.into(),
        sticky: Some(Sticky { task_queue: format!("1234@worker.example:{UUID}"), schedule_to_start: 10_000_000_000 }),
        start_request_ids: [(UUID.into(), RequestIdInfo::default())].into(),
        next_event_id: 5,
        history_size_bytes: 1_000,
        ..RunState::default()
    }
}

fn activity(id: i64) -> (i64, Box<Activity>) {
    let data = Bytes::from(vec![b'x'; 200]);
    let input = Payloads { payloads: vec![Payload { data, ..Payload::default() }] };
    let activity = Activity {
        scheduled_event_id: id,
        activity_id: id.to_string(),
        activity_type: "charge".into(),
        task_queue: QUEUE.into(),
        input: Some(input),
        phase: Some(ActivityPhase::Scheduled(ActivityScheduled {})),
        ..Activity::default()
    };
    (id, Box::new(activity))
}

fn timer(id: i64) -> (String, Timer) {
    (id.to_string(), Timer { started_event_id: id, fire_at: 1 })
}

/// Bytes that the run holds, itself included, once it has been read from the store.
fn measure(run: &RunState) -> (usize, usize) {
    let state = WorkflowState { run: run.clone(), ..WorkflowState::default() };
    let stored = journal::encode_snapshot(&state);
    let region = Region::new(ALLOCATOR);
    // What is decoded may keep the bytes that it came from.
    let read = journal::decode_snapshot(&Bytes::copy_from_slice(&stored)).expect("a snapshot decodes");
    let change = region.change();
    assert_eq!(read.run, *run);
    let held = change.bytes_allocated - change.bytes_deallocated;
    (size_of::<WorkflowState>() + held, size_of::<WorkflowState>() + read.run.held_size())
}

#[test]
fn the_cache_knows_what_a_run_takes() {
    const KIB: usize = 1024;
    type Change = fn(&mut RunState);
    // What is pending, and the most bytes that such a run may take.
    let cases: [(&str, Change, usize); 6] = [
        ("nothing", |_| {}, 4 * KIB),
        ("a timer", |run| run.timers.extend([timer(5)]), 5 * KIB),
        ("an activity", |run| run.activities.extend([activity(5)]), 6 * KIB),
        ("a thousand activities", |run| run.activities.extend((5..1_005).map(activity)), 2_000 * KIB),
        ("a thousand timers", |run| run.timers.extend((5..1_005).map(timer)), 200 * KIB),
        (
            "a thousand signals, seen",
            |run| run.signal_request_ids.extend((0..1_000).map(|id| (format!("{UUID}-{id}"), true))),
            200 * KIB,
        ),
    ];
    println!("a state by itself: {} bytes, a pending activity {}", size_of::<WorkflowState>(), size_of::<Activity>());
    for (pending, change, most) in cases {
        let mut run = parked();
        change(&mut run);
        let events = run.activities.len() as i64 + run.timers.len() as i64;
        run.next_event_id += events;
        run.history_size_bytes += events * 300;
        let (held, said) = measure(&run);
        println!("{pending}: {held} bytes, said to be {said}");
        assert!(held <= most, "{pending}: {held} bytes, not {most}");
        assert!(said <= 2 * held && held <= 2 * said, "{pending}: {held} bytes, said to be {said}");
    }
}
