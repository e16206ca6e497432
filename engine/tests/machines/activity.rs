//! One test for each cell of the activity's transition table.

use perdure_engine::{ActivityRef, Input, Reject, Reply, Task, WorkflowTaskRef, state::ActivityPhase};
use perdure_proto::api::{
    command::{
        Command, RequestCancelActivityTaskCommandAttributes, ScheduleActivityTaskCommandAttributes,
        command::Attributes as C,
    },
    common::{ActivityType, RetryPolicy},
    enums::{CommandType, EventType as T},
    history::history_event::Attributes,
    taskqueue::TaskQueue,
};

use crate::world::{SECOND, World, application_failure, command, payloads, seconds, start_activity};

pub(crate) fn schedule_attributes(id: &str) -> ScheduleActivityTaskCommandAttributes {
    ScheduleActivityTaskCommandAttributes {
        activity_id: id.into(),
        activity_type: Some(ActivityType { name: "act".into() }),
        task_queue: Some(TaskQueue { name: "queue".into(), ..Default::default() }),
        start_to_close_timeout: seconds(60),
        ..Default::default()
    }
}

pub(crate) fn schedule(attributes: ScheduleActivityTaskCommandAttributes) -> Command {
    command(CommandType::ScheduleActivityTask, C::ScheduleActivityTaskCommandAttributes(attributes))
}

pub(crate) fn cancel(scheduled_event_id: i64) -> Command {
    let attributes = RequestCancelActivityTaskCommandAttributes { scheduled_event_id };
    command(CommandType::RequestCancelActivityTask, C::RequestCancelActivityTaskCommandAttributes(attributes))
}

/// A run with one activity and every time-out: 100 s in all, 30 s to be taken, 20 s to run, 5 s between heartbeats.
pub(crate) fn with_activity() -> (World, i64) {
    let mut world = World::new();
    world.complete(vec![schedule(ScheduleActivityTaskCommandAttributes {
        schedule_to_close_timeout: seconds(100),
        schedule_to_start_timeout: seconds(30),
        start_to_close_timeout: seconds(20),
        heartbeat_timeout: seconds(5),
        retry_policy: Some(RetryPolicy { initial_interval: seconds(2), ..Default::default() }),
        ..schedule_attributes("a")
    })]);
    let scheduled_event_id = world.event_id(T::ActivityTaskScheduled);
    (world, scheduled_event_id)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Scheduled,
    Started,
    Backoff,
    Gone,
}

/// A run whose activity is in this state, and the token of the attempt that began last.
fn reach(state: State) -> (World, i64, ActivityRef) {
    let (mut world, id) = with_activity();
    let never = ActivityRef::Token { scheduled_event_id: id, attempt: 1, started_time: 0 };
    if state == State::Scheduled {
        return (world, id, never);
    }
    let token = world.take(id);
    match state {
        State::Scheduled | State::Started => {}
        State::Backoff => {
            fail(&mut world, &token).unwrap();
        }
        State::Gone => {
            complete(&mut world, &token).unwrap();
        }
    }
    (world, id, token)
}

fn state_of(world: &World, id: i64) -> State {
    match world.state.run.activities.get(&id).map(|activity| activity.phase.clone().unwrap()) {
        Some(ActivityPhase::Scheduled(_)) => State::Scheduled,
        Some(ActivityPhase::Started(_)) => State::Started,
        Some(ActivityPhase::Backoff(_)) => State::Backoff,
        None => State::Gone,
    }
}

type Answer = Result<crate::world::Step, Reject>;

pub(crate) fn complete(world: &mut World, activity: &ActivityRef) -> Answer {
    let (activity, identity) = (activity.clone(), "worker".into());
    world.step(Input::ActivityCompleted { activity, result: payloads("1"), identity })
}

pub(crate) fn fail(world: &mut World, activity: &ActivityRef) -> Answer {
    let (activity, identity) = (activity.clone(), "worker".into());
    let failure = Box::new(application_failure("Type"));
    world.step(Input::ActivityFailed { activity, failure, last_heartbeat_details: None, identity })
}

pub(crate) fn confirm_cancel(world: &mut World, activity: &ActivityRef) -> Answer {
    let (activity, identity) = (activity.clone(), "worker".into());
    world.step(Input::ActivityCanceled { activity, details: payloads("2"), identity })
}

pub(crate) fn heartbeat(world: &mut World, activity: &ActivityRef, details: &str) -> Answer {
    let (activity, identity) = (activity.clone(), "worker".into());
    world.step(Input::ActivityHeartbeat { activity, details: payloads(details), identity })
}

/// What an input must lead to: the events, or the reject.
enum Expect {
    Events(&'static [T], State),
    Reject(Reject),
}

fn check(state: State, what: &str, world: &World, id: i64, answer: Answer, expect: Expect) {
    match expect {
        Expect::Events(types, after) => {
            let step = answer.unwrap_or_else(|reject| panic!("{state:?}, {what}: {reject}"));
            assert_eq!(step.types(), types, "{state:?}, {what}");
            assert_eq!(state_of(world, id), after, "{state:?}, {what}");
        }
        Expect::Reject(expected) => assert_eq!(answer.unwrap_err(), expected, "{state:?}, {what}"),
    }
}

const COMPLETED: &[T] = &[T::ActivityTaskStarted, T::ActivityTaskCompleted, T::WorkflowTaskScheduled];
const CANCELED: &[T] = &[T::ActivityTaskStarted, T::ActivityTaskCanceled, T::WorkflowTaskScheduled];

#[test]
fn a_worker_takes_it() {
    use State::{Backoff, Gone, Scheduled, Started};
    for (state, expect) in [
        (Scheduled, Expect::Events(&[], Started)),
        (Started, Expect::Reject(Reject::StaleTask)),
        (Backoff, Expect::Reject(Reject::StaleTask)),
        (Gone, Expect::Reject(Reject::StaleTask)),
    ] {
        let (mut world, id, _) = reach(state);
        let attempt = world.state.run.activities.get(&id).map_or(1, |activity| activity.attempt);
        let answer = world.step(start_activity(id, attempt, "another"));
        check(state, "taken", &world, id, answer, expect);
    }
}

#[test]
fn the_same_worker_takes_it_again_after_a_lost_answer() {
    let (mut world, id, token) = reach(State::Started);
    world.advance(SECOND);
    assert_eq!(world.take(id), token, "with the time of the first answer");
    let stale = world.step(start_activity(id, 2, "take-1")).unwrap_err();
    assert_eq!(stale, Reject::StaleTask, "another attempt");
}

#[test]
fn completed_by_token() {
    for (state, expect) in [
        (State::Scheduled, Expect::Reject(Reject::ActivityGone)),
        (State::Started, Expect::Events(COMPLETED, State::Gone)),
        (State::Backoff, Expect::Reject(Reject::ActivityGone)),
        (State::Gone, Expect::Reject(Reject::ActivityGone)),
    ] {
        let (mut world, id, token) = reach(state);
        let answer = complete(&mut world, &token);
        check(state, "completed", &world, id, answer, expect);
    }
}

#[test]
fn failed_by_token() {
    for (state, expect) in [
        (State::Scheduled, Expect::Reject(Reject::ActivityGone)),
        (State::Started, Expect::Events(&[], State::Backoff)),
        (State::Backoff, Expect::Reject(Reject::ActivityGone)),
        (State::Gone, Expect::Reject(Reject::ActivityGone)),
    ] {
        let (mut world, id, token) = reach(state);
        let answer = fail(&mut world, &token);
        check(state, "failed", &world, id, answer, expect);
    }
}

#[test]
fn heartbeat_by_token() {
    for (state, expect) in [
        (State::Scheduled, Expect::Reject(Reject::ActivityGone)),
        (State::Started, Expect::Events(&[], State::Started)),
        (State::Backoff, Expect::Reject(Reject::ActivityGone)),
        (State::Gone, Expect::Reject(Reject::ActivityGone)),
    ] {
        let (mut world, id, token) = reach(state);
        let answer = heartbeat(&mut world, &token, "3");
        check(state, "heartbeat", &world, id, answer, expect);
    }
}

#[test]
fn cancel_confirmed_without_a_request() {
    let not_requested = "unable to mark activity as canceled without activity being request canceled first";
    for (state, expect) in [
        (State::Scheduled, Expect::Reject(Reject::ActivityGone)),
        (State::Started, Expect::Reject(Reject::InvalidArgument(not_requested.into()))),
        (State::Backoff, Expect::Reject(Reject::ActivityGone)),
        (State::Gone, Expect::Reject(Reject::ActivityGone)),
    ] {
        let (mut world, id, token) = reach(state);
        let answer = confirm_cancel(&mut world, &token);
        check(state, "canceled", &world, id, answer, expect);
    }
}

#[test]
fn by_id() {
    let gone = || Reject::ActivityIdNotFound("a".into());
    for (state, completed, failed) in [
        (State::Scheduled, Expect::Events(COMPLETED, State::Gone), Expect::Reject(Reject::ActivityGone)),
        (State::Started, Expect::Events(COMPLETED, State::Gone), Expect::Events(&[], State::Backoff)),
        (State::Backoff, Expect::Events(COMPLETED, State::Gone), Expect::Reject(Reject::ActivityGone)),
        (State::Gone, Expect::Reject(gone()), Expect::Reject(gone())),
    ] {
        let (mut world, id, _) = reach(state);
        let answer = complete(&mut world, &ActivityRef::Id("a".into()));
        check(state, "completed by id", &world, id, answer, completed);
        let (mut world, id, _) = reach(state);
        let answer = fail(&mut world, &ActivityRef::Id("a".into()));
        check(state, "failed by id", &world, id, answer, failed);
    }
}

/// A workflow task that can bring a cancel command while the activity is in the wanted state.
fn pending_task(world: &mut World) -> WorkflowTaskRef {
    if world.state.run.workflow_task.is_none() {
        world.step(Input::Signal(Box::default())).unwrap();
    }
    world.start_task()
}

#[test]
fn cancel_command() {
    const AT_ONCE: &[T] =
        &[T::WorkflowTaskCompleted, T::ActivityTaskCancelRequested, T::ActivityTaskCanceled, T::WorkflowTaskScheduled];
    const REQUESTED: &[T] = &[T::WorkflowTaskCompleted, T::ActivityTaskCancelRequested];
    const REFUSED: &[T] = &[T::WorkflowTaskFailed];
    for (state, events, after) in [
        (State::Scheduled, AT_ONCE, State::Gone),
        (State::Started, REQUESTED, State::Started),
        (State::Backoff, AT_ONCE, State::Gone),
        (State::Gone, REFUSED, State::Gone),
    ] {
        let (mut world, id, _) = reach(state);
        let task = pending_task(&mut world);
        let answer = world.try_complete(task, vec![cancel(id)]);
        check(state, "cancel", &world, id, answer, Expect::Events(events, after));
    }
}

#[test]
fn time_comes() {
    const TIMED_OUT: &[T] = &[T::ActivityTaskTimedOut, T::WorkflowTaskScheduled];
    const RAN_OUT: &[T] = &[T::ActivityTaskStarted, T::ActivityTaskTimedOut, T::WorkflowTaskScheduled];
    for (state, seconds, events, after) in [
        (State::Scheduled, 29, &[][..], State::Scheduled),
        (State::Scheduled, 30, TIMED_OUT, State::Gone),
        (State::Started, 4, &[], State::Started),
        // The heartbeat: another attempt follows.
        (State::Started, 5, &[], State::Backoff),
        (State::Started, 100, RAN_OUT, State::Gone),
        (State::Backoff, 1, &[], State::Backoff),
        (State::Backoff, 2, &[], State::Scheduled),
        (State::Backoff, 32, TIMED_OUT, State::Gone),
        (State::Gone, 100, &[], State::Gone),
    ] {
        let (mut world, id, _) = reach(state);
        let step = world.wake_after(seconds * SECOND);
        assert_eq!(step.types(), events, "{state:?} after {seconds} s");
        assert_eq!(state_of(&world, id), after, "{state:?} after {seconds} s");
    }
}

#[test]
fn backoff_ends_with_a_dispatch() {
    let (mut world, id, _) = reach(State::Backoff);
    let step = world.wake_after(2 * SECOND);
    assert_eq!(step.tasks, [Task::DispatchActivity { scheduled_event_id: id, attempt: 2 }]);
}

#[test]
fn a_requested_cancel_is_told_by_heartbeat_and_can_be_confirmed() {
    let (mut world, id, token) = reach(State::Started);
    let task = pending_task(&mut world);
    world.try_complete(task, vec![cancel(id)]).unwrap();
    let reply = heartbeat(&mut world, &token, "3").unwrap().reply;
    assert!(matches!(reply, Reply::Heartbeat { cancel_requested: true, .. }));
    let step = confirm_cancel(&mut world, &token).unwrap();
    assert_eq!(step.types(), CANCELED);
    let Attributes::ActivityTaskCanceledEventAttributes(canceled) = step.attributes(T::ActivityTaskCanceled) else {
        panic!()
    };
    assert_eq!(canceled.latest_cancel_requested_event_id, world.event_id(T::ActivityTaskCancelRequested));
    assert_eq!(canceled.started_event_id, step.event(T::ActivityTaskStarted).event_id);
}

#[test]
fn a_cancel_cannot_be_requested_twice() {
    let (mut world, id, _) = reach(State::Started);
    let task = pending_task(&mut world);
    let step = world.try_complete(task, vec![cancel(id), cancel(id)]).unwrap();
    assert_eq!(step.types(), [T::WorkflowTaskFailed]);
}

#[test]
fn after_a_requested_cancel_no_other_attempt_follows() {
    let (mut world, id, token) = reach(State::Started);
    let task = pending_task(&mut world);
    world.try_complete(task, vec![cancel(id)]).unwrap();
    let step = fail(&mut world, &token).unwrap();
    assert_eq!(step.types(), [T::ActivityTaskStarted, T::ActivityTaskFailed, T::WorkflowTaskScheduled]);
}

#[test]
fn an_end_that_the_worker_has_not_seen_waits_in_the_buffer() {
    let (mut world, id, token) = reach(State::Started);
    let task = pending_task(&mut world);
    assert_eq!(complete(&mut world, &token).unwrap().types(), []);
    assert_eq!(state_of(&world, id), State::Gone, "for everybody else it has ended");
    assert_eq!(complete(&mut world, &token).unwrap_err(), Reject::ActivityGone);
    let step = world.try_complete(task, vec![cancel(id)]).unwrap();
    assert_eq!(
        step.types(),
        [
            T::WorkflowTaskCompleted,
            T::ActivityTaskCancelRequested,
            T::ActivityTaskStarted,
            T::ActivityTaskCompleted,
            T::WorkflowTaskScheduled
        ]
    );
    let Attributes::ActivityTaskCompletedEventAttributes(completed) = step.attributes(T::ActivityTaskCompleted) else {
        panic!()
    };
    assert_eq!(completed.started_event_id, step.event(T::ActivityTaskStarted).event_id);
}

#[test]
fn nothing_is_taken_from_workers_after_the_close() {
    let (mut world, id, token) = reach(State::Started);
    world
        .step(Input::Terminate { reason: "r".into(), details: None, identity: "i".into(), links: Vec::new() })
        .unwrap();
    assert_eq!(complete(&mut world, &token).unwrap_err(), Reject::WorkflowClosed);
    assert_eq!(fail(&mut world, &token).unwrap_err(), Reject::WorkflowClosed);
    assert_eq!(confirm_cancel(&mut world, &token).unwrap_err(), Reject::WorkflowClosed);
    assert_eq!(heartbeat(&mut world, &token, "3").unwrap_err(), Reject::WorkflowClosed);
    assert_eq!(world.step(start_activity(id, 1, "take-1")).unwrap_err(), Reject::StaleTask);
}

#[test]
fn an_attempt_has_a_second_at_least() {
    let mut world = World::new();
    let start_to_close_timeout = Some(prost_types::Duration { seconds: 0, nanos: 200_000_000 });
    world.complete(vec![schedule(ScheduleActivityTaskCommandAttributes {
        start_to_close_timeout,
        retry_policy: Some(RetryPolicy { maximum_attempts: 1, ..Default::default() }),
        ..schedule_attributes("a")
    })]);
    world.take(world.event_id(T::ActivityTaskScheduled));
    assert_eq!(world.wake_after(SECOND - 1).types(), &[]);
    assert_eq!(world.wake_after(1).types()[1], T::ActivityTaskTimedOut);
}
