//! Queries, shutdown, rate limits and what a queue tells about itself.

use std::time::Duration;

use crate::support::{NAMESPACE, World, poller, query, settle, started, task};
use perdure_matching::{PollerInfo, QueryAnswer, QueryDispatchError, QueueKey, QueueKind};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

const SECOND: Duration = Duration::from_secs(1);

async fn ask(world: &World, id: &str, seconds: u32) -> JoinHandle<Result<QueryAnswer, QueryDispatchError>> {
    let (matching, key) = (world.matching.clone(), world.key.clone());
    let task = query(id, key.kind == QueueKind::StickyWorkflow);
    let asked = tokio::spawn(async move { matching.query(key, task, Instant::now() + seconds * SECOND).await });
    settle().await;
    asked
}

fn answer(text: &str) -> QueryAnswer {
    QueryAnswer::Failed { message: text.into(), failure: None }
}

#[tokio::test(start_paused = true)]
async fn a_query_goes_to_a_poller_and_its_answer_comes_back() {
    let world = World::new();
    let asked = ask(&world, "q", 10).await;
    assert_eq!(world.poll("p").await.await.unwrap(), "query q");
    assert!(world.matching.complete_query("q", answer("done")));
    assert_eq!(asked.await.unwrap(), Ok(answer("done")));
    assert!(!world.matching.complete_query("q", answer("twice")), "it is answered");
    assert!(!world.matching.complete_query("other", answer("")), "it is unknown");
}

#[tokio::test(start_paused = true)]
async fn a_query_goes_before_the_backlog_to_a_parked_poller() {
    let world = World::new();
    world.offer("w");
    let _asked = ask(&world, "q", 10).await;
    assert_eq!(world.poll("p").await.await.unwrap(), "query q");
    assert_eq!(world.poll("p").await.await.unwrap(), "w");
}

#[tokio::test(start_paused = true)]
async fn a_query_that_nobody_takes_says_whether_a_worker_was_seen() {
    let world = World::new();
    assert_eq!(ask(&world, "q", 10).await.await.unwrap(), Err(QueryDispatchError::NoPoller));
    let poll = world.poll_as(poller("p"), SECOND).await;
    assert_eq!(poll.await.unwrap(), "empty");
    assert_eq!(ask(&world, "q", 10).await.await.unwrap(), Err(QueryDispatchError::Timeout));
    assert_eq!(world.poll_as(poller("p"), SECOND).await.await.unwrap(), "empty", "the queries are forgotten");
}

#[tokio::test(start_paused = true)]
async fn a_query_that_is_not_answered_times_out_and_takes_no_late_answer() {
    let world = World::new();
    let asked = ask(&world, "q", 10).await;
    assert_eq!(world.poll("p").await.await.unwrap(), "query q");
    assert_eq!(asked.await.unwrap(), Err(QueryDispatchError::Timeout));
    assert!(!world.matching.complete_query("q", answer("late")));
}

#[tokio::test(start_paused = true)]
async fn a_query_whose_caller_left_is_not_handed_out() {
    let world = World::new();
    let asked = ask(&world, "q", 10).await;
    asked.abort();
    settle().await;
    assert_eq!(world.poll_as(poller("p"), SECOND).await.await.unwrap(), "empty");
}

#[tokio::test(start_paused = true)]
async fn a_query_that_its_poller_did_not_take_goes_to_the_next() {
    let world = World::new();
    let mut poll = Box::pin(world.matching.poll(world.key.clone(), poller("gone"), Instant::now() + 60 * SECOND));
    assert!(futures::poll!(&mut poll).is_pending());
    let _asked = ask(&world, "q", 10).await;
    drop(poll);
    assert_eq!(world.poll("next").await.await.unwrap(), "query q");
}

#[tokio::test(start_paused = true)]
async fn a_sticky_queue_without_its_worker_refuses_queries() {
    let world = World::of_kind(QueueKind::StickyWorkflow);
    assert_eq!(ask(&world, "q", 10).await.await.unwrap(), Err(QueryDispatchError::StickyUnavailable));
    let poll = world.poll_as(poller("p"), SECOND).await;
    assert_eq!(poll.await.unwrap(), "empty");
    let asked = ask(&world, "q", 30).await;
    world.matching.shutdown_worker(NAMESPACE, "queue", "instance of p");
    assert_eq!(asked.await.unwrap(), Err(QueryDispatchError::StickyUnavailable), "it was unloaded");
}

#[tokio::test(start_paused = true)]
async fn recent_pollers_are_those_that_poll_or_polled_in_the_window() {
    let world = World::of_kind(QueueKind::StickyWorkflow);
    let recent = || world.matching.has_recent_poller(&world.key, 10 * SECOND);
    assert!(!recent(), "nobody ever polled");
    let poll = world.poll_as(poller("p"), 60 * SECOND).await;
    sleep(30 * SECOND).await;
    assert!(recent(), "it polls");
    assert_eq!(poll.await.unwrap(), "empty");
    sleep(9 * SECOND).await;
    assert!(recent(), "it polled");
    sleep(2 * SECOND).await;
    assert!(!recent(), "it is gone");
    let poll = world.poll("p").await;
    sleep(30 * SECOND).await;
    poll.abort();
    settle().await;
    assert!(!recent(), "its connection broke");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_shuts_down_polls_no_more() {
    let world = World::new();
    let (leaves, stays, out) = (world.poll("leaves").await, world.poll("stays").await, world.poll("leaves").await);
    let reserved = [world.reserve().unwrap(), world.reserve().unwrap()];
    let [first, second] = reserved;
    drop(second);
    world.matching.shutdown_worker(NAMESPACE, "", "instance of leaves");
    assert_eq!(out.await.unwrap(), "empty", "it was parked");
    drop(first);
    assert_eq!(leaves.await.unwrap(), "empty", "it was reserved");
    assert_eq!(world.poll("leaves").await.await.unwrap(), "empty", "it comes too late");
    assert!(!stays.is_finished());
    world.offer("w");
    assert_eq!(stays.await.unwrap(), "w");
}

#[tokio::test(start_paused = true)]
async fn an_unloaded_sticky_queue_forgets_everything() {
    let world = World::of_kind(QueueKind::StickyWorkflow);
    let poll = world.poll("p").await;
    let reservation = world.reserve().unwrap();
    world.offer("w");
    world.matching.shutdown_worker(NAMESPACE, "queue", "");
    drop(reservation);
    assert_eq!(poll.await.unwrap(), "empty");
    assert!(!world.matching.has_recent_poller(&world.key, 10 * SECOND));
    assert_eq!(world.backlog(), 0);
}

#[tokio::test(start_paused = true)]
async fn draining_ends_polls_and_queries() {
    let world = World::new();
    let (parked, reserved) = (world.poll("reserved").await, world.poll("parked").await);
    let reservation = world.reserve().unwrap();
    world.matching.drain();
    assert_eq!(reserved.await.unwrap(), "empty");
    reservation.deliver(started("w"), SECOND);
    assert_eq!(parked.await.unwrap(), "w", "what is committed is still delivered");
    assert_eq!(world.poll("late").await.await.unwrap(), "empty");
    assert_eq!(ask(&world, "q", 10).await.await.unwrap(), Err(QueryDispatchError::NoPoller));
}

#[tokio::test(start_paused = true)]
async fn the_last_poller_sets_the_rate() {
    let world = World::of_kind(QueueKind::Activity);
    let at_rate = |rate| PollerInfo { max_tasks_per_second: rate, ..poller("p") };
    let begin = Instant::now();
    for id in ["a", "b", "c", "d", "e", "f"] {
        world.offer(id);
    }
    let mut seconds = Vec::new();
    for rate in [Some(2.0), Some(2.0), Some(2.0), None, Some(0.5), Some(0.5)] {
        world.poll_as(at_rate(rate), 60 * SECOND).await.await.unwrap();
        seconds.push(begin.elapsed().as_secs_f64().round());
    }
    assert_eq!(seconds, [0.0, 0.0, 1.0, 1.0, 1.0, 3.0], "a poller without a rate lifts the limit");
}

#[tokio::test(start_paused = true)]
async fn reservations_keep_to_the_rate_and_give_their_token_back() {
    let world = World::of_kind(QueueKind::Activity);
    let limited = PollerInfo { max_tasks_per_second: Some(1.0), ..poller("p") };
    let polls = (world.poll_as(limited.clone(), 60 * SECOND).await, world.poll_as(limited, 60 * SECOND).await);
    drop(world.reserve().unwrap());
    world.reserve().unwrap().deliver(started("w"), SECOND);
    assert!(world.reserve().is_none(), "the second of this second");
    world.offer("later");
    settle().await;
    assert_eq!(world.backlog(), 1);
    assert_eq!((polls.0.await.unwrap(), polls.1.await.unwrap()), ("w".to_owned(), "later".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_rate_of_zero_pauses_until_a_poller_asks_for_more() {
    let world = World::of_kind(QueueKind::Activity);
    let paused = world.poll_as(PollerInfo { max_tasks_per_second: Some(0.0), ..poller("p") }, 60 * SECOND).await;
    world.offer("w");
    sleep(30 * SECOND).await;
    assert!(!paused.is_finished());
    let _faster = world.poll_as(PollerInfo { max_tasks_per_second: Some(10.0), ..poller("q") }, 60 * SECOND).await;
    assert_eq!(paused.await.unwrap(), "w");
}

#[tokio::test(start_paused = true)]
async fn a_queue_lists_its_pollers_and_rates() {
    let world = World::of_kind(QueueKind::Activity);
    assert_eq!(world.matching.describe(&world.key), Default::default());
    world.offer("w");
    let limited = PollerInfo { max_tasks_per_second: Some(7.0), ..poller("a") };
    world.poll_as(limited, 60 * SECOND).await.await.unwrap();
    let description = world.matching.describe(&world.key);
    let total = description.total();
    assert_eq!((total.tasks_add_rate, total.tasks_dispatch_rate), (1.0, 1.0));
    assert_eq!(description.pollers.len(), 1);
    assert_eq!((description.pollers[0].identity.as_str(), description.pollers[0].rate_per_second), ("a", Some(7.0)));
    sleep(200 * SECOND).await;
    assert_eq!(world.matching.describe(&world.key).pollers[0].last_access.as_secs(), 200);
    sleep(101 * SECOND).await;
    assert!(world.matching.describe(&world.key).pollers.is_empty(), "five minutes are over");
}

#[tokio::test(start_paused = true)]
async fn idle_queues_are_forgotten_and_busy_ones_are_not() {
    let world = World::new();
    let queue = |index: usize| QueueKey { name: format!("queue {index}").into(), ..world.key.clone() };
    let poll = world.poll_as(poller("p"), 3_600 * SECOND).await;
    world.matching.offer(&queue(0), task("w", 0));
    for round in 0..3 {
        for index in 0..200 {
            let deadline = Instant::now();
            world.matching.poll(queue(1_000 * (round + 1) + index), poller("q"), deadline).await;
        }
        sleep(400 * SECOND).await;
    }
    assert_eq!(world.matching.describe(&queue(0)).total().backlog_count, 1, "a backlog keeps its queue");
    world.offer("w2");
    assert_eq!(poll.await.unwrap(), "w2", "so does a poller");
    assert!(world.matching.queue_count() < 450, "{} queues", world.matching.queue_count());
}
