//! Runs that are no workflows, through shards.

use perdure_engine::{
    ActivityRef, Input,
    input::{ActivityTimeouts, StartKind},
};
use perdure_history::Target;

use crate::world::{World, start};

/// Their journal is no history: snapshots take the place of its rows, and still nothing is lost.
#[tokio::test]
async fn many_heartbeats_survive() {
    const HEARTBEATS: i64 = 200;
    let world = World::open().await;
    let mut request = start("a");
    request.kind = StartKind::Activity(ActivityTimeouts { start_to_close: 600_000_000_000, ..Default::default() });
    world.history.start(request).await.expect("start");
    let task = world.poll_activity_task().await;
    let target = Target { workflow: task.workflow.clone(), run_id: Some(task.run.run_id) };
    for _ in 0..HEARTBEATS {
        let activity = ActivityRef::Id("a".into());
        let heartbeat = Input::ActivityHeartbeat { activity, details: None, identity: "worker".into() };
        world.history.input(target.clone(), heartbeat).await.expect("a heartbeat");
    }
    let described = |world: World| {
        let target = target.clone();
        async move { world.history.view(target, |state| state.describe_activity(0)).await.expect("the run") }
    };
    let before = described(world.clone()).await.expect("an activity");
    assert_eq!(before.total_heartbeat_count, HEARTBEATS);
    let world = world.reopen().await;
    let after = described(world.clone()).await.expect("an activity");
    assert_eq!(after, before);
    let done = Input::ActivityCompleted { activity: ActivityRef::Id("a".into()), result: None, identity: "w".into() };
    world.history.input(target.clone(), done).await.expect("complete");
    assert!(described(world).await.expect("an activity").close_time.is_some());
}
