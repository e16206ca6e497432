//! What lists show, and when.

use perdure_storage::{Store, VisibilityRow, visibility::ListQuery};
use tokio::time::{Duration, Instant};

use crate::world::{NAMESPACE, World, command, start};

async fn row(world: &World) -> VisibilityRow {
    let query = ListQuery { namespace_id: NAMESPACE, page_size: 10, ..Default::default() };
    world.store().list(&query).await.expect("a list").remove(0)
}

fn shows_workers(row: &VisibilityRow) -> bool {
    row.search_attributes.windows(8).any(|part| part == b"BuildIds")
}

#[tokio::test]
async fn which_workers_an_open_run_has_is_shown_a_little_later() {
    let world = World::open().await;
    world.history.start(start("w")).await.expect("start");
    let task = world.poll_workflow_task().await;
    world.complete(&task, vec![command::start_timer("t", Duration::from_secs(600))]).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while !shows_workers(&row(&world).await) {
        assert!(Instant::now() < deadline, "it is never shown");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_run_that_closes_shows_its_workers_at_once() {
    let world = World::open().await;
    world.history.start(start("w")).await.expect("start");
    let task = world.poll_workflow_task().await;
    world.complete(&task, vec![command::complete()]).await;
    let row = row(&world).await;
    assert!(row.close_time.is_some() && shows_workers(&row));
}
