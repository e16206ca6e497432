//! One test for each cell of the transition table of cancellations.

use perdure_engine::{Input, NexusCancelOutcome, Reject, TakenBy, Task, obligations, state::NexusCancellationPhase};
use perdure_proto::api::{enums::EventType as T, history::history_event::Attributes as A};

use super::{ALL, State, cancel, operation, reach, signal, start_done, started, state, with_operation};
use crate::world::{SECOND, World, application_failure};

fn cancel_done(scheduled_event_id: i64, attempt: i32, outcome: NexusCancelOutcome) -> Input {
    Input::NexusCancelDone { scheduled_event_id, attempt, outcome }
}

fn not_delivered(retryable: bool) -> NexusCancelOutcome {
    NexusCancelOutcome::Failed { failure: Box::new(application_failure("Not")), retryable }
}

fn cancellation_phase(world: &World, id: i64) -> Option<&NexusCancellationPhase> {
    operation(world, id).cancellation.as_ref().unwrap().phase.as_ref()
}

/// A run with a started operation whose cancel request is on its way.
fn canceling() -> (World, i64) {
    let (mut world, id) = reach(State::Started);
    world.complete(vec![cancel(id)]);
    (world, id)
}

#[test]
fn a_command_requests_the_cancel() {
    for from in ALL {
        let (mut world, id) = reach(from);
        world.step(crate::world::update_request("u")).unwrap();
        let token = start_any_task(&mut world);
        let step = world.try_complete(token, vec![cancel(id)]).unwrap();
        if from == State::None {
            assert!(step.types().contains(&T::WorkflowTaskFailed));
            continue;
        }
        let A::NexusOperationCancelRequestedEventAttributes(event) = step.attributes(T::NexusOperationCancelRequested)
        else {
            panic!()
        };
        assert_eq!(event.scheduled_event_id, id);
        let task = Task::CancelNexusOperation { scheduled_event_id: id, attempt: 0 };
        assert_eq!(step.tasks.contains(&task), from == State::Started, "{from:?}");
        assert_eq!(obligations(&world.state).contains(&task), from == State::Started, "{from:?}");
        assert_eq!(state(&world, id), from, "a request, not an end");
    }
}

fn start_any_task(world: &mut World) -> perdure_engine::WorkflowTaskRef {
    let token = world.token();
    let (scheduled_event_id, attempt) = (token.scheduled_event_id, token.attempt);
    let (identity, request_id) = ("worker".into(), "poll".into());
    let start = Input::WorkflowTaskStart {
        scheduled_event_id,
        attempt,
        identity,
        request_id,
        worker_version: None,
        taken_by: TakenBy::default(),
    };
    world.step(start).unwrap();
    world.token()
}

#[test]
fn a_cancel_waits_for_the_start() {
    let (mut world, id) = reach(State::Backoff);
    world.step(signal()).unwrap();
    world.complete(vec![cancel(id)]);
    assert_eq!(cancellation_phase(&world, id), None);
    let early = world.step(cancel_done(id, 0, NexusCancelOutcome::Delivered));
    assert_eq!(early.unwrap_err(), Reject::NotAwaited);
    world.wake_after(SECOND);
    let step = world.step(start_done(id, 1, started("token"))).unwrap();
    let task = Task::CancelNexusOperation { scheduled_event_id: id, attempt: 0 };
    assert!(step.tasks.contains(&task));
    assert!(obligations(&world.state).contains(&task));
}

#[test]
fn a_cancel_is_delivered_or_refused() {
    let (mut world, id) = canceling();
    let requested = world.event_id(T::NexusOperationCancelRequested);
    let step = world.step(cancel_done(id, 0, NexusCancelOutcome::Delivered)).unwrap();
    assert_eq!(step.types(), [T::NexusOperationCancelRequestCompleted, T::WorkflowTaskScheduled]);
    assert!(step.event(T::NexusOperationCancelRequestCompleted).worker_may_ignore);
    let A::NexusOperationCancelRequestCompletedEventAttributes(event) =
        step.attributes(T::NexusOperationCancelRequestCompleted)
    else {
        panic!()
    };
    assert_eq!((event.scheduled_event_id, event.requested_event_id), (id, requested));
    assert!(matches!(cancellation_phase(&world, id), Some(NexusCancellationPhase::Succeeded(_))));
    assert_eq!(state(&world, id), State::Started);

    let (mut world, id) = canceling();
    let step = world.step(cancel_done(id, 0, not_delivered(false))).unwrap();
    let A::NexusOperationCancelRequestFailedEventAttributes(event) =
        step.attributes(T::NexusOperationCancelRequestFailed)
    else {
        panic!()
    };
    assert_eq!(event.failure, Some(application_failure("Not")));
    assert!(matches!(cancellation_phase(&world, id), Some(NexusCancellationPhase::Failed(_))));
    for outcome in [NexusCancelOutcome::Delivered, not_delivered(true), not_delivered(false)] {
        assert_eq!(world.step(cancel_done(id, 1, outcome)).unwrap_err(), Reject::NotAwaited);
    }
}

#[test]
fn a_cancel_is_delivered_again() {
    let (mut world, id) = canceling();
    let step = world.step(cancel_done(id, 0, not_delivered(true))).unwrap();
    assert_eq!(step.types(), []);
    assert!(matches!(cancellation_phase(&world, id), Some(NexusCancellationPhase::Backoff(_))));
    assert_eq!(obligations(&world.state), []);
    for outcome in [NexusCancelOutcome::Delivered, not_delivered(true), not_delivered(false)] {
        assert_eq!(world.step(cancel_done(id, 1, outcome)).unwrap_err(), Reject::NotAwaited);
    }
    let step = world.wake_after(SECOND);
    assert_eq!(step.tasks, [Task::CancelNexusOperation { scheduled_event_id: id, attempt: 1 }]);
    assert_eq!(obligations(&world.state), step.tasks);
    world.step(cancel_done(id, 1, NexusCancelOutcome::Delivered)).unwrap();
}

#[test]
fn a_cancel_cannot_be_requested_twice() {
    let waiting = || {
        let (mut world, id) = with_operation();
        world.step(signal()).unwrap();
        world.complete(vec![cancel(id)]);
        (world, id)
    };
    let in_backoff = || {
        let (mut world, id) = canceling();
        world.step(cancel_done(id, 0, not_delivered(true))).unwrap();
        (world, id)
    };
    let delivered = || {
        let (mut world, id) = canceling();
        world.step(cancel_done(id, 0, NexusCancelOutcome::Delivered)).unwrap();
        (world, id)
    };
    for (mut world, id) in [waiting(), canceling(), in_backoff(), delivered()] {
        world.step(signal()).unwrap();
        let step = world.complete(vec![cancel(id)]);
        let A::WorkflowTaskFailedEventAttributes(failed) = step.attributes(T::WorkflowTaskFailed) else { panic!() };
        let text = format!(
            "BadRequestCancelNexusOperationAttributes: cancelation was already requested for an operation with \
             scheduled event ID {id}"
        );
        assert_eq!(failed.failure.as_ref().unwrap().message, text);
    }
}
