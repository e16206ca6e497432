//! Values in commands that fail the workflow task: the answers, word for word as recorded from the real server.

use perdure_proto::api::{
    command::{
        Command, ContinueAsNewWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes,
        ProtocolMessageCommandAttributes, RecordMarkerCommandAttributes,
        RequestCancelExternalWorkflowExecutionCommandAttributes, ScheduleActivityTaskCommandAttributes,
        SignalExternalWorkflowExecutionCommandAttributes, StartChildWorkflowExecutionCommandAttributes,
        command::Attributes as C,
    },
    common::{RetryPolicy, WorkflowExecution},
    enums::{CommandType as K, EventType as T},
};

use crate::{
    activity::{cancel, schedule, schedule_attributes},
    child,
    commands::{continue_as_new, marker, modify, payload, text, timer, upsert},
    external,
    world::{World, command, seconds},
};

/// Checks each list of commands against the text of its failure. What stands before a bad command is undone with it.
fn check(cause: &str, cases: Vec<(Vec<Command>, &str)>) {
    for (commands, expected) in cases {
        let expected = format!("{cause}: {expected}");
        let mut world = World::new();
        let step = world.complete([vec![timer("before", 1)], commands].concat());
        assert_eq!(text(&step), expected);
        assert_eq!(step.types(), [T::WorkflowTaskFailed], "{expected}");
        assert!(world.state.run.timers.is_empty());
    }
}

fn long() -> String {
    "x".repeat(1001)
}

#[test]
fn of_timers() {
    let too_long =
        format!("TimerId on StartTimerCommand exceeds length limit. TimerId={} Length=1001 Limit=1000", long());
    check(
        "BadStartTimerAttributes",
        vec![
            (vec![timer("", 60)], "TimerId is not set on StartTimerCommand."),
            (
                vec![timer("t1", -1)],
                "An invalid StartToFireTimeout is set on StartTimerCommand: negative duration. TimerId=t1",
            ),
            (vec![timer(&long(), 60)], &too_long),
        ],
    );
}

fn activity(change: impl FnOnce(&mut ScheduleActivityTaskCommandAttributes)) -> Vec<Command> {
    let mut attributes = schedule_attributes("a");
    change(&mut attributes);
    vec![schedule(attributes)]
}

#[test]
fn of_activities() {
    check(
        "BadScheduleActivityAttributes",
        vec![
            (activity(|a| a.activity_id.clear()), "activityId is not set"),
            (activity(|a| a.activity_type = None), "activityType is not set"),
            (activity(|a| a.task_queue = None), "taskQueue is not set"),
            (
                activity(|a| a.start_to_close_timeout = None),
                "a valid StartToClose or ScheduleToCloseTimeout is not set on ScheduleActivityTaskCommand. \
                 ActivityId=a ActivityType=act",
            ),
            (activity(|a| a.heartbeat_timeout = seconds(-1)), "invalid HeartbeatTimeout: negative duration"),
            (activity(|a| a.activity_id = long()), "activityId exceeds length limit. Length=1001 Limit=1000"),
            (
                activity(|a| a.task_queue.as_mut().unwrap().name = "/_sys/x".into()),
                "task queue name cannot start with reserved prefix /_sys/",
            ),
        ],
    );
    let twice = vec![schedule(schedule_attributes("a")), schedule(schedule_attributes("a"))];
    check(
        "ScheduleActivityDuplicateId",
        vec![(twice, "invalid history builder state for action: add-activitytask-scheduled-event, ActivityID: a")],
    );
    check(
        "BadRequestCancelActivityAttributes",
        vec![
            (
                vec![cancel(99)],
                "invalid history builder state for action: add-activitytask-cancel-requested-event, \
                 ScheduledEventID: 99",
            ),
            (vec![cancel(0)], "ScheduledEventId is not set on RequestCancelActivityTaskCommand."),
        ],
    );
}

#[test]
fn of_retry_policies() {
    let with = |policy: RetryPolicy| activity(|a| a.retry_policy = Some(policy));
    let coefficient = |backoff_coefficient| with(RetryPolicy { backoff_coefficient, ..Default::default() });
    let too_small = "BackoffCoefficient cannot be less than 1 on retry policy.";
    check(
        "BadScheduleActivityAttributes",
        vec![
            (coefficient(0.5), too_small),
            (coefficient(f64::NAN), too_small),
            (
                with(RetryPolicy { initial_interval: seconds(2), maximum_interval: seconds(1), ..Default::default() }),
                "MaximumInterval cannot be less than InitialInterval on retry policy.",
            ),
            (
                with(RetryPolicy { maximum_attempts: -1, ..Default::default() }),
                "MaximumAttempts cannot be negative on retry policy.",
            ),
            (
                with(RetryPolicy {
                    non_retryable_error_types: vec!["TemporalTimeout:Foo".into()],
                    ..Default::default()
                }),
                "Invalid timeout type value: Foo.",
            ),
        ],
    );
}

#[test]
fn of_children() {
    let child = |change: &dyn Fn(&mut StartChildWorkflowExecutionCommandAttributes)| {
        let mut command = child::start("child");
        if let Some(C::StartChildWorkflowExecutionCommandAttributes(attributes)) = &mut command.attributes {
            change(attributes);
        }
        vec![command]
    };
    check(
        "BadStartChildExecutionAttributes",
        vec![
            (child(&|a| a.namespace = "other".into()), "cross namespace commands are not allowed"),
            (
                child(&|a| a.workflow_id.clear()),
                "Required field WorkflowId is not set on StartChildWorkflowExecutionCommand. \
                 WorkflowType=child type Namespace=ns",
            ),
            (
                child(&|a| a.workflow_type = None),
                "Required field WorkflowType is not set on StartChildWorkflowExecutionCommand. \
                 WorkflowId=child Namespace=ns",
            ),
            (
                child(&|a| a.cron_schedule = "abc".into()),
                "invalid CronSchedule on StartChildWorkflowExecutionCommand: invalid CronSchedule.. \
                 WorkflowId=child WorkflowType=child type Namespace=ns",
            ),
        ],
    );
}

#[test]
fn of_signals_to_others() {
    let to = |workflow_id: &str, run_id: &str, signal_name: &str, namespace: &str| {
        let attributes = SignalExternalWorkflowExecutionCommandAttributes {
            execution: Some(WorkflowExecution { workflow_id: workflow_id.into(), run_id: run_id.into() }),
            signal_name: signal_name.into(),
            namespace: namespace.into(),
            ..Default::default()
        };
        let attributes = C::SignalExternalWorkflowExecutionCommandAttributes(attributes);
        vec![command(K::SignalExternalWorkflowExecution, attributes)]
    };
    let nobody = C::SignalExternalWorkflowExecutionCommandAttributes(Default::default());
    check(
        "BadSignalWorkflowExecutionAttributes",
        vec![
            (to("x", "", "s", "other"), "cross namespace commands are not allowed"),
            (
                to("x", "", "", ""),
                "SignalName is not set on SignalExternalWorkflowExecutionCommand. WorkflowId=x Namespace= RunId=",
            ),
            (
                to("", "", "s", ""),
                "WorkflowId is not set on SignalExternalWorkflowExecutionCommand. Namespace= RunId= SignalName=s",
            ),
            (
                to("w", "bad", "s", ""),
                "Invalid RunId set on SignalExternalWorkflowExecutionCommand. WorkflowId=w Namespace= RunId=bad \
                 SignalName=s",
            ),
            (
                vec![command(K::SignalExternalWorkflowExecution, nobody)],
                "Execution is not set on SignalExternalWorkflowExecutionCommand.",
            ),
        ],
    );
}

#[test]
fn of_cancel_requests_to_others() {
    let to = |workflow_id: &str, namespace: &str| {
        let attributes = RequestCancelExternalWorkflowExecutionCommandAttributes {
            workflow_id: workflow_id.into(),
            namespace: namespace.into(),
            ..Default::default()
        };
        let attributes = C::RequestCancelExternalWorkflowExecutionCommandAttributes(attributes);
        vec![command(K::RequestCancelExternalWorkflowExecution, attributes)]
    };
    check(
        "BadRequestCancelExternalWorkflowExecutionAttributes",
        vec![
            (to("x", "other"), "cross namespace commands are not allowed"),
            (to("", ""), "WorkflowId is not set on RequestCancelExternalWorkflowExecutionCommand. Namespace= RunId="),
            (
                vec![child::start("child"), external::request_cancel("child")],
                "Start and RequestCancel for child workflow is not allowed in same workflow task. \
                 WorkflowId=child RunId= Namespace=",
            ),
        ],
    );
}

#[test]
fn of_markers_and_fields() {
    let unnamed = marker(RecordMarkerCommandAttributes::default());
    check("BadRecordMarkerAttributes", vec![(vec![unnamed], "MarkerName is not set on RecordMarkerCommand.")]);
    check(
        "BadSearchAttributes",
        vec![
            (vec![upsert(&[("StartTime", payload("1"))])], "StartTime attribute can't be set in SearchAttributes"),
            (vec![upsert(&[])], "IndexedFields is not set on UpsertWorkflowSearchAttributesCommand."),
        ],
    );
    check(
        "BadModifyWorkflowPropertiesAttributes",
        vec![(vec![modify(&[])], "UpsertedMemo.Fields is not set on ModifyWorkflowPropertiesCommand.")],
    );
}

#[test]
fn of_messages() {
    let referring_to = |message_id: &str| {
        let attributes = ProtocolMessageCommandAttributes { message_id: message_id.into() };
        vec![command(K::ProtocolMessage, C::ProtocolMessageCommandAttributes(attributes))]
    };
    check(
        "BadUpdateWorkflowExecutionMessage",
        vec![
            (referring_to("absent"), "ProtocolMessageCommand referenced absent message ID absent"),
            (referring_to(""), "MessageID is not set on ProtocolMessageCommand."),
        ],
    );
}

#[test]
fn of_closes() {
    let without_failure = C::FailWorkflowExecutionCommandAttributes(FailWorkflowExecutionCommandAttributes::default());
    check(
        "BadFailWorkflowExecutionAttributes",
        vec![(
            vec![command(K::FailWorkflowExecution, without_failure)],
            "Failure is not set on FailWorkflowExecutionCommand.",
        )],
    );
    let negative =
        ContinueAsNewWorkflowExecutionCommandAttributes { workflow_run_timeout: seconds(-1), ..Default::default() };
    check(
        "BadContinueAsNewAttributes",
        vec![(
            vec![continue_as_new(negative)],
            "Invalid WorkflowRunTimeout on ContinueAsNewWorkflowExecutionCommand: negative duration. \
             WorkflowType=type TaskQueue=queue",
        )],
    );
}
