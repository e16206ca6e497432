//! Versions drain when the last open run that is pinned to them has closed.

use perdure_proto::api::{
    deployment::WorkerDeploymentVersion,
    enums::WorkflowExecutionStatus,
    workflow::{
        VersioningOverride,
        versioning_override::{Override, PinnedOverride},
    },
};
use perdure_storage::{Batch, Lease, RunKey, RunWrite, Store, VisibilityRow};

use super::*;

async fn pinned_run(world: &World, lease: &Lease, build_id: &str, status: WorkflowExecutionStatus) {
    let row = VisibilityRow {
        namespace_id: NAMESPACE,
        run_id: NAMESPACE,
        close_time: (status != WorkflowExecutionStatus::Running).then_some(1),
        status: status.into(),
        search_values: serde_json::json!({
            "TemporalWorkerDeploymentVersion": format!("d:{build_id}"),
            "TemporalWorkflowVersioningBehavior": "Pinned",
        }),
        ..VisibilityRow::default()
    };
    let run = RunWrite { visibility: Some(row), ..RunWrite::new(RunKey { slot: 0, run_id: NAMESPACE }) };
    world.store.commit(&[Batch { lease: lease.clone(), runs: vec![run] }]).await.unwrap();
}

fn pinned_to(build_id: &str) -> VersioningOverride {
    let version = Some(WorkerDeploymentVersion { deployment_name: "d".to_owned(), build_id: build_id.to_owned() });
    let pinned = PinnedOverride { version, ..PinnedOverride::default() };
    VersioningOverride { r#override: Some(Override::Pinned(pinned)), ..VersioningOverride::default() }
}

/// Until the registry has found it out.
async fn becomes(world: &World, build_id: &str, status: &str) {
    while world.status("d", build_id) != status {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_version_drains_with_its_pinned_runs() {
    let quick = SECOND / 100;
    let limits = Limits { drainage_grace: quick, drainage_refresh: quick, ..Limits::default() };
    let world = open(Arc::default(), limits).await;
    let lease = world.store.acquire_leases("test", 1, Duration::from_secs(60)).await.unwrap().remove(0);
    world.poll("d", "1", "q").await.unwrap();
    world.poll("d", "2", "q").await.unwrap();
    pinned_run(&world, &lease, "1", WorkflowExecutionStatus::Running).await;
    world.set_current("d", ask(Some("1"))).await.unwrap();
    world.set_current("d", ask(Some("2"))).await.unwrap();
    let began = world.get("d").versions["1"].drainage.unwrap();
    while world.get("d").versions["1"].drainage.unwrap().last_checked_time == began.last_checked_time {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(world.status("d", "1"), "Draining");
    let refused = "version 'd:1' cannot be deleted since it is draining".to_owned();
    assert_eq!(text(world.delete_version("d", "1").await), (Code::FailedPrecondition, refused));

    pinned_run(&world, &lease, "1", WorkflowExecutionStatus::Completed).await;
    becomes(&world, "1", "Drained").await;
    world.set_current("d", ask(None)).await.unwrap();
    becomes(&world, "2", "Drained").await;

    // A run that is pinned to it from outside wakes it.
    world.deployments.pin(NAMESPACE, Some(&pinned_to("1"))).await.unwrap();
    becomes(&world, "1", "Drained").await;
    world.delete_version("d", "1").await.unwrap();
}

#[tokio::test]
async fn a_restart_goes_on_with_the_draining() {
    let first = world().await;
    first.poll("d", "1", "q").await.unwrap();
    first.set_current("d", ask(Some("1"))).await.unwrap();
    first.set_current("d", ask(None)).await.unwrap();
    assert_eq!(first.status("d", "1"), "Draining", "the first look comes after minutes");
    let second = open(first.store.clone(), Limits { drainage_grace: 0, ..Limits::default() }).await;
    becomes(&second, "1", "Drained").await;
}
