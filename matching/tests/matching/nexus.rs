//! Nexus tasks: a request waits for a worker, then for its answer. One test per cell of the table in `nexus.rs`.

use std::time::Duration;

use perdure_matching::{NexusAnswer, NexusAnswered, NexusDispatchError, NexusTask, QueueKind, Receipt};
use perdure_proto::api::nexus::{Request, Response};
use tokio::{task::JoinHandle, time::Instant};

use crate::support::{World, poller, settle};

const SECOND: Duration = Duration::from_secs(1);

async fn ask(world: &World, id: &str) -> JoinHandle<Result<(NexusAnswer, Receipt), NexusDispatchError>> {
    let (matching, key) = (world.matching.clone(), world.key.clone());
    let deadline = Instant::now() + 10 * SECOND;
    let task = NexusTask { task_id: id.to_owned(), request: Request::default(), deadline, operation_deadline: None };
    let asked = tokio::spawn(async move { matching.nexus(key, task, deadline).await });
    settle().await;
    asked
}

fn answer() -> NexusAnswer {
    NexusAnswer::Completed(Response::default())
}

async fn complete(world: &World, id: &str) -> JoinHandle<NexusAnswered> {
    let (matching, id) = (world.matching.clone(), id.to_owned());
    let told = tokio::spawn(async move { matching.complete_nexus(&id, answer()).await });
    settle().await;
    told
}

#[tokio::test(start_paused = true)]
async fn it_goes_to_a_poller_and_the_answer_comes_back_once() {
    let world = World::of_kind(QueueKind::Nexus);
    let asked = ask(&world, "n").await;
    assert_eq!(world.poll("p").await.await.unwrap(), "nexus n");
    let told = complete(&world, "n").await;
    let (given, receipt) = asked.await.unwrap().unwrap();
    assert_eq!(given, answer());
    assert_eq!(complete(&world, "n").await.await.unwrap(), NexusAnswered::Unknown, "it is answered");
    assert_eq!(complete(&world, "other").await.await.unwrap(), NexusAnswered::Unknown);
    assert!(!told.is_finished(), "the answer is not safe yet");
    receipt.confirm();
    assert_eq!(told.await.unwrap(), NexusAnswered::Taken);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_with_the_answer_has_lost_it() {
    let world = World::of_kind(QueueKind::Nexus);
    let asked = ask(&world, "n").await;
    assert_eq!(world.poll("p").await.await.unwrap(), "nexus n");
    let told = complete(&world, "n").await;
    drop(asked.await);
    assert_eq!(told.await.unwrap(), NexusAnswered::Lost);
}

#[tokio::test(start_paused = true)]
async fn a_parked_poller_takes_it() {
    let world = World::of_kind(QueueKind::Nexus);
    let poll = world.poll("p").await;
    let _asked = ask(&world, "n").await;
    assert_eq!(poll.await.unwrap(), "nexus n");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_it_waiting_or_handed_out() {
    let world = World::of_kind(QueueKind::Nexus);
    assert_eq!(ask(&world, "waits").await.await.unwrap().err(), Some(NexusDispatchError::Timeout));
    let asked = ask(&world, "taken").await;
    assert_eq!(world.poll("p").await.await.unwrap(), "nexus taken", "the first is forgotten");
    assert_eq!(asked.await.unwrap().err(), Some(NexusDispatchError::Timeout));
    assert_eq!(complete(&world, "taken").await.await.unwrap(), NexusAnswered::Unknown, "a late answer is not taken");
}

#[tokio::test(start_paused = true)]
async fn the_caller_goes_away() {
    let world = World::of_kind(QueueKind::Nexus);
    let asked = ask(&world, "n").await;
    asked.abort();
    settle().await;
    assert_eq!(world.poll_as(poller("p"), SECOND).await.await.unwrap(), "empty");
    assert_eq!(complete(&world, "n").await.await.unwrap(), NexusAnswered::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_poller_that_left_before_it_took_it_gives_it_to_the_next() {
    let world = World::of_kind(QueueKind::Nexus);
    let mut poll = Box::pin(world.matching.poll(world.key.clone(), poller("gone"), Instant::now() + 60 * SECOND));
    assert!(futures::poll!(&mut poll).is_pending());
    let _asked = ask(&world, "n").await;
    drop(poll);
    assert_eq!(world.poll("next").await.await.unwrap(), "nexus n");
}

#[tokio::test(start_paused = true)]
async fn the_server_shuts_down() {
    let world = World::of_kind(QueueKind::Nexus);
    let asked = ask(&world, "n").await;
    world.matching.drain();
    assert_eq!(asked.await.unwrap().err(), Some(NexusDispatchError::Unavailable));
    assert_eq!(ask(&world, "later").await.await.unwrap().err(), Some(NexusDispatchError::Unavailable));
}
