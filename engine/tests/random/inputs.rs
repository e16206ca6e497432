//! What happens to a run: every kind of input, mostly such as fit the state, often stale, sometimes nonsense.

use perdure_engine::{
    ActivityRef, CallbackOutcome, Input, NexusCancelOutcome, NexusCompletion, NexusResult, NexusStartOutcome, RunState,
    Signal, TakenBy, Target, WorkflowState, WorkflowTaskRef, state::ActivityPhase,
};
use perdure_proto::api::{
    deployment::WorkerDeploymentVersion,
    enums::{EventType, TimeoutType},
    history::{
        HistoryEvent, WorkflowExecutionCompletedEventAttributes, WorkflowExecutionFailedEventAttributes,
        history_event::Attributes,
    },
    protocol::Message,
    taskqueue::{StickyExecutionAttributes, TaskQueue},
    update::{self, Acceptance, Outcome, Rejection, Response, outcome::Value},
    workflowservice::{RespondWorkflowTaskCompletedRequest, RespondWorkflowTaskFailedRequest},
};
use prost::Message as _;
use prost_types::Any;

use crate::{commands::commands, dice::Dice, operators};

/// So many kinds of inputs exist; `kind` numbers them.
pub(crate) const KINDS: usize = 33;

/// The place of an input's kind, below [`KINDS`]. A new input must be made by [`input`] too.
pub(crate) fn kind(input: &Input) -> usize {
    match input {
        Input::Signal(_) => 0,
        Input::RequestCancel { .. } => 1,
        Input::Terminate { .. } => 2,
        Input::AttachStart { .. } => 3,
        Input::WorkflowTaskStart { .. } => 4,
        Input::WorkflowTaskCompleted { .. } => 5,
        Input::WorkflowTaskFailed { .. } => 6,
        Input::ActivityStart { .. } => 7,
        Input::ActivityCompleted { .. } => 8,
        Input::ActivityFailed { .. } => 9,
        Input::ActivityCanceled { .. } => 10,
        Input::ActivityHeartbeat { .. } => 11,
        Input::OperateActivity { .. } => 12,
        Input::Wake => 13,
        Input::ChildStarted { .. } => 14,
        Input::ChildStartFailed { .. } => 15,
        Input::ChildClosed { .. } => 16,
        Input::ExternalSignalDone { .. } => 17,
        Input::ExternalCancelDone { .. } => 18,
        Input::ParentNotified => 19,
        Input::ChildReleased { .. } => 20,
        Input::NexusOperationStartDone { .. } => 21,
        Input::NexusOperationCompleted(_) => 22,
        Input::NexusCancelDone { .. } => 23,
        Input::CallbackDone { .. } => 24,
        Input::Update { .. } => 25,
        Input::Pause(_) | Input::Unpause(_) => 26,
        Input::WasReset { .. } => 27,
        Input::ResetSticky => 28,
        Input::UpdateOptions(_) => 29,
        Input::Delete => 30,
        // Those of other archetypes, which a workflow refuses.
        Input::ControlActivity(_) => 31,
        Input::ControlNexusOperation(_) | Input::Schedule(_) | Input::Batch(_) => 32,
    }
}

pub(crate) fn input(state: &WorkflowState, dice: &mut Dice) -> Input {
    match dice.below(60) {
        0..=8 => start_task(state, dice),
        9..=24 => complete_task(state, dice),
        25 => fail_task(state, dice),
        26..=29 => start_activity(&state.run, dice),
        30..=36 => answer_activity(&state.run, dice),
        37 => operators::operate(&state.run, dice),
        38..=41 => from_other_runs(&state.run, dice),
        42..=45 => nexus(&state.run, dice),
        46..=48 => update(dice),
        49 | 50 => Input::Signal(Box::new(signal(dice))),
        51 => operators::seldom(dice),
        52 => operators::attach(dice),
        _ => Input::Wake,
    }
}

pub(crate) fn identity() -> String {
    "worker".into()
}

/// The token of the pending task; seldom that of one that never was.
fn token(state: &WorkflowState, dice: &mut Dice) -> WorkflowTaskRef {
    let task = state.run.workflow_task.as_ref().or(state.volatile.speculative_task.as_deref());
    let mut token = task.map_or_else(WorkflowTaskRef::default, |task| WorkflowTaskRef {
        scheduled_event_id: task.scheduled_event_id,
        started_event_id: task.started.as_ref().map_or(0, |started| started.event_id),
        attempt: task.attempt,
        started_time: task.started.as_ref().map_or(0, |started| started.time),
    });
    match dice.below(60) {
        0 => token.scheduled_event_id += dice.below(3) as i64 - 1,
        1 => token.started_event_id += 1,
        2 => token.attempt += 1,
        3 => token.started_time -= 1,
        _ => {}
    }
    token
}

fn start_task(state: &WorkflowState, dice: &mut Dice) -> Input {
    let token = token(state, dice);
    Input::WorkflowTaskStart {
        scheduled_event_id: token.scheduled_event_id,
        attempt: token.attempt,
        identity: identity(),
        request_id: dice.name(),
        worker_version: None,
        taken_by: taken_by(dice),
    }
}

/// One of few versions of a deployment, or none.
pub(crate) fn version(dice: &mut Dice) -> Option<WorkerDeploymentVersion> {
    let build_id = dice.pick(["one", "two", ""]).filter(|build_id| !build_id.is_empty())?;
    Some(WorkerDeploymentVersion { deployment_name: "deployment".into(), build_id: build_id.into() })
}

fn taken_by(dice: &mut Dice) -> TakenBy {
    if dice.one_in(2) {
        return TakenBy::default();
    }
    let target = Target { version: version(dice), revision: dice.below(3) as i64 };
    TakenBy { version: version(dice), target: dice.one_in(2).then_some(target) }
}

fn complete_task(state: &WorkflowState, dice: &mut Dice) -> Input {
    let queue = TaskQueue { name: "sticky".into(), ..Default::default() };
    let sticky =
        StickyExecutionAttributes { worker_task_queue: Some(queue), schedule_to_start_timeout: dice.duration() };
    let request = RespondWorkflowTaskCompletedRequest {
        commands: commands(&state.run, dice),
        messages: messages(state, dice),
        force_create_new_workflow_task: dice.one_in(20),
        return_new_workflow_task: dice.one_in(3),
        sticky_attributes: dice.one_in(3).then_some(sticky),
        ..Default::default()
    };
    Input::WorkflowTaskCompleted {
        token: token(state, dice),
        request: Box::new(request),
        nexus_endpoints: [("endpoint".to_owned(), "endpoint-id".to_owned())].into(),
    }
}

fn fail_task(state: &WorkflowState, dice: &mut Dice) -> Input {
    let request = RespondWorkflowTaskFailedRequest {
        cause: dice.below(40) as i32,
        failure: Some(dice.failure()),
        ..Default::default()
    };
    Input::WorkflowTaskFailed { token: token(state, dice), request: Box::new(request) }
}

/// Answers to updates, of which some were never asked for.
fn messages(state: &WorkflowState, dice: &mut Dice) -> Vec<Message> {
    let admitted = state.volatile.admitted.iter().map(|update| update.update_id.clone());
    let known: Vec<String> = admitted.chain(state.run.updates.keys().cloned()).collect();
    let mut messages = Vec::new();
    for number in 0..dice.below(4) {
        let update_id = dice.pick(known.iter().cloned()).unwrap_or_else(|| dice.name());
        let (kind, value) = match dice.below(5) {
            0 | 1 => ("Acceptance", acceptance(&update_id, dice).encode_to_vec()),
            2 => ("Rejection", Rejection { failure: Some(dice.failure()), ..Default::default() }.encode_to_vec()),
            _ => ("Response", response(&update_id, dice).encode_to_vec()),
        };
        let type_url = format!("type.googleapis.com/temporal.api.update.v1.{kind}");
        messages.push(Message {
            id: format!("m{number}"),
            protocol_instance_id: update_id,
            body: (!dice.one_in(50)).then_some(Any { type_url, value }),
            ..Default::default()
        });
    }
    messages
}

fn request(update_id: &str) -> update::Request {
    update::Request {
        meta: Some(update::Meta { update_id: update_id.into(), identity: "client".into() }),
        input: Some(update::Input { name: "change".into(), ..Default::default() }),
        ..Default::default()
    }
}

fn acceptance(update_id: &str, dice: &mut Dice) -> Acceptance {
    Acceptance {
        accepted_request_message_id: if dice.one_in(30) { String::new() } else { format!("{update_id}/request") },
        accepted_request_sequencing_event_id: 1,
        accepted_request: (!dice.one_in(30)).then(|| request(update_id)),
    }
}

fn response(update_id: &str, dice: &mut Dice) -> Response {
    let value = if dice.one_in(2) {
        Value::Success(dice.payloads().unwrap_or_default())
    } else {
        Value::Failure(dice.failure())
    };
    let meta = Some(update::Meta { update_id: update_id.into(), identity: identity() });
    Response { meta, outcome: (!dice.one_in(30)).then_some(Outcome { value: Some(value) }) }
}

fn start_activity(run: &RunState, dice: &mut Dice) -> Input {
    let scheduled_event_id = dice.pick(run.activities.keys().copied()).unwrap_or(dice.below(10) as i64);
    let attempt = run.activities.get(&scheduled_event_id).map_or(1, |activity| activity.attempt);
    let attempt = if dice.one_in(30) { attempt + 1 } else { attempt };
    let (identity, request_id) = (identity(), dice.name());
    Input::ActivityStart {
        scheduled_event_id,
        attempt,
        identity,
        request_id,
        worker_version: None,
        taken_by: taken_by(dice),
    }
}

/// A worker's token, or a client's id.
fn activity(run: &RunState, dice: &mut Dice) -> ActivityRef {
    let started = run.activities.values().filter(|activity| matches!(activity.phase, Some(ActivityPhase::Started(_))));
    let chosen = dice.pick(started).or_else(|| dice.pick(run.activities.values()));
    match chosen {
        None => ActivityRef::Id(dice.name()),
        Some(activity) if dice.one_in(5) => ActivityRef::Id(activity.activity_id.clone()),
        Some(activity) => ActivityRef::Token {
            scheduled_event_id: activity.scheduled_event_id,
            attempt: activity.attempt - i32::from(dice.one_in(20)),
            started_time: match &activity.phase {
                Some(ActivityPhase::Started(started)) => started.time,
                _ => 0,
            },
        },
    }
}

fn answer_activity(run: &RunState, dice: &mut Dice) -> Input {
    let (activity, identity) = (activity(run, dice), identity());
    match dice.below(9) {
        0..=2 => Input::ActivityCompleted { activity, result: dice.payloads(), identity },
        3..=5 => Input::ActivityFailed {
            activity,
            failure: Box::new(dice.failure()),
            last_heartbeat_details: dice.payloads(),
            identity,
        },
        6 => Input::ActivityCanceled { activity, details: dice.payloads(), identity },
        _ => Input::ActivityHeartbeat { activity, details: dice.payloads(), identity },
    }
}

/// Answers of children, of runs that were signalled, of the parent.
fn from_other_runs(run: &RunState, dice: &mut Dice) -> Input {
    let child = dice.pick(run.children.keys().copied()).unwrap_or(dice.below(10) as i64);
    let signal = dice.pick(run.external_signals.keys().copied()).unwrap_or(dice.below(10) as i64);
    let cancel = dice.pick(run.external_cancels.keys().copied()).unwrap_or(dice.below(10) as i64);
    let failed_cause = dice.one_in(3).then_some(1);
    match dice.below(10) {
        0..=2 => Input::ChildStarted { initiated_event_id: child, run_id: "child-run".into(), header: None },
        3 => Input::ChildStartFailed { initiated_event_id: child, cause: 1 },
        4 | 5 => Input::ChildClosed {
            initiated_event_id: child,
            workflow_id: run.children.get(&child).map(|child| child.workflow_id.clone()).unwrap_or_default(),
            run_id: if dice.one_in(20) { "another-run".into() } else { "child-run".into() },
            event: Box::new(closed(dice)),
        },
        6 => Input::ExternalSignalDone { initiated_event_id: signal, failed_cause },
        7 => Input::ExternalCancelDone { initiated_event_id: cancel, failed_cause },
        8 => Input::ParentNotified,
        _ => Input::ChildReleased { initiated_event_id: child },
    }
}

fn closed(dice: &mut Dice) -> HistoryEvent {
    let (event_type, attributes) = if dice.one_in(2) {
        let attributes = WorkflowExecutionCompletedEventAttributes { result: dice.payloads(), ..Default::default() };
        let attributes = Attributes::WorkflowExecutionCompletedEventAttributes(attributes);
        (EventType::WorkflowExecutionCompleted, attributes)
    } else {
        let failure = Some(dice.failure());
        let attributes = WorkflowExecutionFailedEventAttributes { failure, ..Default::default() };
        (EventType::WorkflowExecutionFailed, Attributes::WorkflowExecutionFailedEventAttributes(attributes))
    };
    HistoryEvent { event_type: event_type as i32, attributes: Some(attributes), ..Default::default() }
}

fn nexus(run: &RunState, dice: &mut Dice) -> Input {
    let scheduled_event_id = dice.pick(run.nexus_operations.keys().copied()).unwrap_or(dice.below(10) as i64);
    let attempt = dice.below(3) as i32 + 1;
    let failure = || Box::new(perdure_proto::api::failure::Failure { message: "f".into(), ..Default::default() });
    let (links, retryable) = (Vec::new(), dice.one_in(2));
    match dice.below(8) {
        0..=3 => Input::NexusOperationStartDone {
            scheduled_event_id,
            attempt,
            outcome: match dice.below(7) {
                0 | 1 => NexusStartOutcome::Async { operation_token: "token".into(), links },
                2 => NexusStartOutcome::Completed { result: Some(dice.payload()), links },
                3 => NexusStartOutcome::Failed { failure: failure() },
                4 => NexusStartOutcome::Canceled { failure: failure() },
                5 => NexusStartOutcome::TimedOut(TimeoutType::ScheduleToClose),
                _ => NexusStartOutcome::HandlerError { failure: failure(), retryable },
            },
        },
        4 => Input::NexusOperationCompleted(Box::new(NexusCompletion {
            scheduled_event_id,
            request_id: String::new(),
            operation_token: "token".into(),
            start_time: 0,
            links,
            result: match dice.below(3) {
                0 => NexusResult::Succeeded(Some(dice.payload())),
                1 => NexusResult::Failed(failure()),
                _ => NexusResult::Canceled(failure()),
            },
        })),
        5 | 6 => Input::NexusCancelDone {
            scheduled_event_id,
            attempt,
            outcome: match dice.below(2) {
                0 => NexusCancelOutcome::Delivered,
                _ => NexusCancelOutcome::Failed { failure: failure(), retryable },
            },
        },
        _ => Input::CallbackDone {
            callback_id: dice.pick(run.callbacks.keys().cloned()).unwrap_or_else(|| dice.name()),
            attempt,
            outcome: match dice.below(3) {
                0 => CallbackOutcome::Succeeded,
                1 => CallbackOutcome::Retry { failure: failure() },
                _ => CallbackOutcome::Failed { failure: failure() },
            },
        },
    }
}

fn update(dice: &mut Dice) -> Input {
    let update_id = format!("u{}", dice.below(30));
    Input::Update { request: Box::new(request(&update_id)), update_id }
}

pub(crate) fn signal(dice: &mut Dice) -> Signal {
    Signal {
        name: dice.name(),
        input: dice.payloads(),
        request_id: dice.name(),
        ends_backoff: dice.one_in(10),
        ..Default::default()
    }
}
