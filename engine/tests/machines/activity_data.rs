//! What the events of activities say, and what attempts hand on; those of the schedule are in `schedule`.

mod schedule;

use perdure_engine::{ActivityRef, Input, Reply};
use perdure_proto::api::{
    command::ScheduleActivityTaskCommandAttributes,
    common::{Payloads, RetryPolicy},
    enums::{EventType as T, RetryState, TimeoutType},
    failure::{Failure, failure::FailureInfo},
    history::{
        ActivityTaskFailedEventAttributes, ActivityTaskStartedEventAttributes, ActivityTaskTimedOutEventAttributes,
        history_event::Attributes,
    },
};

use crate::{
    activity::{complete, fail, heartbeat, schedule, schedule_attributes, with_activity},
    world::{SECOND, Step, World, application_failure, huge, payloads, seconds},
};

fn started(step: &Step) -> ActivityTaskStartedEventAttributes {
    match step.attributes(T::ActivityTaskStarted) {
        Attributes::ActivityTaskStartedEventAttributes(attributes) => attributes.clone(),
        other => panic!("{other:?}"),
    }
}

fn failed(step: &Step) -> ActivityTaskFailedEventAttributes {
    match step.attributes(T::ActivityTaskFailed) {
        Attributes::ActivityTaskFailedEventAttributes(attributes) => attributes.clone(),
        other => panic!("{other:?}"),
    }
}

fn timed_out(step: &Step) -> ActivityTaskTimedOutEventAttributes {
    match step.attributes(T::ActivityTaskTimedOut) {
        Attributes::ActivityTaskTimedOutEventAttributes(attributes) => attributes.clone(),
        other => panic!("{other:?}"),
    }
}

fn timeout_of(failure: &Failure) -> (TimeoutType, Option<Payloads>) {
    match &failure.failure_info {
        Some(FailureInfo::TimeoutFailureInfo(info)) => (info.timeout_type(), info.last_heartbeat_details.clone()),
        other => panic!("{other:?}"),
    }
}

/// A run with one activity and its first attempt taken.
fn taken(change: impl FnOnce(&mut ScheduleActivityTaskCommandAttributes)) -> (World, i64, ActivityRef) {
    let mut world = World::new();
    let mut attributes = schedule_attributes("a");
    change(&mut attributes);
    world.complete(vec![schedule(attributes)]);
    let id = world.event_id(T::ActivityTaskScheduled);
    let token = world.take(id);
    (world, id, token)
}

#[test]
fn retries_leave_one_started_event_with_the_last_attempt() {
    let (mut world, id, token) = taken(|_| {});
    fail(&mut world, &token).unwrap();
    world.wake_after(SECOND);
    let token = world.take(id);
    let started_time = world.now;
    world.advance(SECOND);
    let step = complete(&mut world, &token).unwrap();
    let attributes = started(&step);
    assert_eq!(attributes.attempt, 2);
    assert_eq!(attributes.identity, "taker");
    assert_eq!(attributes.last_failure, Some(application_failure("Type")));
    let time = step.event(T::ActivityTaskStarted).event_time.unwrap();
    assert_eq!(time.seconds, started_time / SECOND, "the time of the start, not of the end");
}

#[test]
fn waits_grow_by_the_policy() {
    let (mut world, id, mut token) = taken(|attributes| {
        attributes.retry_policy = Some(RetryPolicy {
            initial_interval: seconds(3),
            backoff_coefficient: 2.0,
            maximum_interval: seconds(10),
            ..Default::default()
        });
    });
    for wait in [3, 6, 10, 10] {
        fail(&mut world, &token).unwrap();
        assert_eq!(world.state.run.activities[&id].current_retry_interval, wait * SECOND);
        assert_eq!(world.wake_after(wait * SECOND - 1).tasks, []);
        assert_eq!(world.wake_after(1).tasks.len(), 1);
        token = world.take(id);
    }
}

#[test]
fn why_no_other_attempt_follows() {
    type Change = fn(&mut ScheduleActivityTaskCommandAttributes, &mut Failure);
    let cases: [(Change, RetryState); 4] = [
        (
            |attributes, _| attributes.retry_policy = Some(RetryPolicy { maximum_attempts: 1, ..Default::default() }),
            RetryState::MaximumAttemptsReached,
        ),
        (
            |attributes, _| {
                let non_retryable_error_types = vec!["Type".into()];
                attributes.retry_policy = Some(RetryPolicy { non_retryable_error_types, ..Default::default() });
            },
            RetryState::NonRetryableFailure,
        ),
        (
            |_, failure| match &mut failure.failure_info {
                Some(FailureInfo::ApplicationFailureInfo(info)) => info.non_retryable = true,
                other => panic!("{other:?}"),
            },
            RetryState::NonRetryableFailure,
        ),
        (
            |attributes, _| {
                attributes.schedule_to_close_timeout = seconds(5);
                attributes.retry_policy = Some(RetryPolicy { initial_interval: seconds(6), ..Default::default() });
            },
            RetryState::Timeout,
        ),
    ];
    for (change, expected) in cases {
        let mut failure = application_failure("Type");
        let (mut world, _, activity) = taken(|attributes| change(attributes, &mut failure));
        let (failure, identity) = (Box::new(failure), "worker".into());
        let step =
            world.step(Input::ActivityFailed { activity, failure, last_heartbeat_details: None, identity }).unwrap();
        assert_eq!(failed(&step).retry_state(), expected);
    }
}

#[test]
fn a_failure_may_bring_its_own_delay() {
    let (mut world, id, activity) = taken(|_| {});
    let mut failure = application_failure("Type");
    let Some(FailureInfo::ApplicationFailureInfo(info)) = &mut failure.failure_info else { panic!() };
    info.next_retry_delay = seconds(500);
    let (failure, identity) = (Box::new(failure), "worker".into());
    world.step(Input::ActivityFailed { activity, failure, last_heartbeat_details: None, identity }).unwrap();
    assert_eq!(world.state.run.activities[&id].current_retry_interval, 500 * SECOND, "beyond the policy's maximum");
}

#[test]
fn details_of_a_heartbeat_reach_the_next_attempt() {
    let (mut world, id, token) = taken(|_| {});
    heartbeat(&mut world, &token, "half").unwrap();
    fail(&mut world, &token).unwrap();
    world.wake_after(SECOND);
    let Reply::ActivityStarted(task) = world.step(crate::world::start_activity(id, 2, "r")).unwrap().reply else {
        panic!()
    };
    assert_eq!(task.activity.heartbeat_details, payloads("half"));
    assert_eq!(task.activity.attempt, 2);
}

#[test]
fn a_failure_may_bring_the_last_details() {
    let (mut world, id, activity) = taken(|_| {});
    let (failure, identity) = (Box::new(application_failure("Type")), "worker".into());
    let last_heartbeat_details = payloads("last");
    world.step(Input::ActivityFailed { activity, failure, last_heartbeat_details, identity }).unwrap();
    assert_eq!(world.state.run.activities[&id].heartbeat_details, payloads("last"));
}

#[test]
fn a_heartbeat_puts_its_time_out_off() {
    let (mut world, id) = with_activity();
    let token = world.take(id);
    world.advance(4 * SECOND);
    heartbeat(&mut world, &token, "1").unwrap();
    world.wake_after(4 * SECOND);
    assert_eq!(world.state.run.activities[&id].attempt, 1);
    world.wake_after(SECOND);
    assert_eq!(world.state.run.activities[&id].attempt, 2);
}

#[test]
fn each_time_out_and_what_it_says() {
    let (mut world, id) = with_activity();
    let step = world.wake_after(30 * SECOND);
    let attributes = timed_out(&step);
    assert_eq!(attributes.retry_state(), RetryState::Timeout);
    let failure = attributes.failure.unwrap();
    assert_eq!(failure.message, "activity ScheduleToStart timeout");
    assert_eq!(timeout_of(&failure).0, TimeoutType::ScheduleToStart);
    assert_eq!((attributes.scheduled_event_id, attributes.started_event_id), (id, 0));

    let once = |attributes: &mut ScheduleActivityTaskCommandAttributes| {
        attributes.heartbeat_timeout = seconds(5);
        attributes.retry_policy = Some(RetryPolicy { maximum_attempts: 1, ..Default::default() });
    };
    let (mut world, _, token) = taken(once);
    heartbeat(&mut world, &token, "half").unwrap();
    let step = world.wake_after(5 * SECOND);
    let attributes = timed_out(&step);
    assert_eq!(attributes.retry_state(), RetryState::MaximumAttemptsReached);
    let failure = attributes.failure.unwrap();
    assert_eq!(failure.message, "activity Heartbeat timeout");
    assert_eq!(timeout_of(&failure), (TimeoutType::Heartbeat, payloads("half")));
    assert_eq!(attributes.started_event_id, step.event(T::ActivityTaskStarted).event_id);

    let (mut world, _, _) = taken(|attributes| {
        attributes.retry_policy = Some(RetryPolicy { maximum_attempts: 1, ..Default::default() });
    });
    let step = world.wake_after(60 * SECOND);
    let failure = timed_out(&step).failure.unwrap();
    assert_eq!(failure.message, "activity StartToClose timeout");
    assert_eq!(timeout_of(&failure).0, TimeoutType::StartToClose);
}

#[test]
fn schedule_to_close_ends_attempts_and_tells_the_last_failure() {
    let (mut world, id, token) = taken(|attributes| attributes.schedule_to_close_timeout = seconds(10));
    fail(&mut world, &token).unwrap();
    world.wake_after(SECOND);
    world.take(id);
    let step = world.wake_after(9 * SECOND);
    let attributes = timed_out(&step);
    assert_eq!(attributes.retry_state(), RetryState::Timeout);
    let failure = attributes.failure.unwrap();
    assert_eq!(timeout_of(&failure).0, TimeoutType::ScheduleToClose);
    assert_eq!(failure.cause.as_deref(), Some(&application_failure("Type")));
}

#[test]
fn a_listed_time_out_is_not_retried() {
    let (mut world, _, _) = taken(|attributes| {
        let non_retryable_error_types = vec!["TemporalTimeout:StartToClose".into()];
        attributes.retry_policy = Some(RetryPolicy { non_retryable_error_types, ..Default::default() });
    });
    let step = world.wake_after(60 * SECOND);
    assert_eq!(timed_out(&step).retry_state(), RetryState::NonRetryableFailure);
}

#[test]
fn payloads_that_are_too_large_fail_the_activity() {
    type Send = fn(&mut World, ActivityRef) -> Step;
    let sends: [(Send, &str); 3] = [
        (
            |world, activity| {
                let identity = "worker".into();
                world.step(Input::ActivityCompleted { activity, result: huge(), identity }).unwrap()
            },
            "Complete result exceeds size limit.",
        ),
        (
            |world, activity| {
                let identity = "worker".into();
                let step = world.step(Input::ActivityHeartbeat { activity, details: huge(), identity }).unwrap();
                assert!(matches!(step.reply, Reply::Heartbeat { cancel_requested: true, .. }));
                step
            },
            "Heartbeat details exceed size limit.",
        ),
        (
            |world, activity| {
                let mut failure = application_failure("Type");
                failure.message = "x".repeat(3 * 1024 * 1024);
                let (failure, identity) = (Box::new(failure), "worker".into());
                world.step(Input::ActivityFailed { activity, failure, last_heartbeat_details: None, identity }).unwrap()
            },
            "Failure exceeds size limit.",
        ),
    ];
    for (send, text) in sends {
        let (mut world, _, token) = taken(|_| {});
        let attributes = failed(&send(&mut world, token));
        assert_eq!(attributes.retry_state(), RetryState::NonRetryableFailure, "{text}");
        let failure = attributes.failure.unwrap();
        assert_eq!((failure.message.as_str(), failure.source.as_str()), (text, ""));
        let Some(FailureInfo::ServerFailureInfo(info)) = failure.failure_info else { panic!("{text}") };
        assert!(info.non_retryable);
    }
}

#[test]
fn the_state_keeps_only_the_beginning_of_a_long_failure() {
    let (mut world, id, activity) = taken(|_| {});
    let mut failure = application_failure("Type");
    failure.message = "ä".repeat(5_000);
    failure.stack_trace = "trace".into();
    let (failure, identity) = (Box::new(failure), "worker".into());
    world.step(Input::ActivityFailed { activity, failure, last_heartbeat_details: None, identity }).unwrap();
    let kept = world.state.run.activities[&id].last_failure.clone().unwrap();
    assert_eq!(kept.message, "Failure exceeds size limit.");
    let cause = kept.cause.unwrap();
    assert!(cause.message.len() > 4_000 && cause.message.len() <= 4_096, "{}", cause.message.len());
    assert_eq!(cause.message.chars().next(), Some('ä'));
    let Some(FailureInfo::ApplicationFailureInfo(info)) = cause.failure_info else { panic!() };
    assert_eq!(info.r#type, "Type");
}
