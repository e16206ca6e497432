//! One test for each cell of the transition table of signals and cancels to others.

use perdure_engine::{Input, Reject, Task};
use perdure_proto::api::{
    command::{
        Command, RequestCancelExternalWorkflowExecutionCommandAttributes,
        SignalExternalWorkflowExecutionCommandAttributes, command::Attributes as C,
    },
    common::WorkflowExecution,
    enums::{
        CancelExternalWorkflowExecutionFailedCause, CommandType, EventType as T,
        SignalExternalWorkflowExecutionFailedCause,
    },
    history::history_event::Attributes as A,
};

use crate::world::{World, command, payloads};

pub(crate) fn signal(id: &str) -> Command {
    let attributes = SignalExternalWorkflowExecutionCommandAttributes {
        execution: Some(WorkflowExecution { workflow_id: id.into(), run_id: String::new() }),
        signal_name: "s".into(),
        input: payloads("1"),
        control: "c".into(),
        ..Default::default()
    };
    command(
        CommandType::SignalExternalWorkflowExecution,
        C::SignalExternalWorkflowExecutionCommandAttributes(attributes),
    )
}

pub(crate) fn request_cancel(id: &str) -> Command {
    let attributes = RequestCancelExternalWorkflowExecutionCommandAttributes {
        workflow_id: id.into(),
        reason: "because".into(),
        ..Default::default()
    };
    command(
        CommandType::RequestCancelExternalWorkflowExecution,
        C::RequestCancelExternalWorkflowExecutionCommandAttributes(attributes),
    )
}

const NO_SUCH_SIGNALED: i32 = SignalExternalWorkflowExecutionFailedCause::ExternalWorkflowExecutionNotFound as i32;
const NO_SUCH_CANCELED: i32 = CancelExternalWorkflowExecutionFailedCause::ExternalWorkflowExecutionNotFound as i32;

#[test]
fn nothing_is_awaited_without_a_command() {
    let mut world = World::new();
    let answer = world.step(Input::ExternalSignalDone { initiated_event_id: 5, failed_cause: None });
    assert_eq!(answer.unwrap_err(), Reject::NotAwaited);
    let answer = world.step(Input::ExternalCancelDone { initiated_event_id: 5, failed_cause: None });
    assert_eq!(answer.unwrap_err(), Reject::NotAwaited);
}

#[test]
fn a_signal_is_delivered() {
    let mut world = World::new();
    let step = world.complete(vec![signal("other")]);
    let id = world.event_id(T::SignalExternalWorkflowExecutionInitiated);
    assert_eq!(step.tasks, [Task::SignalExternal { initiated_event_id: id }]);
    let done = Input::ExternalSignalDone { initiated_event_id: id, failed_cause: None };
    let step = world.step(done.clone()).unwrap();
    assert_eq!(step.types(), [T::ExternalWorkflowExecutionSignaled, T::WorkflowTaskScheduled]);
    let A::ExternalWorkflowExecutionSignaledEventAttributes(event) =
        step.attributes(T::ExternalWorkflowExecutionSignaled)
    else {
        panic!()
    };
    assert_eq!((event.initiated_event_id, event.control.as_str()), (id, "c"));
    assert_eq!(event.workflow_execution.as_ref().unwrap().workflow_id, "other");
    assert_eq!(world.step(done).unwrap_err(), Reject::NotAwaited, "repeated");
}

#[test]
fn a_signal_that_cannot_be_delivered() {
    let mut world = World::new();
    world.complete(vec![signal("other")]);
    let initiated_event_id = world.event_id(T::SignalExternalWorkflowExecutionInitiated);
    let step =
        world.step(Input::ExternalSignalDone { initiated_event_id, failed_cause: Some(NO_SUCH_SIGNALED) }).unwrap();
    assert_eq!(step.types(), [T::SignalExternalWorkflowExecutionFailed, T::WorkflowTaskScheduled]);
    let A::SignalExternalWorkflowExecutionFailedEventAttributes(event) =
        step.attributes(T::SignalExternalWorkflowExecutionFailed)
    else {
        panic!()
    };
    assert_eq!((event.cause, event.initiated_event_id), (NO_SUCH_SIGNALED, initiated_event_id));
    assert!(world.state.run.external_signals.is_empty());
}

#[test]
fn a_cancel_request_is_delivered() {
    let mut world = World::new();
    let step = world.complete(vec![request_cancel("other")]);
    let id = world.event_id(T::RequestCancelExternalWorkflowExecutionInitiated);
    assert_eq!(step.tasks, [Task::CancelExternal { initiated_event_id: id }]);
    let done = Input::ExternalCancelDone { initiated_event_id: id, failed_cause: None };
    let step = world.step(done.clone()).unwrap();
    assert_eq!(step.types(), [T::ExternalWorkflowExecutionCancelRequested, T::WorkflowTaskScheduled]);
    assert_eq!(world.step(done).unwrap_err(), Reject::NotAwaited, "repeated");
}

#[test]
fn a_cancel_request_that_cannot_be_delivered() {
    let mut world = World::new();
    world.complete(vec![request_cancel("other")]);
    let initiated_event_id = world.event_id(T::RequestCancelExternalWorkflowExecutionInitiated);
    let step =
        world.step(Input::ExternalCancelDone { initiated_event_id, failed_cause: Some(NO_SUCH_CANCELED) }).unwrap();
    assert_eq!(step.types(), [T::RequestCancelExternalWorkflowExecutionFailed, T::WorkflowTaskScheduled]);
    assert!(world.state.run.external_cancels.is_empty());
}

#[test]
fn each_command_is_pending_on_its_own() {
    let mut world = World::new();
    world.complete(vec![signal("other"), signal("other"), request_cancel("other")]);
    let requests: Vec<&str> =
        world.state.run.external_signals.values().map(|signal| signal.request_id.as_str()).collect();
    assert_eq!(requests.len(), 2);
    assert_ne!(requests[0], requests[1]);
    assert_eq!(world.state.run.external_cancels.len(), 1);
}

#[test]
fn news_behind_a_started_workflow_task_waits() {
    let mut world = World::new();
    world.complete(vec![signal("other")]);
    world.step(Input::Signal(Box::default())).unwrap();
    let task = world.start_task();
    let initiated_event_id = world.event_id(T::SignalExternalWorkflowExecutionInitiated);
    let done = Input::ExternalSignalDone { initiated_event_id, failed_cause: None };
    assert_eq!(world.step(done.clone()).unwrap().types(), []);
    assert_eq!(world.step(done).unwrap_err(), Reject::NotAwaited);
    let step = world.try_complete(task, Vec::new()).unwrap();
    assert_eq!(
        step.types(),
        [T::WorkflowTaskCompleted, T::ExternalWorkflowExecutionSignaled, T::WorkflowTaskScheduled]
    );
}
