//! What operators do to activities that wait in a queue.

use perdure_engine::{ActivityOperation, ActivitySelector, Input, Jitter, OptionField};
use perdure_proto::api::{activity::ActivityOptions, taskqueue::TaskQueue};

use crate::world::{World, command, start};

/// A run with the activities "a" and "b", in this order in one queue that no worker polls.
async fn two_that_wait() -> World {
    let world = World::open().await;
    world.history.start(start("w")).await.unwrap();
    let task = world.poll_workflow_task().await;
    world.complete(&task, vec![command::schedule_activity("a"), command::schedule_activity("b")]).await;
    world
}

async fn operate(world: &World, operation: ActivityOperation) {
    let activity = ActivitySelector::Id("a".into());
    let input = Input::OperateActivity { activity, operation: Box::new(operation) };
    world.history.input(world.target("w"), input).await.unwrap();
}

async fn poll(world: &World) -> String {
    world.poll_activity_task().await.info.activity.activity_id
}

#[tokio::test]
async fn a_paused_activity_leaves_its_queue_until_it_is_unpaused() {
    let world = two_that_wait().await;
    let pause = ActivityOperation::Pause { identity: String::new(), reason: String::new(), request_id: "p".into() };
    operate(&world, pause).await;
    assert_eq!(poll(&world).await, "b");
    let jitter = Jitter::default();
    operate(&world, ActivityOperation::Unpause { reset_attempts: false, reset_heartbeat: false, jitter }).await;
    assert_eq!(poll(&world).await, "a");
}

#[tokio::test]
async fn an_activity_that_moved_is_not_taken_from_its_old_queue() {
    let world = two_that_wait().await;
    let queue = TaskQueue { name: "elsewhere".into(), ..Default::default() };
    let options = Box::new(ActivityOptions { task_queue: Some(queue), ..Default::default() });
    operate(&world, ActivityOperation::UpdateOptions { options, fields: vec![OptionField::TaskQueueName] }).await;
    assert_eq!(poll(&world).await, "b");
    operate(&world, ActivityOperation::RestoreOptions).await;
    assert_eq!(poll(&world).await, "a");
}
