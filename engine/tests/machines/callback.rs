//! One test for each cell of the callback's transition table.

use perdure_engine::{CallbackOutcome, Input, Reject, Task, next_deadline, obligations, reset, state::CallbackPhase};
use perdure_proto::api::{
    command::{
        Command, CompleteWorkflowExecutionCommandAttributes, ContinueAsNewWorkflowExecutionCommandAttributes,
        FailWorkflowExecutionCommandAttributes, command::Attributes as C,
    },
    common::{
        Callback, RetryPolicy,
        callback::{Nexus, Variant},
    },
    enums::{CallbackState, CommandType, EventType as T},
};

use crate::world::{SECOND, Step, World, application_failure, command};

pub(crate) fn callback(url: &str) -> Callback {
    let nexus = Nexus { url: url.into(), header: [("token".to_owned(), "t".to_owned())].into() };
    Callback { variant: Some(Variant::Nexus(nexus)), ..Default::default() }
}

pub(crate) fn urls<'a>(callbacks: impl IntoIterator<Item = &'a Callback>) -> Vec<&'a str> {
    let url = |callback: &'a Callback| match &callback.variant {
        Some(Variant::Nexus(nexus)) => nexus.url.as_str(),
        other => panic!("{other:?}"),
    };
    callbacks.into_iter().map(url).collect()
}

fn completion() -> Command {
    let attributes = CompleteWorkflowExecutionCommandAttributes::default();
    command(CommandType::CompleteWorkflowExecution, C::CompleteWorkflowExecutionCommandAttributes(attributes))
}

fn failure() -> Command {
    let failure = Some(application_failure("E"));
    let attributes = FailWorkflowExecutionCommandAttributes { failure };
    command(CommandType::FailWorkflowExecution, C::FailWorkflowExecutionCommandAttributes(attributes))
}

pub(crate) fn continuation() -> Command {
    let attributes = ContinueAsNewWorkflowExecutionCommandAttributes::default();
    command(CommandType::ContinueAsNewWorkflowExecution, C::ContinueAsNewWorkflowExecutionCommandAttributes(attributes))
}

pub(crate) fn terminate(world: &mut World, identity: &str) -> Step {
    let (reason, identity) = ("r".into(), identity.into());
    world.step(Input::Terminate { reason, details: None, identity, links: vec![] }).unwrap()
}

fn with_callback() -> World {
    World::with(|start| start.completion_callbacks = vec![callback("first")])
}

pub(crate) fn attach(request_id: &str, callbacks: Vec<Callback>) -> Input {
    Input::AttachStart {
        request_id: request_id.into(),
        attach_request_id: true,
        attach_callbacks: true,
        attach_links: false,
        callbacks,
        links: Vec::new(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Standby,
    Scheduled,
    Backoff,
    Succeeded,
    Failed,
}

const ALL: [State; 5] = [State::Standby, State::Scheduled, State::Backoff, State::Succeeded, State::Failed];
const ID: &str = "start:00";

fn reach(state: State) -> World {
    let mut world = with_callback();
    if state == State::Standby {
        return world;
    }
    world.complete(vec![completion()]);
    let outcome = match state {
        State::Backoff => retry(),
        State::Succeeded => CallbackOutcome::Succeeded,
        State::Failed => refused(),
        State::Standby | State::Scheduled => return world,
    };
    world.step(done(0, outcome)).unwrap();
    world
}

fn state(world: &World) -> State {
    match world.state.run.callbacks[ID].phase.as_ref().unwrap() {
        CallbackPhase::Standby(_) => State::Standby,
        CallbackPhase::Scheduled(_) => State::Scheduled,
        CallbackPhase::Backoff(_) => State::Backoff,
        CallbackPhase::Succeeded(_) => State::Succeeded,
        CallbackPhase::Failed(_) => State::Failed,
    }
}

fn done(attempt: i32, outcome: CallbackOutcome) -> Input {
    Input::CallbackDone { callback_id: ID.into(), attempt, outcome }
}

pub(crate) fn retry() -> CallbackOutcome {
    CallbackOutcome::Retry { failure: Box::new(application_failure("Busy")) }
}

fn refused() -> CallbackOutcome {
    CallbackOutcome::Failed { failure: Box::new(application_failure("Refused")) }
}

fn invoke(attempt: i32) -> Task {
    Task::InvokeCallback { callback_id: ID.into(), attempt }
}

#[test]
fn each_end_of_the_chain_calls_it() {
    let returns = |world: &mut World| world.complete(vec![completion()]);
    let fails = |world: &mut World| world.complete(vec![failure()]);
    let terminates = |world: &mut World| terminate(world, "client");
    let times_out = |world: &mut World| world.wake_after(60 * SECOND);
    let ends: [&dyn Fn(&mut World) -> Step; 4] = [&returns, &fails, &terminates, &times_out];
    for end in ends {
        let mut world = World::with(|start| {
            start.completion_callbacks = vec![callback("first")];
            start.run_timeout = Some(60 * SECOND);
        });
        let step = end(&mut world);
        assert_eq!(step.tasks, [invoke(0)], "{:?}", step.types());
        assert_eq!(obligations(&world.state), [invoke(0)]);
    }
}

#[test]
fn a_run_that_goes_on_hands_it_over() {
    let mut world = with_callback();
    world.advance(SECOND);
    world.step(attach("other", vec![callback("second"), callback("third")])).unwrap();
    let step = world.complete(vec![continuation()]);
    assert_eq!((state(&world), step.tasks), (State::Standby, vec![]));
    assert_eq!(urls(&step.next_run.unwrap().completion_callbacks), ["first", "second", "third"]);
    assert_eq!(obligations(&world.state), []);

    let mut world = World::with(|start| {
        start.completion_callbacks = vec![callback("first")];
        start.retry_policy = Some(RetryPolicy { backoff_coefficient: 1.0, ..Default::default() });
    });
    world.advance(SECOND);
    world.step(attach("other", vec![callback("second")])).unwrap();
    let step = world.complete(vec![failure()]);
    assert_eq!(state(&world), State::Standby);
    assert_eq!(urls(&step.next_run.unwrap().completion_callbacks), ["first", "second"]);

    let mut world = World::with(|start| {
        start.completion_callbacks = vec![callback("first")];
        start.cron_schedule = "* * * * *".into();
    });
    world.wake_after(60 * SECOND);
    let step = world.complete(vec![completion()]);
    assert_eq!(state(&world), State::Scheduled, "each run of a cron schedule ends for good");
    assert!(step.next_run.unwrap().completion_callbacks.is_empty());
}

#[test]
fn an_answer_to_an_attempt() {
    for (outcome, leads_to) in
        [(CallbackOutcome::Succeeded, State::Succeeded), (refused(), State::Failed), (retry(), State::Backoff)]
    {
        for from in ALL {
            let mut world = reach(from);
            let attempt = world.state.run.callbacks[ID].attempt;
            let answer = world.step(done(attempt, outcome.clone()));
            if from != State::Scheduled {
                assert_eq!(answer.unwrap_err(), Reject::NotAwaited, "{from:?} {outcome:?}");
                continue;
            }
            assert_eq!((answer.unwrap().types(), state(&world)), (vec![], leads_to));
            let callback = &world.state.run.callbacks[ID];
            assert_eq!((callback.attempt, callback.last_attempt_complete_time), (1, world.now));
            assert_eq!(callback.last_attempt_failure.is_none(), leads_to == State::Succeeded);
            assert_eq!(obligations(&world.state), []);
            assert_eq!(next_deadline(&world.state), (leads_to == State::Backoff).then_some(world.now + SECOND));
        }
    }
    let mut world = reach(State::Scheduled);
    assert_eq!(world.step(done(1, CallbackOutcome::Succeeded)).unwrap_err(), Reject::NotAwaited, "another attempt");
    let unknown = Input::CallbackDone { callback_id: "?".into(), attempt: 0, outcome: retry() };
    assert_eq!(world.step(unknown).unwrap_err(), Reject::NotAwaited);
}

#[test]
fn a_closed_run_stays_awake_until_it_has_called() {
    let mut world = reach(State::Backoff);
    for (attempt, wait) in [(1, 1), (2, 2), (3, 4)] {
        assert_eq!(next_deadline(&world.state), Some(world.now + wait * SECOND));
        let step = world.wake_after(wait * SECOND);
        assert_eq!((step.types(), step.tasks), (vec![], vec![invoke(attempt)]));
        assert_eq!((state(&world), obligations(&world.state)), (State::Scheduled, vec![invoke(attempt)]));
        world.step(done(attempt, retry())).unwrap();
    }
    world.wake_after(8 * SECOND);
    world.step(done(4, CallbackOutcome::Succeeded)).unwrap();
    assert_eq!((obligations(&world.state), next_deadline(&world.state)), (vec![], None));
}

#[test]
fn callbacks_of_other_starts() {
    let mut world = with_callback();
    let token = world.start_task();
    world.advance(SECOND);
    world.step(attach("other", vec![callback("second")])).unwrap();
    assert_eq!(world.state.run.callbacks.len(), 2);
    // The event that brought it comes out of the buffer, and brings nothing new.
    world.try_complete(token, Vec::new()).unwrap().event(T::WorkflowExecutionOptionsUpdated);
    let infos = world.state.describe(world.now).callbacks;
    assert_eq!(urls(infos.iter().filter_map(|info| info.callback.as_ref())), ["first", "second"]);
    assert_eq!(infos.iter().map(|info| info.request_id.as_str()).collect::<Vec<_>>(), ["start", "other"]);
    assert!(infos.iter().all(|info| info.state() == CallbackState::Standby));
    let step = terminate(&mut world, "client");
    assert_eq!(step.tasks.len(), 2);
}

#[test]
fn thirty_two_for_one_run() {
    let mut world = with_callback();
    let many = |count: usize| (0..count).map(|_| callback("x")).collect::<Vec<_>>();
    let text = "cannot attach more than 32 callbacks to a workflow (1 callbacks already attached)";
    assert_eq!(world.step(attach("a", many(32))).unwrap_err(), Reject::FailedPrecondition(text.into()));
    world.step(attach("b", many(31))).unwrap();
    // A request without callbacks is not refused.
    world.step(attach("c", Vec::new())).unwrap();
    assert_eq!(world.state.run.callbacks.len(), 32);
}

#[test]
fn what_describe_tells() {
    let told = |state: State| reach(state).state.describe(0).callbacks.remove(0);
    for (from, expected) in [
        (State::Standby, CallbackState::Standby),
        (State::Scheduled, CallbackState::Scheduled),
        (State::Backoff, CallbackState::BackingOff),
        (State::Succeeded, CallbackState::Succeeded),
        (State::Failed, CallbackState::Failed),
    ] {
        assert_eq!(told(from).state(), expected);
    }
    let backoff = told(State::Backoff);
    assert_eq!((backoff.attempt, backoff.last_attempt_failure), (1, Some(application_failure("Busy"))));
    assert!(backoff.next_attempt_schedule_time.is_some());
}

#[test]
fn a_reset_goes_on_with_it() {
    let mut world = with_callback();
    world.complete(Vec::new());
    let forked = world.reset(4, |_| {}).unwrap();
    assert_eq!(state(&forked), State::Standby);
    let step = terminate(&mut world, reset::IDENTITY);
    assert_eq!((state(&world), step.tasks), (State::Standby, vec![]));
}
