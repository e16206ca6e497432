//! One test for each cell of the transition table of updates, and where the update of an update-with-start goes.

use perdure_engine::{Input, Notice, Reply, Start, Task, outcome::UpdateAbort, takes_update};
use perdure_proto::api::{
    command::{CancelTimerCommandAttributes, command::Attributes as C},
    enums::{
        CommandType, EventType as T, UpdateWorkflowExecutionLifecycleStage as Stage,
        WorkflowIdConflictPolicy as Conflict, WorkflowTaskFailedCause as Cause,
    },
    failure::{Failure, failure::FailureInfo},
    protocol::Message,
    update::{Acceptance, Meta, Outcome, Rejection, Request, Response, outcome::Value},
    workflowservice::{RespondWorkflowTaskCompletedRequest, RespondWorkflowTaskFailedRequest},
};

use crate::{
    callback::terminate,
    reset::{acceptance, message},
    world::{SECOND, Step, World, application_failure, command, payloads, update_request},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unknown,
    Admitted,
    Sent,
    Accepted,
    Completed,
}

const ALL: [State; 5] = [State::Unknown, State::Admitted, State::Sent, State::Accepted, State::Completed];

fn request_again(world: &mut World) -> Step {
    world.step(update_request("u")).unwrap()
}

/// A worker has a task that carries what waits for it now.
fn take(world: &mut World) {
    world.step(Input::Signal(Box::default())).unwrap();
    world.start_task();
}

fn respond(world: &mut World, messages: Vec<Message>) -> Step {
    let (token, request) = (world.token(), RespondWorkflowTaskCompletedRequest { messages, ..Default::default() });
    let input = Input::WorkflowTaskCompleted { token, request: Box::new(request), nexus_endpoints: Default::default() };
    world.step(input).unwrap()
}

fn outcome() -> Outcome {
    Outcome { value: Some(Value::Success(payloads("1").unwrap())) }
}

fn response() -> Message {
    let meta = Some(Meta { update_id: "u".into(), ..Default::default() });
    message("u", "Response", &Response { meta, outcome: Some(outcome()) })
}

fn rejection() -> Message {
    message("u", "Rejection", &Rejection { failure: Some(application_failure("No")), ..Default::default() })
}

/// The update `u` in this state, and a worker that works on a task.
fn reach(state: State) -> World {
    let mut world = World::new();
    world.complete(Vec::new());
    match state {
        State::Unknown => take(&mut world),
        State::Admitted => {
            take(&mut world);
            request_again(&mut world);
        }
        State::Sent | State::Accepted | State::Completed => {
            world.step(Input::Signal(Box::default())).unwrap();
            request_again(&mut world);
            world.start_task();
            let messages = match state {
                State::Accepted => vec![acceptance("u")],
                State::Completed => vec![acceptance("u"), response()],
                _ => return world,
            };
            respond(&mut world, messages);
            take(&mut world);
        }
    }
    world
}

fn state(world: &World) -> State {
    match world.state.update_progress("u") {
        None => State::Unknown,
        Some((Stage::Completed, _)) => State::Completed,
        Some((Stage::Accepted, _)) => State::Accepted,
        Some(_) => {
            let sent = world.state.volatile.admitted.iter().any(|update| update.sent_in.is_some());
            if sent { State::Sent } else { State::Admitted }
        }
    }
}

/// What those hear who wait for the update: how it ended, or why it is gone.
fn told(step: &Step) -> Vec<Result<Option<Outcome>, UpdateAbort>> {
    let heard = step.notices.iter().filter_map(|notice| match notice {
        Notice::Update { outcome, .. } => Some(Ok(outcome.clone())),
        Notice::UpdateAborted { reason, .. } => Some(Err(*reason)),
        _ => None,
    });
    heard.collect()
}

fn failed(failure: Failure) -> Result<Option<Outcome>, UpdateAbort> {
    Ok(Some(Outcome { value: Some(Value::Failure(failure)) }))
}

/// The type of the server's failure that the update ended with.
fn kind(heard: &Result<Option<Outcome>, UpdateAbort>) -> Option<&str> {
    let Ok(Some(Outcome { value: Some(Value::Failure(failure)) })) = heard else { return None };
    match &failure.failure_info {
        Some(FailureInfo::ApplicationFailureInfo(info)) => Some(&info.r#type),
        _ => None,
    }
}

fn is_refused(step: &Step) -> bool {
    step.types().contains(&T::WorkflowTaskFailed)
}

#[test]
fn another_request() {
    use State as S;
    let expected = [
        (Stage::Admitted, None, S::Admitted),
        (Stage::Admitted, None, S::Admitted),
        (Stage::Admitted, None, S::Sent),
        (Stage::Accepted, None, S::Accepted),
        (Stage::Completed, Some(outcome()), S::Completed),
    ];
    for (from, (stage, known, leads_to)) in ALL.into_iter().zip(expected) {
        let mut world = reach(from);
        let Reply::Update { stage: told, outcome } = request_again(&mut world).reply else { panic!("{from:?}") };
        assert_eq!((told, outcome.map(|outcome| *outcome), state(&world)), (stage, known, leads_to), "{from:?}");
    }
}

#[test]
fn a_task_starts() {
    let mut world = reach(State::Admitted);
    let step = respond(&mut world, Vec::new());
    assert!(step.tasks.iter().any(|task| matches!(task, Task::DispatchWorkflowTask { .. })), "one for the update");
    assert_eq!(state(&world), State::Admitted);
    let pending = world.token();
    let start = Input::WorkflowTaskStart {
        scheduled_event_id: pending.scheduled_event_id,
        attempt: pending.attempt,
        identity: "worker".into(),
        request_id: "poll".into(),
        worker_version: None,
        taken_by: perdure_engine::TakenBy::default(),
    };
    let Reply::WorkflowTaskStarted(started) = world.step(start).unwrap().reply else { panic!() };
    let ids: Vec<_> = started.messages.iter().map(|message| message.protocol_instance_id.as_str()).collect();
    assert_eq!((ids, state(&world)), (vec!["u"], State::Sent));
    for from in [State::Unknown, State::Accepted, State::Completed] {
        let mut world = reach(from);
        respond(&mut world, Vec::new());
        take(&mut world);
        assert_eq!(state(&world), from);
    }
}

#[test]
fn accepted() {
    for from in ALL {
        let mut world = reach(from);
        let step = respond(&mut world, vec![acceptance("u")]);
        if matches!(from, State::Admitted | State::Sent) {
            step.event(T::WorkflowExecutionUpdateAccepted);
            assert_eq!((told(&step), state(&world)), (vec![Ok(None)], State::Accepted), "{from:?}");
        } else {
            assert_eq!((is_refused(&step), state(&world)), (true, from), "{from:?}");
        }
    }
    // The server lost it, the worker did not.
    let mut world = reach(State::Unknown);
    let meta = Some(Meta { update_id: "u".into(), ..Default::default() });
    let accepted_request = Some(Request { meta, ..Default::default() });
    let acceptance = Acceptance { accepted_request, ..Default::default() };
    respond(&mut world, vec![message("u", "Acceptance", &acceptance)]);
    assert_eq!(state(&world), State::Accepted);
}

#[test]
fn rejected() {
    for from in ALL {
        let mut world = reach(from);
        let step = respond(&mut world, vec![rejection()]);
        if matches!(from, State::Admitted | State::Sent) {
            assert_eq!(
                (told(&step), state(&world)),
                (vec![failed(application_failure("No"))], State::Unknown),
                "{from:?}"
            );
            assert!(!is_refused(&step) && !step.types().contains(&T::WorkflowExecutionUpdateAccepted), "{from:?}");
        } else {
            assert_eq!((is_refused(&step), state(&world)), (true, from), "{from:?}");
        }
    }
}

#[test]
fn answered() {
    for from in ALL {
        let mut world = reach(from);
        let step = respond(&mut world, vec![response()]);
        if from == State::Accepted {
            step.event(T::WorkflowExecutionUpdateCompleted);
            assert_eq!((told(&step), state(&world)), (vec![Ok(Some(outcome()))], State::Completed));
        } else {
            assert!(is_refused(&step), "{from:?}");
            assert_ne!(
                state(&world),
                if from == State::Completed { State::Unknown } else { State::Completed },
                "{from:?}"
            );
        }
    }
}

#[test]
fn a_task_completes_without_it() {
    for from in ALL {
        let mut world = reach(from);
        let step = respond(&mut world, Vec::new());
        if from == State::Sent {
            let told = told(&step);
            assert_eq!(
                (told.iter().filter_map(kind).collect::<Vec<_>>(), state(&world)),
                (vec!["UnprocessedUpdate"], State::Unknown)
            );
        } else {
            assert_eq!((told(&step), state(&world)), (vec![], from), "{from:?}");
        }
    }
}

#[test]
fn a_task_fails_or_is_late() {
    for from in ALL {
        let mut world = reach(from);
        let request = RespondWorkflowTaskFailedRequest {
            cause: Cause::WorkflowWorkerUnhandledFailure.into(),
            ..Default::default()
        };
        let input = Input::WorkflowTaskFailed { token: world.token(), request: Box::new(request) };
        let leads_to = if from == State::Sent { State::Admitted } else { from };
        let step = world.step(input).unwrap();
        step.event(T::WorkflowTaskFailed);
        assert_eq!((told(&step), state(&world)), (vec![], leads_to), "{from:?}");
        let mut world = reach(from);
        let step = world.wake_after(10 * SECOND);
        step.event(T::WorkflowTaskTimedOut);
        assert_eq!((told(&step), state(&world)), (vec![], leads_to), "{from:?}");
    }
}

#[test]
fn a_task_completes_badly() {
    for from in ALL {
        let mut world = reach(from);
        let attributes = CancelTimerCommandAttributes { timer_id: "unknown".into() };
        let bad = command(CommandType::CancelTimer, C::CancelTimerCommandAttributes(attributes));
        let step = world.try_complete(world.token(), vec![bad]).unwrap();
        assert!(is_refused(&step), "{from:?}");
        if from == State::Sent {
            assert_eq!((told(&step), state(&world)), (vec![Err(UpdateAbort::WorkflowTaskFailed)], State::Unknown));
        } else {
            assert_eq!((told(&step), state(&world)), (vec![], from), "{from:?}");
        }
    }
}

#[test]
fn the_run_closes() {
    for from in ALL {
        let mut world = reach(from);
        let step = terminate(&mut world, "client");
        let told = told(&step);
        match from {
            State::Unknown | State::Completed => assert_eq!((told, state(&world)), (vec![], from)),
            State::Admitted | State::Sent => {
                // A started task fails with the run, which is what those hear whose update went out with it.
                assert!(matches!(told[..], [Err(_)]), "{from:?}: {told:?}");
                assert_eq!(state(&world), State::Unknown);
            }
            State::Accepted => {
                let kinds: Vec<_> = told.iter().filter_map(kind).collect();
                assert_eq!((kinds, state(&world)), (vec!["AcceptedUpdateCompletedWorkflow"], State::Completed));
            }
        }
    }
}

#[test]
fn where_the_update_of_an_update_with_start_goes() {
    let start = |request_id: &str, conflict_policy| Start {
        request_id: request_id.into(),
        conflict_policy,
        ..Start::default()
    };
    let close = |world: &mut World| drop(terminate(world, "client"));
    for from in ALL {
        let mut world = reach(from);
        let known = from != State::Unknown;
        let goes = |world: &World, start: &Start| takes_update(&world.state, start, "u");
        assert_eq!(goes(&world, &start("other", Conflict::Fail)), known, "{from:?}");
        assert!(goes(&world, &start("other", Conflict::UseExisting)), "{from:?}");
        assert!(goes(&world, &start("start", Conflict::Fail)), "{from:?}: the start was taken before");
        close(&mut world);
        let ended = from == State::Completed;
        assert_eq!(goes(&world, &start("other", Conflict::UseExisting)), ended, "{from:?}");
        assert!(goes(&world, &start("start", Conflict::Fail)), "{from:?}");
    }
}
