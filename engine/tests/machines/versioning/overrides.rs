//! Overrides of a run's versioning, and the other options that an operator changes.

use perdure_engine::{Effective, Input, OptionsUpdate, Reject, effective, in_transition};
use perdure_proto::api::{
    common::Priority,
    enums::{EventType as T, VersioningBehavior as Behavior},
    history::history_event::Attributes as A,
    workflow::{VersioningOverride, WorkflowExecutionOptions},
    workflowservice::RespondWorkflowTaskCompletedRequest,
};

use super::{
    auto, auto_upgrade, by, complete, completion, is, moving, offers_activity, offers_workflow_task, once,
    override_with, pin, pinned, signal, take, unversioned, v,
};
use crate::world::World;

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
