//! Rate limits over virtual time: of queues, by workers and by operators, and of fairness keys.

use std::{sync::Arc, time::Duration};

use perdure_matching::{Poll, PollerInfo, QueueConfig, QueueKind, RateSource, TaskPriority, TaskRef};
use tokio::time::{Instant, sleep};

use crate::support::{World, id_of, poller, settle, started, task};

const SECOND: Duration = Duration::from_secs(1);

impl World {
    fn configure(&self, config: QueueConfig) {
        self.matching.configure(self.key.clone(), config);
    }

    fn at_rate(&self, rate: Option<f64>) {
        self.configure(QueueConfig { rate, ..Default::default() });
    }

    fn at_key_rate(&self, fairness_key_rate: Option<f64>) {
        self.configure(QueueConfig { fairness_key_rate, ..Default::default() });
    }

    /// The ids that a hungry worker gets in this time.
    async fn taken_in(&self, time: Duration) -> Vec<String> {
        let end = Instant::now() + time;
        let mut taken = Vec::new();
        while let Poll::Task(task) = self.matching.poll(self.key.clone(), poller("p"), end).await {
            taken.push(id_of(&task));
        }
        taken
    }
}

fn keyed(id: &str, key: &str, weight: f32) -> TaskRef {
    let priority = TaskPriority { level: 0, fairness_key: Some(Arc::from(key)), fairness_weight: weight };
    TaskRef { priority, ..task(id, 0) }
}

#[tokio::test(start_paused = true)]
async fn an_operators_rate_holds_for_backlogs() {
    for (rate, seconds, expected) in [(5.0, 10, 55), (0.5, 10, 6), (20.0, 4, 100), (0.0, 30, 0)] {
        let world = World::of_kind(QueueKind::Activity);
        world.at_rate(Some(rate));
        for n in 0..200 {
            world.offer(&n.to_string());
        }
        let taken = world.taken_in(seconds * SECOND).await.len();
        assert!(taken.abs_diff(expected) <= 1, "{taken} at {rate}/s in {seconds} s, not {expected}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_operators_rate_holds_for_reservations() {
    let world = World::of_kind(QueueKind::Activity);
    world.at_rate(Some(2.0));
    let mut polls = Vec::new();
    for _ in 0..100 {
        polls.push(world.poll_as(poller("p"), 600 * SECOND).await);
    }
    let mut given = 0;
    for _ in 0..100 {
        if let Some(reservation) = world.reserve() {
            reservation.deliver(started("w"), SECOND);
            given += 1;
        }
        sleep(SECOND / 10).await;
    }
    assert!((21..=23).contains(&given), "{given} at 2/s in 10 s with a burst of 2");
}

#[tokio::test(start_paused = true)]
async fn an_operator_overrules_workers_until_it_lets_go() {
    let world = World::of_kind(QueueKind::Activity);
    let effective = || {
        let found = world.matching.describe(&world.key);
        (found.rate, found.rate_source)
    };
    let _poll = world.poll_as(PollerInfo { max_tasks_per_second: Some(7.0), ..poller("p") }, 60 * SECOND).await;
    assert_eq!(effective(), (Some(7.0), RateSource::Worker));
    world.at_rate(Some(0.0));
    assert_eq!(effective(), (Some(0.0), RateSource::Config));
    assert!(world.reserve().is_none());
    world.at_rate(None);
    assert_eq!(effective(), (Some(7.0), RateSource::Worker));
    sleep(SECOND).await;
    assert!(world.reserve().is_some());
    let _other = world.poll_as(poller("q"), 60 * SECOND).await;
    assert_eq!(effective(), (None, RateSource::System));
}

/// Worker's rate, operator's rate, the server's; what holds.
#[tokio::test(start_paused = true)]
async fn nobody_gets_more_than_the_server_allows() {
    let cases = [
        (None, None, None, (None, RateSource::System)),
        (None, None, Some(3.0), (Some(3.0), RateSource::System)),
        (Some(7.0), None, Some(3.0), (Some(3.0), RateSource::System)),
        (Some(2.0), None, Some(3.0), (Some(2.0), RateSource::Worker)),
        (None, Some(7.0), Some(3.0), (Some(3.0), RateSource::System)),
        (Some(1.0), Some(2.0), Some(3.0), (Some(2.0), RateSource::Config)),
        (None, None, Some(0.0), (Some(0.0), RateSource::System)),
    ];
    let world = World::of_kind(QueueKind::Activity);
    for (max_tasks_per_second, operator, system_rate, expected) in cases {
        world.at_rate(operator);
        let _poll = world.poll_as(PollerInfo { max_tasks_per_second, system_rate, ..poller("p") }, 60 * SECOND).await;
        let found = world.matching.describe(&world.key);
        assert_eq!((found.rate, found.rate_source), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_queue_goes_on_when_its_rate_is_lifted() {
    let world = World::of_kind(QueueKind::Activity);
    world.at_rate(Some(0.0));
    world.offer("w");
    let poll = world.poll("p").await;
    sleep(20 * SECOND).await;
    assert!(!poll.is_finished());
    world.at_rate(None);
    settle().await;
    assert!(poll.is_finished());
    assert_eq!(poll.await.unwrap(), "w");
}

#[tokio::test(start_paused = true)]
async fn a_rate_outlives_its_queue() {
    let world = World::of_kind(QueueKind::Activity);
    world.at_rate(Some(0.0));
    assert_eq!(world.matching.describe(&world.key).rate, Some(0.0));
    world.offer("w");
    assert!(world.taken_in(5 * SECOND).await.is_empty(), "it was set before the queue was made");
}

#[tokio::test(start_paused = true)]
async fn keys_have_a_rate_each_times_their_weight() {
    let world = World::of_kind(QueueKind::Activity);
    world.at_key_rate(Some(2.0));
    for n in 0..100 {
        world.matching.offer(&world.key, keyed(&format!("a {n}"), "a", 1.0));
        world.matching.offer(&world.key, keyed(&format!("b {n}"), "b", 3.0));
    }
    world.offer("plain");
    let taken = world.taken_in(5 * SECOND).await;
    let count = |key: &str| taken.iter().filter(|id| id.starts_with(key)).count();
    assert!(count("a ").abs_diff(12) <= 1, "{} of a", count("a "));
    assert!(count("b ").abs_diff(36) <= 1, "{} of b", count("b "));
    assert_eq!(count("plain"), 1);
    let order: Vec<_> = taken.iter().filter_map(|id| id.strip_prefix("a ")?.parse::<usize>().ok()).collect();
    assert!(order.is_sorted(), "a key keeps its order: {order:?}");
}

#[tokio::test(start_paused = true)]
async fn a_key_at_its_limit_is_not_in_others_way() {
    let world = World::of_kind(QueueKind::Activity);
    world.at_key_rate(Some(1.0));
    for n in 0..50 {
        world.matching.offer(&world.key, keyed(&format!("slow {n}"), "slow", 1.0));
    }
    assert_eq!(world.taken_in(SECOND / 2).await, ["slow 0"]);
    world.matching.offer(&world.key, keyed("other", "other", 1.0));
    assert_eq!(world.taken_in(SECOND / 4).await, ["other"]);
    let poll = world.poll("p").await;
    let reserve = |key: &str| {
        let priority = keyed("", key, 1.0).priority;
        world.matching.reserve(&world.key, &perdure_matching::Directive::by_routing("w"), &priority)
    };
    assert!(reserve("slow").is_none(), "it would overtake what waits");
    assert!(reserve("third").is_some());
    assert_eq!(poll.await.unwrap(), "slow 1");
    assert_eq!(world.backlog(), 48);
}

#[tokio::test(start_paused = true)]
async fn keys_are_let_go_when_their_limit_is_lifted() {
    let world = World::of_kind(QueueKind::Activity);
    world.at_key_rate(Some(0.0));
    for n in 0..5 {
        world.matching.offer(&world.key, keyed(&n.to_string(), "k", 1.0));
    }
    assert!(world.taken_in(10 * SECOND).await.is_empty());
    assert_eq!(world.backlog(), 5);
    world.at_key_rate(None);
    assert_eq!(world.taken_in(SECOND).await, ["0", "1", "2", "3", "4"]);
}
