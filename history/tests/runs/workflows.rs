//! Runs from start to close through shards, on the store in memory: a raw worker, no SDK.

use std::time::Duration;

use crate::world::{NARROW, World, command, start};
use perdure_engine::{Input, Reply, Signal};
use perdure_history::Error;
use perdure_proto::api::{enums::EventType, query::WorkflowQuery};
use perdure_storage::{RunKey, Store};

#[tokio::test]
async fn a_workflow_runs_to_its_end() {
    let world = World::open().await;
    let started = world.history.start(start("w")).await.expect("start");
    let task = world.poll_workflow_task().await;
    assert_eq!(task.info.run_id, started.reply.run_id);
    assert_eq!(task.info.started_event_id, 3);
    world.complete(&task, vec![command::complete()]).await;
    let types = world.event_types("w").await;
    assert_eq!(
        types,
        [
            EventType::WorkflowExecutionStarted,
            EventType::WorkflowTaskScheduled,
            EventType::WorkflowTaskStarted,
            EventType::WorkflowTaskCompleted,
            EventType::WorkflowExecutionCompleted
        ]
    );
}

#[tokio::test]
async fn a_parked_poller_gets_a_task_that_is_durable() {
    let world = World::open().await;
    let poll = tokio::spawn({
        let world = world.clone();
        async move { world.poll_workflow_task().await }
    });
    tokio::task::yield_now().await;
    world.history.start(start("w")).await.expect("start");
    let task = poll.await.expect("poll");
    let history = task.history.expect("history from memory").events().expect("events");
    assert_eq!(history.len(), 3);
    // Scheduled and Started were written with the start: one journal row.
    assert_eq!(world.event_types("w").await.len(), 3);
}

#[tokio::test]
async fn an_activity_is_dispatched_and_its_result_comes_back() {
    let world = World::open().await;
    world.history.start(start("w")).await.expect("start");
    let task = world.poll_workflow_task().await;
    world.complete(&task, vec![command::schedule_activity("a")]).await;
    let activity = world.poll_activity_task().await;
    assert_eq!(activity.info.activity.activity_id, "a");
    world.complete_activity(&activity).await;
    let task = world.poll_workflow_task().await;
    world.complete(&task, vec![command::complete()]).await;
    assert_eq!(world.event_types("w").await.last(), Some(&EventType::WorkflowExecutionCompleted));
}

#[tokio::test]
async fn a_timer_fires_at_its_time() {
    let world = World::open().await;
    world.history.start(start("w")).await.expect("start");
    let task = world.poll_workflow_task().await;
    world.complete(&task, vec![command::start_timer("t", Duration::from_millis(50))]).await;
    let task = world.poll_workflow_task().await;
    assert!(task.info.started_event_id > 5);
    assert!(world.event_types("w").await.contains(&EventType::TimerFired));
}

#[tokio::test]
async fn a_reloaded_node_hands_out_what_is_owed() {
    let world = World::open().await;
    world.history.start(start("w")).await.expect("start");
    let task = world.poll_workflow_task().await;
    world
        .complete(&task, vec![command::schedule_activity("a"), command::start_timer("t", Duration::from_millis(10))])
        .await;
    world.history.shutdown().await;
    let world = world.reopen().await;
    let activity = world.poll_activity_task().await;
    world.complete_activity(&activity).await;
    let mut types = Vec::new();
    while types.last() != Some(&EventType::WorkflowExecutionCompleted) {
        let task = world.poll_workflow_task().await;
        let fired = world.event_types("w").await.contains(&EventType::TimerFired);
        world.complete(&task, if fired { vec![command::complete()] } else { Vec::new() }).await;
        types = world.event_types("w").await;
    }
    assert_eq!(types.iter().filter(|event| **event == EventType::TimerFired).count(), 1);
    assert_eq!(types.last(), Some(&EventType::WorkflowExecutionCompleted));
}

/// Snapshots cost in proportion to what happens, not to what a run holds.
#[tokio::test]
async fn a_large_state_is_written_as_often_as_it_pays() {
    let world = World::open().await;
    let run_id = world.history.start(start("w")).await.expect("start").reply.run_id.parse().expect("a run id");
    let task = world.poll_workflow_task().await;
    let timer = |number| command::start_timer(&format!("timer-{number:0>60}"), Duration::from_secs(86_400));
    world.complete(&task, (0..100).map(timer).collect()).await;
    let target = world.target("w");
    let key = RunKey { slot: target.workflow.slot(), run_id };
    let mut snapshots = std::collections::BTreeSet::new();
    for _ in 0..600 {
        let signal = Signal { name: "s".into(), ..Signal::default() };
        world.history.input(target.clone(), Input::Signal(Box::new(signal))).await.expect("signal");
        let stored = world.store().load_runs(&[key]).await.unwrap().pop().flatten().expect("stored");
        snapshots.extend(stored.snapshot.map(|snapshot| snapshot.seq));
    }
    let between: Vec<i64> = snapshots.iter().zip(snapshots.iter().skip(1)).map(|(one, next)| next - one).collect();
    assert!(snapshots.first() == Some(&64) && !between.is_empty(), "{snapshots:?}");
    assert!(between.iter().all(|rows| (65..600).contains(rows)), "{snapshots:?}");
}

/// More than one page of the scanner, and than wait to be read: each fires, and once.
#[tokio::test]
async fn more_timers_than_a_node_reads_at_once() {
    const RUNS: usize = 3_000;
    let world = World::open().await;
    for index in 0..RUNS {
        world.history.start(start(&format!("w{index}"))).await.expect("start");
        let task = world.poll_workflow_task().await;
        world.complete(&task, vec![command::start_timer("t", Duration::from_secs(30))]).await;
    }
    world.history.shutdown().await;
    let world = world.reopen_later(60).await;
    for _ in 0..RUNS {
        let task = world.poll_workflow_task().await;
        world.complete(&task, vec![command::complete()]).await;
    }
    for index in 0..RUNS {
        let types = world.event_types(&format!("w{index}")).await;
        assert_eq!(types.iter().filter(|event| **event == EventType::TimerFired).count(), 1, "w{index}");
    }
}

#[tokio::test]
async fn evicted_runs_come_back() {
    for budget in NARROW {
        timers_fire_in_evicted_runs(World::with_cache(budget).await).await;
    }
}

async fn timers_fire_in_evicted_runs(world: World) {
    for index in 0..40 {
        world.history.start(start(&format!("w{index}"))).await.expect("start");
        let task = world.poll_workflow_task().await;
        world.complete(&task, vec![command::start_timer("t", Duration::from_millis(300))]).await;
    }
    for _ in 0..40 {
        let task = world.poll_workflow_task().await;
        world.complete(&task, vec![command::complete()]).await;
    }
    for index in 0..40 {
        let types = world.event_types(&format!("w{index}")).await;
        assert_eq!(types.last(), Some(&EventType::WorkflowExecutionCompleted), "w{index}");
    }
}

#[tokio::test]
async fn a_failed_commit_drops_memory_and_nothing_that_was_acknowledged() {
    let world = World::open().await;
    world.history.start(start("w")).await.expect("start");
    world.lose_lease().await;
    let signal = Signal { name: "lost".into(), request_id: "r1".into(), ..Signal::default() };
    let lost = world.history.input(world.target("w"), Input::Signal(Box::new(signal))).await;
    assert_eq!(lost.map(|_| ()), Err(Error::Unavailable));
    // The same request goes through once the shard is back.
    let signal = Signal { name: "kept".into(), request_id: "r1".into(), ..Signal::default() };
    world.until_ok(|| world.history.input(world.target("w"), Input::Signal(Box::new(signal.clone())))).await;
    let task = world.poll_workflow_task().await;
    world.complete(&task, vec![command::complete()]).await;
    let signals =
        world.event_types("w").await.into_iter().filter(|event| *event == EventType::WorkflowExecutionSignaled);
    assert_eq!(signals.count(), 1);
}

#[tokio::test]
async fn a_query_rides_on_the_pending_task_or_goes_directly() {
    let world = World::open().await;
    world.history.start(start("w")).await.expect("start");
    let query = WorkflowQuery { query_type: "q".into(), ..WorkflowQuery::default() };
    let buffered = tokio::spawn({
        let (world, query) = (world.clone(), query.clone());
        async move { world.query("w", query).await }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    let task = world.poll_workflow_task().await;
    assert_eq!(task.queries.len(), 1);
    world.complete_with_answers(&task).await;
    assert!(buffered.await.expect("query").expect("answer").result.is_some());
    let direct = tokio::spawn({
        let world = world.clone();
        async move { world.query("w", query).await }
    });
    world.answer_query().await;
    assert!(direct.await.expect("query").expect("answer").result.is_some());
}

#[tokio::test]
async fn a_child_starts_and_its_end_reaches_the_parent() {
    let world = World::open().await;
    world.history.start(start("parent")).await.expect("start");
    let task = world.poll_workflow_task().await;
    world.complete(&task, vec![command::start_child("child")]).await;
    let mut parent_types = Vec::new();
    // Tasks of parent and child come in any order: the child completes at once, the parent when it has seen that.
    while parent_types.last() != Some(&EventType::WorkflowExecutionCompleted) {
        let task = world.poll_workflow_task().await;
        let ended = world.event_types("parent").await.contains(&EventType::ChildWorkflowExecutionCompleted);
        let done = task.info.workflow_id == "child" || ended;
        world.complete(&task, if done { vec![command::complete()] } else { Vec::new() }).await;
        parent_types = world.event_types("parent").await;
    }
    let started = parent_types.iter().position(|event| *event == EventType::ChildWorkflowExecutionStarted);
    let ended = parent_types.iter().position(|event| *event == EventType::ChildWorkflowExecutionCompleted);
    assert!(started.is_some() && started < ended);
}

#[tokio::test]
async fn a_stale_answer_is_refused() {
    let world = World::open().await;
    world.history.start(start("w")).await.expect("start");
    let task = world.poll_workflow_task().await;
    world.complete(&task, Vec::new()).await;
    let again = world.try_complete(&task, Vec::new()).await;
    assert!(matches!(again, Err(Error::Reject(perdure_engine::Reject::WorkflowTaskNotFound))));
    let reply = world.history.input(world.target("w"), Input::ResetSticky).await.expect("open run");
    assert!(matches!(reply.reply, Reply::Done));
}

#[tokio::test]
async fn evicted_runs_whose_activities_wait_are_not_loaded_again_and_again() {
    for budget in NARROW {
        evicted_runs_owe_their_activities_once(World::with_cache(budget).await).await;
    }
}

async fn evicted_runs_owe_their_activities_once(world: World) {
    for index in 0..20 {
        world.history.start(start(&format!("w{index}"))).await.expect("start");
        let task = world.poll_workflow_task().await;
        world.complete(&task, vec![command::schedule_activity("a")]).await;
    }
    // Signals bring each run back into the cache; matching still holds its activity once.
    for index in 0..20 {
        let signal = Signal { name: "s".into(), ..Signal::default() };
        let target = world.target(&format!("w{index}"));
        world.history.input(target, Input::Signal(Box::new(signal))).await.expect("signal");
        let task = world.poll_workflow_task().await;
        world.complete(&task, Vec::new()).await;
    }
    assert_eq!(world.activity_backlog(), 20);
    for _ in 0..20 {
        let activity = world.poll_activity_task().await;
        world.complete_activity(&activity).await;
        let task = world.poll_workflow_task().await;
        world.complete(&task, vec![command::complete()]).await;
    }
    assert_eq!(world.activity_backlog(), 0);
}
