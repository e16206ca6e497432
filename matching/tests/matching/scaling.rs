//! Advice on the number of pollers: each row of the table in `scaling.rs`.

use std::time::Duration;

use perdure_matching::{Poll, PollerInfo, QueueKind};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::support::{World, poller, settle, started};

const SECOND: Duration = Duration::from_secs(1);

impl World {
    async fn advised(&self) -> JoinHandle<(Poll, Option<i32>)> {
        self.advised_as(poller("p")).await
    }

    async fn advised_as(&self, poller: PollerInfo) -> JoinHandle<(Poll, Option<i32>)> {
        let (matching, key) = (self.matching.clone(), self.key.clone());
        let poll = tokio::spawn(async move { matching.poll_advised(key, poller, Instant::now() + 60 * SECOND).await });
        settle().await;
        poll
    }
}

#[tokio::test(start_paused = true)]
async fn a_poller_that_idled_is_one_too_many() {
    for (waited, expected) in [(SECOND / 2, None), (SECOND, Some(-1)), (30 * SECOND, Some(-1))] {
        let world = World::new();
        let poll = world.advised().await;
        sleep(waited).await;
        world.reserve().unwrap().deliver(started("w"), SECOND);
        assert_eq!(poll.await.unwrap().1, expected, "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_came_is_no_reason_for_advice() {
    let world = World::new();
    let poll = world.advised().await;
    assert!(matches!(poll.await.unwrap(), (Poll::Empty, None)));
}

#[tokio::test(start_paused = true)]
async fn a_backlog_that_gets_old_wants_more() {
    for (age, expected) in [(SECOND / 10, None), (SECOND / 4, Some(1))] {
        let world = World::new();
        world.offer("first");
        // Nearly as many as come are handed out, lest that is the reason.
        for n in 0..20 {
            world.offer(&format!("{n} later"));
            world.poll("q").await.await.unwrap();
        }
        world.offer("last");
        sleep(age).await;
        assert_eq!(world.advised().await.await.unwrap().1, expected, "{age:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_gets_more_than_it_hands_out_wants_more() {
    let world = World::new();
    for n in 0..3 {
        world.offer(&n.to_string());
    }
    assert_eq!(world.advised().await.await.unwrap().1, Some(1), "three came, one was handed out");
    world.advised().await.await.unwrap();
    assert_eq!(world.advised().await.await.unwrap().1, None, "three came, three were handed out");
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_is_not_cured_by_pollers() {
    let world = World::of_kind(QueueKind::Activity);
    for n in 0..9 {
        world.offer(&n.to_string());
    }
    let limited = PollerInfo { max_tasks_per_second: Some(1.0), ..poller("p") };
    let (first, second) = (world.advised_as(limited.clone()).await, world.advised_as(limited.clone()).await);
    assert_eq!(first.await.unwrap().1, Some(1), "the first does not wait for it");
    let third = world.advised_as(limited).await;
    assert_eq!(second.await.unwrap().1, None);
    third.abort();
}

#[tokio::test(start_paused = true)]
async fn advice_is_rare() {
    let world = World::new();
    for n in 0..50 {
        world.offer(&n.to_string());
    }
    let mut given = 0;
    for _ in 0..30 {
        given += i32::from(world.advised().await.await.unwrap().1.is_some());
    }
    assert_eq!(given, 10, "ten a second for one poller");
}
