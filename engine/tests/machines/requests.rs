//! Requests to cancel and to signal, from clients and from other runs.

use perdure_engine::{Input, Reject, Signal, input::ExternalInitiator, state::Parent};
use perdure_proto::api::{
    command::{CompleteWorkflowExecutionCommandAttributes, command::Attributes as C},
    enums::{CommandType, EventType as T},
    history::history_event::Attributes,
};

use crate::{
    callback::terminate,
    world::{SECOND, World, command},
};

fn cancel(external: Option<ExternalInitiator>) -> Input {
    Input::RequestCancel {
        reason: "enough".into(),
        identity: "client".into(),
        request_id: "c".into(),
        external,
        links: vec![],
    }
}

fn sender(run_id: &str) -> Option<ExternalInitiator> {
    let (workflow_id, run_id) = ("parent".into(), run_id.into());
    Some(ExternalInitiator { workflow_id, run_id, initiated_event_id: 5, child_workflow_only: true })
}

#[test]
fn only_the_parent_cancels_its_child() {
    let with_parent = || {
        World::with(|start| {
            let (workflow_id, run_id) = ("parent".into(), "parent-run".into());
            start.parent = Some(Parent { workflow_id, run_id, ..Default::default() });
        })
    };
    let refused = Reject::NotFound("workflow parent does not match".into());
    assert_eq!(World::new().step(cancel(sender("parent-run"))).unwrap_err(), refused);
    assert_eq!(with_parent().step(cancel(sender("another-run"))).unwrap_err(), refused);

    let step = with_parent().step(cancel(sender("parent-run"))).unwrap();
    let Attributes::WorkflowExecutionCancelRequestedEventAttributes(requested) =
        step.attributes(T::WorkflowExecutionCancelRequested)
    else {
        panic!("attributes of another type");
    };
    assert_eq!((requested.cause.as_str(), requested.identity.as_str()), ("enough", "client"));
    assert_eq!(requested.external_initiated_event_id, 5);
    assert_eq!(requested.external_workflow_execution.as_ref().unwrap().workflow_id, "parent");
}

#[test]
fn a_cancel_waits_for_the_started_task() {
    let mut world = World::new();
    let token = world.start_task();
    assert!(world.step(cancel(None)).unwrap().events.is_empty());
    assert!(world.state.run.cancel_requested, "its effect does not wait");
    assert!(world.step(cancel(None)).unwrap().events.is_empty());
    let step = world.try_complete(token, vec![]).unwrap();
    let types = [T::WorkflowTaskCompleted, T::WorkflowExecutionCancelRequested, T::WorkflowTaskScheduled];
    assert_eq!(step.types(), types);
}

#[test]
fn a_signal_is_taken_once_per_request() {
    let mut world = World::new();
    let signal = |request_id: &str| {
        let external_workflow = Some(("sender".to_owned(), "sender-run".to_owned()));
        let request_id = request_id.to_owned();
        Input::Signal(Box::new(Signal { name: "s".into(), request_id, external_workflow, ..Default::default() }))
    };
    let step = world.step(signal("1")).unwrap();
    let Attributes::WorkflowExecutionSignaledEventAttributes(signaled) = step.attributes(T::WorkflowExecutionSignaled)
    else {
        panic!("attributes of another type");
    };
    assert_eq!(signaled.external_workflow_execution.as_ref().unwrap().run_id, "sender-run");
    assert_eq!(world.step(signal("1")).unwrap().types(), []);
    // In the buffer it counts as taken too.
    world.start_task();
    world.step(signal("2")).unwrap();
    world.step(signal("2")).unwrap();
    assert_eq!(world.state.run.buffered.len(), 1);
    // Without an id each is another one.
    assert_eq!(world.step(signal("")).unwrap().types(), []);
    assert_eq!(world.step(signal("")).unwrap().types(), []);
    assert_eq!(world.state.run.buffered.len(), 3);
}

#[test]
fn a_cancel_is_wanted_at_once_and_once() {
    let mut world = World::with(|start| start.start_delay = 60 * SECOND);
    let step = world.step(cancel(None)).unwrap();
    assert_eq!(
        step.types(),
        [T::WorkflowExecutionCancelRequested, T::WorkflowTaskScheduled],
        "before the backoff is over"
    );
    assert_eq!(world.step(cancel(None)).unwrap().types(), []);
    terminate(&mut world, "client");
    assert_eq!(world.step(cancel(None)).unwrap().types(), [], "what was asked for has happened");
}

fn signal(request_id: &str) -> Input {
    Input::Signal(Box::new(Signal { name: "s".into(), request_id: request_id.into(), ..Default::default() }))
}

#[test]
fn a_signal_in_each_state_of_the_run() {
    let mut world = World::with(|start| start.start_delay = 60 * SECOND);
    assert_eq!(world.step(signal("1")).unwrap().types(), [T::WorkflowExecutionSignaled], "the first task waits still");

    let with_start = |request_id: &str| {
        let Input::Signal(signal) = signal(request_id) else { panic!() };
        Input::Signal(Box::new(Signal { ends_backoff: true, ..*signal }))
    };
    let at_once = [T::WorkflowExecutionSignaled, T::WorkflowTaskScheduled];
    assert_eq!(world.step(with_start("2")).unwrap().types(), at_once, "a signal-with-start does not wait");
    assert_eq!(world.step(with_start("3")).unwrap().types(), [T::WorkflowExecutionSignaled], "it waits for its worker");

    let mut world = World::new();
    world.complete(vec![]);
    world.limits.signals = 2;
    let expected = [T::WorkflowExecutionSignaled, T::WorkflowTaskScheduled];
    assert_eq!(world.step(signal("1")).unwrap().types(), expected);
    world.step(signal("2")).unwrap();
    let text = "exceeded workflow execution limit for signal events";
    assert_eq!(world.step(signal("3")).unwrap_err(), Reject::InvalidArgument(text.into()));
    assert_eq!(world.step(signal("2")).unwrap().types(), [], "one that was taken is taken");
    terminate(&mut world, "client");
    assert_eq!(world.step(signal("2")).unwrap().types(), [], "also after the close");
    assert_eq!(world.step(signal("3")).unwrap_err(), Reject::WorkflowClosed);
}

/// The worker wants to close the run and meets a signal; while it tries again, there must be no other.
#[test]
fn no_signal_keeps_a_run_from_closing_for_ever() {
    let mut world = World::new();
    let close = || {
        let attributes = CompleteWorkflowExecutionCommandAttributes::default();
        command(CommandType::CompleteWorkflowExecution, C::CompleteWorkflowExecutionCommandAttributes(attributes))
    };
    let token = world.start_task();
    world.step(signal("1")).unwrap();
    world.try_complete(token, vec![close()]).unwrap().event(T::WorkflowTaskFailed);
    assert_eq!(world.step(signal("2")).unwrap().types(), [T::WorkflowExecutionSignaled], "its next task has not begun");
    let token = world.start_task();
    assert!(matches!(world.step(signal("3")), Err(Reject::BusyWorkflow(_))));
    world.try_complete(token, vec![close()]).unwrap().event(T::WorkflowExecutionCompleted);
}
