//! Pollers and tasks: each transition of the table in `queue.rs`.

use std::time::Duration;

use crate::support::{World, poller, settle, started, task};
use perdure_matching::{QueueKind, RecordError, StartedTask};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_parked_poller_is_reserved_and_gets_its_task() {
    let world = World::new();
    assert!(world.reserve().is_none(), "nobody polls");
    let poll = world.poll("a").await;
    let reservation = world.reserve().unwrap();
    assert_eq!(reservation.poller().identity, "a");
    assert!(world.reserve().is_none(), "its only poller is out");
    reservation.deliver(started("w"), SECOND);
    assert_eq!(poll.await.unwrap(), "w");
}

#[tokio::test(start_paused = true)]
async fn the_longest_parked_poller_is_first_and_a_dropped_reservation_keeps_its_place() {
    let world = World::new();
    let _polls = (world.poll("a").await, world.poll("b").await);
    let first = world.reserve().unwrap();
    let second = world.reserve().unwrap();
    assert_eq!((first.poller().identity.as_str(), second.poller().identity.as_str()), ("a", "b"));
    drop(second);
    drop(first);
    assert_eq!(world.reserve().unwrap().poller().identity, "a");
}

#[tokio::test(start_paused = true)]
async fn a_returned_poller_takes_what_came_meanwhile() {
    let world = World::new();
    let poll = world.poll("a").await;
    let reservation = world.reserve().unwrap();
    world.offer("w");
    settle().await;
    assert_eq!(world.backlog(), 1);
    drop(reservation);
    assert_eq!(poll.await.unwrap(), "w");
}

#[tokio::test(start_paused = true)]
async fn a_poll_ends_empty_at_its_deadline() {
    let world = World::new();
    let poll = world.poll_as(poller("a"), 5 * SECOND).await;
    sleep(6 * SECOND).await;
    assert_eq!(poll.await.unwrap(), "empty");
    assert!(world.reserve().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_poll_leaves_the_line() {
    let world = World::new();
    let (gone, stays) = (world.poll("gone").await, world.poll("stays").await);
    gone.abort();
    settle().await;
    world.reserve().unwrap().deliver(started("w"), SECOND);
    assert_eq!(stays.await.unwrap(), "w");
}

#[tokio::test(start_paused = true)]
async fn a_delivery_to_a_poller_that_left_goes_to_the_next() {
    for by_deadline in [true, false] {
        let world = World::new();
        let poll = world.poll_as(poller("a"), 5 * SECOND).await;
        let reservation = world.reserve().unwrap();
        if by_deadline {
            sleep(6 * SECOND).await;
        } else {
            poll.abort();
            settle().await;
        }
        reservation.deliver(started("w"), SECOND);
        assert_eq!(world.poll("b").await.await.unwrap(), "w");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reservation_of_a_poller_that_left_does_not_bring_it_back() {
    let world = World::new();
    let poll = world.poll("a").await;
    let reservation = world.reserve().unwrap();
    poll.abort();
    settle().await;
    drop(reservation);
    assert!(world.reserve().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_handed_over_but_not_taken_goes_to_the_next_poller() {
    let world = World::new();
    let mut poll = Box::pin(world.matching.poll(world.key.clone(), poller("a"), Instant::now() + 60 * SECOND));
    assert!(futures::poll!(&mut poll).is_pending());
    world.reserve().unwrap().deliver(started("w"), SECOND);
    drop(poll);
    assert_eq!(world.poll("b").await.await.unwrap(), "w");
}

#[tokio::test(start_paused = true)]
async fn a_poll_at_its_deadline_still_takes_what_it_was_handed() {
    let world = World::new();
    let mut poll = Box::pin(world.matching.poll(world.key.clone(), poller("a"), Instant::now() + SECOND));
    assert!(futures::poll!(&mut poll).is_pending());
    world.reserve().unwrap().deliver(started("w"), SECOND);
    sleep(2 * SECOND).await;
    assert_eq!(crate::support::name(poll.await), "w");
}

#[tokio::test(start_paused = true)]
async fn redeliveries_expire() {
    let world = World::new();
    world.lose("old", SECOND).await;
    sleep(2 * SECOND).await;
    let poll = world.poll("a").await;
    world.reserve().unwrap().deliver(started("new"), SECOND);
    assert_eq!(poll.await.unwrap(), "new");
}

#[tokio::test(start_paused = true)]
async fn an_offered_task_wakes_one_poller_that_records_it() {
    let world = World::new();
    let (first, second) = (world.poll("a").await, world.poll("b").await);
    world.offer("w");
    assert_eq!(first.await.unwrap(), "w");
    assert!(!second.is_finished());
    assert_eq!(*world.script.recorded.lock(), [("w".to_owned(), "a".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn backlog_comes_by_priority_then_age() {
    let world = World::new();
    for (id, priority) in [("c", 3), ("e", 5), ("a", 1), ("d", 0), ("b", 2), ("e2", 5)] {
        world.matching.offer(&world.key, task(id, priority));
    }
    let description = world.matching.describe(&world.key);
    assert_eq!(description.levels.map(|level| level.backlog_count), [1, 1, 2, 0, 2]);
    assert_eq!(description.total().backlog_count, 6);
    assert_eq!(description.total().oldest_scheduled_time, Some(1_000));
    let mut order = Vec::new();
    for _ in 0..6 {
        order.push(world.poll("p").await.await.unwrap());
    }
    assert_eq!(order, ["a", "b", "c", "d", "e", "e2"]);
}

#[tokio::test(start_paused = true)]
async fn backlog_goes_before_a_reservation_and_redeliveries_before_backlog() {
    let world = World::new();
    let leaves = world.poll("leaves").await;
    let reservation = world.reserve().unwrap();
    leaves.abort();
    settle().await;
    world.offer("waits");
    reservation.deliver(started("started"), 60 * SECOND);
    assert!(world.reserve().is_none());
    assert_eq!(world.poll("p").await.await.unwrap(), "started");
    assert_eq!(world.poll("p").await.await.unwrap(), "waits");
}

#[tokio::test(start_paused = true)]
async fn a_stale_task_is_skipped_and_its_poller_gets_the_next() {
    let world = World::new();
    world.fails("stale", &[RecordError::Stale]);
    world.offer("stale");
    world.offer("good");
    assert_eq!(world.poll("p").await.await.unwrap(), "good");
    assert_eq!(world.backlog(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_history_cannot_tell_about_stays_at_the_head() {
    let world = World::new();
    world.fails("first", &[RecordError::Retry, RecordError::Retry]);
    world.offer("first");
    world.offer("second");
    let poll = world.poll("p").await;
    assert_eq!(world.backlog(), 2, "nothing is lost while history pauses");
    assert_eq!(poll.await.unwrap(), "first");
    assert_eq!(world.poll("p").await.await.unwrap(), "second");
}

#[tokio::test(start_paused = true)]
async fn a_poller_whose_task_cannot_be_recorded_still_ends_at_its_deadline() {
    let world = World::new();
    world.fails("w", &[RecordError::Retry; 1000]);
    world.offer("w");
    let poll = world.poll_as(poller("p"), SECOND).await;
    sleep(2 * SECOND).await;
    assert_eq!(poll.await.unwrap(), "empty");
    assert_eq!(world.backlog(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_recorded_for_a_poller_that_left_goes_to_the_next() {
    let world = World::new();
    let hold = world.script.gate.acquire().await.unwrap();
    world.offer("w");
    let poll = world.poll("gone").await;
    poll.abort();
    settle().await;
    drop(hold);
    assert_eq!(world.poll("next").await.await.unwrap(), "w");
    assert_eq!(*world.script.recorded.lock(), [("w".to_owned(), "gone".to_owned())], "it was recorded once");
}

#[tokio::test(start_paused = true)]
async fn tasks_offered_before_the_wiring_wait_for_the_recorder() {
    let World { script, key, .. } = World::new();
    let matching = perdure_matching::Matching::new(Default::default());
    matching.offer(&key, task("w", 0));
    let world = World { matching, script, key };
    let poll = world.poll("p").await;
    assert!(!poll.is_finished());
    world.matching.set_recorder(world.script.clone());
    assert_eq!(poll.await.unwrap(), "w");
}

#[tokio::test(start_paused = true)]
async fn queues_do_not_share() {
    let world = World::new();
    let poll = world.poll("p").await;
    let others = [
        perdure_matching::QueueKey { kind: QueueKind::Activity, ..world.key.clone() },
        perdure_matching::QueueKey { name: "other".into(), ..world.key.clone() },
        perdure_matching::QueueKey { namespace_id: uuid::Uuid::from_u128(8), ..world.key.clone() },
    ];
    for other in others {
        world.matching.offer(&other, task("w", 0));
        settle().await;
        assert!(!poll.is_finished(), "{other:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivered_workflow_task_says_how_many_wait_behind_it() {
    let world = World::new();
    for id in ["a", "b", "c"] {
        world.offer(id);
    }
    let poll = world.matching.poll(world.key.clone(), poller("p"), Instant::now() + SECOND).await;
    let perdure_matching::Poll::Task(task) = poll else { panic!("{poll:?}") };
    let StartedTask::Workflow(task) = *task else { panic!("{task:?}") };
    assert_eq!(task.backlog_count_hint, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pollers_that_come_and_go_get_every_task_exactly_once() {
    const TASKS: usize = 300;
    let world = World::new();
    let mut polls = Vec::new();
    let mut expected: Vec<String> = (0..TASKS).map(|task| format!("offered {task}")).collect();
    for round in 0..TASKS {
        polls.push(world.poll_as(poller("p"), 30 * SECOND).await);
        world.offer(&format!("offered {round}"));
        if let Some(reservation) = world.reserve()
            && round % 3 != 0
        {
            expected.push(format!("reserved {round}"));
            reservation.deliver(started(&format!("reserved {round}")), 60 * SECOND);
        }
        if round % 5 == 0 {
            polls[round].abort();
        }
    }
    let mut got = Vec::new();
    while got.len() < expected.len() {
        polls.push(world.poll_as(poller("last"), 30 * SECOND).await);
        for poll in std::mem::take(&mut polls) {
            if poll.is_finished() {
                got.extend(poll.await.ok());
            } else {
                polls.push(poll);
            }
        }
    }
    got.sort();
    expected.sort();
    assert_eq!(got, expected);
}
