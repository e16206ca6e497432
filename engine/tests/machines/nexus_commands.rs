//! Bad and odd attributes of the commands about Nexus operations, and what describe tells.

use perdure_engine::{NexusStartOutcome, Task};
use perdure_proto::api::{
    command::{Command, ScheduleNexusOperationCommandAttributes as Schedule},
    enums::{
        CommandType, EventType as T, NexusOperationCancellationState as CancellationState, PendingNexusOperationState,
        WorkflowTaskFailedCause as Cause,
    },
    history::history_event::Attributes as A,
};
use prost_types::Duration;

use crate::{
    nexus::{cancel, payload, schedule, schedule_attributes, start_done, with_operation},
    world::{SECOND, Step, World, application_failure, seconds},
};

fn failed(step: &Step) -> (Cause, String) {
    match step.attributes(T::WorkflowTaskFailed) {
        A::WorkflowTaskFailedEventAttributes(failed) => {
            (failed.cause(), failed.failure.as_ref().unwrap().message.clone())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn bad_attributes_fail_the_task() {
    const PREFIX: &str = "BadScheduleNexusOperationAttributes: ";
    let header = |key: &str, value: &str| [(key.to_owned(), value.to_owned())].into();
    let negative = Some(Duration { seconds: -1, nanos: 0 });
    let name = "ScheduleNexusOperationCommandAttributes";
    let cases: Vec<(Schedule, String)> = vec![
        (Schedule { endpoint: "none".into(), ..schedule_attributes() }, "endpoint \"none\" not found".into()),
        (Schedule { endpoint: String::new(), ..schedule_attributes() }, "endpoint \"\" not found".into()),
        (
            Schedule { service: "s".repeat(1_001), ..schedule_attributes() },
            format!("{name}.Service exceeds length limit of 1000"),
        ),
        (
            Schedule { operation: "o".repeat(1_001), ..schedule_attributes() },
            format!("{name}.Operation exceeds length limit of 1000"),
        ),
        (
            Schedule { schedule_to_close_timeout: negative, ..schedule_attributes() },
            format!("{name}.ScheduleToCloseTimeout is invalid: negative duration"),
        ),
        (
            Schedule { schedule_to_start_timeout: negative, ..schedule_attributes() },
            format!("{name}.ScheduleToStartTimeout is invalid: negative duration"),
        ),
        (
            Schedule { start_to_close_timeout: negative, ..schedule_attributes() },
            format!("{name}.StartToCloseTimeout is invalid: negative duration"),
        ),
        (
            Schedule { nexus_header: header("Request-Timeout", "1"), ..schedule_attributes() },
            format!("{name}.NexusHeader contains a disallowed header key: \"Request-Timeout\""),
        ),
        (
            Schedule { nexus_header: header("key", &"v".repeat(8_190)), ..schedule_attributes() },
            format!("{name}.NexusHeader exceeds size limit"),
        ),
    ];
    for (attributes, text) in cases {
        let mut world = World::new();
        let step = world.complete(vec![schedule(attributes)]);
        assert_eq!(failed(&step), (Cause::BadScheduleNexusOperationAttributes, format!("{PREFIX}{text}")));
        assert!(world.state.run.nexus_operations.is_empty());
    }
    let mut world = World::new();
    let fits = Schedule { nexus_header: header("key", &"v".repeat(8_189)), ..schedule_attributes() };
    world.complete(vec![schedule(fits)]).event(T::NexusOperationScheduled);
}

#[test]
fn commands_without_attributes() {
    for (kind, cause, text) in [
        (
            CommandType::ScheduleNexusOperation,
            Cause::BadScheduleNexusOperationAttributes,
            "BadScheduleNexusOperationAttributes: empty ScheduleNexusOperationCommandAttributes",
        ),
        (
            CommandType::RequestCancelNexusOperation,
            Cause::BadRequestCancelNexusOperationAttributes,
            "BadRequestCancelNexusOperationAttributes: empty CancelNexusOperationCommandAttributes",
        ),
    ] {
        let step = World::new().complete(vec![Command { command_type: kind as i32, ..Default::default() }]);
        assert_eq!(failed(&step), (cause, text.to_owned()));
    }
}

#[test]
fn an_input_that_is_too_large_ends_the_run() {
    let input = payload(&"x".repeat(2 * 1024 * 1024 + 1));
    let step = World::new().complete(vec![schedule(Schedule { input, ..schedule_attributes() })]);
    assert_eq!(step.types(), [T::WorkflowTaskFailed, T::WorkflowExecutionTerminated]);
}

#[test]
fn thirty_may_be_pending() {
    let mut world = World::new();
    world.complete((0..30).map(|_| schedule(schedule_attributes())).collect());
    assert_eq!(world.state.run.nexus_operations.len(), 30);
    world.step(perdure_engine::Input::Signal(Box::default())).unwrap();
    let step = world.complete(vec![schedule(schedule_attributes())]);
    let text = "PendingNexusOperationsLimitExceeded: workflow has reached the pending nexus operation limit of 30 for \
                this namespace";
    assert_eq!(failed(&step), (Cause::PendingNexusOperationsLimitExceeded, text.to_owned()));
}

#[test]
fn time_outs_within_those_around_them() {
    let of = |close, start, run| Schedule {
        schedule_to_close_timeout: close,
        schedule_to_start_timeout: start,
        start_to_close_timeout: run,
        ..schedule_attributes()
    };
    type Three = (Option<Duration>, Option<Duration>, Option<Duration>);
    let cases: [(Option<i64>, Schedule, Three); 6] = [
        (None, of(None, None, None), (None, None, None)),
        (None, of(seconds(10), seconds(20), seconds(30)), (seconds(10), seconds(10), seconds(10))),
        (None, of(seconds(10), seconds(2), seconds(3)), (seconds(10), seconds(2), seconds(3))),
        (None, of(None, seconds(2), seconds(3)), (None, seconds(2), seconds(3))),
        (Some(50), of(None, seconds(60), None), (seconds(50), seconds(50), None)),
        (Some(50), of(seconds(100), None, None), (seconds(50), None, None)),
    ];
    for (run_timeout, attributes, expected) in cases {
        let mut world = World::with(|start| start.run_timeout = run_timeout.map(|timeout| timeout * SECOND));
        let step = world.complete(vec![schedule(attributes)]);
        let A::NexusOperationScheduledEventAttributes(event) = step.attributes(T::NexusOperationScheduled) else {
            panic!()
        };
        let told = (event.schedule_to_close_timeout, event.schedule_to_start_timeout, event.start_to_close_timeout);
        assert_eq!(told, expected);
    }
}

#[test]
fn the_cancel_of_nothing_fails_the_task() {
    let step = World::new().complete(vec![cancel(5)]);
    let text = "BadRequestCancelNexusOperationAttributes: requested cancelation for a non-existing or already completed \
                operation with scheduled event ID of 5";
    assert_eq!(failed(&step), (Cause::BadRequestCancelNexusOperationAttributes, text.to_owned()));
}

#[test]
fn one_completion_may_schedule_and_cancel() {
    let mut world = World::new();
    let id = world.state.run.next_event_id + 2;
    let step = world.complete(vec![schedule(schedule_attributes()), cancel(id)]);
    assert_eq!(step.types()[1..], [T::NexusOperationScheduled, T::NexusOperationCancelRequested]);
    assert_eq!(step.tasks, [Task::StartNexusOperation { scheduled_event_id: id, attempt: 0 }]);
}

#[test]
fn what_describe_tells() {
    use PendingNexusOperationState as S;
    let described = |world: &World| world.state.describe(world.now).pending_nexus_operations;
    let (mut world, id) = with_operation();
    let told = described(&world).remove(0);
    assert_eq!((told.state(), told.attempt, told.scheduled_event_id), (S::Scheduled, 0, id));
    assert_eq!(
        (told.endpoint.as_str(), told.service.as_str(), told.operation.as_str()),
        ("endpoint", "service", "operation")
    );
    assert_eq!(told.schedule_to_close_timeout, seconds(100));

    let failure = Box::new(application_failure("F"));
    world.step(start_done(id, 0, NexusStartOutcome::HandlerError { failure, retryable: true })).unwrap();
    let told = described(&world).remove(0);
    assert_eq!((told.state(), told.attempt), (S::BackingOff, 1));
    assert_eq!(told.last_attempt_failure, Some(application_failure("F")));
    assert_eq!(told.next_attempt_schedule_time.unwrap().seconds, world.now / SECOND + 1);

    world.step(perdure_engine::Input::Signal(Box::default())).unwrap();
    world.complete(vec![cancel(id)]);
    let told = described(&world).remove(0).cancellation_info.unwrap();
    assert_eq!((told.state(), told.requested_time), (CancellationState::Unspecified, None));

    world.wake_after(SECOND);
    let outcome = NexusStartOutcome::Async { operation_token: "token".into(), links: Vec::new() };
    world.step(start_done(id, 1, outcome)).unwrap();
    let told = described(&world).remove(0);
    assert_eq!((told.state(), told.attempt, told.operation_token.as_str()), (S::Started, 2, "token"));
    assert_eq!(told.last_attempt_failure, None);
    let told = told.cancellation_info.unwrap();
    assert_eq!((told.state(), told.attempt), (CancellationState::Scheduled, 0));
    assert_eq!(told.requested_time.unwrap().seconds, world.now / SECOND);
}

/// They are in the history too, which has its own limit.
#[test]
fn inputs_of_what_is_pending_do_not_count_as_state() {
    let mut world = World::new();
    let input = || payload(&"x".repeat(1024 * 1024));
    for _ in 0..4 {
        let many = (0..3).map(|_| schedule(Schedule { input: input(), ..schedule_attributes() })).collect();
        world.complete(many);
        world.step(perdure_engine::Input::Signal(Box::default())).unwrap();
    }
    assert_eq!(world.state.run.nexus_operations.len(), 12);
    assert!(world.state.run.close.is_none(), "more than 8 MiB of inputs, and nothing else");
    assert!(world.state.run.counted_size() < 64 * 1024);
}
