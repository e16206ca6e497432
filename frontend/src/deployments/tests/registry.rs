//! Writes, limits and refusals.

use super::*;

#[tokio::test]
async fn a_poll_writes_only_what_is_new() {
    let world = world().await;
    world.poll("d", "1", "q").await.unwrap();
    world.poll("d", "1", "q").await.unwrap();
    assert_eq!(world.get("d").revision, 1);
    let activities = QueueKey { kind: QueueKind::Activity, ..queue("q") };
    world.deployments.register(&activities, Some(&version("d", "1"))).await.unwrap();
    assert_eq!(world.get("d").revision, 2);
    let sticky = QueueKey { kind: QueueKind::StickyWorkflow, ..queue("s") };
    world.deployments.register(&sticky, Some(&version("d", "1"))).await.unwrap();
    world.deployments.register(&queue("q"), None).await.unwrap();
    assert_eq!(world.get("d").revision, 2);
    assert_eq!(world.store.worker_deployments().await.unwrap(), [WorkerDeployment::clone(&world.get("d"))]);
}

#[tokio::test]
async fn two_writers_do_not_undo_each_other() {
    let first = world().await;
    let second = open(first.store.clone(), Limits::default()).await;
    first.poll("d", "1", "q").await.unwrap();
    second.poll("d", "2", "q").await.unwrap();
    first.poll("d", "3", "q").await.unwrap();
    first.set_current("d", ask(Some("2"))).await.unwrap();
    second.poll("d", "4", "q").await.unwrap();
    assert_eq!(second.get("d").versions.keys().collect::<Vec<_>>(), ["1", "2", "3", "4"]);
    assert_eq!(second.routes("q"), [Some("d:2".to_owned()), Some("d:2".to_owned())]);
}

#[tokio::test]
async fn limits() {
    let limits = Limits {
        worker_deployments: 2,
        versions_per_deployment: 2,
        task_queues_per_deployment_version: 2,
        ..Limits::default()
    };
    let world = open(Arc::default(), limits).await;
    let refused = |message: &str| (Code::ResourceExhausted, message.to_owned());
    for queue in ["a", "b"] {
        world.poll("d", "1", queue).await.unwrap();
    }
    let expected = "cannot add task queue c since maximum number of task queues (2) have been registered in deployment";
    assert_eq!(text(world.poll("d", "1", "c").await), refused(expected));
    world.poll("e", "1", "a").await.unwrap();
    assert_eq!(text(world.poll("f", "1", "a").await), refused("reached maximum deployments in namespace (2)"));

    // The oldest that nobody needs makes room.
    world.poll("d", "2", "a").await.unwrap();
    world.poll("d", "3", "a").await.unwrap();
    assert_eq!(world.get("d").versions.keys().collect::<Vec<_>>(), ["2", "3"]);
    world.set_current("d", ask(Some("2"))).await.unwrap();
    world.set_ramp("d", ask(Some("3")), Some(1.0)).await.unwrap();
    let expected = "cannot add version d.4 since maximum number of versions (2) have been registered in the deployment";
    assert_eq!(text(world.poll("d", "4", "a").await), refused(expected));
    assert_eq!(world.get("d").versions.keys().collect::<Vec<_>>(), ["2", "3"]);
}

#[tokio::test]
async fn versions_of_a_queue_are_limited_over_all_deployments() {
    let world = open(Arc::default(), Limits { versions_per_task_queue: 1, ..Limits::default() }).await;
    for deployment in ["a", "b"] {
        world.poll(deployment, "1", "q").await.unwrap();
    }
    let expected = "exceeding maximum number of Deployment Versions in this task queue (limit = 1)".to_owned();
    assert_eq!(text(world.poll("c", "1", "q").await), (Code::ResourceExhausted, expected));
    world.poll("c", "1", "other").await.unwrap();
}

#[tokio::test]
async fn refusals_change_nothing() {
    let world = world().await;
    world.poll("d", "1", "q").await.unwrap();
    world.poll("d", "2", "q").await.unwrap();
    let token = world.set_current("d", ask(Some("1"))).await.unwrap().conflict_token;
    world.set_ramp("d", ask(Some("2")), Some(5.0)).await.unwrap();
    let before = world.get("d");
    let stale = Routing { conflict_token: token, ..ask(Some("2")) };
    let refusals = [
        (world.set_current("d", stale).await, "conflict token mismatch"),
        (world.set_current("d", ask(Some("9"))).await, "build ID '9' not found in Worker Deployment 'd'"),
        (world.set_ramp("d", ask(Some("9")), Some(1.0)).await, "build ID '9' not found in Worker Deployment 'd'"),
        (world.set_ramp("d", ask(Some("1")), Some(1.0)).await, "requested ramping version d.1 is already current"),
        (
            world.set_current("x", ask(Some("1"))).await,
            "no Worker Deployment found with name 'x'; does your Worker Deployment have pollers?",
        ),
    ];
    for (result, expected) in refusals {
        assert_eq!(text(result).1, expected);
    }
    for build_id in ["1", "2"] {
        let expected = format!("version 'd:{build_id}' cannot be deleted since it is current or ramping");
        assert_eq!(text(world.delete_version("d", build_id).await), (Code::FailedPrecondition, expected));
    }
    assert_eq!(world.get("d"), before);
}

#[tokio::test]
async fn a_change_that_changes_nothing_writes_nothing() {
    let world = world().await;
    world.poll("d", "1", "q").await.unwrap();
    let first = world.set_current("d", ask(Some("1"))).await.unwrap();
    assert_eq!(first.version, "__unversioned__");
    let again = world.set_current("d", ask(Some("1"))).await.unwrap();
    assert_eq!((again.version.as_str(), again.conflict_token), ("d.1", first.conflict_token));
    assert_eq!(world.get("d").revision, 2);
    // Another client is another last modifier, of the same routing.
    world.set_current("d", Routing { identity: "you".to_owned(), ..ask(Some("1")) }).await.unwrap();
    let deployment = world.get("d");
    assert_eq!((deployment.revision, deployment.last_modifier_identity.as_str()), (3, "you"));
    assert_eq!(deployment.routing.as_ref().unwrap().revision_number, 1);
}

#[tokio::test]
async fn only_the_manager_changes_a_managed_deployment() {
    let world = world().await;
    world.poll("d", "1", "q").await.unwrap();
    let manage = async |manager: &'static str| {
        let make =
            move |found: Found<'_>, name: &str| change::set_manager(&found, name, manager, "boss", &Bytes::new());
        world.deployments.change(NAMESPACE, "d", make).await.unwrap().1
    };
    assert_eq!(manage("boss").await, "");
    let (code, message) = text(world.set_current("d", ask(Some("1"))).await);
    assert_eq!(code, Code::FailedPrecondition);
    assert!(message.starts_with("ManagerIdentity 'boss' is set and does not match user identity 'me'"), "{message}");
    assert_eq!(text(world.delete_version("d", "1").await).0, Code::FailedPrecondition);
    world.set_current("d", Routing { identity: "boss".to_owned(), ..ask(Some("1")) }).await.unwrap();
    assert_eq!(manage("").await, "boss");
    world.set_current("d", ask(None)).await.unwrap();
}

#[tokio::test]
async fn versions_need_no_pollers_if_so_asked() {
    let world = world().await;
    let ask = |build_id| Routing { allow_no_pollers: true, ..ask(build_id) };
    world.set_current("d", ask(Some("1"))).await.unwrap();
    world.set_ramp("d", ask(Some("2")), Some(0.0)).await.unwrap();
    assert_eq!((world.status("d", "1"), world.status("d", "2")), ("Current".to_owned(), "Ramping".to_owned()));
    assert_eq!(world.routes("q"), [None, None]);
    world.poll("d", "1", "q").await.unwrap();
    assert_eq!(world.routes("q"), [Some("d:1".to_owned()), Some("d:1".to_owned())]);
}
