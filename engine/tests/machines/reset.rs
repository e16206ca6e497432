//! Where a run can be forked, and what the new run has of the old one.

use perdure_engine::{
    Input, OptionsUpdate, Reject, Signal, TakenBy, Task, child_name, journal,
    reset::{Exclude, PostReset, requests_on_their_way},
};
use perdure_proto::api::{
    common::Priority,
    enums::{EventType as T, WorkflowExecutionStatus},
    history::{WorkflowExecutionCompletedEventAttributes, history_event::Attributes as A},
    protocol::Message as ProtocolMessage,
    update::{Acceptance, Rejection, Response},
    workflow::WorkflowExecutionOptions,
    workflowservice::{RespondWorkflowTaskCompletedRequest, RespondWorkflowTaskFailedRequest},
};
use prost::Message;

use crate::{
    activity, child, external,
    world::{SECOND, Step, World, update_request},
};

const CHILD_RUN: &str = "11111111-1111-7111-8111-111111111111";

fn types(world: &World) -> Vec<T> {
    world.history.iter().map(|event| event.event_type()).collect()
}

fn signal(world: &mut World, name: &str) -> Step {
    world.step(Input::Signal(Box::new(Signal { name: name.into(), ..Default::default() }))).unwrap()
}

fn cancel(world: &mut World) {
    let (reason, identity, request_id) = Default::default();
    world.step(Input::RequestCancel { reason, identity, request_id, external: None, links: Vec::new() }).unwrap();
}

pub(crate) fn message(update_id: &str, kind: &str, body: &impl Message) -> ProtocolMessage {
    ProtocolMessage {
        id: format!("{update_id}/{kind}"),
        protocol_instance_id: update_id.into(),
        body: Some(prost_types::Any {
            type_url: format!("type.googleapis.com/temporal.api.update.v1.{kind}"),
            value: body.encode_to_vec(),
        }),
        ..Default::default()
    }
}

pub(crate) fn acceptance(update_id: &str) -> ProtocolMessage {
    let accepted_request_message_id = format!("{update_id}/request");
    message(update_id, "Acceptance", &Acceptance { accepted_request_message_id, ..Default::default() })
}

/// A worker takes the pending task and answers with these messages. Returns the update requests that came with it.
pub(crate) fn answer(world: &mut World, messages: Vec<ProtocolMessage>) -> Step {
    let task =
        world.state.run.workflow_task.clone().or(world.state.volatile.speculative_task.as_deref().cloned()).unwrap();
    let (scheduled_event_id, attempt) = (task.scheduled_event_id, task.attempt);
    let (identity, request_id) = ("worker".into(), format!("poll-{scheduled_event_id}"));
    let start = Input::WorkflowTaskStart {
        scheduled_event_id,
        attempt,
        identity,
        request_id,
        worker_version: None,
        taken_by: TakenBy::default(),
    };
    world.step(start).unwrap();
    let (token, request) = (world.token(), RespondWorkflowTaskCompletedRequest { messages, ..Default::default() });
    world
        .step(Input::WorkflowTaskCompleted { token, request: Box::new(request), nexus_endpoints: Default::default() })
        .unwrap()
}

#[test]
fn a_fork_ends_a_pending_task() {
    let mut world = World::new();
    world.complete(vec![activity::schedule(activity::schedule_attributes("a"))]);
    signal(&mut world, "s");
    assert_eq!(
        types(&world),
        [
            T::WorkflowExecutionStarted,
            T::WorkflowTaskScheduled,
            T::WorkflowTaskStarted,
            T::WorkflowTaskCompleted,
            T::ActivityTaskScheduled,
            T::WorkflowExecutionSignaled,
            T::WorkflowTaskScheduled,
        ]
    );
    let cut = |last: i64| {
        format!(
            "StateRebuilder unable to Rebuild mutable state to event ID: {last}, version: 0, this event must be at the \
             boundary"
        )
    };
    let cases = [
        (2, false, Some(cut(1))),
        (3, false, None),
        (4, true, None),
        (5, false, Some(cut(4))),
        (
            6,
            true,
            Some(
                "Can only reset workflow to event ID in range [WorkflowTaskScheduled +1, WorkflowTaskStarted + 1]: 6"
                    .into(),
            ),
        ),
        (7, false, Some(cut(6))),
    ];
    for (finish, at_boundary, refusal) in cases {
        let refused = world.reset(finish, |reset| reset.at_boundary = at_boundary).err();
        assert_eq!(refused, refusal.map(Reject::InvalidArgument), "{finish}");
    }
}

#[test]
fn an_activity_is_not_cut_in_two() {
    let (mut world, id) = activity::with_activity();
    signal(&mut world, "s");
    let taken = world.take(id);
    activity::complete(&mut world, &taken).unwrap();
    let completed = world.event_id(T::ActivityTaskCompleted);
    let refused = world.reset(completed, |reset| reset.at_boundary = true).err();
    assert!(matches!(refused, Some(Reject::InvalidArgument(text)) if text.contains("at the boundary")));
    assert!(world.reset(completed + 1, |_| {}).is_ok());
}

#[test]
fn the_task_fails_and_another_follows() {
    let mut world = World::new();
    world.complete(Vec::new());
    for finish in [3, 4] {
        let forked = world.reset(finish, |_| {}).unwrap();
        assert_eq!(
            types(&forked),
            [
                T::WorkflowExecutionStarted,
                T::WorkflowTaskScheduled,
                T::WorkflowTaskStarted,
                T::WorkflowTaskFailed,
                T::WorkflowTaskScheduled,
            ]
        );
        let Some(A::WorkflowTaskFailedEventAttributes(failed)) = &forked.history[3].attributes else { panic!() };
        assert_eq!((failed.scheduled_event_id, failed.started_event_id), (2, 3));
        assert_eq!(failed.base_run_id, world.state.run.run_id);
        assert_eq!(failed.new_run_id, forked.state.run.run_id);
        assert_eq!(failed.failure.as_ref().unwrap().message, "why");
        let task = forked.state.run.workflow_task.as_ref().unwrap();
        assert_eq!((task.attempt, task.scheduled_event_id, task.sticky), (1, 5, false));
    }
}

#[test]
fn time_begins_anew_except_for_timers() {
    let mut world = World::with(|start| start.execution_timeout = Some(1_000 * SECOND));
    let (_, before) = (world.complete(vec![activity::schedule(activity::schedule_attributes("a"))]), world.now);
    signal(&mut world, "s");
    world.advance(100 * SECOND);
    let finish = world.event_id(T::WorkflowTaskScheduled) + 1;
    signal(&mut world, "t");
    let forked = world.reset(finish, |_| {}).unwrap();
    let run = &forked.state.run;
    assert_eq!((run.start_time, run.original_start_time), (before + 100 * SECOND, before));
    assert_eq!(run.execution_expiration, before + 1_100 * SECOND);
    assert_eq!(run.run_expiration, run.execution_expiration);
    let waiting = run.activities.values().next().unwrap();
    assert_eq!(waiting.scheduled_time, run.start_time);
    let owed = perdure_engine::obligations(&forked.state);
    assert!(owed.contains(&Task::DispatchActivity { scheduled_event_id: waiting.scheduled_event_id, attempt: 1 }));
    assert_eq!(run.original_execution_run_id, world.state.run.run_id);
    assert_eq!(run.start_request_ids.keys().collect::<Vec<_>>(), ["start"]);
}

/// Signals, an update and a cancel request after the first task.
fn busy_run() -> World {
    let mut world = World::new();
    world.complete(Vec::new());
    signal(&mut world, "s");
    world.complete(Vec::new());
    world.step(update_request("u")).unwrap();
    answer(&mut world, vec![acceptance("u")]);
    cancel(&mut world);
    world
}

#[test]
fn what_came_later_is_taken_over_unless_it_is_excluded() {
    let mut world = busy_run();
    let cases: [(bool, bool, &[T]); 4] = [
        (false, false, &[T::WorkflowExecutionSignaled, T::WorkflowExecutionUpdateAdmitted]),
        (true, false, &[T::WorkflowExecutionUpdateAdmitted]),
        (false, true, &[T::WorkflowExecutionSignaled]),
        (true, true, &[]),
    ];
    for (signals, updates, expected) in cases {
        let forked =
            world.reset(4, |reset| reset.exclude = Exclude { signals, updates, ..Default::default() }).unwrap();
        let after: Vec<T> = types(&forked)[4..].to_vec();
        assert_eq!(after, [expected, &[T::WorkflowTaskScheduled]].concat());
    }
    // Runs that continued this one as new add theirs.
    let continued = world.history.clone();
    let forked = world.reset(4, |reset| reset.continued = continued).unwrap();
    let count = |wanted: T| types(&forked).into_iter().filter(|have| *have == wanted).count();
    assert_eq!((count(T::WorkflowExecutionSignaled), count(T::WorkflowExecutionUpdateAdmitted)), (2, 1));
}

#[test]
fn the_worker_takes_an_update_from_its_event() {
    let mut forked = busy_run().reset(4, |_| {}).unwrap();
    // Memory is lost: the update still waits.
    forked.state = journal::decode_snapshot(&journal::encode_snapshot(&forked.state)).unwrap();
    assert_eq!(forked.state.volatile.admitted.len(), 1);
    // The worker fails its task: the update comes with the next one.
    let token = forked.start_task();
    let request = Box::new(RespondWorkflowTaskFailedRequest::default());
    forked.step(Input::WorkflowTaskFailed { token, request }).unwrap();
    assert_eq!(forked.state.volatile.admitted[0].sent_in, None);
    let outcome = Some(Default::default());
    let meta = Some(perdure_proto::api::update::Meta { update_id: "u".into(), ..Default::default() });
    let response = message("u", "Response", &Response { meta, outcome });
    let step = answer(&mut forked, vec![acceptance("u"), response]);
    let A::WorkflowExecutionUpdateAcceptedEventAttributes(accepted) =
        step.attributes(T::WorkflowExecutionUpdateAccepted)
    else {
        panic!()
    };
    assert_eq!(accepted.accepted_request, None, "the history has it already");
    assert!(forked.state.run.reapplied_updates.is_empty());
}

#[test]
fn no_message_repeats_what_an_event_says() {
    let mut forked = busy_run().reset(4, |_| {}).unwrap();
    let task = forked.state.run.workflow_task.clone().unwrap();
    let (identity, request_id) = Default::default();
    let start = Input::WorkflowTaskStart {
        scheduled_event_id: task.scheduled_event_id,
        attempt: 1,
        identity,
        request_id,
        worker_version: None,
        taken_by: TakenBy::default(),
    };
    let perdure_engine::Reply::WorkflowTaskStarted(started) = forked.step(start).unwrap().reply else { panic!() };
    assert!(started.messages.is_empty());
    // A rejection is no event; the update is gone all the same.
    let messages = vec![message("u", "Rejection", &Rejection::default())];
    let (token, request) = (forked.token(), RespondWorkflowTaskCompletedRequest { messages, ..Default::default() });
    forked
        .step(Input::WorkflowTaskCompleted { token, request: Box::new(request), nexus_endpoints: Default::default() })
        .unwrap();
    let stored = journal::decode_snapshot(&journal::encode_snapshot(&forked.state)).unwrap();
    assert!(stored.volatile.admitted.is_empty());
}

#[test]
fn children_stay_with_the_new_run() {
    let mut world = World::new();
    world.complete(vec![child::start("child")]);
    let initiated_event_id = world.event_id(T::StartChildWorkflowExecutionInitiated);
    signal(&mut world, "s");
    let finish = world.event_id(T::WorkflowTaskScheduled) + 1;
    let run_id = CHILD_RUN.to_owned();
    world.step(Input::ChildStarted { initiated_event_id, run_id: run_id.clone(), header: None }).unwrap();
    let close = WorkflowExecutionCompletedEventAttributes::default();
    let event = Box::new(perdure_proto::api::history::HistoryEvent {
        attributes: Some(A::WorkflowExecutionCompletedEventAttributes(close)),
        ..Default::default()
    });
    // It goes on: the new run knows that it was started, and still hears of its end.
    let mut forked = world.reset(finish, |_| {}).unwrap();
    assert_eq!(forked.state.run.children[&initiated_event_id].run_id, CHILD_RUN);
    let workflow_id = "child".to_owned();
    let closed = Input::ChildClosed { initiated_event_id, workflow_id, run_id, event };
    assert_eq!(forked.step(closed.clone()).unwrap().types()[0], T::ChildWorkflowExecutionCompleted);
    // It has ended: the new run's events name each other.
    world.step(closed).unwrap();
    let forked = world.reset(finish, |_| {}).unwrap();
    let ended = forked.history.iter().find(|event| event.event_type() == T::ChildWorkflowExecutionCompleted).unwrap();
    let Some(A::ChildWorkflowExecutionCompletedEventAttributes(end)) = &ended.attributes else { panic!() };
    assert_eq!(end.started_event_id, forked.event_id(T::ChildWorkflowExecutionStarted));
    assert!(forked.state.run.children.is_empty());
}

#[test]
fn the_end_by_a_reset_is_told_to_nobody() {
    let mut world = World::with(|start| start.parent = Some(Default::default()));
    world.complete(vec![child::start("child")]);
    let identity = perdure_engine::reset::IDENTITY.to_owned();
    let step =
        world.step(Input::Terminate { reason: "why".into(), details: None, identity, links: Vec::new() }).unwrap();
    assert!(step.tasks.is_empty(), "{:?}", step.tasks);
    assert_eq!(world.state.run.close.as_ref().unwrap().status(), WorkflowExecutionStatus::Terminated);
    world.step(Input::WasReset { run_id: "next".into() }).unwrap();
    assert_eq!(world.state.run.reset_run_id, "next");
    assert!(perdure_engine::obligations(&world.state).is_empty());
}

#[test]
fn operations_come_after_what_is_taken_over() {
    let mut world = busy_run();
    let (name, request_id) = ("after".to_owned(), "r".to_owned());
    let signal = PostReset::Signal(Box::new(Signal { name, request_id, ..Default::default() }));
    let priority = Priority { priority_key: 2, ..Default::default() };
    let options = WorkflowExecutionOptions { priority: Some(priority.clone()), ..Default::default() };
    let update = OptionsUpdate { options, paths: vec!["priority".into()], ..Default::default() };
    let operations = vec![signal, PostReset::UpdateOptions(Box::new(update))];
    let forked = world.reset(4, |reset| reset.operations = operations).unwrap();
    assert_eq!(
        types(&forked)[4..],
        [
            T::WorkflowExecutionSignaled,
            T::WorkflowExecutionUpdateAdmitted,
            T::WorkflowExecutionSignaled,
            T::WorkflowExecutionOptionsUpdated,
            T::WorkflowTaskScheduled,
        ]
    );
    assert_eq!(forked.state.run.priority, Some(priority));
    assert!(forked.state.run.signal_request_ids.contains_key("r"));
    // What cannot be done leaves no new run.
    let update = OptionsUpdate { paths: vec!["versioning_override.pinned".into()], ..Default::default() };
    let refused = world.reset(4, |reset| reset.operations = vec![PostReset::UpdateOptions(Box::new(update))]).err();
    assert!(matches!(refused, Some(Reject::InvalidArgument(text)) if text.contains("partial updates")));
}

#[test]
fn what_is_on_its_way_to_others_keeps_its_request_ids() {
    let mut world = World::new();
    world.complete(vec![child::start("child"), external::signal("other")]);
    signal(&mut world, "s");
    let finish = world.event_id(T::WorkflowTaskScheduled) + 1;
    let requests = requests_on_their_way(&world.state.run);
    assert_eq!(requests.len(), 2);
    let forked = world.reset(finish, |reset| reset.requests = requests.clone()).unwrap();
    assert_eq!(requests_on_their_way(&forked.state.run), requests);
    // And through another reset.
    let mut forked = forked;
    let again = forked.reset(finish, |reset| reset.requests = requests.clone()).unwrap();
    assert_eq!(requests_on_their_way(&again.state.run), requests);
}

#[test]
fn children_of_the_lost_future_are_replaced() {
    let mut world = World::new();
    world.complete(Vec::new());
    signal(&mut world, "s");
    world.complete(vec![child::start("child")]);
    let mut forked = world.reset(4, |_| {}).unwrap();
    let name = child_name("child type", "child");
    assert_eq!(forked.state.run.replaced_children, [name]);
    forked.complete(vec![child::start("child")]);
    let initiated_event_id = forked.event_id(T::StartChildWorkflowExecutionInitiated);
    assert_eq!(forked.state.run.replaced_children.len(), 1);
    forked.step(Input::ChildStarted { initiated_event_id, run_id: CHILD_RUN.into(), header: None }).unwrap();
    assert!(forked.state.run.replaced_children.is_empty(), "the next one is a child like any other");
}
