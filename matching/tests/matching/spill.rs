//! Backlogs beyond memory: none lost, none doubled, in order, and memory stays bounded.

use std::{collections::BTreeSet, sync::Arc};

use perdure_matching::{DeploymentVersion, MatchingLimits, Poll, QueueKind, QueueRouting, TaskPriority, TaskRef};
use perdure_storage::{MemoryStore, RunKey};
use tokio::time::Instant;

use crate::support::{World, id_of, poller, settle, task};

const MEMORY: usize = 64;

fn small() -> World {
    let limits = MatchingLimits { queue_backlog: MEMORY, total_backlog: 4 * MEMORY, ..Default::default() };
    let world = World::with(QueueKind::Activity, limits);
    world.matching.set_store(Arc::new(MemoryStore::new()));
    world
}

impl World {
    async fn take_one(&self) -> Option<String> {
        let deadline = Instant::now() + std::time::Duration::from_secs(5);
        match self.matching.poll(self.key.clone(), poller("p"), deadline).await {
            Poll::Task(task) => Some(id_of(&task)),
            _ => None,
        }
    }

    async fn take_all(&self) -> Vec<String> {
        let mut taken = Vec::new();
        while let Some(id) = self.take_one().await {
            taken.push(id);
        }
        taken
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_backlog_is_bounded_in_memory_and_comes_back_in_order() {
    let world = small();
    let ids: Vec<_> = (0..2_000).map(|n| format!("{n:04}")).collect();
    for (n, id) in ids.iter().enumerate() {
        world.offer(id);
        if n % 50 == 0 {
            settle().await;
            assert!(world.matching.backlog_in_memory() <= 2 * MEMORY, "{}", world.matching.backlog_in_memory());
        }
    }
    assert_eq!(world.backlog(), ids.len());
    assert_eq!(world.take_all().await, ids);
    assert_eq!((world.backlog(), world.matching.backlog_in_memory()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_urgent_or_new_goes_before_what_was_spilled() {
    let world = small();
    for n in 0..500 {
        world.offer(&format!("old {n:03}"));
    }
    settle().await;
    let keyed = TaskPriority { fairness_key: Some("key".into()), ..Default::default() };
    world.matching.offer(&world.key, TaskRef { priority: keyed, ..task("fair", 0) });
    world.matching.offer(&world.key, task("urgent", 1));
    let taken = world.take_all().await;
    assert_eq!(taken.len(), 502);
    assert_eq!(taken[0], "urgent");
    assert!(taken[1..4].contains(&"fair".to_owned()), "{:?}", &taken[..5]);
}

#[tokio::test(start_paused = true)]
async fn tasks_that_come_and_go_while_others_are_spilled_are_neither_lost_nor_doubled() {
    let world = small();
    let (mut offered, mut taken) = (BTreeSet::new(), Vec::new());
    for round in 0..40 {
        for n in 0..60 {
            let id = format!("{round} {n}");
            let level = 1 + (round * 7 + n) % 5;
            let fairness_key = (n % 3 > 0).then(|| format!("key {}", n % 7).into());
            let priority = TaskPriority { level, fairness_key, fairness_weight: (n % 4) as f32 };
            world.matching.offer(&world.key, TaskRef { priority, ..task(&id, 0) });
            offered.insert(id);
        }
        for _ in 0..(round % 5) * 15 {
            taken.extend(world.take_one().await);
        }
    }
    assert_eq!(world.backlog() + taken.len(), offered.len());
    taken.extend(world.take_all().await);
    assert_eq!(taken.len(), offered.len(), "none is doubled");
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), offered, "none is lost");
    assert_eq!(world.matching.backlog_in_memory(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_new_routing_finds_what_was_spilled() {
    let world = small();
    let version = DeploymentVersion::new("d", "1");
    for n in 0..1_000 {
        world.offer(&n.to_string());
    }
    settle().await;
    let current = Some(version.clone());
    world.matching.set_routing(world.key.clone(), Some(QueueRouting { current, ..Default::default() }));
    settle().await;
    assert_eq!(world.take_one().await, None, "unversioned workers have nothing to do");
    let versioned = perdure_matching::PollerInfo { deployment: Some(version), ..poller("v") };
    let mut taken = BTreeSet::new();
    loop {
        let deadline = Instant::now() + std::time::Duration::from_secs(5);
        let Poll::Task(task) = world.matching.poll(world.key.clone(), versioned.clone(), deadline).await else { break };
        assert!(taken.insert(id_of(&task)), "{} is doubled", id_of(&task));
    }
    assert_eq!(taken.len(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_reloads_does_not_double_what_waits() {
    let world = small();
    let of_slot = |n: usize, slot: u16| {
        let run = RunKey { slot, run_id: uuid::Uuid::from_u128(n as u128) };
        TaskRef { run, ..task(&format!("{slot} {n:03}"), 0) }
    };
    let offer = |slot: u16| (0..400).for_each(|n| world.matching.offer(&world.key, of_slot(n, slot)));
    offer(1);
    offer(9);
    settle().await;
    world.matching.forget(&(0..5));
    offer(1);
    settle().await;
    let taken = world.take_all().await;
    let expected: BTreeSet<_> =
        [1, 9].iter().flat_map(|slot| (0..400).map(move |n| format!("{slot} {n:03}"))).collect();
    assert_eq!(taken.len(), 800, "none is doubled");
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), expected);
    assert_eq!((world.backlog(), world.matching.backlog_in_memory()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn many_queues_share_the_memory_of_the_process() {
    let world = small();
    let queues: Vec<_> = (0..40)
        .map(|n| perdure_matching::QueueKey { name: format!("queue {n}").into(), ..world.key.clone() })
        .collect();
    for n in 0..100 {
        for queue in &queues {
            world.matching.offer(queue, task(&n.to_string(), 0));
        }
        settle().await;
    }
    let used = world.matching.backlog_in_memory();
    assert!(used <= 6 * MEMORY, "{used} in memory");
    let waiting: usize = queues.iter().map(|queue| world.matching.describe(queue).total().backlog_count).sum();
    assert_eq!(waiting, 4_000);
}
