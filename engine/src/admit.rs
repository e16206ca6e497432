//! Whether a workflow id may be started again.
//!
//! | current run | policy | answer |
//! |---|---|---|
//! | none | – | start |
//! | knows the request id | – | the same answer again |
//! | open | conflict FAIL | already started |
//! | open | conflict USE_EXISTING | use it |
//! | open | conflict TERMINATE_EXISTING, or reuse TERMINATE_IF_RUNNING | terminate it, start |
//! | closed | reuse ALLOW_DUPLICATE, TERMINATE_IF_RUNNING | start |
//! | closed | reuse ALLOW_DUPLICATE_FAILED_ONLY | start unless it completed or goes on in another run |
//! | closed | reuse REJECT_DUPLICATE | already started |
//!
//! The update of an update-with-start goes to the current run (`takes_update`) where
//!
//! | current run | and |
//! |---|---|
//! | any | the start was taken before |
//! | open | it knows the update, or the conflict policy is USE_EXISTING |
//! | closed | the update has an outcome |
//!
//! else the start decides as above, and the update is the new run's.
//!
//! Where one run would replace another too soon (`Limits::min_start_interval`), the caller is told to wait instead.

use perdure_proto::api::enums::{
    EventType, WorkflowExecutionStatus, WorkflowIdConflictPolicy as Conflict, WorkflowIdReusePolicy as Reuse,
};

use crate::{
    Archetype,
    ctx::Ctx,
    input::Start,
    reject::Reject,
    state::{RunState, WorkflowState},
    time::MILLISECOND,
};

/// WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING: deprecated for conflict TERMINATE_EXISTING, but SDKs still send it.
const TERMINATE_IF_RUNNING: i32 = 4;

/// The newest run of a workflow id.
#[derive(Clone, Copy, Debug)]
pub struct CurrentRun<'a> {
    run: &'a RunState,
}

impl<'a> CurrentRun<'a> {
    pub fn of(state: &'a WorkflowState) -> Self {
        Self { run: &state.run }
    }
}

impl WorkflowState {
    /// The request id of the start itself, among those that were attached later.
    pub fn start_request_id(&self) -> String {
        start_request_id(&self.run)
    }
}

pub(crate) fn start_request_id(run: &RunState) -> String {
    let ids = &run.start_request_ids;
    let started = |kind: i32| kind == EventType::WorkflowExecutionStarted as i32;
    ids.iter().find(|(_, info)| started(info.event_type)).map(|(id, _)| id.clone()).unwrap_or_default()
}

/// What is to be done with a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Start,
    TerminateThenStart,
    /// The request was taken before; `started`: it started the run, else it was attached to it.
    Deduplicate {
        started: bool,
    },
    /// The open run takes the caller's part.
    UseExisting,
}

pub fn admit(current: Option<&CurrentRun>, start: &Start, ctx: &Ctx) -> Result<Admission, Reject> {
    let Some(current) = current else { return Ok(Admission::Start) };
    if let Some(info) = current.run.start_request_ids.get(&start.request_id) {
        // Of an activity the answer says whether this very call started it.
        let started =
            info.event_type == EventType::WorkflowExecutionStarted as i32 && start.archetype() == Archetype::Workflow;
        return Ok(Admission::Deduplicate { started });
    }
    let terminates = start.reuse_policy as i32 == TERMINATE_IF_RUNNING;
    match &current.run.close {
        None if terminates || start.conflict_policy == Conflict::TerminateExisting => {
            not_too_soon(current, start, ctx, "restarts").map(|()| Admission::TerminateThenStart)
        }
        None => match start.conflict_policy {
            Conflict::UseExisting => Ok(Admission::UseExisting),
            _ => Err(already_started(current, start, "Workflow execution is already running.", "")),
        },
        Some(close) => {
            let failed = failed(close.status());
            match start.reuse_policy {
                Reuse::RejectDuplicate => Err(already_started(
                    current,
                    start,
                    "Workflow execution already finished.",
                    " Workflow Id reuse policy: reject duplicate workflow Id.",
                )),
                Reuse::AllowDuplicateFailedOnly if !failed => Err(already_started(
                    current,
                    start,
                    "Workflow execution already finished successfully.",
                    " Workflow Id reuse policy: allow duplicate workflow Id if last run failed.",
                )),
                _ => not_too_soon(current, start, ctx, "starts").map(|()| Admission::Start),
            }
        }
    }
}

/// Whether the update of an update-with-start is for this current run. No policy stands against an update that has been
/// sent before.
pub fn takes_update(current: &WorkflowState, start: &Start, update_id: &str) -> bool {
    let run = &current.run;
    if run.start_request_ids.contains_key(&start.request_id) {
        return true;
    }
    let update = run.updates.get(update_id);
    match run.close {
        Some(_) => update.is_some_and(|update| update.outcome.is_some()),
        None => {
            let admitted = current.volatile.admitted.iter().any(|update| update.update_id == update_id);
            update.is_some() || admitted || start.conflict_policy == Conflict::UseExisting
        }
    }
}

fn failed(status: WorkflowExecutionStatus) -> bool {
    use WorkflowExecutionStatus as S;
    matches!(status, S::Failed | S::Canceled | S::Terminated | S::TimedOut)
}

fn not_too_soon(current: &CurrentRun, start: &Start, ctx: &Ctx, what: &str) -> Result<(), Reject> {
    let since = ctx.now - current.run.start_time;
    if ctx.limits.min_start_interval == 0 || since > ctx.limits.min_start_interval {
        return Ok(());
    }
    Err(Reject::BusyWorkflow(format!(
        "Too many {what} for workflow {}. Time since last start: {} ms",
        start.workflow_id,
        since / MILLISECOND
    )))
}

fn already_started(current: &CurrentRun, start: &Start, what: &str, why: &str) -> Reject {
    let run = current.run;
    let message = match start.archetype() {
        Archetype::Workflow => format!("{what} WorkflowId: {}, RunId: {}.{why}", start.workflow_id, run.run_id),
        Archetype::Activity => "activity execution already started".into(),
        Archetype::NexusOperation => format!(
            "nexus operation execution already started: request_id={}, run_id={}",
            start_request_id(run),
            run.run_id
        ),
        Archetype::Batch => format!("{what} WorkflowId: {}, RunId: {}.{why}", start.workflow_id, run.run_id),
        Archetype::Schedule => format!("schedule {:?} is already registered", start.workflow_id),
    };
    if start.archetype() == Archetype::Schedule {
        // Clients know schedules by their id alone.
        let nobody = String::new;
        let (start_request_id, run_id, first_execution_run_id) = (nobody(), nobody(), nobody());
        return Reject::AlreadyStarted { message, start_request_id, run_id, first_execution_run_id };
    }
    Reject::AlreadyStarted {
        message,
        start_request_id: start_request_id(run),
        run_id: run.run_id.clone(),
        first_execution_run_id: run.first_execution_run_id.clone(),
    }
}
