//! Data that the database refuses: only the workflow that brings it is disturbed.

use perdure_engine::{Input, Reject, Signal};
use perdure_history::Error;
use perdure_proto::api::enums::EventType;

use crate::world::{World, command, start};

fn refused() -> Error {
    Error::Reject(Reject::InvalidArgument("the request holds data that the database cannot store".into()))
}

async fn signal(world: &World, workflow_id: &str) -> Result<(), Error> {
    let signal = Signal { name: "s".into(), ..Signal::default() };
    world.history.input(world.target(workflow_id), Input::Signal(Box::new(signal))).await.map(|_| ())
}

/// Several callers at once, so that they share a batch.
#[tokio::test]
async fn only_the_culprits_start_is_refused() {
    let world = World::open().await;
    let ids = ["a", "b\0", "c", "d\0", "e", "f"];
    let starts = ids.map(|id| {
        let world = world.clone();
        tokio::spawn(async move { world.history.start(start(id)).await })
    });
    for (id, task) in ids.into_iter().zip(starts) {
        match (id.contains('\0'), task.await.expect("no panic")) {
            (false, answer) => drop(answer.expect(id)),
            (true, answer) => assert_eq!(answer.expect_err(id), refused()),
        }
    }
    for id in ids {
        let found = world.history.view(world.target(id), |state| state.run.next_event_id).await;
        assert_eq!(found, if id.contains('\0') { Err(Error::WorkflowNotFound) } else { Ok(3) }, "{id:?}");
    }
}

#[tokio::test]
async fn a_run_is_read_again_as_it_was_before() {
    let world = World::open().await;
    world.history.start(start("other")).await.expect("start");
    let other = world.poll_workflow_task().await;
    world.history.start(start("w")).await.expect("start");
    let task = world.poll_workflow_task().await;
    let bad = vec![command::upsert_search_attribute("Keyword", r#""a\u0000b""#)];
    let both = tokio::join!(world.try_complete(&task, bad), world.try_complete(&other, vec![command::complete()]));
    assert_eq!(both.0.expect_err("refused"), refused());
    both.1.expect("complete");
    // Its worker still has the task.
    signal(&world, "w").await.expect("signal");
    world.complete(&task, vec![command::upsert_search_attribute("Keyword", r#""ab""#)]).await;
    let types = world.event_types("w").await;
    assert_eq!(
        types[3..6],
        [
            EventType::WorkflowTaskCompleted,
            EventType::UpsertWorkflowSearchAttributes,
            EventType::WorkflowExecutionSignaled,
        ]
    );
}

#[tokio::test]
async fn the_end_of_a_run_and_the_next_one_are_refused_together() {
    let world = World::open().await;
    let first = world.history.start(start("w")).await.expect("start");
    let task = world.poll_workflow_task().await;
    let (bad, other) = tokio::join!(
        world.try_complete(&task, vec![command::continue_as_new("Type\0")]),
        world.history.start(start("other")),
    );
    assert_eq!(bad.expect_err("refused"), refused());
    other.expect("start");
    let (run_id, closed) = world
        .history
        .view(world.target("w"), |state| (state.run.run_id.clone(), state.run.close.is_some()))
        .await
        .expect("the run");
    assert_eq!((run_id, closed), (first.reply.run_id, false));
    world.complete(&task, vec![command::complete()]).await;
}

/// Nobody else notices: long polls of other workflows go on, and the lease stays.
#[tokio::test]
async fn others_go_on() {
    let world = World::open().await;
    world.history.start(start("other")).await.expect("start");
    let waiting = tokio::spawn({
        let world = world.clone();
        async move {
            let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
            world.history.wait_events(world.target("other"), 2, false, deadline).await
        }
    });
    for _ in 0..3 {
        assert_eq!(world.history.start(start("w\0")).await.expect_err("refused"), refused());
    }
    assert!(!waiting.is_finished());
    signal(&world, "other").await.expect("signal");
    assert_eq!(waiting.await.expect("no panic").expect("events").last_event_id, 3);
}
