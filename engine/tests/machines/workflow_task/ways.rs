//! Ways through the table, and what the events and replies say on them.

use perdure_engine::{
    Input, Notice, Reject, Reply, Signal, WorkflowTaskRef, next_deadline, obligations, transient_events,
};
use perdure_proto::api::{
    enums::{EventType as T, TimeoutType, WorkflowTaskFailedCause as Cause},
    history::history_event::Attributes,
    query::WorkflowQueryResult,
    taskqueue::{StickyExecutionAttributes, TaskQueue},
    workflowservice::RespondWorkflowTaskCompletedRequest,
};

use super::{Phase, complete_workflow, fail, phase, respond, signal, take, world_in};
use crate::{
    activity::{schedule, schedule_attributes},
    world::{SECOND, Step, World, payloads, seconds},
};

#[test]
fn a_repeated_take_gets_the_same_answer() {
    let mut world = World::new();
    let first = take(&mut world).unwrap();
    world.advance(SECOND);
    let again = take(&mut world).unwrap();
    assert!(again.events.is_empty());
    let started = |step: Step| match step.reply {
        Reply::WorkflowTaskStarted(started) => *started,
        other => panic!("{other:?}"),
    };
    assert_eq!(started(first), started(again));
}

#[test]
fn tokens_of_other_attempts_are_not_found() {
    let mut world = World::new();
    let old = world.start_task();
    world.wake_after(10 * SECOND);
    let current = world.start_task();
    let others = [
        old,
        WorkflowTaskRef { attempt: 1, ..current.clone() },
        WorkflowTaskRef { started_time: current.started_time + 1, ..current.clone() },
        WorkflowTaskRef { started_event_id: current.started_event_id + 1, ..current.clone() },
        WorkflowTaskRef { scheduled_event_id: current.scheduled_event_id + 1, ..current.clone() },
    ];
    for token in others {
        assert_eq!(world.try_complete(token.clone(), vec![]).unwrap_err(), Reject::WorkflowTaskNotFound);
        assert_eq!(fail(&mut world, token, Cause::Unspecified).unwrap_err(), Reject::WorkflowTaskNotFound);
    }
    assert_eq!(world.try_complete(current, vec![]).unwrap().types().len(), 3);
}

#[test]
fn failing_attempts_are_silent_and_get_more_time() {
    let mut world = World::new();
    let mut timeouts = Vec::new();
    for attempt in 1..=12 {
        let token = world.start_task();
        assert_eq!(token.attempt, attempt);
        let task = world.state.run.workflow_task.clone().unwrap();
        timeouts.push(task.start_to_close / SECOND);
        let deadline = task.started.unwrap().time + task.start_to_close;
        assert_eq!(next_deadline(&world.state), Some(deadline));
        world.now = deadline;
        let step = world.step(Input::Wake).unwrap();
        let written: &[T] = if attempt == 1 { &[T::WorkflowTaskTimedOut] } else { &[] };
        assert_eq!(step.types(), written);
    }
    assert_eq!(timeouts, [10, 10, 10, 15, 20, 30, 50, 90, 170, 330, 610, 610]);
    // The attempt that completes at last brings its events, as they happened.
    world.start_task();
    let (scheduled, started) = {
        let task = world.state.run.workflow_task.clone().unwrap();
        (task.scheduled_time, task.started.unwrap().time)
    };
    let shown = transient_events(&world.state);
    world.advance(3 * SECOND);
    let step = respond(&mut world, RespondWorkflowTaskCompletedRequest::default()).unwrap();
    assert_eq!(step.events[..2], shown);
    let times: Vec<i64> = step.events.iter().map(|event| event.event_time.unwrap().seconds).collect();
    assert_eq!(times, [scheduled / SECOND, started / SECOND, started / SECOND + 3]);
    assert_eq!(world.state.run.task_attempt, 1);
}

#[test]
fn events_end_a_row_of_failures() {
    // While the transient task waits.
    let mut world = world_in(Phase::TransientScheduled);
    world.step(signal("s")).unwrap();
    let step = take(&mut world).unwrap();
    assert_eq!(step.types(), [T::WorkflowTaskScheduled, T::WorkflowTaskStarted]);
    assert_eq!(phase(&world), Phase::Started);
    // While it is started: the buffer is written, the next attempt is a first one.
    let mut world = world_in(Phase::TransientStarted);
    world.step(signal("s")).unwrap();
    let token = world.token();
    let step = fail(&mut world, token, Cause::NonDeterministicError).unwrap();
    assert_eq!(step.types(), [T::WorkflowExecutionSignaled, T::WorkflowTaskScheduled]);
    assert_eq!(phase(&world), Phase::Scheduled);
}

fn sticky(worker_queue: &str) -> RespondWorkflowTaskCompletedRequest {
    RespondWorkflowTaskCompletedRequest {
        sticky_attributes: Some(StickyExecutionAttributes {
            worker_task_queue: Some(TaskQueue { name: worker_queue.into(), ..Default::default() }),
            schedule_to_start_timeout: seconds(5),
        }),
        ..Default::default()
    }
}

#[test]
fn a_sticky_task_falls_back_to_the_normal_queue() {
    let mut world = World::new();
    world.start_task();
    respond(&mut world, sticky("worker-1")).unwrap();
    let step = world.step(signal("s")).unwrap();
    let Attributes::WorkflowTaskScheduledEventAttributes(scheduled) = step.attributes(T::WorkflowTaskScheduled) else {
        panic!("attributes of another type");
    };
    let queue = scheduled.task_queue.clone().unwrap();
    assert_eq!((queue.name.as_str(), queue.normal_name.as_str()), ("worker-1", "queue"));
    assert_eq!(next_deadline(&world.state), Some(world.now + 5 * SECOND));
    let step = world.wake_after(5 * SECOND);
    assert_eq!(step.types(), [T::WorkflowTaskTimedOut, T::WorkflowTaskScheduled]);
    let Attributes::WorkflowTaskTimedOutEventAttributes(timed_out) = step.attributes(T::WorkflowTaskTimedOut) else {
        panic!("attributes of another type");
    };
    assert_eq!((timed_out.timeout_type(), timed_out.started_event_id), (TimeoutType::ScheduleToStart, 0));
    let task = world.state.run.workflow_task.clone().unwrap();
    assert_eq!((task.task_queue.as_str(), task.sticky, task.attempt), ("queue", false, 1));
    assert_eq!(next_deadline(&world.state), None);
}

#[test]
fn the_first_failure_on_a_sticky_queue_does_not_count() {
    let mut world = World::new();
    world.start_task();
    respond(&mut world, sticky("worker-1")).unwrap();
    world.step(signal("s")).unwrap();
    let token = world.start_task();
    let step = fail(&mut world, token, Cause::NonDeterministicError).unwrap();
    assert_eq!(step.types(), [T::WorkflowTaskFailed, T::WorkflowTaskScheduled]);
    assert!(world.state.run.sticky.is_none());
}

#[test]
fn a_sticky_queue_without_its_worker() {
    let mut world = World::new();
    world.start_task();
    respond(&mut world, sticky("worker-1")).unwrap();
    world.step(signal("s")).unwrap();
    let step = world.step(Input::ResetSticky).unwrap();
    assert!(step.events.is_empty());
    assert_eq!(step.tasks, obligations(&world.state));
    assert_eq!(world.state.run.workflow_task.as_ref().unwrap().task_queue, "queue");
    // A completion without sticky attributes gives the cache up.
    world.start_task();
    respond(&mut world, sticky("worker-2")).unwrap();
    assert_eq!(world.state.run.sticky.as_ref().unwrap().task_queue, "worker-2");
    world.step(signal("t")).unwrap();
    world.complete(vec![]);
    assert!(world.state.run.sticky.is_none());
}

#[test]
fn heartbeats_last_half_an_hour() {
    let mut world = World::new();
    world.start_task();
    let begin = world.now;
    let heartbeat = RespondWorkflowTaskCompletedRequest {
        force_create_new_workflow_task: true,
        return_new_workflow_task: true,
        ..Default::default()
    };
    while world.now + 9 * SECOND <= begin + 1800 * SECOND {
        world.advance(9 * SECOND);
        let step = respond(&mut world, heartbeat.clone()).unwrap();
        assert_eq!(step.types(), [T::WorkflowTaskCompleted, T::WorkflowTaskScheduled]);
        assert!(matches!(step.reply, Reply::WorkflowTaskCompleted(reply) if reply.new_task));
        world.start_task();
    }
    world.advance(9 * SECOND);
    let step = respond(&mut world, heartbeat).unwrap();
    assert_eq!(step.types(), [T::WorkflowTaskTimedOut]);
    assert!(matches!(step.reply, Reply::WorkflowTaskCompleted(reply) if reply.heartbeats_ended));
    assert_eq!(phase(&world), Phase::TransientScheduled);
}

#[test]
fn a_close_command_meets_events_that_the_worker_has_not_seen() {
    let mut world = World::new();
    let token = world.start_task();
    world.step(signal("s")).unwrap();
    let step = world.try_complete(token, vec![complete_workflow(payloads("1"))]).unwrap();
    let failed = match &step.reply {
        Reply::WorkflowTaskCompleted(reply) => reply.failed.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(failed.as_deref(), Some("UnhandledCommand"));
    let types = [T::WorkflowTaskFailed, T::WorkflowExecutionSignaled, T::WorkflowTaskScheduled];
    assert_eq!(step.types(), types);
    // While it tries again, nothing more comes between.
    let token = world.start_task();
    assert!(matches!(world.step(signal("late")), Err(Reject::BusyWorkflow(_))));
    let step = world.try_complete(token, vec![complete_workflow(payloads("1"))]).unwrap();
    assert_eq!(step.types(), [T::WorkflowTaskCompleted, T::WorkflowExecutionCompleted]);
}

#[test]
fn too_many_buffered_events_fail_the_task() {
    let mut world = World::new();
    world.start_task();
    for number in 0..100 {
        assert!(world.step(signal(&format!("s{number}"))).unwrap().events.is_empty());
    }
    let step = world.step(signal("one more")).unwrap();
    assert_eq!(step.events.len(), 103);
    let Some(Attributes::WorkflowTaskFailedEventAttributes(failed)) = &step.events[0].attributes else {
        panic!("{:?}", step.types());
    };
    assert_eq!(failed.cause(), Cause::ForceCloseCommand);
    assert_eq!(phase(&world), Phase::Scheduled);
}

#[test]
fn buffered_bytes_are_bounded() {
    let mut world = World::new();
    world.start_task();
    let large = |name: &str| {
        let input = payloads(&"x".repeat(1024 * 1024));
        Input::Signal(Box::new(Signal { name: name.into(), input, ..Default::default() }))
    };
    assert!(world.step(large("1")).unwrap().events.is_empty());
    assert_eq!(world.step(large("2")).unwrap().events.len(), 4);
}

#[test]
fn a_history_that_does_not_fit_a_message_ends_the_run() {
    let mut world = World::new();
    let token = world.start_task();
    let step = fail(&mut world, token, Cause::GrpcMessageTooLarge).unwrap();
    assert_eq!(step.types(), [T::WorkflowTaskFailed, T::WorkflowExecutionTerminated]);
    let Attributes::WorkflowExecutionTerminatedEventAttributes(ended) = step.attributes(T::WorkflowExecutionTerminated)
    else {
        panic!("attributes of another type");
    };
    assert_eq!(ended.reason, "GrpcMessageTooLarge");
}

#[test]
fn continue_as_new_is_suggested_in_time() {
    let mut world = World::new();
    world.limits.history_count_suggest_continue_as_new = 7;
    world.complete(vec![]);
    world.step(signal("s")).unwrap();
    world.start_task();
    let started = world.state.run.workflow_task.clone().unwrap().started.unwrap();
    assert!(started.suggest_continue_as_new);
    assert_eq!(started.suggest_reasons, [2]);
}

#[test]
fn histories_have_an_end() {
    let mut world = World::new();
    world.limits.history_count = 5;
    world.complete(vec![]);
    let step = world.step(signal("s")).unwrap();
    assert_eq!(step.types(), [T::WorkflowExecutionSignaled, T::WorkflowTaskScheduled, T::WorkflowExecutionTerminated]);
    let mut world = World::new();
    world.limits.history_size = 200;
    world.start_task();
    assert_eq!(phase(&world), Phase::Closed);
}

#[test]
fn states_have_an_end() {
    let mut world = World::new();
    world.limits.state_size = 500;
    world.complete(vec![schedule(schedule_attributes("a"))]);
    let mut steps = 0;
    while phase(&world) != Phase::Closed {
        steps += 1;
        assert!(steps < 100, "a state over its limit goes on");
        world.step(signal(&format!("s{steps}"))).unwrap();
    }
    let close = world.state.run.close.clone().unwrap();
    let Some(Attributes::WorkflowExecutionTerminatedEventAttributes(ended)) = close.event.unwrap().attributes else {
        panic!("attributes of another type");
    };
    assert_eq!(ended.reason, "Workflow mutable state size exceeds limit.");
}

#[test]
fn a_completion_that_is_too_large_to_be_written_ends_the_run() {
    let mut world = world_in(Phase::Started);
    world.limits.transaction_size = 200;
    let commands = ["a", "b", "c", "d"].map(|id| schedule(schedule_attributes(id))).to_vec();
    let step = respond(&mut world, RespondWorkflowTaskCompletedRequest { commands, ..Default::default() }).unwrap();
    assert_eq!(step.types(), [T::WorkflowTaskFailed, T::WorkflowExecutionTerminated]);
    let Attributes::WorkflowExecutionTerminatedEventAttributes(ended) = step.attributes(T::WorkflowExecutionTerminated)
    else {
        panic!("attributes of another type");
    };
    assert_eq!(ended.reason, "Transaction size exceeds limit.");
    assert!(world.state.run.activities.is_empty());
}

#[test]
fn versioning_needs_its_options() {
    let mut world = world_in(Phase::Started);
    let request = RespondWorkflowTaskCompletedRequest { versioning_behavior: 1, ..Default::default() };
    assert!(matches!(respond(&mut world, request), Err(Reject::InvalidArgument(_))));
}

#[test]
fn what_waited_is_written_with_the_ends_last() {
    let mut world = World::new();
    world.complete(["a", "b"].map(|id| schedule(schedule_attributes(id))).to_vec());
    let ids: Vec<i64> = world.state.run.activities.keys().copied().collect();
    world.step(signal("first")).unwrap();
    world.start_task();
    for &id in &ids {
        let activity = world.take(id);
        let (result, identity) = (payloads("1"), "worker".into());
        assert!(world.step(Input::ActivityCompleted { activity, result, identity }).unwrap().events.is_empty());
        assert!(!world.state.run.activities.contains_key(&id), "its effect does not wait");
    }
    world.advance(SECOND);
    world.step(signal("second")).unwrap();
    let step = respond(&mut world, RespondWorkflowTaskCompletedRequest::default()).unwrap();
    let types = [
        T::WorkflowTaskCompleted,
        T::ActivityTaskStarted,
        T::ActivityTaskStarted,
        T::WorkflowExecutionSignaled,
        T::ActivityTaskCompleted,
        T::ActivityTaskCompleted,
        T::WorkflowTaskScheduled,
    ];
    assert_eq!(step.types(), types);
    let first_id = step.events[0].event_id;
    for (position, event) in step.events.iter().enumerate() {
        assert_eq!(event.event_id, first_id + position as i64);
        if let Some(Attributes::ActivityTaskCompletedEventAttributes(completed)) = &event.attributes {
            // Each end names the start that got its id just now.
            assert_eq!(completed.started_event_id, event.event_id - 3);
        }
    }
}

#[test]
fn queries_are_answered_before_the_others_go_on() {
    let mut world = World::new();
    world.start_task();
    let result = WorkflowQueryResult { answer: payloads("1"), ..Default::default() };
    let query_results = [("q".to_owned(), result.clone())].into();
    let request = RespondWorkflowTaskCompletedRequest { query_results, ..Default::default() };
    let step = respond(&mut world, request).unwrap();
    let answered = Notice::QueryAnswered { query_id: "q".into(), result };
    assert_eq!(step.notices, [answered, Notice::QueriesUnanswered]);
}
