//! Each cell of the table of activities of their own; `life` has what one goes through, `random` all of it in any order.

mod life;
mod random;

use perdure_engine::{
    ActivityOperation, Input, Jitter, OptionField, Reject, Task,
    input::{ActivityTimeouts, StartKind},
    standalone_activity::{ActivityControl, ONLY, activity_status},
};
use perdure_proto::api::{
    activity::{ActivityExecutionInfo, ActivityOptions, activity_execution_outcome::Value},
    common::RetryPolicy,
    enums::{ActivityExecutionStatus as A, PendingActivityState as P, RetryState},
    failure::Failure,
};

use crate::{
    activity::complete,
    world::{SECOND, Step, World, payloads, seconds},
};

type Answer = Result<Step, Reject>;

const DISPATCH: Task = Task::DispatchActivity { scheduled_event_id: ONLY, attempt: 1 };

/// 100 s in all, 30 s to be taken, 20 s to run, 5 s between heartbeats, 2 s before the second attempt, at most three.
fn with(start_delay: i64) -> World {
    World::with(|start| {
        start.workflow_id = "a".into();
        start.start_delay = start_delay;
        start.input = payloads("\"in\"");
        start.retry_policy = Some(RetryPolicy {
            initial_interval: seconds(2),
            backoff_coefficient: 2.0,
            maximum_attempts: 3,
            ..Default::default()
        });
        start.kind = StartKind::Activity(ActivityTimeouts {
            schedule_to_close: 100 * SECOND,
            schedule_to_start: 30 * SECOND,
            start_to_close: 20 * SECOND,
            heartbeat: 5 * SECOND,
        });
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waits,
    Paused,
    Started,
    PauseRequested,
    CancelRequested,
    ResetRequested,
    Closed,
}

const ALL: [State; 7] = [
    State::Waits,
    State::Paused,
    State::Started,
    State::PauseRequested,
    State::CancelRequested,
    State::ResetRequested,
    State::Closed,
];

fn reach(state: State) -> World {
    let mut world = with(0);
    if matches!(state, State::Started | State::PauseRequested | State::CancelRequested | State::ResetRequested) {
        world.take(ONLY);
    }
    let done = match state {
        State::Waits | State::Started => return world,
        State::Paused | State::PauseRequested => operate(&mut world, "reach", pause()),
        State::CancelRequested => cancel(&mut world, "reach"),
        State::ResetRequested => operate(&mut world, "reach", reset()),
        State::Closed => {
            let token = world.take(ONLY);
            complete(&mut world, &token)
        }
    };
    done.unwrap();
    world
}

fn control(world: &mut World, control: ActivityControl) -> Answer {
    world.step(Input::ControlActivity(Box::new(control)))
}

fn cancel(world: &mut World, request_id: &str) -> Answer {
    let (request_id, identity, reason) = (request_id.into(), "canceler".into(), "say \"why\"".into());
    control(world, ActivityControl::Cancel { request_id, identity, reason })
}

fn terminate(world: &mut World, request_id: &str) -> Answer {
    let (request_id, identity, reason) = (request_id.into(), "operator".into(), "because".into());
    control(world, ActivityControl::Terminate { request_id, identity, reason })
}

fn operate(world: &mut World, request_id: &str, operation: ActivityOperation) -> Answer {
    control(world, ActivityControl::Operate { request_id: request_id.into(), operation })
}

fn pause() -> ActivityOperation {
    ActivityOperation::Pause { identity: "operator".into(), reason: "why".into(), request_id: "p".into() }
}

fn unpause() -> ActivityOperation {
    ActivityOperation::Unpause { reset_attempts: false, reset_heartbeat: false, jitter: Jitter::default() }
}

fn reset() -> ActivityOperation {
    let jitter = Jitter::default();
    ActivityOperation::Reset { reset_heartbeat: false, keep_paused: false, restore_options: false, jitter }
}

fn update(field: OptionField) -> ActivityOperation {
    let options =
        ActivityOptions { start_to_close_timeout: seconds(7), start_delay: seconds(60), ..Default::default() };
    ActivityOperation::UpdateOptions { options: Box::new(options), fields: vec![field] }
}

fn info(world: &World) -> ActivityExecutionInfo {
    world.state.describe_activity(world.now).unwrap()
}

fn status(world: &World) -> A {
    activity_status(world.state.status())
}

fn failure(world: &World) -> (Failure, RetryState) {
    let outcome = world.state.activity_outcome().unwrap();
    let retry_state = outcome.retry_state();
    match outcome.value.unwrap() {
        Value::Failure(failure) => (failure, retry_state),
        Value::Result(result) => panic!("{result:?}"),
    }
}

/// What was answered, and the run's state afterwards.
fn seen(world: &World, answer: Answer) -> (Result<(), String>, A, P) {
    let shown = info(world);
    (answer.map(|_| ()).map_err(|reject| reject.to_string()), shown.status(), shown.run_state())
}

/// Tries one call in each state.
fn table(call: impl Fn(&mut World) -> Answer, expected: [(Result<(), &str>, A, P); 7]) {
    for (state, (answer, status, run_state)) in ALL.into_iter().zip(expected) {
        let mut world = reach(state);
        let found = call(&mut world);
        let found = seen(&world, found);
        assert_eq!(found, (answer.map_err(str::to_owned), status, run_state), "{state:?}");
        assert!(world.history.is_empty(), "an activity of its own has no history");
    }
}

const GONE: P = P::Unspecified;

#[test]
fn cancel_request_in_each_state() {
    let again = Err("cancellation already requested with request ID reach");
    let canceled = (Ok(()), A::Canceled, GONE);
    let told = (Ok(()), A::Running, P::CancelRequested);
    let closed = (Err("invalid transition from Completed"), A::Completed, GONE);
    let expected = [canceled, canceled, told, told, (again, A::Running, P::CancelRequested), told, closed];
    table(|world| cancel(world, "c"), expected);
}

#[test]
fn terminate_in_each_state() {
    let done = (Ok(()), A::Terminated, GONE);
    let closed = (Err("invalid transition from Completed"), A::Completed, GONE);
    table(|world| terminate(world, "t"), [done, done, done, done, done, done, closed]);
}

#[test]
fn pause_in_each_state() {
    let refused = |text| Err(text);
    let expected = [
        (Ok(()), A::Paused, P::Paused),
        (refused("activity is in non-pausable state Paused"), A::Paused, P::Paused),
        (Ok(()), A::Running, P::PauseRequested),
        (refused("activity is in non-pausable state PauseRequested"), A::Running, P::PauseRequested),
        (refused("activity is in non-pausable state CancelRequested"), A::Running, P::CancelRequested),
        (refused("activity is in non-pausable state ResetRequested"), A::Running, P::Started),
        (refused("activity is in non-pausable state Completed"), A::Completed, GONE),
    ];
    table(|world| operate(world, "o", pause()), expected);
}

#[test]
fn unpause_in_each_state() {
    let refused = |text| Err(text);
    let expected = [
        (refused("activity is in non-unpausable state Scheduled"), A::Running, P::Scheduled),
        (Ok(()), A::Running, P::Scheduled),
        (refused("activity is in non-unpausable state Started"), A::Running, P::Started),
        (Ok(()), A::Running, P::Started),
        (refused("activity is in non-unpausable state CancelRequested"), A::Running, P::CancelRequested),
        (refused("activity is in non-unpausable state ResetRequested"), A::Running, P::Started),
        (refused("activity is in terminal state Completed"), A::Completed, GONE),
    ];
    table(|world| operate(world, "o", unpause()), expected);
}

#[test]
fn reset_in_each_state() {
    let refused = |text| Err(text);
    let expected = [
        (Ok(()), A::Running, P::Scheduled),
        (Ok(()), A::Running, P::Scheduled),
        (Ok(()), A::Running, P::Started),
        (Ok(()), A::Running, P::Started),
        (refused("cannot reset an activity with a pending cancellation"), A::Running, P::CancelRequested),
        (refused("cannot reset an activity with a pending reset"), A::Running, P::Started),
        (refused("activity execution is not running"), A::Completed, GONE),
    ];
    table(|world| operate(world, "o", reset()), expected);
}

#[test]
fn update_options_in_each_state() {
    let refused = |text| Err(text);
    let expected = [
        (Ok(()), A::Running, P::Scheduled),
        (Ok(()), A::Paused, P::Paused),
        (Ok(()), A::Running, P::Started),
        (Ok(()), A::Running, P::PauseRequested),
        (refused("Cannot update options for activity in state CancelRequested"), A::Running, P::CancelRequested),
        (refused("Cannot update options for activity in state ResetRequested"), A::Running, P::Started),
        (refused("Cannot update options for activity in state Completed"), A::Completed, GONE),
    ];
    table(|world| operate(world, "o", update(OptionField::StartToCloseTimeout)), expected);
}

#[test]
fn deletion_in_each_state() {
    for state in ALL {
        let mut world = reach(state);
        world.step(Input::Delete).unwrap();
        let expected = if state == State::Closed { A::Completed } else { A::Terminated };
        assert_eq!((status(&world), world.state.is_to_be_deleted()), (expected, true), "{state:?}");
        world.step(Input::Delete).unwrap();
    }
}
