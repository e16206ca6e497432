//! Lanes of worker versions: who gets what, and what a change of the routing does to what waits.

use std::time::Duration;

use perdure_matching::{
    DeploymentVersion, Directive, Poll, PollerInfo, QueueKind, QueueRouting, Ramp, TaskPriority, TaskRef, workflow_hash,
};
use tokio::time::Instant;

use crate::support::{World, id_of, poller, query, settle, started, task};

const SECOND: Duration = Duration::from_secs(1);

fn version(build_id: &str) -> DeploymentVersion {
    DeploymentVersion::new("d", build_id)
}

fn worker(build_id: Option<&str>) -> PollerInfo {
    PollerInfo { deployment: build_id.map(version), ..poller(build_id.unwrap_or("unversioned")) }
}

fn current(build_id: Option<&str>) -> Option<QueueRouting> {
    Some(QueueRouting { current: build_id.map(version), ..Default::default() })
}

fn pinned(id: &str, build_id: &str) -> TaskRef {
    TaskRef { directive: Directive::Pinned(version(build_id)), ..task(id, 0) }
}

impl World {
    fn route(&self, routing: Option<QueueRouting>) {
        self.matching.set_routing(self.key.clone(), routing);
    }

    /// What a worker of this version gets at once.
    async fn take_as(&self, build_id: Option<&str>) -> String {
        self.poll_as(worker(build_id), SECOND).await.await.unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn tasks_go_to_their_versions_workers() {
    let world = World::new();
    world.matching.offer(&world.key, pinned("pinned to 1", "1"));
    world.offer("auto");
    assert_eq!(world.take_as(Some("2")).await, "empty", "it is nobody's");
    assert_eq!(world.take_as(None).await, "auto", "without a routing it is for unversioned workers");
    assert_eq!(world.take_as(None).await, "empty");
    assert_eq!(world.take_as(Some("1")).await, "pinned to 1");
    world.route(current(Some("2")));
    world.offer("auto");
    assert_eq!(world.take_as(Some("1")).await, "empty");
    assert_eq!(world.take_as(Some("2")).await, "auto");
}

#[tokio::test(start_paused = true)]
async fn reservations_keep_to_lanes() {
    let world = World::new();
    let _polls = (world.poll_as(worker(None), 60 * SECOND).await, world.poll_as(worker(Some("1")), 60 * SECOND).await);
    let reserve = |directive: Directive| {
        let reservation = world.matching.reserve(&world.key, &directive, &TaskPriority::default());
        reservation.map(|reservation| reservation.poller().identity.clone())
    };
    let auto = Directive::by_routing("w");
    assert_eq!(reserve(auto.clone()).as_deref(), Some("unversioned"));
    assert_eq!(reserve(Directive::Pinned(version("1"))).as_deref(), Some("1"));
    assert_eq!(reserve(Directive::Pinned(version("2"))), None);
    world.route(current(Some("1")));
    assert_eq!(reserve(auto.clone()).as_deref(), Some("1"));
    world.matching.offer(&world.key, pinned("waits", "3"));
    assert_eq!(reserve(auto).as_deref(), Some("1"), "a backlog of another lane is not in the way");
}

#[tokio::test(start_paused = true)]
async fn a_new_routing_moves_what_waits_for_it_and_keeps_order() {
    let world = World::new();
    world.route(current(Some("1")));
    for id in ["a", "b", "c"] {
        world.offer(id);
    }
    world.matching.offer(&world.key, pinned("pinned", "1"));
    world.route(current(Some("2")));
    for id in ["a", "b", "c"] {
        assert_eq!(world.take_as(Some("2")).await, id);
    }
    assert_eq!(world.take_as(Some("1")).await, "pinned");
    world.offer("d");
    world.route(None);
    assert_eq!(world.take_as(None).await, "d");
}

#[tokio::test(start_paused = true)]
async fn a_new_routing_wakes_the_pollers_that_it_favours() {
    let world = World::new();
    world.route(current(Some("1")));
    let waits = world.poll_as(worker(Some("2")), 60 * SECOND).await;
    world.offer("w");
    settle().await;
    assert!(!waits.is_finished());
    world.route(current(Some("2")));
    assert_eq!(waits.await.unwrap(), "w");
}

#[tokio::test(start_paused = true)]
async fn a_ramp_takes_the_workflows_below_its_percentage() {
    let world = World::new();
    let ramping = Some(Ramp { to: Some(version("2")), percentage: 40.0 });
    world.route(Some(QueueRouting { current: Some(version("1")), ramping, ..Default::default() }));
    let ids: Vec<_> = (0..50).map(|n| format!("workflow {n}")).collect();
    let is_ramped = |id: &str| f64::from(workflow_hash(id)) < 0.4 * 2_f64.powi(32);
    for id in &ids {
        world.offer(id);
    }
    let (expected, others): (Vec<_>, Vec<_>) = ids.into_iter().partition(|id| is_ramped(id));
    assert!(!expected.is_empty() && !others.is_empty());
    for id in expected {
        assert_eq!(world.take_as(Some("2")).await, id);
    }
    for id in others {
        assert_eq!(world.take_as(Some("1")).await, id);
    }
}

#[tokio::test(start_paused = true)]
async fn queries_keep_to_lanes_and_move_with_the_routing() {
    let world = World::new();
    world.route(current(Some("1")));
    let (matching, key) = (world.matching.clone(), world.key.clone());
    let asked = tokio::spawn(async move { matching.query(key, query("q", false), Instant::now() + 60 * SECOND).await });
    settle().await;
    assert_eq!(world.take_as(None).await, "empty");
    world.route(current(None));
    assert_eq!(world.take_as(None).await, "query q");
    asked.abort();
}

#[tokio::test(start_paused = true)]
async fn a_query_says_whether_a_worker_of_its_version_was_seen() {
    let world = World::new();
    world.route(current(Some("1")));
    assert_eq!(world.take_as(None).await, "empty");
    let ask = || world.matching.query(world.key.clone(), query("q", false), Instant::now() + SECOND);
    assert_eq!(ask().await, Err(perdure_matching::QueryDispatchError::NoPoller));
    assert_eq!(world.take_as(Some("1")).await, "empty");
    assert_eq!(ask().await, Err(perdure_matching::QueryDispatchError::Timeout));
}

#[tokio::test(start_paused = true)]
async fn a_started_task_that_lost_its_poller_stays_with_the_version() {
    let world = World::new();
    world.route(current(Some("1")));
    let leaves = world.poll_as(worker(Some("1")), 60 * SECOND).await;
    let reservation = world.reserve().unwrap();
    leaves.abort();
    settle().await;
    reservation.deliver(started("w"), 60 * SECOND);
    world.route(current(Some("2")));
    assert_eq!(world.take_as(Some("2")).await, "empty");
    assert_eq!(world.take_as(Some("1")).await, "w");
}

#[tokio::test(start_paused = true)]
async fn a_sticky_queue_has_one_lane() {
    let world = World::of_kind(QueueKind::StickyWorkflow);
    world.matching.offer(&world.key, pinned("pinned", "1"));
    world.offer("auto");
    assert_eq!(world.take_as(Some("2")).await, "pinned");
    assert_eq!(world.take_as(None).await, "auto");
}

#[tokio::test(start_paused = true)]
async fn lanes_take_turns_under_a_rate_limit() {
    let world = World::of_kind(QueueKind::Activity);
    let limited = |build_id| PollerInfo { max_tasks_per_second: Some(1.0), ..worker(build_id) };
    for n in 0..6 {
        world.matching.offer(&world.key, pinned(&format!("one {n}"), "1"));
        world.matching.offer(&world.key, pinned(&format!("two {n}"), "2"));
    }
    let mut polls = Vec::new();
    for _ in 0..6 {
        polls.push(world.poll_as(limited(Some("1")), 6 * SECOND).await);
        polls.push(world.poll_as(limited(Some("2")), 6 * SECOND).await);
    }
    let mut got = Vec::new();
    for poll in polls {
        got.push(poll.await.unwrap());
    }
    for lane in ["one", "two"] {
        let count = got.iter().filter(|id| id.starts_with(lane)).count();
        assert!(count >= 3, "{lane} got {count}: {got:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_is_described_by_itself() {
    let world = World::new();
    world.matching.offer(&world.key, pinned("a", "1"));
    world.offer("b");
    world.offer("c");
    let waiting = |version: Option<&DeploymentVersion>| {
        world.matching.describe_version(&world.key, version).total().backlog_count
    };
    assert_eq!((waiting(None), waiting(Some(&version("1"))), waiting(Some(&version("2")))), (2, 1, 0));
    assert_eq!(world.backlog(), 3);
    assert_eq!(world.matching.active_versions(&world.key), [None, Some(version("1"))]);
    let poll = world.matching.poll(world.key.clone(), worker(Some("1")), Instant::now() + SECOND).await;
    let Poll::Task(task) = poll else { panic!("{poll:?}") };
    assert_eq!(id_of(&task), "a");
    assert_eq!(world.matching.describe_version(&world.key, Some(&version("1"))).pollers.len(), 1);
    assert_eq!(world.matching.describe_version(&world.key, None).pollers.len(), 0);
}
