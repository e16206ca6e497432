//! One test for each cell of the child's transition table.

use perdure_engine::{Input, Reject, Task};
use perdure_proto::api::{
    command::{Command, StartChildWorkflowExecutionCommandAttributes, command::Attributes as C},
    common::WorkflowType,
    enums::{CommandType, EventType as T, ParentClosePolicy, RetryState, StartChildWorkflowExecutionFailedCause},
    history::{
        HistoryEvent, WorkflowExecutionCanceledEventAttributes, WorkflowExecutionCompletedEventAttributes,
        WorkflowExecutionFailedEventAttributes, WorkflowExecutionTerminatedEventAttributes,
        WorkflowExecutionTimedOutEventAttributes, history_event::Attributes as A,
    },
};

use crate::world::{Step, World, application_failure, command, payloads};

const RUN: &str = "11111111-1111-7111-8111-111111111111";
const LATER_RUN: &str = "22222222-2222-7222-8222-222222222222";

pub(crate) fn start(id: &str) -> Command {
    let attributes = StartChildWorkflowExecutionCommandAttributes {
        workflow_id: id.into(),
        workflow_type: Some(WorkflowType { name: "child type".into() }),
        ..Default::default()
    };
    command(CommandType::StartChildWorkflowExecution, C::StartChildWorkflowExecutionCommandAttributes(attributes))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    None,
    Initiated,
    Running,
}

fn reach(state: State) -> (World, i64) {
    let mut world = World::new();
    let step = world.complete(vec![start("child")]);
    let id = world.event_id(T::StartChildWorkflowExecutionInitiated);
    assert_eq!(step.tasks, [Task::StartChild { initiated_event_id: id }]);
    match state {
        State::None => {
            start_failed(&mut world, id).unwrap();
        }
        State::Initiated => {}
        State::Running => {
            started(&mut world, id, RUN).unwrap();
        }
    }
    (world, id)
}

fn state_of(world: &World, id: i64) -> State {
    match world.state.run.children.get(&id) {
        None => State::None,
        Some(child) if child.run_id.is_empty() => State::Initiated,
        Some(_) => State::Running,
    }
}

fn started(world: &mut World, initiated_event_id: i64, run_id: &str) -> Result<Step, Reject> {
    world.step(Input::ChildStarted { initiated_event_id, run_id: run_id.into(), header: None })
}

fn start_failed(world: &mut World, initiated_event_id: i64) -> Result<Step, Reject> {
    let cause = StartChildWorkflowExecutionFailedCause::WorkflowAlreadyExists as i32;
    world.step(Input::ChildStartFailed { initiated_event_id, cause })
}

fn closed(world: &mut World, initiated_event_id: i64, run_id: &str, close: A) -> Result<Step, Reject> {
    let event = Box::new(HistoryEvent { attributes: Some(close), ..Default::default() });
    let (workflow_id, run_id) = ("child".into(), run_id.into());
    world.step(Input::ChildClosed { initiated_event_id, workflow_id, run_id, event })
}

fn completed() -> A {
    A::WorkflowExecutionCompletedEventAttributes(WorkflowExecutionCompletedEventAttributes {
        result: payloads("1"),
        ..Default::default()
    })
}

#[test]
fn the_news_of_its_start() {
    let (mut world, id) = reach(State::None);
    assert_eq!(started(&mut world, id, RUN).unwrap_err(), Reject::NotAwaited);

    let (mut world, id) = reach(State::Initiated);
    let step = started(&mut world, id, RUN).unwrap();
    assert_eq!(step.types(), [T::ChildWorkflowExecutionStarted, T::WorkflowTaskScheduled]);
    let child = &world.state.run.children[&id];
    assert_eq!((child.run_id.as_str(), child.started_event_id), (RUN, step.events[0].event_id));
    assert_eq!(child.initiated, None, "needed no longer");

    let (mut world, id) = reach(State::Running);
    assert_eq!(started(&mut world, id, RUN).unwrap().types(), [], "repeated");
    assert_eq!(started(&mut world, id, LATER_RUN).unwrap_err(), Reject::NotAwaited);
}

#[test]
fn the_news_that_it_cannot_be_started() {
    let (mut world, id) = reach(State::None);
    assert_eq!(start_failed(&mut world, id).unwrap_err(), Reject::NotAwaited);

    let (mut world, id) = reach(State::Initiated);
    let step = start_failed(&mut world, id).unwrap();
    assert_eq!(state_of(&world, id), State::None);
    let A::StartChildWorkflowExecutionFailedEventAttributes(failed) =
        step.attributes(T::StartChildWorkflowExecutionFailed)
    else {
        panic!()
    };
    assert_eq!(failed.cause(), StartChildWorkflowExecutionFailedCause::WorkflowAlreadyExists);
    assert_eq!((failed.workflow_id.as_str(), failed.initiated_event_id), ("child", id));

    let (mut world, id) = reach(State::Running);
    assert_eq!(start_failed(&mut world, id).unwrap_err(), Reject::NotAwaited);
}

#[test]
fn the_news_of_its_end() {
    let (mut world, id) = reach(State::None);
    assert_eq!(closed(&mut world, id, RUN, completed()).unwrap_err(), Reject::NotAwaited);

    let (mut world, id) = reach(State::Initiated);
    let step = closed(&mut world, id, RUN, completed()).unwrap();
    assert_eq!(
        step.types(),
        [T::ChildWorkflowExecutionStarted, T::ChildWorkflowExecutionCompleted, T::WorkflowTaskScheduled],
        "the end has overtaken the start"
    );

    let (mut world, id) = reach(State::Running);
    let started_event_id = world.state.run.children[&id].started_event_id;
    let step = closed(&mut world, id, LATER_RUN, completed()).unwrap();
    assert_eq!(state_of(&world, id), State::None);
    let A::ChildWorkflowExecutionCompletedEventAttributes(event) = step.attributes(T::ChildWorkflowExecutionCompleted)
    else {
        panic!()
    };
    assert_eq!((event.initiated_event_id, event.started_event_id), (id, started_event_id));
    assert_eq!(event.workflow_execution.as_ref().unwrap().run_id, LATER_RUN, "the run that really ended");
    assert_eq!(event.result, payloads("1"));
    assert_eq!(closed(&mut world, id, LATER_RUN, completed()).unwrap_err(), Reject::NotAwaited, "repeated");
}

#[test]
fn each_kind_of_end() {
    let failed = WorkflowExecutionFailedEventAttributes {
        failure: Some(application_failure("Type")),
        retry_state: RetryState::MaximumAttemptsReached as i32,
        ..Default::default()
    };
    let timed_out = WorkflowExecutionTimedOutEventAttributes::default();
    for (close, expected) in [
        (completed(), T::ChildWorkflowExecutionCompleted),
        (A::WorkflowExecutionFailedEventAttributes(failed), T::ChildWorkflowExecutionFailed),
        (
            A::WorkflowExecutionCanceledEventAttributes(WorkflowExecutionCanceledEventAttributes::default()),
            T::ChildWorkflowExecutionCanceled,
        ),
        (A::WorkflowExecutionTimedOutEventAttributes(timed_out), T::ChildWorkflowExecutionTimedOut),
        (
            A::WorkflowExecutionTerminatedEventAttributes(WorkflowExecutionTerminatedEventAttributes::default()),
            T::ChildWorkflowExecutionTerminated,
        ),
    ] {
        let (mut world, id) = reach(State::Running);
        let step = closed(&mut world, id, RUN, close).unwrap();
        assert_eq!(step.types()[0], expected);
        if let A::ChildWorkflowExecutionFailedEventAttributes(event) = step.events[0].attributes.as_ref().unwrap() {
            assert_eq!(event.retry_state(), RetryState::MaximumAttemptsReached);
            assert_eq!(event.failure, Some(application_failure("Type")));
        }
    }
}

#[test]
fn what_is_no_end_of_this_child() {
    let (mut world, id) = reach(State::Running);
    let continued = A::WorkflowExecutionContinuedAsNewEventAttributes(Box::default());
    assert_eq!(closed(&mut world, id, RUN, continued).unwrap_err(), Reject::NotAwaited);
    let event = Box::new(HistoryEvent { attributes: Some(completed()), ..Default::default() });
    let (workflow_id, run_id) = ("another".into(), RUN.into());
    let answer = world.step(Input::ChildClosed { initiated_event_id: id, workflow_id, run_id, event });
    assert_eq!(answer.unwrap_err(), Reject::NotAwaited);
}

#[test]
fn start_and_end_behind_a_started_workflow_task() {
    let (mut world, id) = reach(State::Initiated);
    world.step(Input::Signal(Box::default())).unwrap();
    let task = world.start_task();
    assert_eq!(started(&mut world, id, RUN).unwrap().types(), []);
    assert_eq!(state_of(&world, id), State::Running);
    assert_eq!(closed(&mut world, id, RUN, completed()).unwrap().types(), []);
    assert_eq!(state_of(&world, id), State::None);
    let step = world.try_complete(task, Vec::new()).unwrap();
    let A::ChildWorkflowExecutionCompletedEventAttributes(event) = step.attributes(T::ChildWorkflowExecutionCompleted)
    else {
        panic!()
    };
    assert_eq!(event.started_event_id, step.event(T::ChildWorkflowExecutionStarted).event_id);
}

#[test]
fn what_the_command_leaves_open_is_filled_in() {
    let mut world = World::new();
    let step = world.complete(vec![start("child")]);
    let A::StartChildWorkflowExecutionInitiatedEventAttributes(initiated) =
        step.attributes(T::StartChildWorkflowExecutionInitiated)
    else {
        panic!()
    };
    assert_eq!((initiated.namespace.as_str(), initiated.namespace_id.as_str()), ("ns", "ns-id"));
    assert_eq!(initiated.task_queue.as_ref().unwrap().name, "queue");
    assert_eq!(initiated.parent_close_policy(), ParentClosePolicy::Terminate);
    assert_eq!(initiated.workflow_task_timeout, crate::world::seconds(10));
    assert_eq!(initiated.retry_policy, None, "no policy means no retries");
    let id = world.event_id(T::StartChildWorkflowExecutionInitiated);
    let request_id = format!("{}:{id}", world.state.run.run_id);
    assert_eq!(world.state.run.children[&id].create_request_id, request_id);
}
