//! One test for each cell of the table of callbacks that hear of the end of an update.

use perdure_engine::{CallbackOutcome, Input, Reject, Reply, Task, obligations, state::CallbackPhase};
use perdure_proto::api::{
    common::{
        Callback, Link,
        callback::{Nexus, Variant},
        link,
    },
    enums::{EventType as T, UpdateWorkflowExecutionLifecycleStage as Stage},
    history::history_event::Attributes,
    protocol::Message as ProtocolMessage,
    update::{Meta, Outcome, Rejection, Request, Response, outcome::Value},
    workflow::callback_info::trigger::Variant as Trigger,
};

use crate::{
    callback::{continuation, terminate},
    reset::{acceptance, answer, message},
    world::{World, application_failure, payloads},
};

/// A request for the update `u`, with a callback.
fn update(request_id: &str) -> Input {
    let nexus = Nexus { url: request_id.into(), ..Default::default() };
    let event = link::WorkflowEvent { workflow_id: request_id.into(), ..Default::default() };
    let request = Request {
        meta: Some(Meta { update_id: "u".into(), identity: "client".into() }),
        input: Some(perdure_proto::api::update::Input { name: "change".into(), ..Default::default() }),
        request_id: request_id.into(),
        completion_callbacks: vec![Callback { variant: Some(Variant::Nexus(nexus)), ..Default::default() }],
        links: vec![Link { variant: Some(link::Variant::WorkflowEvent(event)) }],
    };
    Input::Update { request: Box::new(request), update_id: "u".into() }
}

fn response() -> ProtocolMessage {
    let outcome = Some(Outcome { value: Some(Value::Success(payloads("1").unwrap())) });
    let meta = Some(Meta { update_id: "u".into(), ..Default::default() });
    message("u", "Response", &Response { meta, outcome })
}

fn rejection() -> ProtocolMessage {
    message("u", "Rejection", &Rejection { failure: Some(application_failure("No")), ..Default::default() })
}

fn id(request_id: &str) -> String {
    format!("update u:{request_id}:00")
}

fn call(request_id: &str) -> Task {
    Task::InvokeCallback { callback_id: id(request_id), attempt: 0 }
}

fn waits(world: &World, request_id: &str) -> bool {
    matches!(world.state.run.callbacks[&id(request_id)].phase, Some(CallbackPhase::Standby(_)))
}

/// The update waits for the worker's answer, with a task that the worker has not taken.
fn sent() -> World {
    let mut world = World::new();
    world.complete(Vec::new());
    world.step(update("one")).unwrap();
    world
}

fn accepted() -> World {
    let mut world = sent();
    answer(&mut world, vec![acceptance("u")]);
    world
}

#[test]
fn its_callbacks_come_with_the_acceptance() {
    let mut world = sent();
    assert!(world.state.run.callbacks.is_empty(), "nothing is promised yet");
    world.step(update("two")).unwrap();
    world.step(update("two")).unwrap();
    world.step(update("one")).unwrap();
    let step = answer(&mut world, vec![acceptance("u")]);
    assert_eq!(
        step.types(),
        [
            T::WorkflowTaskScheduled,
            T::WorkflowTaskStarted,
            T::WorkflowTaskCompleted,
            T::WorkflowExecutionUpdateAccepted,
            T::WorkflowExecutionOptionsUpdated
        ]
    );
    assert_eq!(step.event(T::WorkflowExecutionUpdateAccepted).links.len(), 1);
    let Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(options) =
        step.attributes(T::WorkflowExecutionOptionsUpdated)
    else {
        panic!()
    };
    let joined = &options.workflow_update_options[0];
    assert_eq!((joined.update_id.as_str(), joined.attached_request_id.as_str()), ("u", "two"));
    assert!(waits(&world, "one") && waits(&world, "two"));
    let trigger = world.state.describe(world.now).callbacks.remove(0).trigger.unwrap().variant.unwrap();
    assert!(matches!(trigger, Trigger::UpdateWorkflowExecutionCompleted(update) if update.update_id == "u"));
    let known = &world.state.run.start_request_ids;
    assert_eq!(known["one"].event_type, T::WorkflowExecutionUpdateAccepted as i32);
    assert_eq!(known["two"].event_type, T::WorkflowExecutionOptionsUpdated as i32);
}

#[test]
fn another_request_for_an_accepted_one() {
    let mut world = accepted();
    let step = world.step(update("two")).unwrap();
    assert_eq!(step.types(), [T::WorkflowExecutionOptionsUpdated]);
    assert!(step.event(T::WorkflowExecutionOptionsUpdated).worker_may_ignore);
    assert!(waits(&world, "two"));
    for known in ["one", "two"] {
        assert_eq!(world.step(update(known)).unwrap().types(), [], "{known} is known");
    }
    // While a task runs the event waits, but not the callback.
    world.step(Input::Signal(Box::default())).unwrap();
    let token = world.start_task();
    world.step(update("three")).unwrap();
    assert!(waits(&world, "three"));
    world.try_complete(token, Vec::new()).unwrap().event(T::WorkflowExecutionOptionsUpdated);
    assert_eq!(world.state.run.callbacks.len(), 3);
}

#[test]
fn its_end_calls_them_while_the_run_is_open() {
    let mut world = accepted();
    world.step(Input::Signal(Box::default())).unwrap();
    let step = answer(&mut world, vec![response()]);
    assert!(step.tasks.contains(&call("one")));
    assert!(obligations(&world.state).contains(&call("one")));
    // One that asks now gets the outcome at once, and no callback.
    let reply = world.step(update("late")).unwrap().reply;
    assert!(matches!(reply, Reply::Update { stage: Stage::Completed, outcome: Some(_) }));
    assert_eq!(world.state.run.callbacks.len(), 1);

    let retry = CallbackOutcome::Retry { failure: Box::new(application_failure("Busy")) };
    world.step(Input::CallbackDone { callback_id: id("one"), attempt: 0, outcome: retry }).unwrap();
    assert!(world.state.run.close.is_none());
    let step = world.wake_after(crate::world::SECOND);
    let again = Task::InvokeCallback { callback_id: id("one"), attempt: 1 };
    assert_eq!(step.tasks, std::slice::from_ref(&again));
    // The close of the run is nothing new to a callback that is on its way.
    assert!(!terminate(&mut world, "client").tasks.contains(&again));
    assert!(obligations(&world.state).contains(&again));
}

#[test]
fn an_update_that_ends_as_it_is_accepted() {
    let mut world = sent();
    let step = answer(&mut world, vec![acceptance("u"), response()]);
    assert_eq!(step.tasks.iter().filter(|task| **task == call("one")).count(), 1);
}

#[test]
fn a_rejection_leaves_none() {
    let mut world = sent();
    let step = answer(&mut world, vec![rejection()]);
    assert_eq!((step.tasks, world.state.run.callbacks.len()), (vec![], 0));
}

#[test]
fn the_close_fails_an_accepted_one() {
    let mut world = accepted();
    let step = terminate(&mut world, "client");
    assert_eq!(step.tasks, [call("one")]);
    let Some(Value::Failure(failure)) = world.state.update_outcome("u").unwrap().value else { panic!() };
    assert!(failure.message.starts_with("Workflow Update failed because the Workflow completed"));
    // The next run knows nothing of it.
    let mut world = accepted();
    world.step(Input::Signal(Box::default())).unwrap();
    let step = world.complete(vec![continuation()]);
    assert!(step.tasks.contains(&call("one")));
    assert!(step.next_run.unwrap().completion_callbacks.is_empty());
}

#[test]
fn a_reset_brings_them_along() {
    let mut world = accepted();
    world.step(Input::Signal(Box::default())).unwrap();
    let mut forked = world.reset(4, |_| {}).unwrap();
    assert!(waits(&forked, "one"));
    let step = answer(&mut forked, vec![rejection()]);
    assert_eq!(step.tasks, [call("one")]);
    assert_eq!(forked.state.run.callbacks[&id("one")].rejection, Some(Box::new(application_failure("No"))));
}

#[test]
fn they_count_among_those_of_the_run() {
    let mut world = accepted();
    world.limits.callbacks = 1;
    let text = "cannot attach more than 1 callbacks to a workflow (1 callbacks already attached)";
    assert_eq!(world.step(update("two")).unwrap_err(), Reject::FailedPrecondition(text.into()));
    assert_eq!(world.step(update("one")).unwrap().types(), []);
}
