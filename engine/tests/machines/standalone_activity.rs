//! Each cell of the table of activities of their own.

use perdure_engine::{
    ActivityOperation, ActivityRef, Input, Jitter, OptionField, Reject, Task,
    input::{ActivityTimeouts, StartKind},
    next_deadline, obligations,
    standalone_activity::{ActivityControl, ONLY, activity_status},
};
use perdure_proto::api::{
    activity::{ActivityExecutionInfo, ActivityOptions, activity_execution_outcome::Value},
    common::RetryPolicy,
    enums::{ActivityExecutionStatus as A, PendingActivityState as P, RetryState, TimeoutType},
    failure::{Failure, failure::FailureInfo},
};

use crate::{
    activity::{complete, confirm_cancel, fail, heartbeat},
    world::{SECOND, Step, World, application_failure, payloads, seconds, start_activity},
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

#[test]
fn a_request_that_comes_again_changes_nothing() {
    let mut world = with(0);
    let calls: [(&str, fn(&mut World) -> Answer); 6] = [
        ("update", |world| operate(world, "u", update(OptionField::StartToCloseTimeout))),
        ("pause", |world| operate(world, "p", pause())),
        ("unpause", |world| operate(world, "n", unpause())),
        ("reset", |world| operate(world, "r", reset())),
        ("cancel", |world| cancel(world, "c")),
        ("cancel of a closed one", |world| cancel(world, "c")),
    ];
    for (name, call) in calls {
        call(&mut world).unwrap();
        let before = world.state.clone();
        call(&mut world).unwrap();
        assert_eq!(world.state, before, "{name}");
    }
    let mut world = with(0);
    terminate(&mut world, "t").unwrap();
    terminate(&mut world, "t").unwrap();
    let other = terminate(&mut world, "other").unwrap_err();
    assert_eq!(other, Reject::FailedPrecondition("already terminated with request ID t".into()));
}

#[test]
fn an_attempt_that_completes_closes_the_run() {
    let mut world = with(0);
    assert_eq!(obligations(&world.state), [DISPATCH]);
    let token = world.take(ONLY);
    heartbeat(&mut world, &token, "progress").unwrap();
    let step = complete(&mut world, &token).unwrap();
    assert!(step.events.is_empty() && step.tasks.is_empty());
    assert_eq!(world.state.activity_outcome().unwrap().value, payloads("1").map(Value::Result));
    let shown = info(&world);
    assert_eq!((shown.status(), shown.attempt, shown.total_heartbeat_count), (A::Completed, 1, 1));
    assert!(shown.close_time.is_some() && shown.last_attempt_complete_time == shown.close_time);
    assert_eq!(shown.last_worker_identity, "worker");
    assert_eq!(world.state.activity_input(), payloads("\"in\""));
    assert_eq!((obligations(&world.state), next_deadline(&world.state)), (vec![], None));
    let late = complete(&mut world, &token).unwrap_err();
    assert_eq!(late, Reject::NotFound("activity not found for ID: a".into()));
    assert_eq!(world.step(start_activity(ONLY, 1, "late")).unwrap_err(), Reject::StaleTask);
}

#[test]
fn one_that_nobody_took_is_completed_by_id() {
    let mut world = with(0);
    complete(&mut world, &ActivityRef::Id("a".into())).unwrap();
    assert_eq!(status(&world), A::Completed);
    assert!(info(&world).last_started_time.is_some());
}

#[test]
fn failures_are_retried_and_then_are_the_outcome() {
    let mut world = with(0);
    for attempt in 1..3 {
        let token = world.take(ONLY);
        fail(&mut world, &token).unwrap();
        let shown = info(&world);
        assert_eq!((shown.status(), shown.run_state(), shown.attempt), (A::Running, P::Scheduled, attempt + 1));
        assert!(shown.next_attempt_schedule_time.is_some() && shown.current_retry_interval.is_some());
        let woken = world.wake_after(2 * i64::from(attempt) * SECOND);
        assert_eq!(woken.tasks, [Task::DispatchActivity { scheduled_event_id: ONLY, attempt: attempt + 1 }]);
    }
    let token = world.take(ONLY);
    fail(&mut world, &token).unwrap();
    assert_eq!(failure(&world), (application_failure("Type"), RetryState::MaximumAttemptsReached));
    let shown = info(&world);
    assert_eq!((shown.status(), shown.attempt), (A::Failed, 3));
    assert_eq!(shown.last_failure, Some(application_failure("Type")));
    assert_eq!((shown.next_attempt_schedule_time, shown.current_retry_interval), (None, None));
}

#[test]
fn a_worker_confirms_a_cancel() {
    let mut world = with(0);
    let token = world.take(ONLY);
    let early = confirm_cancel(&mut world, &token).unwrap_err();
    assert_eq!(early, Reject::FailedPrecondition("invalid transition from Started".into()));
    cancel(&mut world, "c").unwrap();
    assert_eq!(info(&world).canceled_reason, "say \"why\"");
    confirm_cancel(&mut world, &token).unwrap();
    let (failure, _) = failure(&world);
    match failure.failure_info {
        Some(FailureInfo::CanceledFailureInfo(canceled)) => {
            assert_eq!((canceled.details, canceled.identity.as_str()), (payloads("2"), "canceler"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(failure.message, "Activity canceled");
}

#[test]
fn a_cancel_that_no_worker_can_answer_tells_its_reason() {
    let mut world = with(0);
    cancel(&mut world, "c").unwrap();
    match failure(&world).0.failure_info {
        Some(FailureInfo::CanceledFailureInfo(canceled)) => {
            assert_eq!(canceled.details, payloads(r#""say \"why\"""#));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_canceled_attempt_that_fails_is_not_retried() {
    let mut world = with(0);
    let token = world.take(ONLY);
    cancel(&mut world, "c").unwrap();
    fail(&mut world, &token).unwrap();
    assert_eq!(status(&world), A::Failed);
    assert_eq!(failure(&world).1, RetryState::CancelRequested);
}

#[test]
fn each_time_out() {
    // Span, taken by a worker, attempt's own time-out, what ends it.
    let cases = [
        (30, false, false, TimeoutType::ScheduleToStart, "activity ScheduleToStart timeout"),
        (5, true, true, TimeoutType::Heartbeat, "activity Heartbeat timeout"),
    ];
    for (span, taken, of_attempt, kind, text) in cases {
        let mut world = with(0);
        if taken {
            operate(&mut world, "u", update_attempts_to_one()).unwrap();
            world.take(ONLY);
        }
        world.wake_after(span * SECOND);
        assert_eq!(status(&world), A::TimedOut, "{kind:?}");
        let (failure, _) = failure(&world);
        assert_eq!((failure.message.as_str(), failure.source.as_str()), (text, ""));
        match failure.failure_info {
            Some(FailureInfo::TimeoutFailureInfo(info)) => assert_eq!(info.timeout_type(), kind),
            other => panic!("{other:?}"),
        }
        assert_eq!(info(&world).last_failure.is_some(), of_attempt, "{kind:?}");
        assert_eq!(info(&world).last_attempt_complete_time.is_some(), of_attempt, "{kind:?}");
    }
}

fn update_attempts_to_one() -> ActivityOperation {
    let policy = RetryPolicy { maximum_attempts: 1, ..Default::default() };
    let options = ActivityOptions { retry_policy: Some(policy), ..Default::default() };
    ActivityOperation::UpdateOptions { options: Box::new(options), fields: vec![OptionField::MaximumAttempts] }
}

#[test]
fn the_whole_ends_also_while_paused() {
    let mut world = reach(State::Paused);
    world.wake_after(99 * SECOND);
    assert_eq!(status(&world), A::Paused);
    world.wake_after(SECOND);
    assert_eq!(status(&world), A::TimedOut);
    assert_eq!(failure(&world).0.message, "activity ScheduleToClose timeout");
}

#[test]
fn a_start_delay_puts_everything_off() {
    let mut world = with(10 * SECOND);
    assert_eq!(obligations(&world.state), []);
    let shown = info(&world);
    assert_eq!(shown.execution_time, shown.next_attempt_schedule_time);
    assert_eq!(shown.run_state(), P::Scheduled);
    // What operators let go waits for it too.
    operate(&mut world, "p", pause()).unwrap();
    assert_eq!(operate(&mut world, "n", unpause()).unwrap().tasks, []);
    assert_eq!(operate(&mut world, "r", reset()).unwrap().tasks, []);
    assert_eq!(world.wake_after(9 * SECOND).tasks, []);
    assert_eq!(world.wake_after(SECOND).tasks, [DISPATCH]);
    // Counted from the end of the delay.
    world.wake_after(29 * SECOND);
    assert_eq!(status(&world), A::Running);
    world.wake_after(SECOND);
    assert_eq!(status(&world), A::TimedOut);
}

#[test]
fn a_start_delay_can_be_changed_while_it_lasts() {
    let mut world = with(10 * SECOND);
    operate(&mut world, "u", update(OptionField::StartDelay)).unwrap();
    assert_eq!(world.wake_after(10 * SECOND).tasks, []);
    assert_eq!(info(&world).start_delay, seconds(60));
    operate(&mut world, "o", ActivityOperation::RestoreOptions).unwrap();
    assert_eq!(obligations(&world.state), [DISPATCH]);
    let late = operate(&mut world, "v", update(OptionField::StartDelay)).unwrap_err();
    let text = "cannot update start_delay: the first activity attempt has already been dispatched";
    assert_eq!(late, Reject::FailedPrecondition(text.into()));
}

#[test]
fn inputs_of_workflows_are_not_for_it() {
    let mut world = with(0);
    let terminate = Input::Terminate { reason: String::new(), details: None, identity: String::new(), links: vec![] };
    for input in [terminate, Input::ResetSticky, Input::ParentNotified] {
        assert_eq!(world.step(input).unwrap_err(), Reject::NotAwaited);
    }
}
