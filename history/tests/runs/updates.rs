//! Updates through shards: what callers hear, and what the history shows.

use std::time::Duration;

use crate::world::{World, command, start};
use perdure_history::{Error, UpdateResult};
use perdure_matching::StartedWorkflowTask;
use perdure_proto::api::{
    enums::{EventType, UpdateWorkflowExecutionLifecycleStage as Stage},
    failure::Failure,
    protocol::Message,
    update::{Acceptance, Input, Meta, Outcome, Rejection, Request, Response, outcome::Value},
    workflowservice::RespondWorkflowTaskCompletedRequest,
};
use prost::Message as _;
use tokio::{task::JoinHandle, time::Instant};

/// A workflow whose first task is done.
pub(crate) async fn idle_workflow() -> World {
    let world = World::open().await;
    world.history.start(start("w")).await.expect("start");
    let task = world.poll_workflow_task().await;
    world.complete(&task, Vec::new()).await;
    world
}

pub(crate) fn send(world: &World, id: &str, wait: Stage) -> JoinHandle<Result<UpdateResult, Error>> {
    let (world, update_id) = (world.clone(), id.to_owned());
    tokio::spawn(async move {
        let request = Request {
            meta: Some(Meta { update_id: update_id.clone(), identity: "client".into() }),
            input: Some(Input { name: "change".into(), ..Input::default() }),
            ..Request::default()
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        world.history.update(world.target("w"), update_id, request, wait, deadline).await
    })
}

fn message(update_id: &str, kind: &str, body: Vec<u8>) -> Message {
    Message {
        id: format!("{update_id}/{kind}"),
        protocol_instance_id: update_id.into(),
        body: Some(prost_types::Any {
            type_url: format!("type.googleapis.com/temporal.api.update.v1.{kind}"),
            value: body,
        }),
        ..Message::default()
    }
}

pub(crate) fn acceptance(update_id: &str) -> Message {
    let body = Acceptance {
        accepted_request_message_id: format!("{update_id}/request"),
        accepted_request_sequencing_event_id: 1,
        ..Acceptance::default()
    };
    message(update_id, "Acceptance", body.encode_to_vec())
}

pub(crate) fn response(update_id: &str) -> Message {
    let body = Response {
        meta: Some(Meta { update_id: update_id.into(), ..Meta::default() }),
        outcome: Some(Outcome { value: Some(Value::Success(Default::default())) }),
    };
    message(update_id, "Response", body.encode_to_vec())
}

pub(crate) fn rejection(update_id: &str) -> Message {
    let failure = Some(Failure { message: "no".into(), ..Failure::default() });
    message(update_id, "Rejection", Rejection { failure, ..Rejection::default() }.encode_to_vec())
}

pub(crate) async fn answer(world: &World, task: &StartedWorkflowTask, messages: Vec<Message>) {
    let request = RespondWorkflowTaskCompletedRequest { messages, ..Default::default() };
    world.respond(task, request).await.expect("complete");
}

pub(crate) fn failure_of(result: &UpdateResult) -> Option<&str> {
    match result.outcome.as_ref()?.value.as_ref()? {
        Value::Failure(failure) => Some(&failure.message),
        Value::Success(_) => None,
    }
}

#[tokio::test]
async fn accepted_and_completed_in_one_task() {
    let world = idle_workflow().await;
    let update = send(&world, "u", Stage::Completed);
    let task = world.poll_workflow_task().await;
    assert_eq!(task.info.messages.len(), 1);
    answer(&world, &task, vec![acceptance("u"), response("u")]).await;
    let result = update.await.expect("join").expect("update");
    assert_eq!((result.stage, failure_of(&result)), (Stage::Completed, None));
    let types = world.event_types("w").await;
    assert_eq!(
        types[types.len() - 2..],
        [EventType::WorkflowExecutionUpdateAccepted, EventType::WorkflowExecutionUpdateCompleted]
    );
    // The same id again is the same update.
    let again = send(&world, "u", Stage::Completed).await.expect("join").expect("update");
    assert_eq!(again.outcome, result.outcome);
    assert_eq!(world.event_types("w").await, types);
}

#[tokio::test]
async fn a_rejection_leaves_no_trace() {
    let world = idle_workflow().await;
    let before = world.event_types("w").await;
    let update = send(&world, "u", Stage::Accepted);
    let task = world.poll_workflow_task().await;
    // The task is speculative: its events are shown, but not stored.
    assert_eq!(task.info.transient_events.len(), 2);
    answer(&world, &task, vec![rejection("u")]).await;
    let result = update.await.expect("join").expect("update");
    assert_eq!(failure_of(&result), Some("no"));
    assert_eq!(world.event_types("w").await, before);
}

#[tokio::test]
async fn an_update_that_the_worker_ignores_is_rejected() {
    let world = idle_workflow().await;
    let update = send(&world, "u", Stage::Accepted);
    let task = world.poll_workflow_task().await;
    answer(&world, &task, Vec::new()).await;
    let result = update.await.expect("join").expect("update");
    assert!(failure_of(&result).is_some_and(|text| text.contains("wasn't processed by worker")));
}

#[tokio::test]
async fn an_update_survives_the_loss_of_memory_before_it_is_accepted() {
    let world = idle_workflow().await;
    let update = send(&world, "u", Stage::Completed);
    let task = world.poll_workflow_task().await;
    world.lose_lease().await;
    // The acceptance cannot be written: the shard reloads, and the caller's wait goes on.
    let request = RespondWorkflowTaskCompletedRequest { messages: vec![acceptance("u")], ..Default::default() };
    assert!(world.respond(&task, request).await.is_err());
    let task = world.poll_workflow_task().await;
    answer(&world, &task, vec![acceptance("u"), response("u")]).await;
    assert_eq!(update.await.expect("join").expect("update").stage, Stage::Completed);
}

#[tokio::test]
async fn the_close_aborts_what_is_admitted_and_fails_what_is_accepted() {
    let world = idle_workflow().await;
    let accepted = send(&world, "accepted", Stage::Completed);
    let task = world.poll_workflow_task().await;
    answer(&world, &task, vec![acceptance("accepted")]).await;
    let admitted = send(&world, "admitted", Stage::Accepted);
    let task = world.poll_workflow_task().await;
    world.complete(&task, vec![command::complete()]).await;
    assert_eq!(admitted.await.expect("join"), Err(Error::UpdateAborted));
    let result = accepted.await.expect("join").expect("update");
    assert!(failure_of(&result).is_some_and(|text| text.contains("completed before the Update completed")));
}

#[tokio::test]
async fn a_wait_for_acceptance_ends_at_acceptance() {
    let world = idle_workflow().await;
    let update = send(&world, "u", Stage::Accepted);
    let task = world.poll_workflow_task().await;
    answer(&world, &task, vec![acceptance("u")]).await;
    let result = update.await.expect("join").expect("update");
    assert_eq!((result.stage, result.outcome), (Stage::Accepted, None));
    let deadline = Instant::now() + Duration::from_millis(50);
    let polled = world.history.poll_update(world.target("w"), "u".into(), Stage::Completed, deadline).await;
    assert_eq!(polled.expect("poll").stage, Stage::Accepted);
    let unknown = world.history.poll_update(world.target("w"), "x".into(), Stage::Completed, deadline).await;
    assert_eq!(unknown, Err(Error::UpdateNotFound));
}
