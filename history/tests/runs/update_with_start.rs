//! Update-with-start: one step that starts a run, or finds it, and admits an update.

use std::time::Duration;

use perdure_engine::{Reject, Start};
use perdure_history::{Error, MultiError, Started, UpdateRequest, UpdateResult};
use perdure_proto::api::{
    enums::{
        EventType as T, UpdateWorkflowExecutionLifecycleStage as Stage, WorkflowIdConflictPolicy as Conflict,
        WorkflowIdReusePolicy as Reuse,
    },
    update::{Input, Meta, Request},
};
use tokio::{task::JoinHandle, time::Instant};

use crate::{
    updates::{acceptance, answer, failure_of, rejection, response},
    world::{World, command, start},
};

type Answer = Result<(Started, UpdateResult), MultiError>;

fn with_policy(conflict_policy: Conflict) -> Start {
    Start { conflict_policy, ..start("w") }
}

fn send(world: &World, start: &Start, update_id: &str) -> JoinHandle<Answer> {
    let (world, start) = (world.clone(), start.clone());
    let update = UpdateRequest {
        update_id: update_id.to_owned(),
        request: Request {
            meta: Some(Meta { update_id: update_id.to_owned(), identity: "client".into() }),
            input: Some(Input { name: "change".into(), ..Input::default() }),
            ..Request::default()
        },
        wait: Stage::Completed,
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    tokio::spawn(async move { world.history.update_with_start(start, update, deadline).await })
}

async fn answered(call: JoinHandle<Answer>) -> Answer {
    call.await.expect("join")
}

/// A run that an update-with-start began, and that has answered update "u".
async fn updated_workflow() -> (World, Start, Started) {
    let world = World::open().await;
    let first = with_policy(Conflict::Fail);
    let call = send(&world, &first, "u");
    let task = world.poll_workflow_task().await;
    answer(&world, &task, vec![acceptance("u"), response("u")]).await;
    let (started, result) = answered(call).await.expect("update-with-start");
    assert_eq!((result.stage, failure_of(&result)), (Stage::Completed, None));
    assert_eq!(result.run_id.to_string(), started.reply.run_id);
    (world, first, started)
}

#[tokio::test]
async fn the_first_task_carries_the_update() {
    let (world, _, started) = updated_workflow().await;
    assert!(started.reply.started);
    assert_eq!(
        world.event_types("w").await,
        [
            T::WorkflowExecutionStarted,
            T::WorkflowTaskScheduled,
            T::WorkflowTaskStarted,
            T::WorkflowTaskCompleted,
            T::WorkflowExecutionUpdateAccepted,
            T::WorkflowExecutionUpdateCompleted,
        ]
    );
}

#[tokio::test]
async fn a_worker_that_waits_gets_the_update_with_the_first_task() {
    let world = World::open().await;
    let waiting = tokio::spawn({
        let world = world.clone();
        async move { world.poll_workflow_task().await }
    });
    tokio::task::yield_now().await;
    let call = send(&world, &with_policy(Conflict::Fail), "u");
    let task = waiting.await.expect("join");
    assert_eq!((task.info.started_event_id, task.info.messages.len()), (3, 1));
    answer(&world, &task, vec![rejection("u")]).await;
    let (started, result) = answered(call).await.expect("the start took place");
    assert!(started.reply.started);
    assert_eq!(failure_of(&result), Some("no"));
}

#[tokio::test]
async fn an_open_run_takes_what_its_policy_allows() {
    let (world, first, started) = updated_workflow().await;
    // A new update under FAIL: the start is refused, and no update reaches the run.
    let before = world.event_types("w").await;
    match answered(send(&world, &with_policy(Conflict::Fail), "v")).await {
        Err(MultiError::Start(Error::Reject(Reject::AlreadyStarted { run_id, .. }))) => {
            assert_eq!(run_id, started.reply.run_id);
        }
        other => panic!("{other:?}"),
    }
    // An update that it knows: the same answer, whatever the policy.
    let (again, result) = answered(send(&world, &with_policy(Conflict::Fail), "u")).await.expect("known update");
    assert_eq!((again.reply.started, result.stage), (false, Stage::Completed));
    assert_eq!(world.event_types("w").await, before);
    // USE_EXISTING, and the same start once more.
    for (start, update_id) in [(with_policy(Conflict::UseExisting), "v"), (first, "w")] {
        let call = send(&world, &start, update_id);
        let task = world.poll_workflow_task().await;
        answer(&world, &task, vec![acceptance(update_id), response(update_id)]).await;
        let (used, result) = answered(call).await.expect("existing run");
        assert_eq!((used.reply.started, used.reply.run_id), (false, started.reply.run_id.clone()));
        assert_eq!(result.stage, Stage::Completed);
    }
}

#[tokio::test]
async fn terminate_existing_starts_another_run() {
    let (world, _, started) = updated_workflow().await;
    let call = send(&world, &with_policy(Conflict::TerminateExisting), "v");
    let task = world.poll_workflow_task().await;
    assert_ne!(task.info.run_id, started.reply.run_id);
    answer(&world, &task, vec![acceptance("v"), response("v")]).await;
    assert!(answered(call).await.expect("another run").0.reply.started);
}

#[tokio::test]
async fn a_closed_run_is_followed_by_another() {
    let (world, first, started) = updated_workflow().await;
    let call = send(&world, &with_policy(Conflict::UseExisting), "last");
    let task = world.poll_workflow_task().await;
    world.complete(&task, vec![command::complete()]).await;
    // The run closed before it took the update: a new one has it.
    let task = world.poll_workflow_task().await;
    assert_ne!(task.info.run_id, started.reply.run_id);
    answer(&world, &task, vec![acceptance("last"), response("last")]).await;
    let (next, _) = answered(call).await.expect("the second try");
    assert_eq!((next.reply.started, next.reply.run_id), (true, task.info.run_id.clone()));
    // The closed run is not the current one any more: its request id says nothing.
    assert!(matches!(
        answered(send(&world, &first, "late")).await,
        Err(MultiError::Start(Error::Reject(Reject::AlreadyStarted { .. })))
    ));
}

#[tokio::test]
async fn a_closed_run_answers_for_what_it_knows() {
    let (world, first, _) = updated_workflow().await;
    world.history.input(world.target("w"), terminate()).await.expect("terminate");
    let reject_duplicate = Start { reuse_policy: Reuse::RejectDuplicate, ..with_policy(Conflict::Fail) };
    let (again, result) = answered(send(&world, &reject_duplicate, "u")).await.expect("its outcome");
    assert_eq!((again.reply.started, result.stage), (false, Stage::Completed));
    assert!(matches!(
        answered(send(&world, &reject_duplicate, "v")).await,
        Err(MultiError::Start(Error::Reject(Reject::AlreadyStarted { .. })))
    ));
    // The start was taken before, and what it started takes no update any more.
    let expected = MultiError::Update { started: false, error: Error::Reject(Reject::WorkflowClosed) };
    assert_eq!(answered(send(&world, &first, "v")).await.expect_err("closed"), expected);
}

fn terminate() -> perdure_engine::Input {
    perdure_engine::Input::Terminate {
        reason: String::new(),
        details: None,
        identity: String::new(),
        links: Vec::new(),
    }
}
