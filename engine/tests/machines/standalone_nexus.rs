//! Nexus operations of their own: one test for each cell of the transition table, and what their ends leave.

use perdure_engine::{
    Input, NexusCancelOutcome, NexusCompletion, NexusResult, NexusStartOutcome, Reject, Reply, Task,
    input::StartKind,
    next_deadline, obligations,
    standalone_nexus::{NewNexusOperation, NexusControl, ONLY},
    state::NexusOutcome,
};
use perdure_proto::api::{
    common::{Link, link},
    enums::{
        NexusOperationCancellationState as CancellationState, NexusOperationExecutionStatus as Status,
        PendingNexusOperationState as Pending, TimeoutType,
    },
    failure::{Failure, failure::FailureInfo},
    nexus::NexusOperationExecutionInfo,
};

use crate::{
    nexus::{payload, start_done},
    world::{SECOND, Step, World, application_failure},
};

/// 100 s in all, 30 s to be started, 20 s to run.
fn operation() -> World {
    World::with(|start| {
        start.workflow_id = "op".into();
        start.kind = StartKind::NexusOperation(Box::new(NewNexusOperation {
            endpoint: "endpoint".into(),
            endpoint_id: "endpoint-id".into(),
            service: "service".into(),
            operation: "operation".into(),
            input: payload("1"),
            nexus_header: [("key".to_owned(), "value".to_owned())].into(),
            schedule_to_close: 100 * SECOND,
            schedule_to_start: 30 * SECOND,
            start_to_close: 20 * SECOND,
        }));
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Scheduled,
    Backoff,
    Started,
    Closed,
}

const ALL: [State; 4] = [State::Scheduled, State::Backoff, State::Started, State::Closed];

fn reach(state: State) -> World {
    let mut world = operation();
    let outcome = match state {
        State::Scheduled => return world,
        State::Backoff => refused(true),
        State::Started => started(),
        State::Closed => NexusStartOutcome::Completed { result: payload("2"), links: vec![link("done")] },
    };
    world.step(start_done(ONLY, 0, outcome)).unwrap();
    world
}

fn link(workflow_id: &str) -> Link {
    let event = link::WorkflowEvent { workflow_id: workflow_id.into(), ..Default::default() };
    Link { variant: Some(link::Variant::WorkflowEvent(event)) }
}

fn started() -> NexusStartOutcome {
    NexusStartOutcome::Async { operation_token: "token".into(), links: vec![link("started")] }
}

fn refused(retryable: bool) -> NexusStartOutcome {
    NexusStartOutcome::HandlerError { failure: Box::new(application_failure("Refused")), retryable }
}

fn told(world: &World) -> NexusOperationExecutionInfo {
    world.state.describe_nexus_operation(world.now).unwrap()
}

fn failure(world: &World) -> Failure {
    match world.state.nexus_operation_outcome().unwrap() {
        NexusOutcome::Failure(failure) => *failure,
        NexusOutcome::Result(result) => panic!("{result:?}"),
    }
}

fn cancel(world: &mut World, request_id: &str) -> Result<Step, Reject> {
    let (request_id, identity, reason) = (request_id.into(), "who".into(), "why".into());
    world.step(Input::ControlNexusOperation(NexusControl::Cancel { request_id, identity, reason }))
}

fn terminate(world: &mut World, request_id: &str) -> Result<Step, Reject> {
    let (request_id, identity, reason) = (request_id.into(), "who".into(), "why".into());
    world.step(Input::ControlNexusOperation(NexusControl::Terminate { request_id, identity, reason }))
}

fn complete(world: &mut World, result: NexusResult) -> Result<Step, Reject> {
    let completion = NexusCompletion {
        scheduled_event_id: ONLY,
        request_id: told(world).request_id,
        operation_token: "told late".into(),
        start_time: world.now,
        links: vec![link("completion")],
        result,
    };
    world.step(Input::NexusOperationCompleted(Box::new(completion)))
}

#[test]
fn a_start_is_owed_to_the_handler() {
    let world = operation();
    let task = Task::StartNexusOperation { scheduled_event_id: ONLY, attempt: 0 };
    assert_eq!(obligations(&world.state), [task]);
    let info = told(&world);
    assert_eq!((info.status(), info.state(), info.attempt), (Status::Running, Pending::Scheduled, 1));
    assert_eq!((info.operation_id.as_str(), info.endpoint.as_str()), ("op", "endpoint"));
    assert_eq!((info.identity.as_str(), info.nexus_header["key"].as_str()), ("client", "value"));
    assert_eq!(info.expiration_time.unwrap().seconds, world.now / SECOND + 100);
    assert_eq!((world.state.nexus_operation_input(), world.state.nexus_operation_outcome()), (payload("1"), None));
    assert_eq!(world.state.nexus_operation_token(), None);
    assert!(world.history.is_empty());
}

#[test]
fn the_start_is_answered() {
    let failed = || NexusStartOutcome::Failed { failure: Box::new(application_failure("Failed")) };
    let canceled = || NexusStartOutcome::Canceled { failure: Box::new(application_failure("C")) };
    let completed = || NexusStartOutcome::Completed { result: payload("2"), links: vec![link("done")] };
    let cases = || {
        [
            (started(), Status::Running),
            (refused(true), Status::Running),
            (completed(), Status::Completed),
            (failed(), Status::Failed),
            (refused(false), Status::Failed),
            (canceled(), Status::Canceled),
            (NexusStartOutcome::TimedOut(TimeoutType::ScheduleToClose), Status::TimedOut),
        ]
    };
    for from in ALL {
        for (outcome, expected) in cases() {
            let mut world = reach(from);
            let answer = world.step(start_done(ONLY, 0, outcome.clone()));
            if from != State::Scheduled {
                assert_eq!(answer.unwrap_err(), Reject::NotAwaited, "{from:?} {outcome:?}");
                continue;
            }
            let step = answer.unwrap();
            assert_eq!((step.events, step.tasks), (vec![], vec![]));
            let info = told(&world);
            assert_eq!((info.status(), info.attempt), (expected, 1));
            assert_eq!(world.state.run.close.is_some(), expected != Status::Running);
        }
    }
    // The outcome is the handler's failure itself.
    let mut world = operation();
    world.step(start_done(ONLY, 0, failed())).unwrap();
    assert_eq!(failure(&world), application_failure("Failed"));
    assert_eq!(told(&world).last_attempt_failure, Some(application_failure("Failed")));
    let world = reach(State::Closed);
    assert_eq!(world.state.nexus_operation_outcome(), payload("2").map(NexusOutcome::Result));
    assert_eq!((told(&world).links, told(&world).state()), (vec![link("done")], Pending::Unspecified));
    assert_eq!(world.state.nexus_operation_token().as_deref(), Some(""));
}

#[test]
fn it_is_started_again_after_a_while() {
    let mut world = reach(State::Backoff);
    assert_eq!((told(&world).state(), told(&world).attempt), (Pending::BackingOff, 1));
    assert_eq!(next_deadline(&world.state), Some(world.now + SECOND));
    let step = world.wake_after(SECOND);
    assert_eq!(step.tasks, [Task::StartNexusOperation { scheduled_event_id: ONLY, attempt: 1 }]);
    assert_eq!((told(&world).state(), told(&world).attempt), (Pending::Scheduled, 2));
    world.step(start_done(ONLY, 1, started())).unwrap();
    assert_eq!((told(&world).state(), told(&world).attempt), (Pending::Started, 2));
    assert_eq!(told(&world).links, [link("started")]);
    assert_eq!(world.state.nexus_operation_token().as_deref(), Some("token"));
}

#[test]
fn a_completion_closes_it() {
    for from in ALL {
        let mut world = reach(from);
        let answer = complete(&mut world, NexusResult::Succeeded(payload("3")));
        if from == State::Closed {
            assert!(matches!(answer.unwrap().reply, Reply::Done), "told again");
            let another = complete(&mut world, NexusResult::Canceled(Box::new(application_failure("C"))));
            assert_eq!(another.unwrap_err(), Reject::NotFound("operation not found".into()));
            continue;
        }
        answer.unwrap();
        assert_eq!(told(&world).status(), Status::Completed, "{from:?}");
        assert_eq!(world.state.nexus_operation_outcome(), payload("3").map(NexusOutcome::Result));
        let links = if from == State::Started { vec![link("started")] } else { vec![link("completion")] };
        assert_eq!(told(&world).links, links);
    }
    let mut world = reach(State::Started);
    complete(&mut world, NexusResult::Failed(Box::new(application_failure("F")))).unwrap();
    assert_eq!((told(&world).status(), failure(&world)), (Status::Failed, application_failure("F")));
    assert_eq!(told(&world).last_attempt_failure, None, "no attempt failed");
    let mut world = reach(State::Started);
    complete(&mut world, NexusResult::Canceled(Box::new(application_failure("C")))).unwrap();
    assert_eq!(told(&world).status(), Status::Canceled);
    assert!(matches!(failure(&world).failure_info, Some(FailureInfo::CanceledFailureInfo(_))));
}

#[test]
fn each_time_out() {
    use TimeoutType as K;
    for (from, after, kind) in [
        (State::Scheduled, 30, K::ScheduleToStart),
        (State::Backoff, 30, K::ScheduleToStart),
        (State::Started, 20, K::StartToClose),
    ] {
        let mut world = reach(from);
        let step = world.wake_after(after * SECOND);
        assert_eq!((told(&world).status(), step.tasks), (Status::TimedOut, vec![]), "{from:?}");
        let Some(FailureInfo::TimeoutFailureInfo(info)) = failure(&world).failure_info else { panic!() };
        assert_eq!(info.timeout_type(), kind);
        assert_eq!((next_deadline(&world.state), obligations(&world.state)), (None, vec![]));
    }
}

#[test]
fn a_cancel_request_goes_to_the_handler() {
    let task = Task::CancelNexusOperation { scheduled_event_id: ONLY, attempt: 0 };
    for from in ALL {
        let mut world = reach(from);
        let answer = cancel(&mut world, "c");
        if from == State::Closed {
            assert_eq!(answer.unwrap_err(), Reject::FailedPrecondition("operation already completed".into()));
            continue;
        }
        assert_eq!(answer.unwrap().tasks.contains(&task), from == State::Started);
        let info = told(&world).cancellation_info.unwrap();
        assert_eq!(info.requested_time.unwrap().seconds, world.now / SECOND);
        assert_eq!(info.reason, "why");
        // The same request again, and another.
        assert!(cancel(&mut world, "c").unwrap().tasks.is_empty());
        let text = "cancellation already requested with request ID c";
        assert_eq!(cancel(&mut world, "d").unwrap_err(), Reject::FailedPrecondition(text.into()));
        if from == State::Scheduled {
            let step = world.step(start_done(ONLY, 0, started())).unwrap();
            assert_eq!(step.tasks, std::slice::from_ref(&task));
        }
    }
}

#[test]
fn what_the_handler_says_to_a_cancel_request() {
    let not_delivered =
        |retryable| NexusCancelOutcome::Failed { failure: Box::new(application_failure("Not")), retryable };
    for (outcome, expected) in [
        (NexusCancelOutcome::Delivered, CancellationState::Succeeded),
        (not_delivered(false), CancellationState::Failed),
        (not_delivered(true), CancellationState::BackingOff),
    ] {
        let mut world = reach(State::Started);
        cancel(&mut world, "c").unwrap();
        world.step(Input::NexusCancelDone { scheduled_event_id: ONLY, attempt: 0, outcome }).unwrap();
        let info = told(&world).cancellation_info.unwrap();
        assert_eq!((info.state(), info.attempt), (expected, 1));
        assert_eq!(told(&world).status(), Status::Running, "a request, not an end");
        // It closes all the same, and the same request is still known.
        complete(&mut world, NexusResult::Succeeded(None)).unwrap();
        cancel(&mut world, "c").unwrap();
    }
}

#[test]
fn a_termination_closes_it() {
    for from in ALL {
        let mut world = reach(from);
        let answer = terminate(&mut world, "t");
        if from == State::Closed {
            assert_eq!(answer.unwrap_err(), Reject::FailedPrecondition("invalid transition from Succeeded".into()));
            continue;
        }
        assert!(answer.unwrap().tasks.is_empty());
        assert_eq!((told(&world).status(), failure(&world).message.as_str()), (Status::Terminated, "why"));
        assert_eq!(obligations(&world.state), []);
        assert_eq!(told(&world).execution_duration.unwrap().seconds, 0);
        terminate(&mut world, "t").unwrap();
        let text = "already terminated with request ID t";
        assert_eq!(terminate(&mut world, "u").unwrap_err(), Reject::FailedPrecondition(text.into()));
    }
}

#[test]
fn one_that_is_deleted_ends_first() {
    for from in ALL {
        let mut world = reach(from);
        world.step(Input::Delete).unwrap();
        assert!(world.state.is_to_be_deleted(), "{from:?}");
        let expected = if from == State::Closed { Status::Completed } else { Status::Terminated };
        assert_eq!(told(&world).status(), expected);
    }
}

#[test]
fn another_start_is_kept_with_it() {
    let attach = || Input::AttachStart {
        request_id: "other".into(),
        attach_request_id: true,
        attach_callbacks: false,
        attach_links: true,
        callbacks: Vec::new(),
        links: vec![link("other")],
    };
    let mut world = operation();
    world.step(attach()).unwrap();
    assert!(world.state.run.start_request_ids.contains_key("other"));
    assert_eq!(told(&world).links, [link("other")]);
    let text = "nexus operation not found for ID: op";
    assert_eq!(reach(State::Closed).step(attach()).unwrap_err(), Reject::NotFound(text.into()));
}
