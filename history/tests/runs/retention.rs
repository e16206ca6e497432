//! What is no longer kept.

use perdure_engine::{Input, time::duration};
use perdure_history::Error;
use perdure_proto::{api::enums::NamespaceState, perdure::persistence::v1::Namespace};
use perdure_storage::Store;

use crate::world::{NAMESPACE, World, start};

const HOUR: i64 = 3600 * 1_000_000_000;

async fn keeps(world: &World, retention: i64, state: NamespaceState) {
    let mut namespace = Namespace { id: NAMESPACE.to_string(), name: "default".into(), ..Default::default() };
    namespace.retention = Some(duration(retention));
    namespace.set_state(state);
    if world.store().update_namespace(&namespace).await.is_err() {
        world.store().create_namespace(&namespace).await.expect("a namespace");
    }
}

async fn is_there(world: &World, workflow_id: &str) -> bool {
    match world.history.view(world.target(workflow_id), |_| ()).await {
        Ok(()) => true,
        Err(Error::WorkflowNotFound) => false,
        Err(error) => panic!("{error}"),
    }
}

async fn close(world: &World, workflow_id: &str) {
    let terminate = Input::Terminate { reason: "r".into(), details: None, identity: "i".into(), links: Vec::new() };
    world.history.input(world.target(workflow_id), terminate).await.expect("terminate");
}

#[tokio::test]
async fn closed_runs_go_when_the_retention_of_now_has_passed() {
    let world = World::open().await;
    keeps(&world, HOUR, NamespaceState::Registered).await;
    for workflow_id in ["open", "closed", "also closed"] {
        world.history.start(start(workflow_id)).await.expect("start");
    }
    close(&world, "closed").await;
    close(&world, "also closed").await;
    assert_eq!(world.history.sweep().await.expect("sweep"), 0, "never early");
    // A shorter retention counts for runs that have closed already. Not all of them are in memory.
    keeps(&world, 1, NamespaceState::Registered).await;
    let world = world.reopen().await;
    assert!(is_there(&world, "closed").await);
    assert_eq!(world.history.sweep().await.expect("sweep"), 2);
    assert_eq!(world.history.sweep().await.expect("sweep"), 0);
    for (workflow_id, kept) in [("open", true), ("closed", false), ("also closed", false)] {
        assert_eq!(is_there(&world, workflow_id).await, kept, "{workflow_id}");
    }
}

#[tokio::test]
async fn all_runs_of_a_deleted_namespace_go_and_then_itself() {
    let world = World::open().await;
    keeps(&world, HOUR, NamespaceState::Registered).await;
    world.history.start(start("open")).await.expect("start");
    world.history.start(start("closed")).await.expect("start");
    close(&world, "closed").await;
    keeps(&world, HOUR, NamespaceState::Deleted).await;
    assert_eq!(world.history.sweep().await.expect("sweep"), 2);
    assert!(!is_there(&world, "open").await && !is_there(&world, "closed").await);
    assert_eq!(world.store().namespaces().await.expect("namespaces").len(), 1, "not before nothing is left");
    assert_eq!(world.history.sweep().await.expect("sweep"), 0);
    assert!(world.store().namespaces().await.expect("namespaces").is_empty());
}
