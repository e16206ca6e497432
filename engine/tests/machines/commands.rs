//! Bad commands: what each is answered, word for word as recorded from the real server.

use perdure_engine::{Reject, Reply, Task, validate::MAX_DURATION};
use perdure_proto::api::{
    command::{
        CancelWorkflowExecutionCommandAttributes, Command, CompleteWorkflowExecutionCommandAttributes,
        ContinueAsNewWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes,
        ModifyWorkflowPropertiesCommandAttributes, RecordMarkerCommandAttributes, StartTimerCommandAttributes,
        UpsertWorkflowSearchAttributesCommandAttributes, command::Attributes as C,
    },
    common::{Memo, Payload, SearchAttributes},
    enums::{CommandType as K, EventType as T, ParentClosePolicy, WorkflowTaskFailedCause as Cause},
    failure::Failure,
    history::history_event::Attributes as A,
    sdk::UserMetadata,
};

use crate::{
    activity::{cancel, schedule, schedule_attributes},
    child, external,
    world::{SECOND, Step, World, command, huge, payloads, seconds},
};

pub(crate) fn text(step: &Step) -> &str {
    match &step.reply {
        Reply::WorkflowTaskCompleted(reply) => reply.failed.as_deref().unwrap_or("(taken)"),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn timer(id: &str, after: i64) -> Command {
    let attributes = StartTimerCommandAttributes { timer_id: id.into(), start_to_fire_timeout: seconds(after) };
    command(K::StartTimer, C::StartTimerCommandAttributes(attributes))
}

fn complete() -> Command {
    let attributes = CompleteWorkflowExecutionCommandAttributes::default();
    command(K::CompleteWorkflowExecution, C::CompleteWorkflowExecutionCommandAttributes(attributes))
}

pub(crate) fn marker(attributes: RecordMarkerCommandAttributes) -> Command {
    command(K::RecordMarker, C::RecordMarkerCommandAttributes(attributes))
}

pub(crate) fn continue_as_new(attributes: ContinueAsNewWorkflowExecutionCommandAttributes) -> Command {
    command(K::ContinueAsNewWorkflowExecution, C::ContinueAsNewWorkflowExecutionCommandAttributes(attributes))
}

pub(crate) fn upsert(fields: &[(&str, Payload)]) -> Command {
    let indexed_fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let attributes = UpsertWorkflowSearchAttributesCommandAttributes {
        search_attributes: Some(SearchAttributes { indexed_fields }),
    };
    command(K::UpsertWorkflowSearchAttributes, C::UpsertWorkflowSearchAttributesCommandAttributes(attributes))
}

pub(crate) fn modify(fields: &[(&str, Payload)]) -> Command {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let attributes = ModifyWorkflowPropertiesCommandAttributes { upserted_memo: Some(Memo { fields }) };
    command(K::ModifyWorkflowProperties, C::ModifyWorkflowPropertiesCommandAttributes(attributes))
}

pub(crate) fn payload(data: &str) -> Payload {
    payloads(data).unwrap().payloads.remove(0)
}

#[test]
fn a_completion_without_meaning_changes_nothing() {
    for (commands, expected) in [
        (vec![Command { command_type: 99, ..Default::default() }], "unknown command type: 99"),
        (vec![Command::default()], "unknown command type: Unspecified"),
        (
            vec![complete(), timer("t1", 60)],
            "invalid command sequence: [CompleteWorkflowExecution, StartTimer], \
             command CompleteWorkflowExecution must be the last command.",
        ),
        (
            vec![complete(), complete()],
            "invalid command sequence: [CompleteWorkflowExecution, CompleteWorkflowExecution], \
             command CompleteWorkflowExecution must be the last command.",
        ),
    ] {
        let mut world = World::new();
        let token = world.start_task();
        let answer = world.try_complete(token, commands);
        assert_eq!(answer.unwrap_err(), Reject::InvalidArgument(expected.into()));
    }
}

#[test]
fn commands_without_attributes() {
    for (command_type, cause, name) in [
        (K::ScheduleActivityTask, "BadScheduleActivityAttributes", "ScheduleActivityTask"),
        (K::RequestCancelActivityTask, "BadRequestCancelActivityAttributes", "RequestCancelActivityTask"),
        (K::StartTimer, "BadStartTimerAttributes", "StartTimer"),
        (K::CompleteWorkflowExecution, "BadCompleteWorkflowExecutionAttributes", "CompleteWorkflowExecution"),
        (K::FailWorkflowExecution, "BadFailWorkflowExecutionAttributes", "FailWorkflowExecution"),
        (K::CancelTimer, "BadCancelTimerAttributes", "CancelTimer"),
        (K::CancelWorkflowExecution, "BadCancelWorkflowExecutionAttributes", "CancelWorkflowExecution"),
        (
            K::RequestCancelExternalWorkflowExecution,
            "BadRequestCancelExternalWorkflowExecutionAttributes",
            "RequestCancelExternalWorkflowExecution",
        ),
        (K::RecordMarker, "BadRecordMarkerAttributes", "RecordMarker"),
        (K::ContinueAsNewWorkflowExecution, "BadContinueAsNewAttributes", "ContinueAsNewWorkflowExecution"),
        // A panic in the real server.
        (K::StartChildWorkflowExecution, "BadStartChildExecutionAttributes", "StartChildWorkflowExecution"),
        (K::SignalExternalWorkflowExecution, "BadSignalWorkflowExecutionAttributes", "SignalExternalWorkflowExecution"),
        (K::UpsertWorkflowSearchAttributes, "BadSearchAttributes", "UpsertWorkflowSearchAttributes"),
        (K::ProtocolMessage, "BadUpdateWorkflowExecutionMessage", "ProtocolMessage"),
        (K::ModifyWorkflowProperties, "BadModifyWorkflowPropertiesAttributes", "ModifyWorkflowProperties"),
    ] {
        let expected = format!("{cause}: {name}CommandAttributes is not set on {name}Command.");
        let empty = Command { command_type: command_type as i32, ..Default::default() };
        // Attributes of another type count as none.
        let wrong = match command_type {
            K::StartTimer => Command { command_type: command_type as i32, ..complete() },
            _ => Command { command_type: command_type as i32, ..timer("t", 1) },
        };
        for bad in [empty, wrong] {
            let mut world = World::new();
            let step = world.complete(vec![bad]);
            assert_eq!(text(&step), expected);
            let A::WorkflowTaskFailedEventAttributes(failed) = step.attributes(T::WorkflowTaskFailed) else { panic!() };
            assert_eq!(failed.failure.as_ref().unwrap().message, expected);
        }
    }
}

#[test]
fn a_second_failure_in_a_row_is_only_answered() {
    let mut world = World::new();
    world.complete(vec![timer("", 60)]);
    // The backoff of a failing task, where there is one.
    world.advance(60 * SECOND);
    let token = world.start_task();
    assert_eq!(token.attempt, 2);
    let expected = "BadStartTimerAttributes: TimerId is not set on StartTimerCommand.";
    let answer = world.try_complete(token, vec![timer("", 60)]);
    assert_eq!(answer.unwrap_err(), Reject::InvalidArgument(expected.into()));
}

#[test]
fn limits_on_what_is_pending() {
    let small = || {
        let mut world = World::new();
        (world.limits.pending_activities, world.limits.pending_children) = (2, 2);
        (world.limits.pending_signals, world.limits.pending_cancels) = (2, 2);
        world
    };
    let activity = |id: i32| schedule(schedule_attributes(&format!("a{id}")));
    let reached = |what: &str| format!("the number of {what}, 2, has reached the per-workflow limit of 2");
    let cases: [(Vec<Command>, Cause, String); 4] = [
        (
            (0..3).map(activity).collect(),
            Cause::PendingActivitiesLimitExceeded,
            format!("PendingActivitiesLimitExceeded: {}", reached("pending activities")),
        ),
        (
            (0..3).map(|id| child::start(&format!("c{id}"))).collect(),
            Cause::PendingChildWorkflowsLimitExceeded,
            format!("PendingChildWorkflowsLimitExceeded: {}", reached("pending child workflow executions")),
        ),
        (
            (0..3).map(|_| external::signal("x")).collect(),
            Cause::PendingSignalsLimitExceeded,
            format!("PendingSignalsLimitExceeded: {}", reached("pending signals to external workflows")),
        ),
        (
            (0..3).map(|_| external::request_cancel("x")).collect(),
            Cause::PendingRequestCancelLimitExceeded,
            format!("PendingRequestCancelLimitExceeded: {}", reached("pending requests to cancel external workflows")),
        ),
    ];
    for (commands, cause, expected) in cases {
        let step = small().complete(commands.clone());
        assert_eq!(text(&step), expected);
        let A::WorkflowTaskFailedEventAttributes(failed) = step.attributes(T::WorkflowTaskFailed) else { panic!() };
        assert_eq!(failed.cause(), cause);
        assert_eq!(text(&small().complete(commands[..2].to_vec())), "(taken)");
    }
}

#[test]
fn payloads_that_are_too_large_terminate_the_run() {
    let huge_payload = huge().unwrap().payloads.remove(0);
    let mut activity = schedule_attributes("a");
    activity.input = huge();
    let mut child = child::start("child");
    if let Some(C::StartChildWorkflowExecutionCommandAttributes(attributes)) = &mut child.attributes {
        attributes.input = huge();
    }
    let mut signal = external::signal("x");
    if let Some(C::SignalExternalWorkflowExecutionCommandAttributes(attributes)) = &mut signal.attributes {
        attributes.input = huge();
    }
    let details = [("d".to_owned(), huge().unwrap())].into();
    let failure = Failure { message: "x".repeat(2 * 1024 * 1024 + 1), ..Default::default() };
    let cases = [
        (
            schedule(activity),
            "BadScheduleActivityAttributes: ScheduleActivityTaskCommandAttributes.Input exceeds size limit.",
        ),
        (
            command(
                K::CompleteWorkflowExecution,
                C::CompleteWorkflowExecutionCommandAttributes(CompleteWorkflowExecutionCommandAttributes {
                    result: huge(),
                }),
            ),
            "BadScheduleActivityAttributes: CompleteWorkflowExecutionCommandAttributes.Result exceeds size limit.",
        ),
        (
            command(
                K::FailWorkflowExecution,
                C::FailWorkflowExecutionCommandAttributes(FailWorkflowExecutionCommandAttributes {
                    failure: Some(failure),
                }),
            ),
            "BadFailWorkflowExecutionAttributes: FailWorkflowExecutionCommandAttributes.Failure exceeds size limit.",
        ),
        (
            child,
            "BadStartChildExecutionAttributes: StartChildWorkflowExecutionCommandAttributes. Input exceeds size limit.",
        ),
        (
            signal,
            "BadSignalWorkflowExecutionAttributes: SignalExternalWorkflowExecutionCommandAttributes.Input exceeds \
             size limit.",
        ),
        (
            marker(RecordMarkerCommandAttributes { marker_name: "m".into(), details, ..Default::default() }),
            "BadRecordMarkerAttributes: RecordMarkerCommandAttributes.Details exceeds size limit.",
        ),
        (
            continue_as_new(ContinueAsNewWorkflowExecutionCommandAttributes { input: huge(), ..Default::default() }),
            "BadContinueAsNewAttributes: ContinueAsNewWorkflowExecutionCommandAttributes. Input exceeds size limit.",
        ),
        (
            modify(&[("m", huge_payload)]),
            "BadModifyWorkflowPropertiesAttributes: ModifyWorkflowPropertiesCommandAttributes exceeds size limit.",
        ),
    ];
    for (bad, expected) in cases {
        let mut world = World::new();
        let step = world.complete(vec![bad]);
        assert_eq!(text(&step), expected);
        let A::WorkflowExecutionTerminatedEventAttributes(terminated) = step.attributes(T::WorkflowExecutionTerminated)
        else {
            panic!()
        };
        assert_eq!(terminated.reason, expected);
        assert!(world.state.run.close.is_some());
    }
}

#[test]
fn the_details_of_a_cancellation_are_not_limited() {
    let mut world = World::new();
    let attributes = CancelWorkflowExecutionCommandAttributes { details: huge() };
    let step = world
        .complete(vec![command(K::CancelWorkflowExecution, C::CancelWorkflowExecutionCommandAttributes(attributes))]);
    assert_eq!(step.types(), [T::WorkflowTaskCompleted, T::WorkflowExecutionCanceled]);
}

#[test]
fn search_attributes_that_are_too_large_terminate_the_run() {
    let mut world = World::new();
    let step = world.complete(vec![upsert(&[("Custom", payload(&"x".repeat(2049)))])]);
    assert_eq!(text(&step), "BadSearchAttributes: search attribute Custom value size 2049 exceeds size limit 2048");
    assert!(world.state.run.close.is_some());
}

#[test]
fn memo_and_search_attributes_are_merged_and_null_removes() {
    let mut world = World::new();
    let null = Payload { metadata: [("encoding".to_owned(), "binary/null".into())].into(), ..Default::default() };
    world.complete(vec![
        upsert(&[("A", payload("1")), ("B", payload("2"))]),
        modify(&[("x", payload("1")), ("y", payload("2"))]),
        upsert(&[("A", null.clone()), ("C", payload("3"))]),
        modify(&[("x", payload("7")), ("y", null)]),
    ]);
    let run = &world.state.run;
    let attributes = run.search_attributes.clone().unwrap().indexed_fields;
    assert_eq!(attributes, [("B".to_owned(), payload("2")), ("C".to_owned(), payload("3"))].into());
    assert_eq!(run.memo.clone().unwrap().fields, [("x".to_owned(), payload("7"))].into());
}

#[test]
fn each_event_points_to_the_completion_and_carries_the_metadata_of_its_command() {
    let mut world = World::new();
    let metadata = UserMetadata { summary: Some(payload("\"a timer\"")), ..Default::default() };
    let mut start = timer("t", 5);
    start.user_metadata = Some(metadata.clone());
    let step = world
        .complete(vec![start, marker(RecordMarkerCommandAttributes { marker_name: "m".into(), ..Default::default() })]);
    assert_eq!(step.types(), [T::WorkflowTaskCompleted, T::TimerStarted, T::MarkerRecorded]);
    let completed = step.event(T::WorkflowTaskCompleted).event_id;
    assert_eq!(step.event(T::TimerStarted).user_metadata.as_deref(), Some(&metadata));
    assert_eq!(step.event(T::MarkerRecorded).user_metadata, None);
    let A::TimerStartedEventAttributes(started) = step.attributes(T::TimerStarted) else { panic!() };
    assert_eq!(started.workflow_task_completed_event_id, completed);
    let A::MarkerRecordedEventAttributes(recorded) = step.attributes(T::MarkerRecorded) else { panic!() };
    assert_eq!(recorded.workflow_task_completed_event_id, completed);
}

#[test]
fn a_run_may_close_with_the_completion_that_cancels_its_activity() {
    let mut world = World::new();
    world.complete(vec![schedule(schedule_attributes("a")), timer("t", 1)]);
    let id = world.event_id(T::ActivityTaskScheduled);
    world.wake_after(SECOND);
    let step = world.complete(vec![cancel(id), complete()]);
    assert_eq!(
        step.types(),
        [T::WorkflowTaskCompleted, T::ActivityTaskCancelRequested, T::WorkflowExecutionCompleted],
        "nobody is left who would hear that the activity was canceled"
    );
    assert!(world.state.run.buffered.is_empty());
}

#[test]
fn what_a_closing_completion_begins_is_not_handed_out() {
    let mut world = World::new();
    let abandoned = match child::start("abandoned") {
        Command { attributes: Some(C::StartChildWorkflowExecutionCommandAttributes(mut attributes)), .. } => {
            attributes.set_parent_close_policy(ParentClosePolicy::Abandon);
            command(K::StartChildWorkflowExecution, C::StartChildWorkflowExecutionCommandAttributes(attributes))
        }
        other => panic!("{other:?}"),
    };
    let step = world.complete(vec![
        schedule(schedule_attributes("a")),
        external::signal("x"),
        child::start("ends with its parent"),
        abandoned,
        complete(),
    ]);
    let ids: Vec<i64> = world.state.run.children.keys().copied().collect();
    let expected =
        [Task::StartChild { initiated_event_id: ids[1] }, Task::ApplyParentClosePolicy { initiated_event_id: ids[0] }];
    assert_eq!(step.tasks, expected);
}

#[test]
fn overlong_durations_are_cut_to_a_century() {
    let mut world = World::new();
    world.complete(vec![timer("t", 300 * 365 * 24 * 3600)]);
    assert_eq!(world.state.run.timers["t"].fire_at, world.now + MAX_DURATION);
}
