//! Requests to cancel and to signal, from clients and from other runs.

use perdure_engine::{Input, Reject, Signal, input::ExternalInitiator, state::Parent};
use perdure_proto::api::{enums::EventType as T, history::history_event::Attributes};

use crate::world::World;

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
