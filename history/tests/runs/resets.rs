//! Resets through shards: one commit ends the current run and makes another of its history.

use std::time::Duration;

use perdure_engine::{Input, Reject, Signal};
use perdure_history::{Error, ResetRequest, Target};
use perdure_proto::api::{
    common::{Payload, Payloads},
    enums::{EventType as T, UpdateWorkflowExecutionLifecycleStage as Stage},
    workflowservice::RespondWorkflowTaskCompletedRequest,
};
use perdure_storage::RunKey;
use uuid::Uuid;

use crate::{
    updates::{acceptance, answer, idle_workflow, response, send},
    world::{World, command, start},
};

fn to(finish_event_id: i64, request_id: &str) -> ResetRequest {
    ResetRequest { request_id: request_id.into(), reason: "why".into(), finish_event_id, ..ResetRequest::default() }
}

async fn signal(world: &World) {
    let signal = Signal { name: "s".into(), ..Signal::default() };
    world.history.input(world.target("w"), Input::Signal(Box::new(signal))).await.expect("signal");
}

async fn current(world: &World) -> Uuid {
    let run_id = world.history.view(world.target("w"), |state| state.run.run_id.clone()).await.expect("a run");
    run_id.parse().expect("a run id")
}

#[tokio::test]
async fn the_new_run_takes_the_place_of_the_open_one() {
    let world = idle_workflow().await;
    let base = current(&world).await;
    signal(&world).await;
    let new = world.history.reset(world.target("w"), to(4, "r")).await.expect("reset");
    assert_eq!(current(&world).await, new);
    let of_base = Target { run_id: Some(base), ..world.target("w") };
    let (closed, next) = world
        .history
        .view(of_base.clone(), |state| (state.run.close.is_some(), state.run.reset_run_id.clone()))
        .await
        .expect("the base run");
    assert_eq!((closed, next), (true, new.to_string()));
    let expected = [
        T::WorkflowExecutionStarted,
        T::WorkflowTaskScheduled,
        T::WorkflowTaskStarted,
        T::WorkflowTaskFailed,
        T::WorkflowExecutionSignaled,
        T::WorkflowTaskScheduled,
    ];
    assert_eq!(world.event_types("w").await, expected);
    // The same request again makes no other run.
    assert_eq!(world.history.reset(of_base, to(4, "r")).await.expect("again"), new);
    // The worker goes on, on another node as well.
    world.history.shutdown().await;
    let world = world.reopen().await;
    let task = world.poll_workflow_task().await;
    assert_eq!((task.info.run_id.clone(), task.info.started_event_id), (new.to_string(), 7));
    world.complete(&task, vec![command::complete()]).await;
}

#[tokio::test]
async fn a_signal_that_waits_for_the_worker_is_taken_over() {
    let world = World::open().await;
    world.history.start(start("w")).await.expect("start");
    let task = world.poll_workflow_task().await;
    signal(&world).await;
    world.history.reset(world.target("w"), to(3, "r")).await.expect("reset");
    assert_eq!(world.event_types("w").await[4], T::WorkflowExecutionSignaled);
    // The worker of the old run is told that it is over.
    let late = world.try_complete(&task, Vec::new()).await;
    assert!(matches!(late, Err(Error::Reject(Reject::WorkflowClosed | Reject::WorkflowTaskNotFound))), "{late:?}");
}

/// A page of history must not be as long as the history.
#[tokio::test]
async fn a_long_history_is_stored_in_parts() {
    let world = idle_workflow().await;
    let payload = Payload { data: vec![7; 700 * 1024].into(), ..Payload::default() };
    let input = Some(Payloads { payloads: vec![payload] });
    for _ in 0..4 {
        let signal = Signal { name: "s".into(), input: input.clone(), ..Signal::default() };
        world.history.input(world.target("w"), Input::Signal(Box::new(signal))).await.expect("signal");
    }
    let task = world.poll_workflow_task().await;
    let finish = task.info.started_event_id;
    let new = world.history.reset(world.target("w"), to(finish, "r")).await.expect("reset");
    world.history.shutdown().await;
    let world = world.reopen().await;
    let run = RunKey { slot: world.target("w").workflow.slot(), run_id: new };
    let (mut from, mut pages) = (1, Vec::new());
    while from < finish + 3 {
        let (page, next) = world.history.read(run, from, i64::MAX, 1).await.expect("a page");
        pages.push(page.events().expect("events").len() as i64);
        assert_eq!(next, from + pages[pages.len() - 1]);
        from = next;
    }
    assert!(pages.len() > 2, "{pages:?}");
    let task = world.poll_workflow_task().await;
    assert_eq!(task.info.scheduled_event_id, finish + 2);
    world.complete(&task, vec![command::complete()]).await;
}

#[tokio::test]
async fn a_closed_run_lives_again() {
    let world = World::open().await;
    world.history.start(start("w")).await.expect("start");
    let task = world.poll_workflow_task().await;
    world.complete(&task, vec![command::complete()]).await;
    let new = world.history.reset(world.target("w"), to(4, "r")).await.expect("reset");
    let task = world.poll_workflow_task().await;
    assert_eq!(task.info.run_id, new.to_string());
    world.complete(&task, vec![command::complete()]).await;
    // Where a run cannot be forked nothing happens.
    let refused = world.history.reset(world.target("w"), to(100, "s")).await;
    assert!(matches!(refused, Err(Error::Reject(Reject::InvalidArgument(_)))), "{refused:?}");
    let refused = world.history.reset(world.target("w"), to(2, "s")).await;
    assert!(matches!(refused, Err(Error::Reject(Reject::InvalidArgument(_)))), "{refused:?}");
    assert_eq!(current(&world).await, new);
}

#[tokio::test]
async fn an_accepted_update_is_given_to_the_worker_again() {
    let world = idle_workflow().await;
    let call = send(&world, "u", Stage::Accepted);
    let task = world.poll_workflow_task().await;
    answer(&world, &task, vec![acceptance("u")]).await;
    call.await.expect("join").expect("accepted");
    world.history.reset(world.target("w"), to(4, "r")).await.expect("reset");
    // Its caller finds it in the new run, even if memory is lost.
    world.history.shutdown().await;
    let world = world.reopen().await;
    let call = send(&world, "u", Stage::Completed);
    let task = world.poll_workflow_task().await;
    answer(&world, &task, vec![acceptance("u"), response("u")]).await;
    let result = tokio::time::timeout(Duration::from_secs(20), call).await.expect("in time");
    assert_eq!(result.expect("join").expect("completed").stage, Stage::Completed);
}

#[tokio::test]
async fn a_child_reports_to_the_new_run() {
    let world = World::open().await;
    world.history.start(start("w")).await.expect("start");
    let task = world.poll_workflow_task().await;
    world.complete(&task, vec![command::start_child("child")]).await;
    let first = world.poll_workflow_task().await;
    let second = world.poll_workflow_task().await;
    let (parent, child) = if first.info.workflow_id == "w" { (first, second) } else { (second, first) };
    world.complete(&parent, Vec::new()).await;
    let finish = parent.info.started_event_id + 1;
    let new = world.history.reset(world.target("w"), to(finish, "r")).await.expect("reset");
    let task = world.poll_workflow_task().await;
    assert_eq!(task.info.run_id, new.to_string());
    world.complete(&task, Vec::new()).await;
    // The old parent's end has not reached it.
    world.complete(&child, vec![command::complete()]).await;
    let task = world.poll_workflow_task().await;
    assert_eq!(task.info.run_id, new.to_string());
    assert!(world.event_types("w").await.contains(&T::ChildWorkflowExecutionCompleted));
}

/// Before the old parent hears of its child's start it is reset: the new one takes the child over.
#[tokio::test]
async fn a_child_whose_start_is_on_its_way_is_started_once() {
    for _ in 0..10 {
        let world = World::open().await;
        world.history.start(start("w")).await.expect("start");
        let task = world.poll_workflow_task().await;
        let request = RespondWorkflowTaskCompletedRequest {
            commands: vec![command::start_child("child")],
            force_create_new_workflow_task: true,
            ..Default::default()
        };
        world.respond(&task, request).await.expect("complete");
        // Behind the next task's Scheduled, which follows the child's Initiated: as soon as there is something behind it.
        while world.event_types("w").await.len() < 7 {
            tokio::task::yield_now().await;
        }
        let new = world.history.reset(world.target("w"), to(7, "r")).await.expect("reset");
        let mut tasks = [world.poll_workflow_task().await, world.poll_workflow_task().await];
        tasks.sort_by_key(|task| task.info.workflow_id.clone());
        assert_eq!(tasks[1].info.run_id, new.to_string());
        world.complete(&tasks[0], vec![command::complete()]).await;
        world.complete(&tasks[1], Vec::new()).await;
        let task = loop {
            let task = world.poll_workflow_task().await;
            assert_eq!(task.info.workflow_id, "w");
            if world.event_types("w").await.contains(&T::ChildWorkflowExecutionCompleted) {
                break task;
            }
            world.complete(&task, Vec::new()).await;
        };
        world.complete(&task, vec![command::complete()]).await;
        let types = world.event_types("w").await;
        let count = |wanted: T| types.iter().filter(|have| **have == wanted).count();
        assert_eq!((count(T::ChildWorkflowExecutionStarted), count(T::StartChildWorkflowExecutionFailed)), (1, 0));
    }
}

/// What the lost future had started is in the way of what the new run starts.
#[tokio::test]
async fn a_child_of_the_lost_future_makes_room() {
    let world = idle_workflow().await;
    signal(&world).await;
    let task = world.poll_workflow_task().await;
    world.complete(&task, vec![command::start_child("child")]).await;
    let first = world.poll_workflow_task().await;
    let second = world.poll_workflow_task().await;
    let (parent, child) = if first.info.workflow_id == "w" { (first, second) } else { (second, first) };
    world.complete(&parent, Vec::new()).await;
    world.history.reset(world.target("w"), to(4, "r")).await.expect("reset");
    let task = world.poll_workflow_task().await;
    world.complete(&task, vec![command::start_child("child")]).await;
    let (mut parent_seen, mut child_seen) = (false, false);
    while !(parent_seen && child_seen) {
        let task = world.poll_workflow_task().await;
        if task.info.workflow_id == "w" {
            parent_seen = true;
            world.complete(&task, Vec::new()).await;
        } else {
            assert_ne!(task.info.run_id, child.info.run_id, "the old child is not the new one");
            child_seen = true;
        }
    }
    assert!(world.event_types("w").await.contains(&T::ChildWorkflowExecutionStarted));
    let late = world.try_complete(&child, vec![command::complete()]).await;
    assert!(late.is_err(), "the old child was terminated");
}
