//! One test for each cell of the transition table of Nexus operations. Those of their cancellations are in `cancellation`,
//! those of time-outs in `timeout`, and how operations go with the rest of a run in `around`.

mod around;
mod cancellation;
mod timeout;

use perdure_engine::{
    Input, NexusCompletion, NexusResult, NexusStartOutcome, Reject, Task, next_deadline, obligations,
    state::{NexusOperation, NexusOperationPhase},
};
use perdure_proto::api::{
    command::{
        Command, RequestCancelNexusOperationCommandAttributes, ScheduleNexusOperationCommandAttributes,
        command::Attributes as C,
    },
    common::{Link, Payload, link},
    enums::{CommandType, EventType as T, TimeoutType},
    failure::{CanceledFailureInfo, Failure, failure::FailureInfo},
    history::{HistoryEvent, history_event::Attributes as A},
};

use crate::world::{SECOND, Step, World, application_failure, command, payloads, seconds};

pub(crate) fn schedule_attributes() -> ScheduleNexusOperationCommandAttributes {
    ScheduleNexusOperationCommandAttributes {
        endpoint: "endpoint".into(),
        service: "service".into(),
        operation: "operation".into(),
        input: payload("1"),
        schedule_to_close_timeout: seconds(100),
        schedule_to_start_timeout: seconds(30),
        start_to_close_timeout: seconds(20),
        nexus_header: [("Key".to_owned(), "value".to_owned())].into(),
    }
}

pub(crate) fn schedule(attributes: ScheduleNexusOperationCommandAttributes) -> Command {
    command(CommandType::ScheduleNexusOperation, C::ScheduleNexusOperationCommandAttributes(attributes))
}

pub(crate) fn cancel(scheduled_event_id: i64) -> Command {
    let attributes = RequestCancelNexusOperationCommandAttributes { scheduled_event_id };
    command(CommandType::RequestCancelNexusOperation, C::RequestCancelNexusOperationCommandAttributes(attributes))
}

pub(crate) fn payload(text: &str) -> Option<Payload> {
    payloads(text).map(|mut all| all.payloads.remove(0))
}

/// A run with one operation: 100 s in all, 30 s to be started, 20 s to run.
pub(crate) fn with_operation() -> (World, i64) {
    let mut world = World::new();
    world.complete(vec![schedule(schedule_attributes())]);
    let id = world.event_id(T::NexusOperationScheduled);
    (world, id)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    None,
    Scheduled,
    Backoff,
    Started,
}

const ALL: [State; 4] = [State::None, State::Scheduled, State::Backoff, State::Started];

fn reach(state: State) -> (World, i64) {
    let (mut world, id) = with_operation();
    let outcome = match state {
        State::Scheduled => return (world, id),
        State::None => NexusStartOutcome::Completed { result: None, links: Vec::new() },
        State::Backoff => refused(true),
        State::Started => started("token"),
    };
    world.step(start_done(id, 0, outcome)).unwrap();
    (world, id)
}

fn state(world: &World, id: i64) -> State {
    match world.state.run.nexus_operations.get(&id).map(|operation| operation.phase.as_ref().unwrap()) {
        None => State::None,
        Some(NexusOperationPhase::Scheduled(_)) => State::Scheduled,
        Some(NexusOperationPhase::Backoff(_)) => State::Backoff,
        Some(NexusOperationPhase::Started(_)) => State::Started,
    }
}

fn operation(world: &World, id: i64) -> &NexusOperation {
    &world.state.run.nexus_operations[&id]
}

pub(crate) fn start_done(scheduled_event_id: i64, attempt: i32, outcome: NexusStartOutcome) -> Input {
    Input::NexusOperationStartDone { scheduled_event_id, attempt, outcome }
}

fn started(token: &str) -> NexusStartOutcome {
    NexusStartOutcome::Async { operation_token: token.into(), links: vec![link("started")] }
}

fn refused(retryable: bool) -> NexusStartOutcome {
    NexusStartOutcome::HandlerError { failure: Box::new(application_failure("Refused")), retryable }
}

fn failed() -> NexusStartOutcome {
    NexusStartOutcome::Failed { failure: Box::new(application_failure("Failed")) }
}

fn link(workflow_id: &str) -> Link {
    let event = link::WorkflowEvent { workflow_id: workflow_id.into(), ..Default::default() };
    Link { variant: Some(link::Variant::WorkflowEvent(event)) }
}

fn completion(world: &World, id: i64, result: NexusResult) -> NexusCompletion {
    NexusCompletion {
        scheduled_event_id: id,
        request_id: request_id(world),
        operation_token: "told late".into(),
        start_time: world.now - SECOND,
        links: vec![link("completion")],
        result,
    }
}

fn complete(world: &mut World, id: i64, result: NexusResult) -> Result<Step, Reject> {
    let completion = completion(world, id, result);
    world.step(Input::NexusOperationCompleted(Box::new(completion)))
}

fn request_id(world: &World) -> String {
    match world.history.iter().find_map(|event| event.attributes.as_ref().filter(|_| event.event_type == 48)) {
        Some(A::NexusOperationScheduledEventAttributes(scheduled)) => scheduled.request_id.clone(),
        other => panic!("{other:?}"),
    }
}

/// The failure of the operation that an event tells, and its cause.
fn told_failure(event: &HistoryEvent) -> (Failure, Failure) {
    let failure = match event.attributes.as_ref().unwrap() {
        A::NexusOperationFailedEventAttributes(end) => end.failure.clone(),
        A::NexusOperationCanceledEventAttributes(end) => end.failure.clone(),
        A::NexusOperationTimedOutEventAttributes(end) => end.failure.clone(),
        other => panic!("{other:?}"),
    };
    let failure = failure.unwrap();
    let cause = failure.cause.clone().unwrap();
    (failure, *cause)
}

#[test]
fn a_command_schedules() {
    let mut world = World::new();
    let step = world.complete(vec![schedule(schedule_attributes())]);
    let A::NexusOperationScheduledEventAttributes(event) = step.attributes(T::NexusOperationScheduled) else {
        panic!()
    };
    assert_eq!((event.endpoint.as_str(), event.endpoint_id.as_str()), ("endpoint", "endpoint-id"));
    assert_eq!((event.service.as_str(), event.operation.as_str()), ("service", "operation"));
    assert_eq!(event.input, payload("1"));
    assert_eq!(event.nexus_header, [("key".to_owned(), "value".to_owned())].into());
    assert!(!event.request_id.is_empty());
    let id = world.event_id(T::NexusOperationScheduled);
    assert_eq!(event.workflow_task_completed_event_id, id - 1);
    assert_eq!(step.tasks, [Task::StartNexusOperation { scheduled_event_id: id, attempt: 0 }]);
    assert_eq!(obligations(&world.state), step.tasks);
}

#[test]
fn the_start_is_answered_async() {
    for from in ALL {
        let (mut world, id) = reach(from);
        let answer = world.step(start_done(id, 0, started("token")));
        if from != State::Scheduled {
            assert_eq!(answer.unwrap_err(), Reject::NotAwaited, "{from:?}");
            continue;
        }
        let step = answer.unwrap();
        assert_eq!(step.types(), [T::NexusOperationStarted, T::WorkflowTaskScheduled]);
        let A::NexusOperationStartedEventAttributes(event) = step.attributes(T::NexusOperationStarted) else {
            panic!()
        };
        assert_eq!((event.scheduled_event_id, event.request_id.clone()), (id, request_id(&world)));
        assert_eq!((event.operation_token.as_str(), event.operation_id.as_str()), ("token", "token"));
        assert_eq!(step.event(T::NexusOperationStarted).links, [link("started")]);
        let operation = operation(&world, id);
        assert_eq!(operation.started().unwrap().operation_token, "token");
        assert_eq!((operation.attempt, operation.input.clone()), (1, None));
        assert!(!obligations(&world.state).contains(&Task::StartNexusOperation { scheduled_event_id: id, attempt: 0 }));
    }
}

#[test]
fn the_start_is_answered_with_the_end() {
    let ends = || {
        [
            (NexusStartOutcome::Completed { result: payload("2"), links: vec![link("x")] }, T::NexusOperationCompleted),
            (failed(), T::NexusOperationFailed),
            (NexusStartOutcome::Canceled { failure: Box::new(application_failure("C")) }, T::NexusOperationCanceled),
            (refused(false), T::NexusOperationFailed),
            (NexusStartOutcome::TimedOut(TimeoutType::ScheduleToStart), T::NexusOperationTimedOut),
        ]
    };
    for from in ALL {
        for (outcome, expected) in ends() {
            let (mut world, id) = reach(from);
            let answer = world.step(start_done(id, 0, outcome));
            if from == State::Scheduled {
                assert_eq!(answer.unwrap().types(), [expected, T::WorkflowTaskScheduled]);
                assert_eq!(state(&world, id), State::None);
            } else {
                assert_eq!(answer.unwrap_err(), Reject::NotAwaited, "{from:?} {expected:?}");
            }
        }
    }
}

#[test]
fn what_the_events_of_an_end_tell() {
    let (mut world, id) = with_operation();
    let outcome = NexusStartOutcome::Completed { result: payload("2"), links: vec![link("done")] };
    let step = world.step(start_done(id, 0, outcome)).unwrap();
    let A::NexusOperationCompletedEventAttributes(event) = step.attributes(T::NexusOperationCompleted) else {
        panic!()
    };
    assert_eq!((event.scheduled_event_id, event.result.clone()), (id, payload("2")));
    assert_eq!(event.request_id, request_id(&world));
    assert_eq!(step.event(T::NexusOperationCompleted).links, [link("done")]);

    let (mut world, id) = with_operation();
    let step = world.step(start_done(id, 0, failed())).unwrap();
    let (failure, cause) = told_failure(step.event(T::NexusOperationFailed));
    assert_eq!(failure.message, "nexus operation completed unsuccessfully");
    assert_eq!(cause, application_failure("Failed"));
    let Some(FailureInfo::NexusOperationExecutionFailureInfo(info)) = failure.failure_info else { panic!() };
    assert_eq!((info.scheduled_event_id, info.endpoint.as_str(), info.service.as_str()), (id, "endpoint", "service"));
    assert_eq!((info.operation.as_str(), info.operation_token.as_str()), ("operation", ""));

    // Whatever the handler calls it, a canceled operation was canceled.
    let (mut world, id) = with_operation();
    let outcome = NexusStartOutcome::Canceled { failure: Box::new(application_failure("C")) };
    let step = world.step(start_done(id, 0, outcome)).unwrap();
    let (_, cause) = told_failure(step.event(T::NexusOperationCanceled));
    assert_eq!(cause.message, "it failed");
    assert_eq!(cause.failure_info, Some(FailureInfo::CanceledFailureInfo(CanceledFailureInfo::default())));
}

#[test]
fn an_attempt_that_fails_is_made_again() {
    for from in ALL {
        let (mut world, id) = reach(from);
        let answer = world.step(start_done(id, 0, refused(true)));
        if from != State::Scheduled {
            assert_eq!(answer.unwrap_err(), Reject::NotAwaited, "{from:?}");
            continue;
        }
        assert_eq!(answer.unwrap().types(), []);
        assert_eq!(operation(&world, id).last_attempt_failure, Some(Box::new(application_failure("Refused"))));
        assert_eq!(obligations(&world.state), []);
        // Each wait is twice as long as the one before.
        for (attempt, wait) in [(1, 1), (2, 2), (3, 4), (4, 8)] {
            assert_eq!(state(&world, id), State::Backoff);
            assert_eq!(next_deadline(&world.state), Some(world.now + wait * SECOND));
            let step = world.wake_after(wait * SECOND);
            let task = Task::StartNexusOperation { scheduled_event_id: id, attempt };
            assert_eq!((step.types(), step.tasks), (vec![], vec![task]));
            assert_eq!(state(&world, id), State::Scheduled);
            assert_eq!(world.step(start_done(id, attempt - 1, started("x"))).unwrap_err(), Reject::NotAwaited);
            world.step(start_done(id, attempt, refused(true))).unwrap();
        }
    }
}

#[test]
fn the_longest_wait_is_an_hour() {
    let mut world = World::new();
    world.complete(vec![schedule(ScheduleNexusOperationCommandAttributes {
        schedule_to_close_timeout: None,
        schedule_to_start_timeout: None,
        ..schedule_attributes()
    })]);
    let id = world.event_id(T::NexusOperationScheduled);
    let mut waits = Vec::new();
    for attempt in 0..70 {
        world.step(start_done(id, attempt, refused(true))).unwrap();
        let wait = next_deadline(&world.state).unwrap() - world.now;
        waits.push(wait / SECOND);
        world.wake_after(wait);
    }
    assert_eq!(waits[..13], [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600]);
    assert!(waits[13..].iter().all(|wait| *wait == 3600));
}

#[test]
fn a_completion_ends_it() {
    for from in ALL {
        let (mut world, id) = reach(from);
        let answer = complete(&mut world, id, NexusResult::Succeeded(payload("2")));
        if from == State::None {
            assert_eq!(answer.unwrap_err(), Reject::NotFound("operation not found".into()));
            continue;
        }
        let step = answer.unwrap();
        // The task for the Started of one that had started is pending still.
        let end = [T::NexusOperationCompleted];
        let overtaking = [T::NexusOperationStarted, T::NexusOperationCompleted, T::WorkflowTaskScheduled];
        assert_eq!(step.types(), if from == State::Started { &end[..] } else { &overtaking[..] }, "{from:?}");
        if from != State::Started {
            let event = step.event(T::NexusOperationStarted);
            assert_eq!(event.links, [link("completion")]);
            assert_eq!(event.event_time.as_ref().unwrap().seconds, world.now / SECOND - 1);
            let Some(A::NexusOperationStartedEventAttributes(event)) = &event.attributes else { panic!() };
            assert_eq!(event.operation_token, "told late");
        }
        assert!(step.event(T::NexusOperationCompleted).links.is_empty());
        assert_eq!(state(&world, id), State::None);
        let again = complete(&mut world, id, NexusResult::Succeeded(None));
        assert_eq!(again.unwrap_err(), Reject::NotFound("operation not found".into()));
    }
}

#[test]
fn a_completion_without_success() {
    for (from, token) in [(State::Started, "token"), (State::Scheduled, "told late")] {
        let (mut world, id) = reach(from);
        let step = complete(&mut world, id, NexusResult::Failed(Box::new(application_failure("F")))).unwrap();
        let (failure, cause) = told_failure(step.event(T::NexusOperationFailed));
        let Some(FailureInfo::NexusOperationExecutionFailureInfo(info)) = failure.failure_info else { panic!() };
        assert_eq!((info.operation_token.as_str(), info.operation_id.as_str()), (token, token));
        assert_eq!(cause, application_failure("F"));
        let (mut world, id) = reach(from);
        let step = complete(&mut world, id, NexusResult::Canceled(Box::new(application_failure("C")))).unwrap();
        step.event(T::NexusOperationCanceled);
        assert_eq!(state(&world, id), State::None);
    }
}

#[test]
fn a_completion_for_another_operation_or_a_closed_run() {
    let (mut world, id) = reach(State::Started);
    let mut other = completion(&world, id, NexusResult::Succeeded(None));
    other.request_id = "another".into();
    let answer = world.step(Input::NexusOperationCompleted(Box::new(other.clone())));
    assert_eq!(answer.unwrap_err(), Reject::NotFound("operation not found".into()));
    other.request_id = String::new();
    world.step(Input::NexusOperationCompleted(Box::new(other))).unwrap();
    let (mut world, id) = reach(State::Started);
    terminate(&mut world);
    assert_eq!(complete(&mut world, id, NexusResult::Succeeded(None)).unwrap_err(), Reject::WorkflowClosed);
}

fn terminate(world: &mut World) {
    let (reason, identity) = ("r".into(), "i".into());
    world.step(Input::Terminate { reason, details: None, identity, links: vec![] }).unwrap();
}

#[test]
fn the_end_of_the_run_ends_it() {
    for from in [State::Scheduled, State::Backoff, State::Started] {
        let (mut world, id) = reach(from);
        terminate(&mut world);
        assert_eq!(state(&world, id), State::None);
        assert_eq!((obligations(&world.state), next_deadline(&world.state)), (vec![], None));
        assert_eq!(world.step(start_done(id, 0, started("late"))).unwrap_err(), Reject::NotAwaited);
    }
}

fn signal() -> Input {
    Input::Signal(Box::default())
}
