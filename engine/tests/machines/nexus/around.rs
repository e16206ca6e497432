//! Nexus operations while a workflow task runs, and in a run that is reset.

use perdure_engine::{Input, NexusResult, Reject, Task, obligations};
use perdure_proto::api::{enums::EventType as T, history::HistoryEvent};

use super::{
    State, application_failure, cancel, complete, completion, operation, payload, reach, request_id, signal,
    start_done, started, state, with_operation,
};

#[test]
fn news_waits_for_the_end_of_the_task_that_runs() {
    let (mut world, id) = with_operation();
    world.step(signal()).unwrap();
    let token = world.start_task();
    let step = complete(&mut world, id, NexusResult::Succeeded(payload("2"))).unwrap();
    assert_eq!(step.types(), []);
    // The worker cannot know that it is too late.
    let step = world.try_complete(token, vec![cancel(id)]).unwrap();
    assert_eq!(
        step.types(),
        [
            T::WorkflowTaskCompleted,
            T::NexusOperationCancelRequested,
            T::NexusOperationStarted,
            T::NexusOperationCompleted,
            T::WorkflowTaskScheduled
        ]
    );
    assert_eq!(state(&world, id), State::None);
    assert!(!obligations(&world.state).iter().any(|task| matches!(task, Task::CancelNexusOperation { .. })));
}

#[test]
fn an_end_that_is_kept_back_may_be_told_again() {
    let (mut world, id) = reach(State::Started);
    let told = completion(&world, id, NexusResult::Succeeded(payload("2")));
    let another = completion(&world, id, NexusResult::Failed(Box::new(application_failure("F"))));
    let token = world.start_task();
    world.step(Input::NexusOperationCompleted(Box::new(told.clone()))).unwrap();
    let again = world.step(Input::NexusOperationCompleted(Box::new(told))).unwrap();
    assert_eq!(again.types(), []);
    let another = world.step(Input::NexusOperationCompleted(Box::new(another)));
    assert_eq!(another.unwrap_err(), Reject::NotFound("operation not found".into()));
    let step = world.try_complete(token, Vec::new()).unwrap();
    assert_eq!(step.types()[1..], [T::NexusOperationCompleted, T::WorkflowTaskScheduled]);
}

#[test]
fn an_end_comes_after_what_else_was_kept_back() {
    let (mut world, id) = reach(State::Started);
    let token = world.start_task();
    complete(&mut world, id, NexusResult::Succeeded(None)).unwrap();
    world.step(signal()).unwrap();
    let step = world.try_complete(token, Vec::new()).unwrap();
    assert_eq!(step.types()[1..], [T::WorkflowExecutionSignaled, T::NexusOperationCompleted, T::WorkflowTaskScheduled]);
}

#[test]
fn a_reset_takes_over_what_became_of_it() {
    let (mut world, id) = with_operation();
    world.step(start_done(id, 0, started("token"))).unwrap();
    complete(&mut world, id, NexusResult::Succeeded(payload("2"))).unwrap();
    let fork = world.event_id(T::NexusOperationScheduled) - 1;
    // Before it was scheduled nothing is known of it.
    let forked = world.reset(fork, |_| {}).unwrap();
    assert!(!forked.history.iter().any(|event| event.event_type() == T::NexusOperationCompleted));

    let (mut world, id) = with_operation();
    world.step(signal()).unwrap();
    world.complete(Vec::new());
    let fork = world.event_id(T::WorkflowTaskCompleted);
    world.step(start_done(id, 0, started("token"))).unwrap();
    complete(&mut world, id, NexusResult::Succeeded(payload("2"))).unwrap();
    let forked = world.reset(fork, |_| {}).unwrap();
    let types: Vec<T> = forked.history.iter().map(HistoryEvent::event_type).collect();
    assert_eq!(
        types[types.len() - 3..],
        [T::NexusOperationStarted, T::NexusOperationCompleted, T::WorkflowTaskScheduled]
    );
    assert_eq!(state(&forked, id), State::None);
    // Left out, it is started again: the handler knows it by its request id.
    let excluded = world.reset(fork, |reset| reset.exclude.nexus = true).unwrap();
    assert_eq!(operation(&excluded, id).request_id, request_id(&world));
    let task = Task::StartNexusOperation { scheduled_event_id: id, attempt: 0 };
    assert!(obligations(&excluded.state).contains(&task));
}
