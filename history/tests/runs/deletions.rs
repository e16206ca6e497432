//! Runs that are deleted while others use them.

use perdure_engine::{
    Input,
    input::{ActivityTimeouts, StartKind},
};
use perdure_history::{Error, Target, Until};
use tokio::time::{Duration, Instant};

use crate::world::{World, command, start};

/// Sent when it is called, as the other calls are.
fn delete(world: &World, workflow_id: &str) -> impl Future<Output = Result<(), Error>> {
    let sent = world.history.input(world.target(workflow_id), Input::Delete);
    async { sent.await.map(|_| ()) }
}

#[tokio::test]
async fn an_id_may_be_used_again_while_its_run_goes() {
    let world = World::open().await;
    let mut last = String::new();
    for _ in 0..20 {
        let started = world.history.start(start("w")).await.expect("start").reply;
        assert!(started.started && started.run_id != last);
        // Both are in the mailbox before the deletion is durable.
        let (deleted, again) = tokio::join!(delete(&world, "w"), world.history.start(start("w")));
        deleted.expect("delete");
        last = again.expect("the id is free").reply.run_id;
        let seen = world.history.view(world.target("w"), |state| state.run.run_id.clone()).await;
        assert_eq!(seen.expect("the new run"), last);
        delete(&world, "w").await.expect("delete");
    }
    let world = world.reopen().await;
    assert_eq!(delete(&world, "w").await, Err(Error::WorkflowNotFound));
}

#[tokio::test]
async fn a_deleted_run_takes_no_input() {
    let world = World::open().await;
    let started = world.history.start(start("w")).await.expect("start");
    let task = world.poll_workflow_task().await;
    let run_id = started.reply.run_id.parse().ok();
    let target = Target { run_id, ..world.target("w") };
    let (deleted, late) = tokio::join!(delete(&world, "w"), world.history.input(target.clone(), Input::Wake));
    deleted.expect("delete");
    assert_eq!(late.map(|_| ()), Err(Error::RunNotFound));
    let answer = world.try_complete(&task, vec![command::complete()]).await;
    assert!(matches!(answer, Err(Error::RunNotFound)), "{answer:?}");
    // Nothing brings it back.
    let world = world.reopen().await;
    assert_eq!(world.history.input(target, Input::Wake).await.map(|_| ()), Err(Error::RunNotFound));
}

#[tokio::test]
async fn who_waits_for_the_close_hears_of_it() {
    let world = World::open().await;
    world.history.start(start("w")).await.expect("start");
    let deadline = Instant::now() + Duration::from_secs(20);
    let wait = world.history.wait(world.target("w"), Until::Closed, deadline);
    let (progress, deleted) = tokio::join!(wait, async { delete(&world, "w").await });
    deleted.expect("delete");
    assert!(progress.expect("an answer").is_some_and(|progress| progress.closed));
}

#[tokio::test]
async fn a_child_goes_on_without_its_deleted_parent() {
    let world = World::open().await;
    world.history.start(start("parent")).await.expect("start");
    let task = world.poll_workflow_task().await;
    world.complete(&task, vec![command::start_child("child")]).await;
    let child = world.poll_workflow_task().await;
    delete(&world, "parent").await.expect("delete");
    // The default policy ends the child; the parent goes once that is done.
    world
        .until_ok(|| async {
            match world.history.view(world.target("child"), |state| state.run.close.is_some()).await? {
                true => Ok(()),
                false => Err(Error::Unavailable),
            }
        })
        .await;
    world
        .until_ok(|| async {
            match world.history.view(world.target("parent"), |_| ()).await {
                Err(Error::WorkflowNotFound | Error::RunNotFound) => Ok(()),
                _ => Err(Error::Unavailable),
            }
        })
        .await;
    assert!(world.try_complete(&child, vec![command::complete()]).await.is_err());
}

/// The same id may name a workflow and an activity.
#[tokio::test]
async fn an_activity_is_no_workflow() {
    let world = World::open().await;
    let mut activity = start("id");
    activity.kind = StartKind::Activity(ActivityTimeouts { start_to_close: 60_000_000_000, ..Default::default() });
    let activity = world.history.start(activity).await.expect("start").reply.run_id;
    let workflow = world.history.start(start("id")).await.expect("start").reply.run_id;
    assert_ne!(activity, workflow);
    let task = world.poll_activity_task().await;
    assert_eq!(task.info.run_id, activity);
    delete(&world, "id").await.expect("delete the workflow");
    let target = Target { workflow: task.workflow.clone(), run_id: None };
    let seen = world.history.view(target, |state| state.run.run_id.clone()).await;
    assert_eq!(seen.expect("the activity"), activity);
}
