//! Pause, unpause, reset and other options, in each state of an activity.

use perdure_engine::{
    ActivityOperation, ActivityRef, ActivitySelector, Input, Jitter, OptionField, Reject, Reply, Task, obligations,
    state::{Activity, ActivityPhase},
};
use perdure_proto::api::{
    activity::ActivityOptions,
    common::RetryPolicy,
    enums::{EventType as T, PendingActivityState as P},
    history::history_event::Attributes,
    taskqueue::TaskQueue,
    workflow::PendingActivityInfo,
};

use crate::{
    activity::{complete, fail, heartbeat, with_activity},
    world::{SECOND, Step, World, seconds, start_activity},
};

const NOT_FOUND: &str = "Can't find pending activity with such ID. Invalid activityID or activity already completed";
const NONE: Jitter = Jitter { within: 0, seed: 0 };

fn operate(world: &mut World, operation: ActivityOperation) -> Result<Step, Reject> {
    let activity = ActivitySelector::Id("a".into());
    world.step(Input::OperateActivity { activity, operation: Box::new(operation) })
}

fn pause_as(request_id: &str) -> ActivityOperation {
    ActivityOperation::Pause { identity: "operator".into(), reason: "why".into(), request_id: request_id.into() }
}

fn pause(world: &mut World) {
    operate(world, pause_as("p")).unwrap();
}

fn unpause() -> ActivityOperation {
    ActivityOperation::Unpause { reset_attempts: false, reset_heartbeat: false, jitter: NONE }
}

fn reset() -> ActivityOperation {
    ActivityOperation::Reset { reset_heartbeat: false, keep_paused: false, restore_options: false, jitter: NONE }
}

fn update(options: ActivityOptions, fields: &[OptionField]) -> ActivityOperation {
    ActivityOperation::UpdateOptions { options: Box::new(options), fields: fields.to_vec() }
}

fn dispatch(scheduled_event_id: i64, attempt: i32) -> Task {
    Task::DispatchActivity { scheduled_event_id, attempt }
}

fn activity(world: &World, id: i64) -> &Activity {
    &world.state.run.activities[&id]
}

fn described(world: &World) -> PendingActivityInfo {
    world.state.describe(world.now).pending_activities.remove(0)
}

/// What a heartbeat tells: cancel requested, paused, reset.
fn told(world: &mut World, token: &ActivityRef, details: &str) -> (bool, bool, bool) {
    match heartbeat(world, token, details).unwrap().reply {
        Reply::Heartbeat { cancel_requested, paused, reset } => (cancel_requested, paused, reset),
        other => panic!("{other:?}"),
    }
}

/// The activity fails once; its second attempt waits for two seconds.
fn in_backoff() -> (World, i64) {
    let (mut world, id) = with_activity();
    let token = world.take(id);
    heartbeat(&mut world, &token, "progress").unwrap();
    fail(&mut world, &token).unwrap();
    (world, id)
}

#[test]
fn a_paused_attempt_that_waits_is_not_taken() {
    let (mut world, id) = with_activity();
    pause(&mut world);
    assert_eq!(world.step(start_activity(id, 1, "r")).unwrap_err(), Reject::StaleTask);
    assert!(!obligations(&world.state).contains(&dispatch(id, 1)));
    let shown = described(&world);
    assert_eq!(shown.state(), P::Paused);
    assert!(shown.paused && shown.pause_info.is_some());
    // Schedule-to-start (30 s) stands still, schedule-to-close (100 s) does not.
    assert_eq!(world.wake_after(99 * SECOND).types(), &[]);
    assert_eq!(world.wake_after(SECOND).types(), &[T::ActivityTaskTimedOut, T::WorkflowTaskScheduled]);
}

#[test]
fn a_paused_backoff_goes_on_when_unpaused() {
    let (mut world, id) = in_backoff();
    pause(&mut world);
    assert_eq!(world.wake_after(10 * SECOND).tasks, &[]);
    let step = operate(&mut world, unpause()).unwrap();
    assert_eq!(step.tasks, &[dispatch(id, 2)]);
    assert_eq!(activity(&world, id).attempt_scheduled_time, world.now);
    world.take(id);
    assert!(activity(&world, id).heartbeat_details.is_some());
}

#[test]
fn a_running_attempt_goes_on_while_paused() {
    let (mut world, id) = with_activity();
    let token = world.take(id);
    pause(&mut world);
    assert_eq!(described(&world).state(), P::PauseRequested);
    assert_eq!(told(&mut world, &token, "1"), (false, true, false));
    fail(&mut world, &token).unwrap();
    assert_eq!(described(&world).state(), P::Paused);
    assert_eq!(world.wake_after(10 * SECOND).tasks, &[], "the next attempt waits");
    assert_eq!(operate(&mut world, unpause()).unwrap().tasks, &[dispatch(id, 2)]);

    let (mut world, id) = with_activity();
    let token = world.take(id);
    pause(&mut world);
    let types = complete(&mut world, &token).unwrap().types();
    assert_eq!(types, &[T::ActivityTaskStarted, T::ActivityTaskCompleted, T::WorkflowTaskScheduled]);

    let (mut world, id) = with_activity();
    world.take(id);
    pause(&mut world);
    world.wake_after(5 * SECOND);
    assert!(matches!(activity(&world, id).phase, Some(ActivityPhase::Backoff(_))), "its heartbeat is still awaited");
}

#[test]
fn paused_twice() {
    let (mut world, _) = with_activity();
    pause(&mut world);
    let before = world.state.clone();
    pause(&mut world);
    assert_eq!(world.state, before, "the same request");
    let another = operate(&mut world, pause_as("q")).unwrap_err();
    assert_eq!(another, Reject::FailedPrecondition("activity is already paused".into()));
}

#[test]
fn unpaused_while_not_paused_nothing_happens() {
    let (mut world, _) = in_backoff();
    let before = world.state.clone();
    operate(&mut world, unpause()).unwrap();
    assert_eq!(world.state, before);
}

#[test]
fn unpaused_with_all_that_it_can_reset() {
    let (mut world, id) = in_backoff();
    pause(&mut world);
    let jitter = Jitter { within: 60 * SECOND, seed: 7 };
    let step = operate(&mut world, ActivityOperation::Unpause { reset_attempts: true, reset_heartbeat: true, jitter });
    assert_eq!(step.unwrap().tasks, &[]);
    let waiting = activity(&world, id);
    assert!(waiting.attempt_scheduled_time > world.now && waiting.attempt_scheduled_time < world.now + 60 * SECOND);
    assert_eq!((waiting.attempt, &waiting.heartbeat_details), (1, &None));
    assert_eq!(world.wake_after(60 * SECOND).tasks, &[dispatch(id, 1)]);
}

#[test]
fn reset_while_it_waits() {
    let (mut world, id) = in_backoff();
    assert_eq!(operate(&mut world, reset()).unwrap().tasks, &[dispatch(id, 1)]);
    assert_eq!((activity(&world, id).attempt, &activity(&world, id).last_failure), (1, &None));
    assert!(activity(&world, id).heartbeat_details.is_some());

    let (mut world, id) = in_backoff();
    pause(&mut world);
    let keep =
        ActivityOperation::Reset { reset_heartbeat: true, keep_paused: true, restore_options: false, jitter: NONE };
    assert_eq!(operate(&mut world, keep).unwrap().tasks, &[]);
    assert_eq!(described(&world).state(), P::Paused);
    assert_eq!(activity(&world, id).heartbeat_details, None);
    assert_eq!(operate(&mut world, unpause()).unwrap().tasks, &[dispatch(id, 1)]);

    let (mut world, id) = in_backoff();
    pause(&mut world);
    assert_eq!(operate(&mut world, reset()).unwrap().tasks, &[dispatch(id, 1)], "a reset also unpauses");
}

#[test]
fn reset_while_it_runs() {
    let (mut world, id) = in_backoff();
    world.wake_after(2 * SECOND);
    let token = world.take(id);
    assert_eq!(described(&world).attempt, 2);
    let forget =
        ActivityOperation::Reset { reset_heartbeat: true, keep_paused: false, restore_options: false, jitter: NONE };
    assert_eq!(operate(&mut world, forget).unwrap().tasks, &[]);
    assert_eq!(described(&world).attempt, 1);
    assert_eq!(told(&mut world, &token, "late"), (false, false, true), "its token still holds");
    fail(&mut world, &token).unwrap();
    let waiting = activity(&world, id);
    assert_eq!((waiting.attempt, &waiting.heartbeat_details), (2, &None));
    world.wake_after(2 * SECOND);
    let token = world.take(id);
    assert_eq!(told(&mut world, &token, "1"), (false, false, false), "the next attempt is none that was reset");
    let step = complete(&mut world, &token).unwrap();
    let Attributes::ActivityTaskStartedEventAttributes(started) = step.attributes(T::ActivityTaskStarted) else {
        panic!("{step:?}")
    };
    assert_eq!(started.attempt, 2);
}

#[test]
fn other_options() {
    let (mut world, id) = in_backoff();
    let wanted = ActivityOptions {
        task_queue: Some(TaskQueue { name: "other".into(), ..Default::default() }),
        start_to_close_timeout: seconds(1_000),
        heartbeat_timeout: seconds(7),
        retry_policy: Some(RetryPolicy { initial_interval: seconds(40), ..Default::default() }),
        ..Default::default()
    };
    use OptionField as F;
    let fields = [F::TaskQueueName, F::StartToCloseTimeout, F::InitialInterval];
    let step = operate(&mut world, update(wanted, &fields)).unwrap();
    let Reply::ActivityOptions(options) = step.reply else { panic!("{:?}", step.reply) };
    assert_eq!(options.start_to_close_timeout, seconds(100), "not longer than schedule-to-close");
    assert_eq!(options.heartbeat_timeout, seconds(5), "not named in the update");
    let now = activity(&world, id);
    assert_eq!((now.task_queue.as_str(), now.start_to_close), ("other", 100 * SECOND));
    assert_eq!(now.retry_policy.as_ref().unwrap().backoff_coefficient, 2.0);
    assert_eq!(world.wake_after(39 * SECOND).tasks, &[], "the wait follows the new policy");
    assert_eq!(world.wake_after(SECOND).tasks, &[dispatch(id, 2)]);

    let step = operate(&mut world, ActivityOperation::RestoreOptions).unwrap();
    assert_eq!(step.tasks, &[dispatch(id, 2)], "to its first queue");
    let now = activity(&world, id);
    assert_eq!((now.task_queue.as_str(), now.start_to_close), ("queue", 20 * SECOND));
    assert_eq!(now.retry_policy.as_ref().unwrap().initial_interval, seconds(2));
}

#[test]
fn options_that_cannot_be() {
    use OptionField as F;
    let queue = TaskQueue { name: "/_sys/x".into(), ..Default::default() };
    let policy = RetryPolicy { maximum_attempts: -1, ..Default::default() };
    let cases = [
        (ActivityOptions::default(), vec![F::TaskQueueName], "TaskQueue is not provided"),
        (ActivityOptions::default(), vec![F::FairnessKey], "Priority is not provided"),
        (ActivityOptions::default(), vec![F::MaximumAttempts], "RetryPolicy is not provided"),
        (
            ActivityOptions { heartbeat_timeout: seconds(-1), ..Default::default() },
            vec![F::HeartbeatTimeout],
            "invalid HeartbeatTimeout: negative duration",
        ),
        (
            ActivityOptions { task_queue: Some(queue), ..Default::default() },
            vec![F::TaskQueueName],
            "task queue name cannot start with reserved prefix /_sys/",
        ),
        (
            ActivityOptions { retry_policy: Some(policy), ..Default::default() },
            vec![F::MaximumAttempts],
            "MaximumAttempts cannot be negative on retry policy.",
        ),
    ];
    for (options, fields, text) in cases {
        let (mut world, _) = with_activity();
        let refused = operate(&mut world, update(options, &fields)).unwrap_err();
        assert_eq!(refused, Reject::InvalidArgument(text.into()));
    }
}

#[test]
fn which_activities() {
    let (mut world, id) = with_activity();
    for (selector, found) in [
        (ActivitySelector::Id("b".into()), false),
        (ActivitySelector::Type("other".into()), false),
        (ActivitySelector::Type("act".into()), true),
        (ActivitySelector::All, true),
    ] {
        let operation = Box::new(pause_as("p"));
        let answer = world.step(Input::OperateActivity { activity: selector.clone(), operation });
        match found {
            true => assert!(answer.is_ok() && activity(&world, id).pause.is_some(), "{selector:?}"),
            false => assert_eq!(answer.unwrap_err(), Reject::NotFound(NOT_FOUND.into()), "{selector:?}"),
        }
    }
    let end = Input::Terminate { reason: "r".into(), details: None, identity: "i".into(), links: Vec::new() };
    world.step(end).unwrap();
    assert_eq!(operate(&mut world, unpause()).unwrap_err(), Reject::WorkflowClosed);
}
