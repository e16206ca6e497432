//! Closed runs of another server, on a server that may have runs of the same workflow id.

use perdure_engine::{Import, Input};
use perdure_history::{Error, Imported, Target};
use perdure_proto::api::{enums::WorkflowExecutionStatus as Status, history::HistoryEvent};
use perdure_storage::{RunKey, Store, WorkflowKey, visibility::ListQuery};
use uuid::Uuid;

use crate::world::{NAMESPACE, World, command, start};

/// A run that closed elsewhere, now.
struct Elsewhere {
    run_id: Uuid,
    events: Vec<HistoryEvent>,
}

async fn closed_elsewhere(workflow_id: &str) -> Elsewhere {
    let world = World::open().await;
    world.history.start(start(workflow_id)).await.expect("start");
    let task = world.poll_workflow_task().await;
    world.complete(&task, vec![command::complete()]).await;
    let run = RunKey { slot: world.target(workflow_id).workflow.slot(), run_id: current(&world, workflow_id).await };
    let (history, _) = world.history.read(run, 1, i64::MAX, 1_000).await.expect("history");
    world.history.shutdown().await;
    Elsewhere { run_id: run.run_id, events: history.events().expect("events") }
}

async fn current(world: &World, workflow_id: &str) -> Uuid {
    let run_id = world.history.view(world.target(workflow_id), |state| state.run.run_id.clone()).await.expect("a run");
    run_id.parse().expect("a run id")
}

async fn import(world: &World, workflow_id: &str, run: &Elsewhere) -> Result<Imported, Error> {
    let wanted = Import {
        namespace_id: NAMESPACE.to_string(),
        namespace: "default".into(),
        workflow_id: workflow_id.into(),
        run_id: run.run_id.to_string(),
        events: run.events.clone(),
    };
    world.history.import(WorkflowKey::new(NAMESPACE, workflow_id), run.run_id, wanted).await
}

#[tokio::test]
async fn an_imported_run_is_listed_and_read_also_by_the_next_node() {
    let there = closed_elsewhere("w").await;
    let here = World::open().await;
    assert_eq!(import(&here, "w", &there).await, Ok(Imported::New));
    assert_eq!(import(&here, "w", &there).await, Ok(Imported::WasThere));
    let here = here.reopen().await;
    assert_eq!(current(&here, "w").await, there.run_id);
    let run = RunKey { slot: here.target("w").workflow.slot(), run_id: there.run_id };
    let (history, _) = here.history.read(run, 1, i64::MAX, 1_000).await.expect("history");
    assert_eq!(history.events().expect("events"), there.events);
    let query = ListQuery { namespace_id: NAMESPACE, page_size: 10, ..Default::default() };
    let rows = here.store().list(&query).await.expect("a list");
    let shown: Vec<_> = rows.iter().map(|row| (row.run_id, row.status, row.history_length)).collect();
    assert_eq!(shown, [(there.run_id, Status::Completed as i32, Some(there.events.len() as i64))]);
    assert_eq!(import(&here, "w", &there).await, Ok(Imported::WasThere));
}

#[tokio::test]
async fn nothing_is_written_over() {
    let mut there = closed_elsewhere("w").await;
    let here = World::open().await;
    assert_eq!(import(&here, "w", &there).await, Ok(Imported::New));
    there.events[0].task_id = 99;
    assert_eq!(import(&here, "w", &there).await, Ok(Imported::Differs));
    // The rule of Started is checked before anything else of another workflow could be met.
    assert_eq!(import(&here, "other", &there).await, Ok(Imported::OfAnother));
    there.events.pop();
    assert_eq!(import(&here, "w", &there).await, Ok(Imported::Differs));
    there.run_id = Uuid::now_v7();
    assert!(matches!(import(&here, "w", &there).await, Err(Error::Reject(_))), "it is not closed");
    assert!(here.store().find_run(there.run_id).await.expect("an answer").is_none());
}

#[tokio::test]
async fn the_newest_run_is_the_current_one_and_an_open_one_stays_so() {
    let (first, second, third) =
        (closed_elsewhere("w").await, closed_elsewhere("w").await, closed_elsewhere("w").await);
    let here = World::open().await;
    for (run, expected) in [(&second, &second), (&first, &second), (&third, &third)] {
        assert_eq!(import(&here, "w", run).await, Ok(Imported::New));
        assert_eq!(current(&here, "w").await, expected.run_id);
    }
    // On a node that does not have them in memory.
    let here = here.reopen().await;
    assert_eq!(current(&here, "w").await, third.run_id);
    here.history.start(start("w")).await.expect("start");
    let open = current(&here, "w").await;
    assert_ne!(open, third.run_id);
    let later = closed_elsewhere("w").await;
    assert_eq!(import(&here, "w", &later).await, Ok(Imported::New));
    assert_eq!(current(&here, "w").await, open);
    // The imported ones are runs like others: they can be deleted.
    let target = Target { run_id: Some(first.run_id), ..here.target("w") };
    here.history.input(target, Input::Delete).await.expect("delete");
    assert!(here.store().find_run(first.run_id).await.expect("an answer").is_none());
}

#[tokio::test]
async fn imports_at_the_same_time_write_one_run() {
    let there = closed_elsewhere("w").await;
    let here = World::open().await;
    let all = futures::future::join_all((0..8).map(|_| import(&here, "w", &there))).await;
    let new = all.iter().filter(|imported| **imported == Ok(Imported::New)).count();
    let refused = |imported: &&Result<Imported, Error>| matches!(imported, Err(Error::Busy(_)));
    assert_eq!((new, all.iter().filter(refused).count()), (1, 7), "{all:?}");
}
