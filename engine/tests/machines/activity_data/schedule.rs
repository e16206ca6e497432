//! What is scheduled, and what the worker gets of it.

use perdure_engine::{Reply, Task, limits::RetryDefaults};
use perdure_proto::api::{
    command::ScheduleActivityTaskCommandAttributes,
    common::{Priority, RetryPolicy},
    enums::EventType as T,
    history::{ActivityTaskScheduledEventAttributes, history_event::Attributes},
};

use crate::{
    activity::{cancel, schedule, schedule_attributes},
    world::{SECOND, Step, World, payloads, seconds},
};

fn scheduled(step: &Step) -> ActivityTaskScheduledEventAttributes {
    match step.attributes(T::ActivityTaskScheduled) {
        Attributes::ActivityTaskScheduledEventAttributes(attributes) => attributes.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn missing_time_outs_follow_from_the_others() {
    // schedule-to-close, schedule-to-start, start-to-close, heartbeat, and the run's time-out; what is scheduled
    for (given, run, expected) in [
        ([0, 0, 60, 0], 0, [0, 0, 60, 0]),
        ([0, 0, 60, 90], 0, [0, 0, 60, 60]),
        ([60, 0, 0, 0], 0, [60, 60, 60, 0]),
        ([60, 90, 90, 0], 0, [60, 60, 60, 0]),
        ([60, 10, 20, 5], 0, [60, 10, 20, 5]),
        ([0, 0, 60, 0], 40, [40, 40, 40, 0]),
        ([0, 50, 20, 30], 40, [40, 40, 20, 20]),
        ([100, 0, 0, 0], 40, [40, 40, 40, 0]),
    ] {
        let mut world = World::with(|start| start.run_timeout = Some(run * SECOND));
        let step = world.complete(vec![schedule(ScheduleActivityTaskCommandAttributes {
            schedule_to_close_timeout: seconds(given[0]),
            schedule_to_start_timeout: seconds(given[1]),
            start_to_close_timeout: seconds(given[2]),
            heartbeat_timeout: seconds(given[3]),
            ..schedule_attributes("a")
        })]);
        let attributes = scheduled(&step);
        let actual = [
            attributes.schedule_to_close_timeout,
            attributes.schedule_to_start_timeout,
            attributes.start_to_close_timeout,
            attributes.heartbeat_timeout,
        ];
        assert_eq!(actual, expected.map(seconds), "{given:?} in a run of {run} s");
    }
}

#[test]
fn no_policy_means_the_default_policy() {
    let mut world = World::new();
    let step = world.complete(vec![schedule(schedule_attributes("a"))]);
    let policy = RetryPolicy {
        initial_interval: seconds(1),
        backoff_coefficient: 2.0,
        maximum_interval: seconds(100),
        maximum_attempts: 0,
        non_retryable_error_types: Vec::new(),
    };
    assert_eq!(scheduled(&step).retry_policy, Some(policy));
    assert_eq!(
        step.tasks,
        [Task::DispatchActivity { scheduled_event_id: world.event_id(T::ActivityTaskScheduled), attempt: 1 }]
    );
}

#[test]
fn the_worker_gets_what_it_needs() {
    let mut world = World::with(|start| {
        start.priority = Some(Priority { priority_key: 2, fairness_key: "tenant".into(), fairness_weight: 0.0 });
    });
    world.complete(vec![schedule(ScheduleActivityTaskCommandAttributes {
        input: payloads("in"),
        priority: Some(Priority { priority_key: 1, ..Default::default() }),
        ..schedule_attributes("a")
    })]);
    let id = world.event_id(T::ActivityTaskScheduled);
    world.advance(SECOND);
    let reply = world.step(crate::world::start_activity(id, 1, "r")).unwrap().reply;
    let Reply::ActivityStarted(task) = reply else { panic!() };
    assert_eq!(task.activity.input, payloads("in"));
    assert_eq!(task.activity.scheduled_time + SECOND, task.started_time);
    assert_eq!((task.workflow_id.as_str(), task.workflow_type.as_str(), task.namespace.as_str()), ("wf", "type", "ns"));
    let priority = task.activity.priority.unwrap();
    assert_eq!((priority.priority_key, priority.fairness_key.as_str()), (1, "tenant"), "what it lacks is inherited");
}

#[test]
fn an_eager_activity_is_not_dispatched() {
    let mut world = World::new();
    let eager = |id, queue: &str| {
        let mut attributes = schedule_attributes(id);
        attributes.request_eager_execution = true;
        attributes.task_queue.as_mut().unwrap().name = queue.into();
        schedule(attributes)
    };
    let step = world.complete(vec![eager("mine", "queue"), eager("other", "other")]);
    let Reply::WorkflowTaskCompleted(reply) = &step.reply else { panic!() };
    let ids: Vec<i64> = step.events.iter().skip(1).map(|event| event.event_id).collect();
    assert_eq!(reply.eager_activities, [ids[0]]);
    assert_eq!(step.tasks, [Task::DispatchActivity { scheduled_event_id: ids[1], attempt: 1 }]);
}

#[test]
fn an_eager_activity_that_is_canceled_at_once_is_not_handed_out() {
    let mut world = World::new();
    let mut attributes = schedule_attributes("a");
    attributes.request_eager_execution = true;
    let token = world.start_task();
    let id = token.started_event_id + 2;
    let step = world.try_complete(token, vec![schedule(attributes), cancel(id)]).unwrap();
    let Reply::WorkflowTaskCompleted(reply) = &step.reply else { panic!() };
    assert!(reply.eager_activities.is_empty());
    assert_eq!(
        step.types(),
        [
            T::WorkflowTaskCompleted,
            T::ActivityTaskScheduled,
            T::ActivityTaskCancelRequested,
            T::ActivityTaskCanceled,
            T::WorkflowTaskScheduled
        ]
    );
}

#[test]
fn what_a_policy_leaves_open() {
    let mut world = World::new();
    world.limits.default_activity_retry = RetryDefaults {
        initial_interval: 5 * SECOND,
        backoff_coefficient: 3.0,
        maximum_interval_coefficient: 10.0,
        maximum_attempts: 4,
    };
    let policy = |initial, maximum, backoff_coefficient, maximum_attempts| RetryPolicy {
        initial_interval: seconds(initial),
        maximum_interval: seconds(maximum),
        backoff_coefficient,
        maximum_attempts,
        ..Default::default()
    };
    for (given, holds) in [
        (None, policy(5, 50, 3.0, 4)),
        (Some(policy(2, 0, 0.0, 0)), policy(2, 20, 3.0, 4)),
        (Some(policy(0, 7, 1.5, 9)), policy(5, 7, 1.5, 9)),
    ] {
        let retry_policy = given.clone();
        let step = world.complete(vec![schedule(ScheduleActivityTaskCommandAttributes {
            retry_policy,
            ..schedule_attributes(&format!("{given:?}"))
        })]);
        assert_eq!(scheduled(&step).retry_policy, Some(holds), "{given:?}");
        world.step(perdure_engine::Input::Signal(Box::default())).unwrap();
    }
}
