//! Tasks of versioned runs find the workers that they are for.

use perdure_engine::{Input, OptionsUpdate, Reject, effective, in_transition};
use perdure_history::Error;
use perdure_matching::StartedWorkflowTask;
use perdure_proto::api::{
    command::{Command, command::Attributes},
    deployment::{WorkerDeploymentOptions, WorkerDeploymentVersion},
    enums::{ContinueAsNewVersioningBehavior, VersioningBehavior as Behavior, WorkerVersioningMode},
    query::WorkflowQuery,
    workflow::{
        VersioningOverride, WorkflowExecutionOptions,
        versioning_override::{Override, PinnedOverride},
    },
    workflowservice::RespondWorkflowTaskCompletedRequest,
};

use crate::world::{DEPLOYMENT, World, command, start};

fn version(build_id: &str) -> WorkerDeploymentVersion {
    WorkerDeploymentVersion { deployment_name: DEPLOYMENT.into(), build_id: build_id.into() }
}

fn pinned(build_id: &str) -> Option<VersioningOverride> {
    let pinned = PinnedOverride { behavior: 1, version: Some(version(build_id)) };
    Some(VersioningOverride { r#override: Some(Override::Pinned(pinned)), ..Default::default() })
}

async fn complete(
    world: &World,
    task: &StartedWorkflowTask,
    build_id: &str,
    behavior: Behavior,
    commands: Vec<Command>,
) {
    let options = WorkerDeploymentOptions {
        deployment_name: DEPLOYMENT.into(),
        build_id: build_id.into(),
        worker_versioning_mode: WorkerVersioningMode::Versioned as i32,
    };
    let request = RespondWorkflowTaskCompletedRequest {
        commands,
        deployment_options: Some(options),
        versioning_behavior: behavior as i32,
        ..Default::default()
    };
    world.respond(task, request).await.expect("complete");
}

async fn set_override(world: &World, workflow_id: &str, versioning_override: Option<VersioningOverride>) {
    let options = WorkflowExecutionOptions { versioning_override, ..Default::default() };
    let update = OptionsUpdate { options, paths: vec!["versioning_override".into()], identity: String::new() };
    world.history.input(world.target(workflow_id), Input::UpdateOptions(Box::new(update))).await.expect("update");
}

async fn signal(world: &World, workflow_id: &str) {
    world.history.input(world.target(workflow_id), Input::Signal(Default::default())).await.expect("signal");
}

#[tokio::test]
async fn a_pinned_run_goes_to_its_version() {
    let world = World::open().await;
    world.route("2", &["1", "2"], 1);
    let of_current = tokio::spawn({
        let world = world.clone();
        async move { world.poll_workflow_task_as("2").await.info.workflow_id.clone() }
    });
    tokio::task::yield_now().await;
    let pinned_start = perdure_engine::Start { versioning_override: pinned("1"), ..start("pinned") };
    world.history.start(pinned_start).await.expect("start");
    world.history.start(start("free")).await.expect("start");
    let task = world.poll_workflow_task_as("1").await;
    assert_eq!(task.info.workflow_id, "pinned");
    assert_eq!(of_current.await.expect("poll"), "free");
    // What follows comes to the version as well.
    complete(&world, &task, "1", Behavior::AutoUpgrade, vec![command::schedule_activity("a")]).await;
    let activity = world.poll_activity_task_as("1").await;
    world.complete_activity(&activity).await;
    let task = world.poll_workflow_task_as("1").await;
    complete(&world, &task, "1", Behavior::AutoUpgrade, vec![command::complete()]).await;
}

#[tokio::test]
async fn an_override_moves_tasks_that_wait() {
    let world = World::open().await;
    world.route("1", &["1", "2"], 1);
    world.history.start(start("w")).await.expect("start");
    let task = world.poll_workflow_task_as("1").await;
    complete(&world, &task, "1", Behavior::Pinned, vec![command::schedule_activity("a")]).await;
    signal(&world, "w").await;
    // Both wait for workers of 1, of which there are none any more.
    set_override(&world, "w", pinned("2")).await;
    let task = world.poll_workflow_task_as("2").await;
    let activity = world.poll_activity_task_as("2").await;
    complete(&world, &task, "2", Behavior::Pinned, vec![]).await;
    world.complete_activity(&activity).await;
    let task = world.poll_workflow_task_as("2").await;
    // A worker of 1 that comes back finds nothing: what was offered to it is stale, and its poll goes on.
    let late = tokio::spawn({
        let world = world.clone();
        async move { world.poll_workflow_task_as("1").await.info.workflow_id.clone() }
    });
    complete(&world, &task, "2", Behavior::Pinned, vec![command::complete()]).await;
    world.history.start(start("other")).await.expect("start");
    assert_eq!(late.await.expect("poll"), "other");
}

/// An auto-upgrade run on 1, with an activity that waits, whose queue is routed to 2 now.
async fn about_to_move() -> World {
    let world = World::open().await;
    world.route("1", &["1"], 1);
    world.history.start(start("w")).await.expect("start");
    let task = world.poll_workflow_task_as("1").await;
    complete(&world, &task, "1", Behavior::AutoUpgrade, vec![command::schedule_activity("a")]).await;
    world.route("2", &["1", "2"], 2);
    world
}

#[tokio::test]
async fn an_activity_waits_for_the_transition_that_it_begins() {
    let world = about_to_move().await;
    let activity = tokio::spawn({
        let world = world.clone();
        async move { world.poll_activity_task_as("2").await }
    });
    // The run had no workflow task: the transition brings one.
    let task = world.poll_workflow_task_as("2").await;
    assert!(!activity.is_finished());
    assert!(world.history.view(world.target("w"), |state| in_transition(&state.run)).await.expect("view"));
    complete(&world, &task, "2", Behavior::AutoUpgrade, vec![]).await;
    let activity = activity.await.expect("poll");
    assert_eq!(activity.info.activity.last_deployment_version, Some(version("2")));
    let now = world.history.view(world.target("w"), |state| effective(&state.run)).await.expect("view");
    assert_eq!((now.behavior, now.version), (Behavior::AutoUpgrade, Some(version("2"))));
}

#[tokio::test]
async fn a_transition_outlives_its_node() {
    let world = about_to_move().await;
    signal(&world, "w").await;
    let task = world.poll_workflow_task_as("2").await;
    drop(task);
    let world = world.reopen().await;
    world.route("2", &["1", "2"], 2);
    let after = world.until_ok(|| world.history.view(world.target("w"), |state| in_transition(&state.run))).await;
    assert!(after, "the task is started, the transition goes on");
    let token = world.history.view(world.target("w"), |state| state.run.workflow_task.clone()).await.expect("view");
    let token = token.and_then(|task| Some((task.scheduled_event_id, task.started?))).expect("a started task");
    let task = StartedWorkflowTask {
        info: Box::new(perdure_engine::outcome::WorkflowTaskStarted {
            workflow_id: "w".into(),
            scheduled_event_id: token.0,
            started_event_id: token.1.event_id,
            started_time: token.1.time,
            attempt: 1,
            ..Default::default()
        }),
        ..Default::default()
    };
    complete(&world, &task, "2", Behavior::AutoUpgrade, vec![]).await;
    let activity = world.poll_activity_task_as("2").await;
    world.complete_activity(&activity).await;
}

#[tokio::test]
async fn a_queue_without_the_version_is_refused() {
    let world = World::open().await;
    world.route("1", &["1"], 1);
    let refused = perdure_engine::Start { versioning_override: pinned("9"), ..start("w") };
    let text = "Pinned version 'deployment:9' is not present in task queue 'queue' of type 'Workflow'";
    match world.history.start(refused).await {
        Err(Error::Reject(Reject::FailedPrecondition(found))) => assert_eq!(found, text),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_eager_task_is_not_for_a_worker_of_another_version() {
    let world = World::open().await;
    world.route("1", &["1"], 1);
    let eager = perdure_engine::Start { versioning_override: pinned("1"), request_eager_execution: true, ..start("w") };
    assert!(world.history.start(eager).await.expect("start").eager.is_none());
    assert_eq!(world.poll_workflow_task_as("1").await.info.workflow_id, "w");
}

#[tokio::test]
async fn children_and_next_runs_stay_with_the_version() {
    let world = World::open().await;
    world.route("1", &["1", "2"], 1);
    world.history.start(start("w")).await.expect("start");
    let task = world.poll_workflow_task_as("1").await;
    world.route("2", &["1", "2"], 2);
    complete(&world, &task, "1", Behavior::Pinned, vec![command::start_child("child")]).await;
    let (one, other) = (world.poll_workflow_task_as("1").await, world.poll_workflow_task_as("1").await);
    let (parent, child) = if one.info.workflow_id == "w" { (one, other) } else { (other, one) };
    assert_eq!(child.info.workflow_id, "child");
    complete(&world, &child, "1", Behavior::Pinned, vec![command::complete()]).await;
    complete(&world, &parent, "1", Behavior::Pinned, vec![]).await;
    let task = world.poll_workflow_task_as("1").await;
    complete(&world, &task, "1", Behavior::Pinned, vec![command::continue_as_new("Type")]).await;
    let next = world.poll_workflow_task_as("1").await;
    assert_ne!(next.info.run_id, task.info.run_id);
}

#[tokio::test]
async fn the_first_task_of_a_next_run_may_go_to_the_ramping_version() {
    for percentage in [0.0, 1.0, 100.0] {
        let world = World::open().await;
        world.route("1", &["1"], 1);
        world.history.start(start("w")).await.expect("start");
        let task = world.poll_workflow_task_as("1").await;
        world.ramp("1", "2", percentage);
        let initial = ContinueAsNewVersioningBehavior::UseRampingVersion;
        let mut command = command::continue_as_new("Type");
        if let Some(Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(attributes)) = &mut command.attributes {
            attributes.initial_versioning_behavior = initial as i32;
        }
        complete(&world, &task, "1", Behavior::Pinned, vec![command]).await;
        let next = world.poll_workflow_task_as("2").await;
        assert_ne!(next.info.run_id, task.info.run_id);
    }
}

#[tokio::test]
async fn a_query_goes_to_the_runs_version() {
    let world = World::open().await;
    world.route("1", &["1", "2"], 1);
    world.history.start(start("w")).await.expect("start");
    let task = world.poll_workflow_task_as("1").await;
    complete(&world, &task, "1", Behavior::Pinned, vec![command::complete()]).await;
    world.route("2", &["1", "2"], 2);
    let query = WorkflowQuery { query_type: "state".into(), ..Default::default() };
    let (answer, ()) = tokio::join!(world.query("w", query), world.answer_query_as("1"));
    answer.expect("an answer");
}
