//! What matching is told.

use super::*;

fn to(version: &str) -> Option<String> {
    Some(version.to_owned())
}

#[tokio::test]
async fn a_queue_follows_the_routing_of_its_deployment() {
    let world = world().await;
    assert_eq!(world.matching.routing(&queue("q")), None);
    world.poll("d", "1", "q").await.unwrap();
    world.poll("d", "2", "q").await.unwrap();
    assert_eq!(world.routes("q"), [None, None]);
    let routing = world.matching.routing(&queue("q")).unwrap();
    assert_eq!(routing.versions, [version("d", "1"), version("d", "2")].into());

    world.set_current("d", ask(Some("1"))).await.unwrap();
    assert_eq!(world.routes("q"), [to("d:1"), to("d:1")]);
    world.set_ramp("d", ask(Some("2")), Some(50.0)).await.unwrap();
    assert_eq!(world.routes("q"), [to("d:2"), to("d:1")]);
    assert_eq!(world.matching.routing(&queue("q")).unwrap().revision, 2);
    world.set_ramp("d", ask(None), Some(50.0)).await.unwrap();
    assert_eq!(world.routes("q"), [None, to("d:1")]);
    world.set_ramp("d", ask(None), None).await.unwrap();
    assert_eq!(world.routes("q"), [to("d:1"), to("d:1")]);
    world.set_current("d", ask(Some("2"))).await.unwrap();
    assert_eq!(world.routes("q"), [to("d:2"), to("d:2")]);
    world.set_current("d", ask(None)).await.unwrap();
    assert_eq!(world.routes("q"), [None, None]);
}

#[tokio::test]
async fn only_queues_of_the_version_are_routed_to_it() {
    let world = world().await;
    world.poll("d", "1", "a").await.unwrap();
    world.poll("d", "1", "b").await.unwrap();
    world.poll("d", "2", "b").await.unwrap();
    world.set_current("d", ask(Some("1"))).await.unwrap();
    world.set_current("d", ask(Some("2"))).await.unwrap();
    assert_eq!(world.routes("a"), [None, None], "version 2 does not poll it");
    assert_eq!(world.routes("b"), [to("d:2"), to("d:2")]);
    world.set_ramp("d", ask(Some("1")), Some(100.0)).await.unwrap();
    assert_eq!(world.routes("a"), [to("d:1"), to("d:1")]);
    world.poll("d", "2", "a").await.unwrap();
    world.set_ramp("d", ask(None), None).await.unwrap();
    assert_eq!(world.routes("a"), [to("d:2"), to("d:2")], "it polls the queue now");
}

#[tokio::test]
async fn a_queue_that_moves_goes_with_the_later_routing() {
    let world = world().await;
    for deployment in ["new", "old"] {
        world.poll(deployment, "1", "q").await.unwrap();
    }
    world.set_current("old", ask(Some("1"))).await.unwrap();
    assert_eq!(world.routes("q"), [to("old:1"), to("old:1")]);
    world.set_current("new", ask(Some("1"))).await.unwrap();
    assert_eq!(world.routes("q"), [to("new:1"), to("new:1")]);
    world.set_current("new", ask(None)).await.unwrap();
    assert_eq!(world.routes("q"), [to("old:1"), to("old:1")], "a version goes before none");
}

#[tokio::test]
async fn a_restart_routes_as_before() {
    let first = world().await;
    first.poll("d", "1", "q").await.unwrap();
    first.set_current("d", ask(Some("1"))).await.unwrap();
    let second = open(first.store.clone(), Limits::default()).await;
    assert_eq!(second.routes("q"), [to("d:1"), to("d:1")]);
    assert_eq!(second.get("d"), first.get("d"));
}

#[tokio::test]
async fn a_deleted_version_has_no_queues() {
    let world = world().await;
    world.poll("d", "1", "q").await.unwrap();
    world.delete_version("d", "1").await.unwrap();
    assert_eq!(world.matching.routing(&queue("q")), None);
    assert!(world.get("d").versions.is_empty());
}
