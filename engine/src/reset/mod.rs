//! Reset: a new run that begins with a part of another run's history, as if what came after had not happened.
//!
//! | step | what the new run gets |
//! |---|---|
//! | fork | the events before the workflow task's end, and where that task was only scheduled its Started |
//! | fail | WorkflowTaskFailed (RESET_WORKFLOW), which tells workers to forget what they knew |
//! | renew | time-outs of the run and of activities that wait count from now; timers keep their times |
//! | reapply | signals, updates and the like that came after the fork, see `reapply` |
//! | operate | what the caller wants done after the reset: signals, options |
//! | go on | a workflow task, and all that the state owes: activities, children, messages to other workflows |
//!
//! The run that is current, if it is open, is terminated by its host in the same commit, with [`IDENTITY`]: such an end
//! is not told to parent and children, who go on with the new run.

mod reapply;

use std::collections::BTreeMap;

use perdure_proto::api::{
    enums::WorkflowTaskFailedCause,
    failure::{Failure, ResetWorkflowFailureInfo, failure::FailureInfo},
    history::{HistoryEvent, WorkflowTaskFailedEventAttributes, history_event::Attributes},
};

use crate::{
    change::{Created, Kind, ResetFrom},
    child,
    ctx::Ctx,
    input::Signal,
    obligations::obligations,
    outcome::{Outcome, Reply},
    reject::Reject,
    signal,
    state::{ActivityPhase, Nanos, RunState, WorkflowState},
    step::finish,
    tx::Tx,
    versioning::{OptionsUpdate, update_options},
    workflow_task,
};

/// Who ends a run because it was reset.
pub const IDENTITY: &str = "history-resetter";

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reset {
    pub namespace_id: String,
    pub namespace: String,
    pub workflow_id: String,
    /// Of the new run.
    pub run_id: String,
    pub base_run_id: String,
    /// Request id of the start of the base run: the new run answers for it from now on.
    pub start_request_id: String,
    pub request_id: String,
    pub reason: String,
    /// The events of the base run before the fork.
    pub prefix: Vec<HistoryEvent>,
    /// The fork is where a commit of the base run ended.
    pub at_boundary: bool,
    /// What happened in the base run after the fork.
    pub later: Vec<HistoryEvent>,
    /// What happened in the runs that continued it as new. Their children are others.
    pub continued: Vec<HistoryEvent>,
    pub exclude: Exclude,
    /// See [`ResetFrom`].
    pub requests: BTreeMap<i64, String>,
    pub operations: Vec<PostReset>,
}

/// What a caller wants done with the new run before its worker sees it.
#[derive(Clone, Debug, PartialEq)]
pub enum PostReset {
    Signal(Box<Signal>),
    UpdateOptions(Box<OptionsUpdate>),
}

/// What the base run has on its way to others, as [`Reset::requests`].
pub fn requests_on_their_way(run: &RunState) -> BTreeMap<i64, String> {
    let children = run.children.iter().filter(|(_, child)| !child::is_started(child));
    children
        .map(|(id, child)| (*id, child.create_request_id.clone()))
        .chain(run.external_signals.iter().map(|(id, signal)| (*id, signal.request_id.clone())))
        .chain(run.external_cancels.iter().map(|(id, cancel)| (*id, cancel.request_id.clone())))
        .collect()
}

/// What is not taken over from after the fork.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exclude {
    /// Nothing at all is taken over: not even options and what became of children.
    pub everything: bool,
    pub signals: bool,
    pub updates: bool,
    /// Starts and ends of Nexus operations.
    pub nexus: bool,
}

/// The new run.
pub fn reset(reset: Reset, ctx: &mut Ctx) -> Result<(WorkflowState, Outcome), Reject> {
    let mut state = WorkflowState::default();
    let mut tx = Tx::new(&mut state, ctx);
    let fork = reset.prefix.len() as i64;
    tx.durable(Kind::Created(Created {
        namespace_id: reset.namespace_id,
        namespace: reset.namespace,
        workflow_id: reset.workflow_id,
        run_id: reset.run_id.clone(),
        request_id: reset.start_request_id,
    }));
    for event in reset.prefix {
        tx.write(event);
    }
    check_fork(tx.state, fork, reset.at_boundary)?;
    workflow_task::start_for_reset(&mut tx);
    fail_task(&mut tx, reset.base_run_id, reset.run_id, reset.reason);
    let time = tx.now();
    let events = reset.later.iter().chain(&reset.continued);
    let replaced_children = events.filter_map(|event| child::initiated_name(event.attributes.as_ref()?)).collect();
    let (request_id, requests) = (reset.request_id, reset.requests);
    tx.durable(Kind::ResetFrom(ResetFrom { request_id, time, requests, replaced_children }));
    let (later, continued) = match reset.exclude.everything {
        true => (Vec::new(), Vec::new()),
        false => (reset.later, reset.continued),
    };
    for event in later {
        if !reapply::reapply_child(&mut tx, &event) {
            reapply::reapply(&mut tx, event, reset.exclude);
        }
    }
    for event in continued {
        reapply::reapply(&mut tx, event, reset.exclude);
    }
    for operation in reset.operations {
        match operation {
            PostReset::Signal(signal) => signal::write(&mut tx, *signal),
            PostReset::UpdateOptions(update) => drop(update_options(&mut tx, *update)?),
        }
    }
    workflow_task::ensure_scheduled(&mut tx);
    tx.out.tasks = obligations(tx.state);
    let outcome = finish(tx, Reply::Done)?;
    Ok((state, outcome))
}

/// A run can be forked only where a workflow task is pending, and not between events that belong together.
fn check_fork(state: &WorkflowState, fork: i64, at_boundary: bool) -> Result<(), Reject> {
    let run = &state.run;
    let is_started = |phase: &Option<ActivityPhase>| matches!(phase, Some(ActivityPhase::Started(_)));
    let is_cut = run.activities.values().any(|activity| is_started(&activity.phase));
    if run.workflow_task.is_some() && !is_cut {
        return Ok(());
    }
    Err(Reject::InvalidArgument(if at_boundary && !is_cut {
        let id = fork + 1;
        format!(
            "Can only reset workflow to event ID in range [WorkflowTaskScheduled +1, WorkflowTaskStarted + 1]: {id}"
        )
    } else {
        format!(
            "StateRebuilder unable to Rebuild mutable state to event ID: {fork}, version: 0, this event must be at the \
             boundary"
        )
    }))
}

fn fail_task(tx: &mut Tx, base_run_id: String, new_run_id: String, reason: String) {
    let started = tx.state.run.workflow_task.as_ref().and_then(|task| Some((task, task.started.as_ref()?)));
    let Some((task, started)) = started else { return };
    let failure_info = FailureInfo::ResetWorkflowFailureInfo(ResetWorkflowFailureInfo { last_heartbeat_details: None });
    let attributes = WorkflowTaskFailedEventAttributes {
        scheduled_event_id: task.scheduled_event_id,
        started_event_id: started.event_id,
        cause: WorkflowTaskFailedCause::ResetWorkflow as i32,
        failure: Some(Failure { message: reason, failure_info: Some(failure_info), ..Default::default() }),
        identity: workflow_task::SERVER_IDENTITY.into(),
        base_run_id,
        new_run_id,
        ..Default::default()
    };
    tx.event(Attributes::WorkflowTaskFailedEventAttributes(attributes));
}

pub(crate) fn apply_reset_from(run: &mut RunState, from: &ResetFrom) {
    run.replaced_children.clone_from(&from.replaced_children);
    for (id, request) in &from.requests {
        if let Some(child) = run.children.get_mut(id) {
            child.create_request_id.clone_from(request);
        } else if let Some(signal) = run.external_signals.get_mut(id) {
            signal.request_id.clone_from(request);
        } else if let Some(cancel) = run.external_cancels.get_mut(id) {
            cancel.request_id.clone_from(request);
        }
    }
    let after = |wait: Nanos| if wait > 0 { from.time.saturating_add(wait) } else { 0 };
    run.reset_request_id.clone_from(&from.request_id);
    run.original_start_time = run.start_time;
    run.start_time = from.time;
    run.execution_time = from.time;
    run.execution_expiration = after(run.execution_timeout());
    run.run_expiration = match (after(run.run_timeout()), run.execution_expiration) {
        (expiration, 0) | (0, expiration) => expiration,
        (expiration, last) => expiration.min(last),
    };
    for activity in run.activities.values_mut() {
        activity.scheduled_time = from.time;
        activity.attempt_scheduled_time = from.time;
    }
}

/// This run was reset: the new run is the one that its children report to.
pub(crate) fn note(tx: &mut Tx, new_run_id: String) -> Result<Reply, Reject> {
    tx.durable(Kind::ResetInto(new_run_id));
    Ok(Reply::Done)
}
