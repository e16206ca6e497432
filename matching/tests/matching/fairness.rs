//! Priorities, and turns of fairness keys.

use std::{collections::HashMap, sync::Arc};

use perdure_matching::{QueueConfig, TaskPriority, TaskRef};

use crate::support::{World, task};

fn keyed(id: &str, key: &str, weight: f32, level: i32) -> TaskRef {
    let fairness_key = Some(key).filter(|key| !key.is_empty()).map(Arc::from);
    TaskRef { priority: TaskPriority { level, fairness_key, fairness_weight: weight }, ..task(id, 0) }
}

impl World {
    fn offer_many(&self, key: &str, weight: f32, level: i32, count: usize) {
        for n in 0..count {
            self.matching.offer(&self.key, keyed(&format!("{key} {n}"), key, weight, level));
        }
    }

    async fn take(&self, count: usize) -> Vec<String> {
        let mut taken = Vec::new();
        for _ in 0..count {
            taken.push(self.poll("p").await.await.unwrap());
        }
        taken
    }
}

fn count(ids: &[String], key: &str) -> usize {
    ids.iter().filter(|id| id.rsplit_once(' ').is_some_and(|(found, _)| found == key)).count()
}

#[tokio::test(start_paused = true)]
async fn keys_take_turns_by_weight_whatever_came_first() {
    for (weights, turns, expected) in
        [([1.0, 1.0], 40, [20, 20]), ([3.0, 1.0], 40, [30, 10]), ([0.0, 1.0], 40, [20, 20]), ([1.0, 9.0], 40, [4, 36])]
    {
        let world = World::new();
        world.offer_many("first", weights[0], 0, 60);
        world.offer_many("second", weights[1], 0, 60);
        let taken = world.take(turns).await;
        let found = [count(&taken, "first"), count(&taken, "second")];
        let near = found.iter().zip(expected).all(|(found, expected)| found.abs_diff(expected) <= 1);
        assert!(near, "{weights:?}: {found:?}, not {expected:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_keeps_its_order_and_a_late_one_is_served_soon() {
    let world = World::new();
    world.offer_many("", 1.0, 0, 20);
    assert_eq!(world.take(5).await, [" 0", " 1", " 2", " 3", " 4"]);
    world.offer_many("late", 1.0, 0, 3);
    let taken = world.take(6).await;
    assert_eq!(count(&taken, "late"), 3, "{taken:?}");
    let order = |key: &str| taken.iter().filter(|id| id.starts_with(key)).cloned().collect::<Vec<_>>();
    assert_eq!(order("late"), ["late 0", "late 1", "late 2"]);
    assert_eq!(order(" "), [" 5", " 6", " 7"]);
}

#[tokio::test(start_paused = true)]
async fn priority_goes_before_fairness() {
    let world = World::new();
    world.offer_many("heavy", 1000.0, 5, 5);
    world.offer_many("light", 0.001, 1, 5);
    world.offer_many("usual", 1.0, 0, 5);
    let taken = world.take(15).await;
    assert_eq!([count(&taken[..5], "light"), count(&taken[5..10], "usual"), count(&taken[10..], "heavy")], [5, 5, 5]);
}

#[tokio::test(start_paused = true)]
async fn operators_weights_go_before_the_tasks_own() {
    let world = World::new();
    let fairness_weights = HashMap::from([("a".into(), 4.0), ("b".into(), 1.0)]);
    world.matching.configure(world.key.clone(), QueueConfig { fairness_weights, ..Default::default() });
    world.offer_many("a", 1.0, 0, 40);
    world.offer_many("b", 100.0, 0, 40);
    let taken = world.take(25).await;
    assert!(count(&taken, "a").abs_diff(20) <= 1, "{taken:?}");
}

#[tokio::test(start_paused = true)]
async fn many_keys_get_the_same_however_much_each_brings() {
    let world = World::new();
    for key in 0..20 {
        world.offer_many(&format!("key{key}"), 1.0, 0, 5 + key * 3);
    }
    let taken = world.take(100).await;
    for key in 0..20 {
        assert_eq!(count(&taken, &format!("key{key}")), 5, "key {key}");
    }
}
