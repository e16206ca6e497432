//! What DescribeWorkflowExecution shows of a run.

use perdure_engine::{Input, Task};
use perdure_proto::api::{
    enums::{EventType as T, PendingActivityState, PendingWorkflowTaskState, WorkflowExecutionStatus},
    history::history_event::Attributes,
    workflow::PendingActivityInfo,
};

use crate::{
    activity::{cancel, fail, heartbeat, schedule, schedule_attributes},
    child,
    world::{EPOCH, SECOND, World, application_failure, payloads, seconds},
};

fn activity(world: &World) -> PendingActivityInfo {
    let mut pending = world.state.describe(world.now).pending_activities;
    assert_eq!(pending.len(), 1);
    pending.remove(0)
}

#[test]
fn a_new_run() {
    let mut world = World::with(|start| start.run_timeout = Some(100 * SECOND));
    let answer = world.state.describe(world.now);
    let info = answer.workflow_execution_info.unwrap();
    assert_eq!(info.status(), WorkflowExecutionStatus::Running);
    assert_eq!((info.history_length, info.task_queue.as_str()), (2, "queue"));
    assert_eq!(info.root_execution.unwrap().workflow_id, "wf");
    assert_eq!((info.close_time, info.execution_duration), (None, None));
    assert_eq!(answer.execution_config.unwrap().workflow_run_timeout, seconds(100));
    let extended = answer.workflow_extended_info.unwrap();
    assert_eq!(extended.run_expiration_time.unwrap().seconds, EPOCH / SECOND + 100);
    assert_eq!(extended.request_id_infos["start"].event_id, 1);
    assert_eq!(answer.pending_workflow_task.unwrap().state(), PendingWorkflowTaskState::Scheduled);
    world.start_task();
    let task = world.state.describe(world.now).pending_workflow_task.unwrap();
    assert_eq!((task.state(), task.attempt), (PendingWorkflowTaskState::Started, 1));
}

/// Clients that read it tell "left open" from the zero that others send.
#[test]
fn timeouts_as_the_starter_gave_them() {
    let cases = [
        ((None, None), (None, None)),
        ((Some(0), Some(0)), (seconds(0), seconds(0))),
        ((None, Some(7)), (None, seconds(7))),
        ((Some(9), None), (seconds(9), seconds(9))),
    ];
    for ((execution, run), expected) in cases {
        let world = World::with(|start| {
            start.execution_timeout = execution.map(|timeout: i64| timeout * SECOND);
            start.run_timeout = run.map(|timeout: i64| timeout * SECOND);
        });
        let config = world.state.describe(world.now).execution_config.unwrap();
        assert_eq!((config.workflow_execution_timeout, config.workflow_run_timeout), expected);
        let Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) = &world.history[0].attributes else {
            panic!("{:?}", world.history[0])
        };
        assert_eq!((started.workflow_execution_timeout, started.workflow_run_timeout), expected);
    }
}

#[test]
fn an_activity_in_each_phase() {
    let mut world = World::new();
    world.complete(vec![schedule(schedule_attributes("a"))]);
    let id = world.event_id(T::ActivityTaskScheduled);
    let scheduled = activity(&world);
    assert_eq!((scheduled.state(), scheduled.attempt), (PendingActivityState::Scheduled, 1));
    assert_eq!(scheduled.last_started_time, None);

    let token = world.take(id);
    heartbeat(&mut world, &token, "half").unwrap();
    let started = activity(&world);
    assert_eq!(started.state(), PendingActivityState::Started);
    assert_eq!(started.last_worker_identity, "taker");
    assert_eq!(started.heartbeat_details, payloads("half"));

    fail(&mut world, &token).unwrap();
    let backoff = activity(&world);
    assert_eq!((backoff.state(), backoff.attempt), (PendingActivityState::Scheduled, 2));
    assert_eq!(backoff.last_failure, Some(application_failure("Type")));
    assert_eq!(backoff.current_retry_interval, seconds(1));
    assert_eq!(backoff.next_attempt_schedule_time.unwrap().seconds, EPOCH / SECOND + 1);
    assert_eq!(backoff.last_attempt_complete_time.unwrap().seconds, EPOCH / SECOND);

    world.wake_after(SECOND);
    let waiting = activity(&world);
    assert_eq!((waiting.current_retry_interval, waiting.next_attempt_schedule_time), (None, None));

    world.take(id);
    world.step(Input::Signal(Box::default())).unwrap();
    world.complete(vec![cancel(id)]);
    assert_eq!(activity(&world).state(), PendingActivityState::CancelRequested);
}

#[test]
fn a_closed_run_works_on_nothing_and_shows_which_activities_it_left() {
    let mut world = World::new();
    world.complete(vec![schedule(schedule_attributes("a")), child::start("child")]);
    let pending = world.state.describe(world.now).pending_activities;
    assert_eq!(world.state.describe(world.now).pending_children[0].workflow_id, "child");
    world.advance(3 * SECOND);
    world
        .step(Input::Terminate { reason: "r".into(), details: None, identity: "i".into(), links: Vec::new() })
        .unwrap();
    let answer = world.state.describe(world.now);
    assert_eq!((answer.pending_activities, answer.pending_children.len()), (pending, 0));
    assert_eq!(answer.pending_workflow_task, None);
    let owed = perdure_engine::obligations(&world.state);
    assert!(!owed.iter().any(|task| matches!(task, Task::DispatchActivity { .. })), "{owed:?}");
    assert!(world.state.run.activities.values().all(|activity| activity.input.is_none()));
    let info = answer.workflow_execution_info.unwrap();
    assert_eq!(info.status(), WorkflowExecutionStatus::Terminated);
    assert_eq!(info.close_time.unwrap().seconds, EPOCH / SECOND + 3);
    assert_eq!(info.execution_duration, seconds(3));
}
