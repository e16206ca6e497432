//! The end of a run, and what it still owes to others afterwards.
//!
//! | end | event | next run | parent is told |
//! |---|---|---|---|
//! | returned | Completed | cron | if no next run |
//! | failed | Failed | retry, else cron | if no next run |
//! | canceled | Canceled | – | yes |
//! | timed out | TimedOut | retry, else cron; none when the chain has expired | if no next run |
//! | terminated | Terminated | – | yes |
//! | continued | ContinuedAsNew | always | no |
//!
//! A started workflow task fails first where the end comes from outside. Children get their parent close policy in
//! every case; one that is to be abandoned and has not been started yet is still started.

use perdure_proto::api::{
    command::{
        CancelWorkflowExecutionCommandAttributes, CompleteWorkflowExecutionCommandAttributes,
        ContinueAsNewWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes,
    },
    common::{Link, Payloads},
    enums::{ContinueAsNewInitiator, ParentClosePolicy, RetryState, WorkflowExecutionStatus},
    history::{
        HistoryEvent, WorkflowExecutionCanceledEventAttributes, WorkflowExecutionCompletedEventAttributes,
        WorkflowExecutionContinuedAsNewEventAttributes, WorkflowExecutionFailedEventAttributes,
        WorkflowExecutionTerminatedEventAttributes, WorkflowExecutionTimedOutEventAttributes,
        history_event::Attributes,
    },
};

use prost::Message as _;

use crate::{
    Archetype,
    apply::Corrupt,
    callback,
    chain::{self, Following},
    change::{Change, Kind},
    child,
    event::event_time,
    input::Start,
    obligations::obligations,
    outcome::{Notice, Reply, Task, UpdateAbort},
    reject::Reject,
    reset,
    state::{Close, Nanos, OwedAtClose, RunState, WorkflowState},
    tx::{EventExtras, Tx},
    update,
    warning::{Size, Warning},
    workflow_task::{self, SERVER_IDENTITY},
};

/// The workflow returned.
pub(crate) fn complete(
    tx: &mut Tx,
    command: CompleteWorkflowExecutionCommandAttributes,
    completed_event_id: i64,
    extras: EventExtras,
) {
    let next = chain::by_cron(&tx.state.run, tx.ctx.now);
    let result = command.result.clone();
    let next_run = next.and_then(|next| chain::again(tx, next, None, result));
    let attributes = WorkflowExecutionCompletedEventAttributes {
        result: command.result,
        workflow_task_completed_event_id: completed_event_id,
        new_execution_run_id: run_id_of(next_run.as_ref()),
    };
    end(tx, Attributes::WorkflowExecutionCompletedEventAttributes(attributes), extras, next_run);
}

/// The workflow failed.
pub(crate) fn fail(
    tx: &mut Tx,
    command: FailWorkflowExecutionCommandAttributes,
    completed_event_id: i64,
    extras: EventExtras,
) {
    let failure = command.failure.unwrap_or_default();
    let Following { retry_state, next } = chain::after_failure(&tx.state.run, &failure, tx.ctx.now);
    let next_run = next.and_then(|next| {
        // A retry knows the failure alone; cron goes on with the last good result.
        let is_retry = next.0 == ContinueAsNewInitiator::Retry;
        let result = if is_retry { None } else { earlier_result(&tx.state.run) };
        chain::again(tx, next, Some(failure.clone()), result)
    });
    let attributes = WorkflowExecutionFailedEventAttributes {
        failure: Some(failure),
        retry_state: retry_state as i32,
        workflow_task_completed_event_id: completed_event_id,
        new_execution_run_id: run_id_of(next_run.as_ref()),
    };
    end(tx, Attributes::WorkflowExecutionFailedEventAttributes(attributes), extras, next_run);
}

/// The workflow accepted its cancellation.
pub(crate) fn cancel(
    tx: &mut Tx,
    command: CancelWorkflowExecutionCommandAttributes,
    completed_event_id: i64,
    extras: EventExtras,
) {
    let attributes = WorkflowExecutionCanceledEventAttributes {
        workflow_task_completed_event_id: completed_event_id,
        details: command.details,
    };
    end(tx, Attributes::WorkflowExecutionCanceledEventAttributes(attributes), extras, None);
}

/// The workflow goes on as a new run. Its memo and search attributes are those of the command: SDKs send what is to stay.
pub(crate) fn continue_as_new(
    tx: &mut Tx,
    mut command: ContinueAsNewWorkflowExecutionCommandAttributes,
    completed_event_id: i64,
    extras: EventExtras,
) {
    command.memo = command.memo.filter(|memo| !memo.fields.is_empty());
    command.search_attributes = command.search_attributes.filter(|given| !given.indexed_fields.is_empty());
    let next_run = chain::as_new(tx, &command);
    let attributes = Box::new(WorkflowExecutionContinuedAsNewEventAttributes {
        new_execution_run_id: next_run.run_id.clone(),
        workflow_type: command.workflow_type,
        task_queue: command.task_queue,
        input: command.input,
        workflow_run_timeout: command.workflow_run_timeout,
        workflow_task_timeout: command.workflow_task_timeout,
        workflow_task_completed_event_id: completed_event_id,
        backoff_start_interval: command.backoff_start_interval,
        // As the worker gave it, though the next run always has one.
        initiator: command.initiator,
        inherit_build_id: command.inherit_build_id,
        failure: command.failure,
        last_completion_result: command.last_completion_result,
        header: command.header,
        memo: command.memo,
        search_attributes: command.search_attributes,
        ..Default::default()
    });
    end(tx, Attributes::WorkflowExecutionContinuedAsNewEventAttributes(attributes), extras, Some(next_run));
}

/// The run, or its whole chain, ran out of time.
pub(crate) fn time_out(tx: &mut Tx) {
    let (run, now) = (&tx.state.run, tx.ctx.now);
    let failure = chain::timeout_failure();
    let expired = run.execution_expiration != 0 && run.execution_expiration <= now;
    let Following { retry_state, next } = if expired {
        Following { retry_state: RetryState::Timeout, next: None }
    } else {
        chain::after_failure(run, &failure, now)
    };
    workflow_task::fail_for_close(tx);
    let next_run = next.and_then(|next| {
        let result = earlier_result(&tx.state.run);
        chain::again(tx, next, Some(failure), result)
    });
    let attributes = WorkflowExecutionTimedOutEventAttributes {
        retry_state: retry_state as i32,
        new_execution_run_id: run_id_of(next_run.as_ref()),
    };
    end(tx, Attributes::WorkflowExecutionTimedOutEventAttributes(attributes), EventExtras::default(), next_run);
}

/// What WorkflowExecutionTerminated says.
pub(crate) struct Termination {
    pub(crate) reason: String,
    pub(crate) details: Option<Payloads>,
    pub(crate) identity: String,
    pub(crate) links: Vec<Link>,
}

impl Termination {
    pub(crate) fn by_server(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), details: None, identity: SERVER_IDENTITY.into(), links: Vec::new() }
    }
}

pub(crate) fn terminate(tx: &mut Tx, termination: Termination) {
    workflow_task::fail_for_close(tx);
    let attributes = WorkflowExecutionTerminatedEventAttributes {
        reason: termination.reason,
        details: termination.details,
        identity: termination.identity,
    };
    let extras = EventExtras { links: termination.links, ..Default::default() };
    end(tx, Attributes::WorkflowExecutionTerminatedEventAttributes(attributes), extras, None);
}

fn run_id_of(next_run: Option<&Start>) -> String {
    next_run.map(|next| next.run_id.clone()).unwrap_or_default()
}

fn earlier_result(run: &RunState) -> Option<Payloads> {
    run.started.as_ref().and_then(|started| started.last_completion_result.clone())
}

/// Writes the close event and all that follows from it.
fn end(tx: &mut Tx, attributes: Attributes, extras: EventExtras, next_run: Option<Start>) {
    // Those that are under way already are not to be called twice.
    let mut under_way = Vec::new();
    callback::push_obligations(&tx.state.run, &mut under_way);
    tx.event_with(attributes, extras);
    update::on_close(tx, if next_run.is_some() { UpdateAbort::ContinuedAsNew } else { UpdateAbort::WorkflowClosing });
    // What this step has asked for while the run was open may be wanted no longer.
    let owed = obligations(tx.state);
    tx.out.tasks.retain(|task| owed.contains(task));
    let mut due = Vec::new();
    push_obligations(tx.state, &mut due);
    tx.out.tasks.extend(due.into_iter().filter(|task| !under_way.contains(task)));
    tx.out.next_run = next_run.map(Box::new);
    tx.notice(Notice::Closed);
}

/// What the closed run owes.
pub(crate) fn push_obligations(state: &WorkflowState, tasks: &mut Vec<Task>) {
    callback::push_obligations(&state.run, tasks);
    let Some(owed) = &state.run.owed_at_close else { return };
    if owed.notify_parent {
        tasks.push(Task::NotifyParent);
    }
    tasks.extend(owed.children.iter().map(|&initiated_event_id| Task::ApplyParentClosePolicy { initiated_event_id }));
}

pub(crate) fn apply(run: &mut RunState, event: &HistoryEvent, attributes: &Attributes) -> Result<(), Corrupt> {
    use Attributes as A;
    let (status, new_run_id) = match attributes {
        A::WorkflowExecutionCompletedEventAttributes(a) => {
            (WorkflowExecutionStatus::Completed, a.new_execution_run_id.as_str())
        }
        A::WorkflowExecutionFailedEventAttributes(a) => {
            (WorkflowExecutionStatus::Failed, a.new_execution_run_id.as_str())
        }
        A::WorkflowExecutionTimedOutEventAttributes(a) => {
            (WorkflowExecutionStatus::TimedOut, a.new_execution_run_id.as_str())
        }
        A::WorkflowExecutionContinuedAsNewEventAttributes(a) => {
            (WorkflowExecutionStatus::ContinuedAsNew, a.new_execution_run_id.as_str())
        }
        A::WorkflowExecutionTerminatedEventAttributes(_) => (WorkflowExecutionStatus::Terminated, ""),
        A::WorkflowExecutionCanceledEventAttributes(_) => (WorkflowExecutionStatus::Canceled, ""),
        _ => return Err(Corrupt::at(event.event_id, "not a close event")),
    };
    run.close = Some(Close {
        status: status as i32,
        time: event_time(event),
        event_id: event.event_id,
        new_run_id: new_run_id.into(),
        event: Some(Box::new(event.clone())),
    });
    // A closed run owes nothing but the news of its end.
    run.workflow_task = None;
    run.sticky = None;
    run.started = None;
    run.first_task_backoff_until = 0;
    workflow_task::drop_buffered(run, |_| true);
    run.reapplied_updates.clear();
    for activity in run.activities.values_mut() {
        // What was pending is still shown, for which nobody needs these.
        (activity.input, activity.header) = (None, None);
    }
    run.timers.clear();
    run.external_signals.clear();
    run.external_cancels.clear();
    run.nexus_operations.clear();
    let abandon = ParentClosePolicy::Abandon as i32;
    run.children.retain(|_, child| child.parent_close_policy != abandon || !child::is_started(child));
    let children = run
        .children
        .values()
        .filter(|child| child.parent_close_policy != abandon)
        .map(|child| child.initiated_event_id);
    // The run that a reset puts in its place goes on with parent and children.
    if matches!(attributes, A::WorkflowExecutionTerminatedEventAttributes(end) if end.identity == reset::IDENTITY) {
        run.children.clear();
        return Ok(());
    }
    let owed =
        OwedAtClose { notify_parent: run.parent.is_some() && new_run_id.is_empty(), children: children.collect() };
    run.owed_at_close = (owed != OwedAtClose::default()).then_some(owed);
    callback::on_close(run, attributes);
    Ok(())
}

pub(crate) fn apply_released(run: &mut RunState, kind: &Kind) {
    let Some(owed) = &mut run.owed_at_close else {
        if let Kind::ChildReleased(id) = kind {
            run.children.remove(id);
        }
        return;
    };
    match kind {
        Kind::ParentNotified(_) => owed.notify_parent = false,
        Kind::ChildReleased(id) => {
            owed.children.retain(|child| child != id);
            run.children.remove(id);
        }
        _ => {}
    }
    if *owed == OwedAtClose::default() {
        run.owed_at_close = None;
    }
}

pub(crate) fn parent_notified(tx: &mut Tx) -> Result<Reply, Reject> {
    match &tx.state.run.owed_at_close {
        Some(owed) if owed.notify_parent => tx.durable(Kind::ParentNotified(true)),
        _ => return Err(Reject::NotAwaited),
    }
    Ok(Reply::Done)
}

/// A child was dealt with after the close: started to be abandoned, or its policy applied.
pub(crate) fn child_released(tx: &mut Tx, initiated_event_id: i64) -> Result<Reply, Reject> {
    if tx.state.run.close.is_none() || !tx.state.run.children.contains_key(&initiated_event_id) {
        return Err(Reject::NotAwaited);
    }
    tx.durable(Kind::ChildReleased(initiated_event_id));
    Ok(Reply::Done)
}

/// After the close, a start that was still on its way is done. Of a child that is not to be abandoned nothing is known
/// yet: its policy is applied, and it stays until then.
pub(crate) fn child_start_done(tx: &mut Tx, initiated_event_id: i64) -> Result<Reply, Reject> {
    match tx.state.run.children.get(&initiated_event_id) {
        Some(child) if child.parent_close_policy == ParentClosePolicy::Abandon as i32 => {
            tx.durable(Kind::ChildReleased(initiated_event_id));
            Ok(Reply::Done)
        }
        _ => Err(Reject::NotAwaited),
    }
}

/// When the run times out.
pub(crate) fn next_deadline(run: &RunState) -> Option<Nanos> {
    [run.run_expiration, run.execution_expiration].into_iter().filter(|&time| time != 0).min()
}

/// Times the run out if its time has come.
pub(crate) fn wake(tx: &mut Tx) {
    if next_deadline(&tx.state.run).is_some_and(|deadline| deadline <= tx.ctx.now) {
        time_out(tx);
    }
}

/// Ends a run whose history has become too long.
pub(crate) fn enforce_limits(tx: &mut Tx) {
    let (run, limits) = (&tx.state.run, tx.ctx.limits);
    if run.close.is_some() || run.archetype() != Archetype::Workflow {
        return;
    }
    if run.history_size_bytes > limits.history_size {
        terminate(tx, Termination::by_server("Workflow history size exceeds limit."));
    } else if run.next_event_id - 1 > limits.history_count {
        terminate(tx, Termination::by_server("Workflow history count exceeds limit."));
    } else if state_is_measured(tx) {
        let (size, limit) = (run.counted_size() as i64, limits.state_size_warn);
        if size > limits.state_size {
            terminate(tx, Termination::by_server("Workflow mutable state size exceeds limit."));
        } else if size > limit {
            tx.notice(Notice::Warning(Warning { of: Size::State, size, limit }));
        }
    }
}

/// Measuring a large state costs more than a small step, so it is done now and then, and after each large step.
fn state_is_measured(tx: &Tx) -> bool {
    const EACH: i64 = 32;
    const LARGE: usize = 64 * 1024;
    let written = tx.out.changes.iter().map(|change| match change {
        Change::Event { encoded, .. } => encoded.len(),
        Change::Durable(change) => change.encoded_len(),
        Change::Volatile(_) => 0,
    });
    tx.state.run.state_transition_count % EACH == 0 || written.sum::<usize>() > LARGE
}
