//! What activities of their own go through.

use perdure_engine::{
    ActivityOperation, ActivityRef, Input, OptionField, Reject, Task, next_deadline, obligations,
    standalone_activity::ONLY,
};
use perdure_proto::api::{
    activity::{ActivityOptions, activity_execution_outcome::Value},
    common::RetryPolicy,
    enums::{ActivityExecutionStatus as A, PendingActivityState as P, RetryState, TimeoutType},
    failure::failure::FailureInfo,
};

use super::{
    Answer, DISPATCH, State, cancel, failure, info, operate, pause, reach, reset, status, terminate, unpause, update,
    with,
};
use crate::{
    activity::{complete, confirm_cancel, fail, heartbeat},
    world::{SECOND, World, application_failure, payloads, seconds, start_activity},
};

#[test]
fn a_request_that_comes_again_changes_nothing() {
    let mut world = with(0);
    type Call = (&'static str, fn(&mut World) -> Answer);
    let calls: [Call; 6] = [
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
