//! Every cell of the tables in `versioning`.

use perdure_engine::{
    Effective, Input, OptionsUpdate, Reject, Reply, TakenBy, Target, Task, WorkflowTaskRef, effective, in_transition,
    obligations, replay,
};
use perdure_proto::api::{
    command::{
        Command, ContinueAsNewWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes,
        ScheduleActivityTaskCommandAttributes, command::Attributes as C,
    },
    common::{ActivityType, Priority, RetryPolicy, WorkerVersionStamp},
    deployment::{WorkerDeploymentOptions, WorkerDeploymentVersion},
    enums::{
        CommandType, ContinueAsNewVersioningBehavior, EventType as T, VersioningBehavior as Behavior,
        WorkerVersioningMode,
    },
    history::history_event::Attributes as A,
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

#[test]
fn an_override_is_set_and_unset() {
    type Case = (fn() -> World, Option<VersioningOverride>, Effective);
    let cases: [Case; 15] = [
        (unversioned, pin("9"), is(Behavior::Pinned, "9")),
        (unversioned, once("9"), is(Behavior::Pinned, "9")),
        (unversioned, auto(), is(Behavior::AutoUpgrade, "")),
        (unversioned, None, is(Behavior::Unspecified, "")),
        (auto_upgrade, pin("9"), is(Behavior::Pinned, "9")),
        (auto_upgrade, once("9"), is(Behavior::Pinned, "9")),
        (auto_upgrade, auto(), is(Behavior::AutoUpgrade, "1")),
        (pinned, pin("9"), is(Behavior::Pinned, "9")),
        (pinned, once("9"), is(Behavior::Pinned, "9")),
        (pinned, auto(), is(Behavior::AutoUpgrade, "1")),
        (pinned, None, is(Behavior::Pinned, "1")),
        (|| moving().0, pin("9"), is(Behavior::Pinned, "9")),
        (|| moving().0, once("9"), is(Behavior::Pinned, "9")),
        (|| moving().0, auto(), is(Behavior::AutoUpgrade, "2")),
        (|| moving().0, None, is(Behavior::AutoUpgrade, "2")),
    ];
    for (from, wanted, expected) in cases {
        let mut world = from();
        let was = effective(&world.state.run);
        let before = world.state.clone();
        let is_started = world.state.run.workflow_task.is_some();
        if !is_started {
            signal(&mut world);
        }
        let step = override_with(&mut world, wanted.clone());
        assert_eq!(effective(&world.state.run), expected, "{was:?} {wanted:?}");
        let moves = was != expected;
        assert_eq!(offers_activity(&step), moves, "{was:?} {wanted:?}");
        // A task that a worker has runs on.
        assert_eq!(offers_workflow_task(&step), moves && !is_started, "{was:?} {wanted:?}");
        if moves && !is_started {
            assert!(world.state.run.workflow_task.as_ref().is_some_and(|task| !task.sticky));
        }
        if wanted.is_none() {
            assert!(step.events.is_empty(), "nothing was set");
            continue;
        }
        // Unset again, the run is what its worker said; a transition that the override ended has ended.
        override_with(&mut world, None);
        let ended = in_transition(&before.run) && !in_transition(&world.state.run);
        let again = if ended { is(Behavior::AutoUpgrade, "1") } else { was };
        assert_eq!(effective(&world.state.run), again, "{wanted:?}");
    }
}

#[test]
fn an_auto_upgrade_run_is_what_its_worker_said_once_nothing_is_set() {
    let mut world = auto_upgrade();
    override_with(&mut world, pin("9"));
    override_with(&mut world, None);
    assert_eq!(effective(&world.state.run), is(Behavior::AutoUpgrade, "1"));
}

#[test]
fn a_one_time_override_ends_on_its_target() {
    let mut world = pinned();
    override_with(&mut world, once("2"));
    signal(&mut world);
    assert_eq!(take(&mut world, by("1", "1", 1)), Err(Reject::StaleTask));
    let token = take(&mut world, by("2", "1", 1)).unwrap();
    complete(&mut world, token, completion("2", Behavior::Pinned, vec![]));
    let info = world.state.run.versioning.info.clone().unwrap();
    assert_eq!((info.versioning_override, info.deployment_version), (None, v("2")));
    // A pinned one stays.
    override_with(&mut world, pin("3"));
    signal(&mut world);
    let token = take(&mut world, by("3", "1", 1)).unwrap();
    complete(&mut world, token, completion("3", Behavior::AutoUpgrade, vec![]));
    assert_eq!(effective(&world.state.run), is(Behavior::Pinned, "3"));
}

#[test]
fn options_are_merged_by_their_mask() {
    let mut world = World::new();
    let update = |priority: Option<Priority>, path: &str| {
        let options = WorkflowExecutionOptions { priority, ..Default::default() };
        Input::UpdateOptions(Box::new(OptionsUpdate { options, paths: vec![path.into()], identity: "me".into() }))
    };
    let priority = |priority_key: i32, fairness_key: &str| {
        Some(Priority { priority_key, fairness_key: fairness_key.into(), ..Default::default() })
    };
    let step = world.step(update(priority(2, "x"), "priority.priority_key")).unwrap();
    match step.attributes(T::WorkflowExecutionOptionsUpdated) {
        A::WorkflowExecutionOptionsUpdatedEventAttributes(event) => {
            assert_eq!((event.priority.clone(), event.identity.as_str()), (priority(2, ""), "me"));
            // As Temporal says it, wherever there is no override.
            assert!(event.unset_versioning_override);
        }
        other => panic!("{other:?}"),
    }
    assert!(offers_workflow_task(&step));
    world.step(update(priority(5, "k"), "priority.fairness_key")).unwrap();
    assert_eq!(world.state.run.priority, priority(2, "k"));
    let step = world.step(update(priority(2, "k"), "priority")).unwrap();
    assert!(step.events.is_empty() && step.tasks.is_empty());
    for (path, text) in [
        ("versioning_override.behavior", "versioning_override fields must be updated together"),
        ("versioning_override.deployment", "versioning_override fields must be updated together"),
        ("versioning_override.pinned", "versioning_override doesn't support partial updates"),
    ] {
        let text = format!("error applying update_options: {text}");
        assert_eq!(world.step(update(None, path)).unwrap_err(), Reject::InvalidArgument(text));
    }
    world
        .step(Input::Terminate { reason: String::new(), details: None, identity: String::new(), links: vec![] })
        .unwrap();
    assert_eq!(world.step(update(None, "priority")).unwrap_err(), Reject::WorkflowClosed);
}

#[test]
fn an_override_while_a_worker_has_the_task() {
    let mut world = pinned();
    signal(&mut world);
    let token = take(&mut world, by("1", "1", 1)).unwrap();
    let step = override_with(&mut world, pin("2"));
    assert!(step.events.is_empty(), "the event is kept back");
    assert_eq!(effective(&world.state.run), is(Behavior::Pinned, "2"));
    let request = RespondWorkflowTaskCompletedRequest {
        return_new_workflow_task: true,
        force_create_new_workflow_task: true,
        ..completion("1", Behavior::Pinned, vec![])
    };
    let step = complete(&mut world, token, request);
    assert_eq!(effective(&world.state.run), is(Behavior::Pinned, "2"));
    assert!(offers_workflow_task(&step) && world.state.run.sticky.is_none());
    assert_eq!(world.state.run.workflow_task.as_ref().map(|task| task.sticky), Some(false));
}

#[test]
fn what_describe_and_lists_tell() {
    let attributes = |world: &World| {
        let all = perdure_engine::search_attributes(&world.state.run).unwrap_or_default();
        let text = |payload: &perdure_proto::api::common::Payload| String::from_utf8_lossy(&payload.data).into_owned();
        all.indexed_fields.iter().map(|(name, value)| format!("{name}={}", text(value))).collect::<Vec<_>>()
    };
    let mut world = World::new();
    assert!(attributes(&world).is_empty());
    let token = take(&mut world, TakenBy::default()).unwrap();
    let stamp = WorkerVersionStamp { build_id: "b".into(), use_versioning: false };
    let request = RespondWorkflowTaskCompletedRequest {
        worker_version_stamp: Some(stamp.clone()),
        deployment_options: None,
        ..completion("", Behavior::Unspecified, vec![])
    };
    complete(&mut world, token, request);
    assert_eq!(attributes(&world), [r#"BuildIds=["unversioned","unversioned:b"]"#]);
    let info = world.state.info();
    assert_eq!(info.versioning_info, None);
    assert_eq!(info.most_recent_worker_version_stamp, Some(stamp));
    let points = info.auto_reset_points.unwrap().points;
    assert_eq!(points.len(), 1);
    assert_eq!((points[0].build_id.as_str(), points[0].first_workflow_task_completed_id), ("b", 4));

    let mut world = pinned();
    assert_eq!(
        attributes(&world),
        [
            r#"BuildIds=["pinned:d:1"]"#,
            r#"TemporalUsedWorkerDeploymentVersions=["d:1"]"#,
            r#"TemporalWorkerDeployment="d""#,
            r#"TemporalWorkerDeploymentVersion="d:1""#,
            r#"TemporalWorkflowVersioningBehavior="Pinned""#,
        ]
    );
    override_with(&mut world, auto());
    assert_eq!(
        attributes(&world),
        [
            r#"TemporalUsedWorkerDeploymentVersions=["d:1"]"#,
            r#"TemporalWorkerDeployment="d""#,
            r#"TemporalWorkerDeploymentVersion="d:1""#,
            r#"TemporalWorkflowVersioningBehavior="AutoUpgrade""#,
        ]
    );
    override_with(&mut world, pin("2"));
    let info = world.state.info().versioning_info.unwrap();
    let set = info.versioning_override.clone().unwrap();
    assert_eq!((set.pinned_version.as_str(), set.behavior()), ("d.2", Behavior::Pinned));
    assert_eq!((info.version.as_str(), info.behavior()), ("d.1", Behavior::Pinned));
}

/// `initial`: what the command wants for the first task of the next run.
fn continue_as_new(world: &mut World, initial: ContinueAsNewVersioningBehavior) -> perdure_engine::Start {
    signal(world);
    let now = effective(&world.state.run);
    let build_id = now.version.as_ref().map(|version| version.build_id.clone()).unwrap_or_default();
    let token = take(world, TakenBy { version: now.version, target: None }).unwrap();
    let attributes = ContinueAsNewWorkflowExecutionCommandAttributes {
        initial_versioning_behavior: initial as i32,
        ..Default::default()
    };
    let command = command(
        CommandType::ContinueAsNewWorkflowExecution,
        C::ContinueAsNewWorkflowExecutionCommandAttributes(attributes),
    );
    let step = complete(world, token, completion(&build_id, now.behavior, vec![command]));
    *step.next_run.unwrap()
}

#[test]
fn what_the_next_run_inherits() {
    use ContinueAsNewVersioningBehavior::{AutoUpgrade, Unspecified, UseRampingVersion};
    let (stays, upgrades) = (Unspecified, AutoUpgrade);
    type Case = (fn() -> World, ContinueAsNewVersioningBehavior, Version, Version);
    let cases: [Case; 6] = [
        (unversioned, stays, None, None),
        (auto_upgrade, stays, None, v("1")),
        (auto_upgrade, UseRampingVersion, None, v("1")),
        (pinned, stays, v("1"), None),
        (pinned, upgrades, None, v("1")),
        (pinned, UseRampingVersion, None, v("1")),
    ];
    for (from, initial, pinned_version, upgraded) in cases {
        let mut world = from();
        let next = continue_as_new(&mut world, initial);
        let source = next.inherited.auto_upgrade.clone();
        assert_eq!(next.inherited.pinned_version, pinned_version);
        assert_eq!(source.clone().and_then(|source| source.source_deployment_version), upgraded);
        assert_eq!(source.map(|source| source.source_deployment_revision_number), upgraded.as_ref().map(|_| 1));
        assert_eq!(next.inherited.reset_points.len(), 1);
        let expected = match (pinned_version, upgraded) {
            (Some(version), _) => Effective { behavior: Behavior::Pinned, version: Some(version) },
            (None, Some(version)) => Effective { behavior: Behavior::AutoUpgrade, version: Some(version) },
            (None, None) => Effective::default(),
        };
        let first = World::with(|start| {
            start.inherited = next.inherited.clone();
            start.continued = next.continued.clone();
        });
        assert_eq!(effective(&first.state.run), expected);
        assert_eq!(perdure_engine::wants_ramping_version(&first.state.run), initial == UseRampingVersion);
        // On a queue that the version does not have.
        let mut other = next.inherited;
        other.keep_for_queue(|_| false);
        assert_eq!((other.pinned_version, other.auto_upgrade), (None, None));
    }
    let mut world = pinned();
    override_with(&mut world, pin("2"));
    let next = continue_as_new(&mut world, upgrades);
    assert_eq!(next.inherited.versioning_override, pin("2"));
    let mut world = pinned();
    override_with(&mut world, auto());
    assert_eq!(continue_as_new(&mut world, stays).inherited.versioning_override, None);
}

fn fail(world: &mut World) -> perdure_engine::Start {
    let now = effective(&world.state.run);
    let build_id = now.version.as_ref().map(|version| version.build_id.clone()).unwrap_or_default();
    let token = take(world, TakenBy { version: now.version, target: None }).unwrap();
    let failure = Some(crate::world::application_failure("error"));
    let attributes = C::FailWorkflowExecutionCommandAttributes(FailWorkflowExecutionCommandAttributes { failure });
    let command = command(CommandType::FailWorkflowExecution, attributes);
    *complete(world, token, completion(&build_id, now.behavior, vec![command])).next_run.unwrap()
}

#[test]
fn what_a_retry_inherits() {
    let policy = || {
        Some(RetryPolicy {
            initial_interval: seconds(1),
            backoff_coefficient: 1.0,
            maximum_attempts: 3,
            ..Default::default()
        })
    };
    let run = |behavior: Behavior, inherits: bool| {
        let mut world = World::with(|start| {
            start.retry_policy = policy();
            start.inherited.pinned_version = v("1").filter(|_| inherits);
        });
        let token = take(&mut world, by("1", "1", 4)).unwrap();
        complete(&mut world, token, completion("1", behavior, vec![]));
        signal(&mut world);
        fail(&mut world)
    };
    assert_eq!(run(Behavior::Pinned, true).inherited.pinned_version, v("1"));
    assert_eq!(run(Behavior::Pinned, false).inherited.pinned_version, None);
    let source = run(Behavior::AutoUpgrade, false).inherited.auto_upgrade.unwrap();
    assert_eq!((source.source_deployment_version, source.source_deployment_revision_number), (v("1"), 4));
}

#[test]
fn what_a_child_inherits() {
    let inherited = |world: &World| perdure_engine::inherited_by_child(&world.state.run);
    assert_eq!(inherited(&unversioned()), Default::default());
    assert_eq!(inherited(&pinned()).pinned_version, v("1"));
    let source = inherited(&auto_upgrade()).auto_upgrade.unwrap();
    assert_eq!(source.source_deployment_version, v("1"));
    for (wanted, expected) in [(pin("2"), pin("2")), (once("2"), once("2")), (auto(), None)] {
        let mut world = pinned();
        override_with(&mut world, wanted);
        assert_eq!(inherited(&world).versioning_override, expected);
    }
}

#[test]
fn a_pinned_workflow_hears_of_another_target() {
    let told = |world: &mut World, target: &str, revision: i64| {
        signal(world);
        let token = take(world, by("1", target, revision)).unwrap();
        let is_told = match &world.history.last().unwrap().attributes {
            Some(A::WorkflowTaskStartedEventAttributes(started)) => started.target_worker_deployment_version_changed,
            other => panic!("{other:?}"),
        };
        complete(world, token, completion("1", Behavior::Pinned, vec![]));
        is_told
    };
    let mut world = pinned();
    assert!(!told(&mut world, "1", 1));
    assert!(told(&mut world, "2", 2));
    // Old news changes nothing.
    assert!(told(&mut world, "1", 1));
    let next = continue_as_new(&mut world, ContinueAsNewVersioningBehavior::Unspecified);
    assert_eq!(next.inherited.declined_upgrade.as_ref().map(|declined| declined.revision_number), Some(2));
    let mut next = World::with(|start| {
        start.inherited = next.inherited.clone();
        start.continued = next.continued.clone();
    });
    next.wake_after(2 * SECOND);
    assert!(!told(&mut next, "2", 2), "it did not want to go there");
    assert!(told(&mut next, "3", 3));
    assert!(!told(&mut next, "1", 4), "it is where it should be");
    override_with(&mut next, pin("1"));
    assert!(!told(&mut next, "3", 5), "an operator decides");
}

#[test]
fn a_history_tells_what_the_run_was() {
    for mut world in [unversioned(), auto_upgrade(), pinned()] {
        override_with(&mut world, pin("7"));
        override_with(&mut world, None);
        let run = &world.state.run;
        let created = perdure_engine::change::Created { run_id: run.run_id.clone(), ..Default::default() };
        let again = replay(created, world.history.clone()).unwrap();
        assert_eq!(effective(&again.run), effective(run));
        assert_eq!(again.run.versioning.used_versions, run.versioning.used_versions);
        assert_eq!(again.run.versioning.reset_points, run.versioning.reset_points);
    }
}

/// What is owed is found again after a crash, held or not: the host looks whether a transition holds it.
#[test]
fn activities_of_a_transition_are_owed() {
    let (world, _) = moving();
    assert!(obligations(&world.state).iter().any(|task| matches!(task, Task::DispatchActivity { .. })));
}
