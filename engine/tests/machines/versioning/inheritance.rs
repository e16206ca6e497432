//! What children and next runs inherit of a run's versioning, and what pinned ones hear of other versions.

use perdure_engine::{Effective, TakenBy, effective};
use perdure_proto::api::{
    command::{
        ContinueAsNewWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes,
        command::Attributes as C,
    },
    common::RetryPolicy,
    enums::{CommandType, ContinueAsNewVersioningBehavior, VersioningBehavior as Behavior},
    history::history_event::Attributes as A,
};

use super::{
    Version, auto, auto_upgrade, by, complete, completion, once, override_with, pin, pinned, signal, take, unversioned,
    v,
};
use crate::world::{SECOND, World, command, seconds};

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
