//! What a worker sends, good and bad.

use perdure_engine::RunState;
use perdure_proto::api::{
    command::{
        CancelTimerCommandAttributes, CancelWorkflowExecutionCommandAttributes, Command,
        CompleteWorkflowExecutionCommandAttributes, ContinueAsNewWorkflowExecutionCommandAttributes,
        FailWorkflowExecutionCommandAttributes, ModifyWorkflowPropertiesCommandAttributes,
        ProtocolMessageCommandAttributes, RecordMarkerCommandAttributes, RequestCancelActivityTaskCommandAttributes,
        RequestCancelExternalWorkflowExecutionCommandAttributes, RequestCancelNexusOperationCommandAttributes,
        ScheduleActivityTaskCommandAttributes, ScheduleNexusOperationCommandAttributes,
        SignalExternalWorkflowExecutionCommandAttributes, StartChildWorkflowExecutionCommandAttributes,
        StartTimerCommandAttributes, UpsertWorkflowSearchAttributesCommandAttributes, command::Attributes as A,
    },
    common::{ActivityType, Memo, SearchAttributes, WorkflowExecution, WorkflowType},
    enums::CommandType as C,
    taskqueue::TaskQueue,
};

use crate::dice::Dice;

/// So many kinds of commands exist; 0 is none.
const KINDS: usize = 18;

/// The commands of one completion. The run closes seldom: a closed run shows little.
pub(crate) fn commands(run: &RunState, dice: &mut Dice) -> Vec<Command> {
    let mut commands: Vec<Command> = (0..dice.below(4)).map(|_| command(run, dice)).collect();
    if dice.one_in(60) {
        commands.push(closing(dice));
    }
    commands
}

fn command(run: &RunState, dice: &mut Dice) -> Command {
    let (command_type, attributes) = match dice.below(KINDS) {
        0..=3 => (C::ScheduleActivityTask, schedule_activity(dice)),
        4 | 5 => (C::StartTimer, start_timer(dice)),
        6 => (C::CancelTimer, cancel_timer(run, dice)),
        7 => (C::RequestCancelActivityTask, cancel_activity(run, dice)),
        8 | 9 => (C::StartChildWorkflowExecution, start_child(dice)),
        10 => (C::SignalExternalWorkflowExecution, signal(run, dice)),
        11 => (C::RequestCancelExternalWorkflowExecution, cancel(run, dice)),
        12 => (C::RecordMarker, marker(dice)),
        13 => (C::ModifyWorkflowProperties, memo(dice)),
        14 => (C::UpsertWorkflowSearchAttributes, search_attributes(dice)),
        15 => (C::ScheduleNexusOperation, schedule_nexus(dice)),
        16 => (C::RequestCancelNexusOperation, cancel_nexus(run, dice)),
        _ => (C::ProtocolMessage, message(dice)),
    };
    // Seldom without attributes, or with those of another command.
    match dice.below(200) {
        0 => Command { command_type: command_type as i32, attributes: None, ..Default::default() },
        1 => Command { command_type: dice.below(22) as i32, attributes: Some(attributes), ..Default::default() },
        _ => Command { command_type: command_type as i32, attributes: Some(attributes), ..Default::default() },
    }
}

fn queue(dice: &mut Dice) -> Option<TaskQueue> {
    (!dice.one_in(10))
        .then(|| TaskQueue { name: if dice.one_in(9) { String::new() } else { "queue".into() }, ..Default::default() })
}

fn execution(run: &RunState, dice: &mut Dice) -> WorkflowExecution {
    let child = dice.pick(run.children.values().map(|child| child.workflow_id.clone()));
    WorkflowExecution { workflow_id: child.unwrap_or_else(|| dice.name()), run_id: String::new() }
}

fn schedule_activity(dice: &mut Dice) -> A {
    A::ScheduleActivityTaskCommandAttributes(ScheduleActivityTaskCommandAttributes {
        activity_id: format!("a{}", dice.below(200)),
        activity_type: (!dice.one_in(40)).then(|| ActivityType { name: "act".into() }),
        task_queue: queue(dice),
        input: dice.payloads(),
        schedule_to_close_timeout: dice.duration(),
        schedule_to_start_timeout: dice.duration(),
        start_to_close_timeout: dice.duration(),
        heartbeat_timeout: dice.duration(),
        retry_policy: dice.retry_policy(),
        request_eager_execution: dice.one_in(3),
        ..Default::default()
    })
}

fn start_timer(dice: &mut Dice) -> A {
    let (timer_id, start_to_fire_timeout) = (dice.name(), dice.duration());
    A::StartTimerCommandAttributes(StartTimerCommandAttributes { timer_id, start_to_fire_timeout })
}

fn cancel_timer(run: &RunState, dice: &mut Dice) -> A {
    let timer_id = dice.pick(run.timers.keys().cloned()).unwrap_or_else(|| dice.name());
    A::CancelTimerCommandAttributes(CancelTimerCommandAttributes { timer_id })
}

fn cancel_activity(run: &RunState, dice: &mut Dice) -> A {
    let scheduled_event_id = dice.pick(run.activities.keys().copied()).unwrap_or(dice.below(20) as i64);
    A::RequestCancelActivityTaskCommandAttributes(RequestCancelActivityTaskCommandAttributes { scheduled_event_id })
}

fn start_child(dice: &mut Dice) -> A {
    A::StartChildWorkflowExecutionCommandAttributes(StartChildWorkflowExecutionCommandAttributes {
        workflow_id: format!("c{}", dice.below(100)),
        workflow_type: (!dice.one_in(30)).then(|| WorkflowType { name: "child".into() }),
        task_queue: queue(dice),
        input: dice.payloads(),
        workflow_run_timeout: dice.duration(),
        parent_close_policy: dice.below(5) as i32,
        retry_policy: dice.retry_policy(),
        ..Default::default()
    })
}

fn signal(run: &RunState, dice: &mut Dice) -> A {
    A::SignalExternalWorkflowExecutionCommandAttributes(SignalExternalWorkflowExecutionCommandAttributes {
        execution: Some(execution(run, dice)),
        signal_name: dice.name(),
        input: dice.payloads(),
        child_workflow_only: dice.one_in(2),
        ..Default::default()
    })
}

fn cancel(run: &RunState, dice: &mut Dice) -> A {
    let workflow_id = execution(run, dice).workflow_id;
    let attributes = RequestCancelExternalWorkflowExecutionCommandAttributes {
        workflow_id,
        child_workflow_only: dice.one_in(2),
        reason: "r".into(),
        ..Default::default()
    };
    A::RequestCancelExternalWorkflowExecutionCommandAttributes(attributes)
}

fn marker(dice: &mut Dice) -> A {
    let (marker_name, details) = (dice.name(), dice.payloads().map(|payloads| [("d".into(), payloads)].into()));
    A::RecordMarkerCommandAttributes(RecordMarkerCommandAttributes {
        marker_name,
        details: details.unwrap_or_default(),
        failure: dice.one_in(4).then(|| dice.failure()),
        ..Default::default()
    })
}

fn memo(dice: &mut Dice) -> A {
    let fields = (0..dice.below(3)).map(|_| (dice.name(), dice.payload())).collect();
    let upserted_memo = (!dice.one_in(10)).then_some(Memo { fields });
    A::ModifyWorkflowPropertiesCommandAttributes(ModifyWorkflowPropertiesCommandAttributes { upserted_memo })
}

fn search_attributes(dice: &mut Dice) -> A {
    let indexed_fields = (0..dice.below(3)).map(|_| (dice.name(), dice.payload())).collect();
    let search_attributes = (!dice.one_in(10)).then_some(SearchAttributes { indexed_fields });
    let attributes = UpsertWorkflowSearchAttributesCommandAttributes { search_attributes };
    A::UpsertWorkflowSearchAttributesCommandAttributes(attributes)
}

fn schedule_nexus(dice: &mut Dice) -> A {
    A::ScheduleNexusOperationCommandAttributes(ScheduleNexusOperationCommandAttributes {
        endpoint: if dice.one_in(10) { "nowhere".into() } else { "endpoint".into() },
        service: dice.name(),
        operation: dice.name(),
        schedule_to_close_timeout: dice.duration(),
        ..Default::default()
    })
}

fn cancel_nexus(run: &RunState, dice: &mut Dice) -> A {
    let scheduled_event_id = dice.pick(run.nexus_operations.keys().copied()).unwrap_or(dice.below(20) as i64);
    A::RequestCancelNexusOperationCommandAttributes(RequestCancelNexusOperationCommandAttributes { scheduled_event_id })
}

/// The message that it names may be missing: see `messages`.
fn message(dice: &mut Dice) -> A {
    let message_id = format!("m{}", dice.below(4));
    A::ProtocolMessageCommandAttributes(ProtocolMessageCommandAttributes { message_id })
}

fn closing(dice: &mut Dice) -> Command {
    let (command_type, attributes) = match dice.below(6) {
        0 => {
            let attributes = CompleteWorkflowExecutionCommandAttributes { result: dice.payloads() };
            (C::CompleteWorkflowExecution, A::CompleteWorkflowExecutionCommandAttributes(attributes))
        }
        1 => {
            let attributes = CancelWorkflowExecutionCommandAttributes { details: dice.payloads() };
            (C::CancelWorkflowExecution, A::CancelWorkflowExecutionCommandAttributes(attributes))
        }
        2 | 3 => {
            let attributes = FailWorkflowExecutionCommandAttributes { failure: Some(dice.failure()) };
            (C::FailWorkflowExecution, A::FailWorkflowExecutionCommandAttributes(attributes))
        }
        _ => {
            let attributes = ContinueAsNewWorkflowExecutionCommandAttributes {
                input: dice.payloads(),
                workflow_run_timeout: dice.duration(),
                backoff_start_interval: dice.duration(),
                ..Default::default()
            };
            let attributes = A::ContinueAsNewWorkflowExecutionCommandAttributes(attributes);
            (C::ContinueAsNewWorkflowExecution, attributes)
        }
    };
    Command { command_type: command_type as i32, attributes: Some(attributes), ..Default::default() }
}
