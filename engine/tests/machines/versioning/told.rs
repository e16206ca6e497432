//! What describe, lists, replay and obligations make of a run's version.

use perdure_engine::{TakenBy, Task, effective, obligations, replay};
use perdure_proto::api::{
    common::WorkerVersionStamp, enums::VersioningBehavior as Behavior,
    workflowservice::RespondWorkflowTaskCompletedRequest,
};

use super::{auto, auto_upgrade, complete, completion, moving, override_with, pin, pinned, take, unversioned};
use crate::world::World;

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
