//! Every cell of the tables in `versioning`; what is told of it is in `told`.

mod inheritance;
mod overrides;
mod told;

use perdure_engine::{
    Effective, Input, OptionsUpdate, Reject, Reply, TakenBy, Target, Task, WorkflowTaskRef, effective, in_transition,
};
use perdure_proto::api::{
    command::{Command, ScheduleActivityTaskCommandAttributes, command::Attributes as C},
    common::ActivityType,
    deployment::{WorkerDeploymentOptions, WorkerDeploymentVersion},
    enums::{CommandType, EventType as T, VersioningBehavior as Behavior, WorkerVersioningMode},
    taskqueue::{StickyExecutionAttributes, TaskQueue},
    workflow::{
        VersioningOverride, WorkflowExecutionOptions,
        versioning_override::{OneTimeOverride, Override, PinnedOverride},
    },
    workflowservice::RespondWorkflowTaskCompletedRequest,
};

use crate::world::{SECOND, Step, World, command, seconds};

type Version = Option<WorkerDeploymentVersion>;

fn v(build_id: &str) -> Version {
    let deployment_name = "d".into();
    (!build_id.is_empty()).then(|| WorkerDeploymentVersion { deployment_name, build_id: build_id.into() })
}

fn is(behavior: Behavior, build_id: &str) -> Effective {
    Effective { behavior, version: v(build_id) }
}

/// By a worker of this build, while the workflow's queue routes to that one.
fn by(build_id: &str, target: &str, revision: i64) -> TakenBy {
    TakenBy { version: v(build_id), target: Some(Target { version: v(target), revision }) }
}

fn take(world: &mut World, taken_by: TakenBy) -> Result<WorkflowTaskRef, Reject> {
    let task = world.state.run.workflow_task.clone().expect("a pending workflow task");
    let request_id = format!("{}-{}", task.scheduled_event_id, task.attempt);
    let (scheduled_event_id, attempt) = (task.scheduled_event_id, task.attempt);
    let identity = "worker".into();
    world.step(Input::WorkflowTaskStart {
        scheduled_event_id,
        attempt,
        identity,
        request_id,
        worker_version: None,
        taken_by,
    })?;
    Ok(world.token())
}

fn completion(build_id: &str, behavior: Behavior, commands: Vec<Command>) -> RespondWorkflowTaskCompletedRequest {
    let mode = match build_id {
        "" => WorkerVersioningMode::Unversioned,
        _ => WorkerVersioningMode::Versioned,
    };
    RespondWorkflowTaskCompletedRequest {
        identity: "worker".into(),
        commands,
        versioning_behavior: behavior as i32,
        deployment_options: Some(WorkerDeploymentOptions {
            deployment_name: "d".into(),
            build_id: build_id.into(),
            worker_versioning_mode: mode as i32,
        }),
        sticky_attributes: Some(StickyExecutionAttributes {
            worker_task_queue: Some(TaskQueue { name: "sticky".into(), ..Default::default() }),
            schedule_to_start_timeout: seconds(5),
        }),
        ..Default::default()
    }
}

fn complete(world: &mut World, token: WorkflowTaskRef, request: RespondWorkflowTaskCompletedRequest) -> Step {
    let request = Box::new(request);
    world.step(Input::WorkflowTaskCompleted { token, request, nexus_endpoints: Default::default() }).unwrap()
}

fn schedule_activity() -> Command {
    command(
        CommandType::ScheduleActivityTask,
        C::ScheduleActivityTaskCommandAttributes(ScheduleActivityTaskCommandAttributes {
            activity_id: "a".into(),
            activity_type: Some(ActivityType { name: "activity".into() }),
            task_queue: Some(TaskQueue { name: "queue".into(), ..Default::default() }),
            start_to_close_timeout: seconds(60),
            ..Default::default()
        }),
    )
}

/// A run with one completed workflow task, and one activity that waits for a worker.
fn run(build_id: &str, behavior: Behavior) -> World {
    let mut world = World::new();
    let token = take(&mut world, by(build_id, build_id, 1)).unwrap();
    complete(&mut world, token, completion(build_id, behavior, vec![schedule_activity()]));
    world
}

fn unversioned() -> World {
    run("", Behavior::Unspecified)
}

fn auto_upgrade() -> World {
    run("1", Behavior::AutoUpgrade)
}

fn pinned() -> World {
    run("1", Behavior::Pinned)
}

/// From 1 to 2, whose worker has the workflow task.
fn moving() -> (World, WorkflowTaskRef) {
    let mut world = auto_upgrade();
    signal(&mut world);
    let token = take(&mut world, by("2", "2", 2)).unwrap();
    (world, token)
}

fn signal(world: &mut World) -> Step {
    world.step(Input::Signal(Default::default())).unwrap()
}

fn take_activity(world: &mut World, taken_by: TakenBy) -> Result<Reply, Reject> {
    let scheduled_event_id = world.event_id(T::ActivityTaskScheduled);
    let input = Input::ActivityStart {
        scheduled_event_id,
        attempt: 1,
        identity: "taker".into(),
        request_id: "take".into(),
        worker_version: None,
        taken_by,
    };
    world.step(input).map(|step| step.reply)
}

fn offers_activity(step: &Step) -> bool {
    step.tasks.iter().any(|task| matches!(task, Task::DispatchActivity { .. }))
}

fn offers_workflow_task(step: &Step) -> bool {
    step.tasks.iter().any(|task| matches!(task, Task::DispatchWorkflowTask { .. }))
}

#[test]
fn a_workflow_task_is_taken() {
    // The run, the worker's build; None: stale.
    let cases: [(World, &str, Option<Effective>); 7] = [
        (unversioned(), "", Some(is(Behavior::Unspecified, ""))),
        (unversioned(), "2", Some(is(Behavior::AutoUpgrade, "2"))),
        (auto_upgrade(), "1", Some(is(Behavior::AutoUpgrade, "1"))),
        (auto_upgrade(), "2", Some(is(Behavior::AutoUpgrade, "2"))),
        (auto_upgrade(), "", Some(is(Behavior::AutoUpgrade, ""))),
        (pinned(), "1", Some(is(Behavior::Pinned, "1"))),
        (pinned(), "2", None),
    ];
    for (mut world, build_id, expected) in cases {
        let was = effective(&world.state.run);
        signal(&mut world);
        match (take(&mut world, by(build_id, build_id, 5)), expected) {
            (Ok(_), Some(expected)) => {
                assert_eq!(effective(&world.state.run), expected);
                let moves = was.version != v(build_id);
                assert_eq!(in_transition(&world.state.run), moves);
                if moves {
                    assert!(world.state.run.sticky.is_none(), "the worker's cache is of another version");
                    assert_eq!(world.state.run.versioning.info.as_ref().unwrap().revision_number, 5);
                }
            }
            (Err(Reject::StaleTask), None) => {}
            (found, expected) => panic!("{was:?} {build_id}: {found:?} {expected:?}"),
        }
    }
}

/// The worker that began it may be too old itself by the time the next task is taken.
#[test]
fn a_run_in_transition_changes_its_target() {
    let (mut world, token) = moving();
    let step = complete(&mut world, token, completion("1", Behavior::AutoUpgrade, vec![]));
    assert!(in_transition(&world.state.run) && offers_workflow_task(&step));
    take(&mut world, by("3", "3", 3)).unwrap();
    assert_eq!(effective(&world.state.run), is(Behavior::AutoUpgrade, "3"));
    let (mut world, token) = moving();
    complete(&mut world, token, completion("1", Behavior::AutoUpgrade, vec![]));
    take(&mut world, by("2", "2", 2)).unwrap();
    assert_eq!(effective(&world.state.run), is(Behavior::AutoUpgrade, "2"));
}

#[test]
fn an_activity_is_taken() {
    #[derive(Debug, PartialEq)]
    enum Taken {
        Started,
        Stale,
        Moves,
    }
    use Taken::{Moves, Stale, Started};
    // The run, the worker's build, where the workflow's queue routes.
    let cases: [(World, &str, &str, Taken); 12] = [
        (unversioned(), "", "", Started),
        (unversioned(), "2", "2", Moves),
        (unversioned(), "2", "", Started),
        (auto_upgrade(), "1", "2", Started),
        (auto_upgrade(), "2", "2", Moves),
        (auto_upgrade(), "2", "3", Started),
        (auto_upgrade(), "", "", Moves),
        (pinned(), "1", "2", Started),
        (pinned(), "2", "2", Started),
        (pinned(), "", "", Started),
        (moving().0, "1", "2", Stale),
        (moving().0, "2", "2", Stale),
    ];
    for (mut world, build_id, target, expected) in cases {
        let was = effective(&world.state.run);
        let found = match take_activity(&mut world, by(build_id, target, 5)) {
            Ok(Reply::ActivityStarted(task)) => {
                assert_eq!(task.activity.last_deployment_version, v(build_id));
                Started
            }
            Ok(Reply::Done) => {
                assert_eq!(effective(&world.state.run), is(Behavior::AutoUpgrade, build_id));
                assert!(in_transition(&world.state.run) && world.state.run.workflow_task.is_some());
                Moves
            }
            Err(Reject::StaleTask) => Stale,
            other => panic!("{other:?}"),
        };
        assert_eq!(found, expected, "{was:?} {build_id} {target}");
    }
}

#[test]
fn a_task_completes() {
    // The build that completes it, what it says, what the run is then.
    let cases = [
        ("", Behavior::Unspecified, is(Behavior::Unspecified, "")),
        ("1", Behavior::Unspecified, is(Behavior::Unspecified, "")),
        ("1", Behavior::AutoUpgrade, is(Behavior::AutoUpgrade, "1")),
        ("1", Behavior::Pinned, is(Behavior::Pinned, "1")),
    ];
    for from in [unversioned as fn() -> World, auto_upgrade, pinned] {
        for (build_id, behavior, expected) in cases.clone() {
            let mut world = from();
            let was = effective(&world.state.run);
            signal(&mut world);
            // The worker took it before it was known to be of another version.
            let token = take(&mut world, TakenBy { version: was.version.clone(), target: None }).unwrap();
            let step = complete(&mut world, token, completion(build_id, behavior, vec![]));
            assert_eq!(effective(&world.state.run), expected, "{was:?} {build_id} {behavior:?}");
            assert_eq!(offers_activity(&step), was != expected, "{was:?} {expected:?}");
        }
    }
}

#[test]
fn a_transition_ends_with_a_task_of_its_target() {
    let cases = [
        ("2", Behavior::AutoUpgrade, is(Behavior::AutoUpgrade, "2")),
        ("2", Behavior::Pinned, is(Behavior::Pinned, "2")),
        ("2", Behavior::Unspecified, is(Behavior::Unspecified, "")),
    ];
    for (build_id, behavior, expected) in cases {
        let (mut world, token) = moving();
        let offered = world.state.run.activities.values().next().unwrap().attempt_scheduled_time;
        world.advance(3 * SECOND);
        let step = complete(&mut world, token, completion(build_id, behavior, vec![]));
        assert_eq!(effective(&world.state.run), expected);
        assert!(!in_transition(&world.state.run) && offers_activity(&step) && !offers_workflow_task(&step));
        let waits_since = world.state.run.activities.values().next().unwrap().attempt_scheduled_time;
        assert_eq!(waits_since, offered + 3 * SECOND, "the transition is not charged to the activity");
    }
    let (mut world, token) = moving();
    let request = RespondWorkflowTaskCompletedRequest {
        return_new_workflow_task: true,
        ..completion("1", Behavior::AutoUpgrade, vec![schedule_activity_eagerly()])
    };
    let step = complete(&mut world, token, request);
    assert!(in_transition(&world.state.run) && world.state.run.sticky.is_none());
    // The next task is for a worker of the target, so it does not go out with the answer; nor does the activity.
    assert!(offers_workflow_task(&step));
    match step.reply {
        Reply::WorkflowTaskCompleted(reply) => assert!(!reply.new_task && reply.eager_activities.is_empty()),
        other => panic!("{other:?}"),
    }
}

fn schedule_activity_eagerly() -> Command {
    let mut command = schedule_activity();
    if let Some(C::ScheduleActivityTaskCommandAttributes(attributes)) = &mut command.attributes {
        attributes.request_eager_execution = true;
        attributes.activity_id = "eager".into();
    }
    command
}

#[test]
fn a_speculative_task_begins_no_transition() {
    let mut world = auto_upgrade();
    world.step(crate::world::update_request("u")).unwrap();
    let token = world.token();
    let input = Input::WorkflowTaskStart {
        scheduled_event_id: token.scheduled_event_id,
        attempt: 1,
        identity: "worker".into(),
        request_id: "poll".into(),
        worker_version: None,
        taken_by: by("2", "2", 2),
    };
    world.step(input).unwrap();
    assert_eq!(effective(&world.state.run), is(Behavior::AutoUpgrade, "1"));
}

fn set(kind: Override) -> Option<VersioningOverride> {
    Some(VersioningOverride { r#override: Some(kind), ..Default::default() })
}

fn pin(build_id: &str) -> Option<VersioningOverride> {
    set(Override::Pinned(PinnedOverride { behavior: 1, version: v(build_id) }))
}

fn once(build_id: &str) -> Option<VersioningOverride> {
    set(Override::OneTime(OneTimeOverride { target_deployment_version: v(build_id) }))
}

fn auto() -> Option<VersioningOverride> {
    set(Override::AutoUpgrade(true))
}

fn override_with(world: &mut World, versioning_override: Option<VersioningOverride>) -> Step {
    let options = WorkflowExecutionOptions { versioning_override, ..Default::default() };
    let update = OptionsUpdate { options, paths: vec!["versioning_override".into()], identity: "operator".into() };
    world.step(Input::UpdateOptions(Box::new(update))).unwrap()
}
