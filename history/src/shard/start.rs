//! Starts: admission against the current run, new runs, next runs of a chain.

use perdure_engine::{
    Admission, Ctx, CurrentRun, Input, Outcome, Reject, Reply, Signal, Start, WorkflowState, outcome::StartedReply,
};
use perdure_matching::{PollerInfo, StartedWorkflowTask};
use perdure_proto::api::{
    common::{Payload, Payloads},
    enums::WorkflowExecutionStatus,
};
use perdure_storage::{RunKey, WorkflowKey};
use uuid::Uuid;

use super::{
    Shard,
    book::Dispatch,
    cell::{Cell, Dirty},
    dispatch::{Release, workflow_task_start},
    message::{self, StartOp, UpdateOp},
};
use crate::{api::Started, error::Error, versioning::has_version};

/// What TERMINATE_EXISTING leaves as the reason in the run that it ends.
const TERMINATE_REASON: &str = "TerminateIfRunning WorkflowIdReusePolicy";

impl Shard {
    pub(super) fn start(&mut self, op: Box<StartOp>) {
        if !self.is_active() {
            drop(op.reply.send(Err(Error::Unavailable)));
            return;
        }
        let Some(workflow) = workflow_of(&op.start) else {
            drop(op.reply.send(Err(Error::Reject(Reject::InvalidArgument("Invalid namespace id.".into())))));
            return;
        };
        if self.is_new(&workflow) || self.current_is_going(&workflow) {
            self.start_first(op);
            return;
        }
        if let Some((op, current)) = self.resolve_start(op, &workflow) {
            self.start_over(workflow, Some(current), *op);
        }
    }

    /// A start of a workflow id that has no run.
    pub(super) fn start_first(&mut self, op: Box<StartOp>) {
        match workflow_of(&op.start) {
            Some(workflow) => self.start_over(workflow, None, *op),
            None => drop(op.reply.send(Err(Error::Unavailable))),
        }
    }

    fn start_over(&mut self, workflow: WorkflowKey, current: Option<RunKey>, op: StartOp) {
        let StartOp { start, reply, update } = op;
        let result = match update {
            None => self.admit_and_start(workflow.clone(), current, start),
            Some(update) => self.start_with_update(workflow.clone(), current, start, update),
        };
        self.hold(Some(workflow), Release::Send(message::answer(reply, result)));
    }

    /// Start and update in one step, so that no workflow task comes between them.
    fn start_with_update(
        &mut self,
        workflow: WorkflowKey,
        current: Option<RunKey>,
        mut start: Start,
        update: UpdateOp,
    ) -> Result<Started, Error> {
        let UpdateOp { update_id, request, wait, reply } = update;
        let takes_update = |key: &RunKey| {
            let cell = self.cells.get(key);
            cell.is_some_and(|cell| perdure_engine::takes_update(&cell.state, &start, &update_id))
        };
        if let Some(key) = current.filter(takes_update) {
            let started = self.started_reply(key, false);
            self.update(key, update_id, request, wait, reply);
            return Ok(started);
        }
        start.update = Some((update_id.clone(), request));
        let started = self.admit_and_start(workflow.clone(), current, start)?;
        if let Some(run_id) = self.current.get(&workflow) {
            self.poll_update(RunKey { slot: workflow.slot(), run_id: *run_id }, update_id, wait, reply);
        }
        Ok(started)
    }

    fn admit_and_start(
        &mut self,
        workflow: WorkflowKey,
        current: Option<RunKey>,
        mut start: Start,
    ) -> Result<Started, Error> {
        let current_run = current.and_then(|key| self.cells.get(&key)).map(|cell| CurrentRun::of(&cell.state));
        let now = self.shared.clock.now();
        let admission = {
            let limits = self.shared.limits.load();
            let ctx = Ctx { now, ids: &mut self.ids, limits: limits.of(&start.namespace) };
            perdure_engine::admit(current_run.as_ref(), &start, &ctx)?
        };
        match (admission, current) {
            (Admission::Start, _) | (_, None) => self.start_run(workflow, start),
            (Admission::TerminateThenStart, Some(current)) => {
                // The run that ends names the one that takes its place.
                start.run_id = run_id_of(&start).to_string();
                self.step(current, terminate(&start))?;
                self.start_run(workflow, start)
            }
            (Admission::Deduplicate { started }, Some(current)) => {
                // A signal-with-start that is sent again has started nothing.
                let mut reply = self.started_reply(current, started && start.signal.is_none());
                reply.eager = start.request_eager_execution.then(|| self.first_task_again(current, &start)).flatten();
                Ok(reply)
            }
            (Admission::UseExisting, Some(current)) => self.use_existing(current, start),
        }
    }

    /// The first task once more, for a caller that has not heard the answer to its start.
    fn first_task_again(&mut self, key: RunKey, start: &Start) -> Option<StartedWorkflowTask> {
        let run = &self.cells.get(&key)?.state.run;
        let task = run.workflow_task.as_ref().filter(|task| task.attempt == 1)?;
        let started = task.started.as_ref().filter(|_| run.last_completed_started_event_id == 0)?;
        let (task, request_id) = ((task.scheduled_event_id, task.attempt), started.request_id.clone());
        let poller = PollerInfo { identity: start.identity.clone(), ..PollerInfo::default() };
        let taken_by = self.taken_by(key, &poller);
        match self.step(key, workflow_task_start(task, &poller, request_id, taken_by)) {
            Ok(Reply::WorkflowTaskStarted(info)) => Some(self.started_workflow_task(key, *info)),
            _ => None,
        }
    }

    /// The open run takes the signal, and what the caller wants attached.
    fn use_existing(&mut self, current: RunKey, start: Start) -> Result<Started, Error> {
        if let Some(attach) = attach(&start) {
            self.step(current, attach)?;
        }
        if let Some(signal) = start.signal {
            let signal = Signal { ends_backoff: true, ..signal };
            self.step(current, Input::Signal(Box::new(signal)))?;
        }
        Ok(self.started_reply(current, false))
    }

    fn started_reply(&self, key: RunKey, started: bool) -> Started {
        let cell = self.cells.get(&key);
        let reply = StartedReply {
            run_id: key.run_id.to_string(),
            first_execution_run_id: cell.map(|cell| cell.state.run.first_execution_run_id.clone()).unwrap_or_default(),
            started,
        };
        let status = cell.map_or(WorkflowExecutionStatus::Running, Cell::status);
        Started { reply, eager: None, status }
    }

    fn start_run(&mut self, workflow: WorkflowKey, start: Start) -> Result<Started, Error> {
        let eager = start.request_eager_execution;
        let poller = PollerInfo { identity: start.identity.clone(), ..PollerInfo::default() };
        let (key, reply) = self.create_run(workflow, start, if eager { Dispatch::Inline } else { Dispatch::Queue })?;
        let mut started = self.started_reply(key, true);
        if let Reply::Started(reply) = reply {
            started.reply = *reply;
        }
        if eager {
            let taken_by = self.taken_by(key, &poller);
            started.eager = self.start_pending_task(key, &poller, taken_by);
            if started.eager.is_none() {
                // The caller's worker is not one that may have it.
                self.dispatch_pending_task(key);
            }
        }
        Ok(started)
    }

    /// Starts a run and makes it the current one of its workflow id.
    fn create_run(
        &mut self,
        workflow: WorkflowKey,
        mut start: Start,
        dispatch: Dispatch,
    ) -> Result<(RunKey, Reply), Error> {
        let run_id = run_id_of(&start);
        start.run_id = run_id.to_string();
        let key = RunKey { slot: workflow.slot(), run_id };
        let now = self.shared.clock.now();
        let limits = self.shared.limits.load();
        let mut ctx = Ctx { now, ids: &mut self.ids, limits: limits.of(&start.namespace) };
        let (state, outcome) = perdure_engine::start(start, &mut ctx)?;
        Ok((key, self.adopt(workflow, key, state, outcome, dispatch)))
    }

    /// Takes a new run in, as the current one of its workflow id.
    pub(super) fn adopt(
        &mut self,
        workflow: WorkflowKey,
        key: RunKey,
        state: WorkflowState,
        outcome: Outcome,
        dispatch: Dispatch,
    ) -> Reply {
        self.current.insert(workflow.clone(), key.run_id);
        self.insert_new(workflow, key, state, true);
        self.book(key, outcome, dispatch)
    }

    /// A run that the next batch creates.
    pub(super) fn insert_new(&mut self, workflow: WorkflowKey, key: RunKey, state: WorkflowState, make_current: bool) {
        self.shared.known.add(&workflow);
        let mut cell = Cell::new(workflow, key, state);
        cell.dirty = Some(Dirty { create: Some(make_current), changes: Vec::new(), visibility: true });
        self.dirty.push(key);
        self.cells.insert(key, cell);
    }

    /// The next run of a chain, in the same batch as the close of the run before it.
    pub(super) fn start_next_run(&mut self, before: RunKey, mut start: Start) {
        let Some(workflow) = workflow_of(&start) else { return };
        let queue = self.cells.get(&before).map(|cell| cell.state.run.task_queue.as_str());
        if queue != Some(start.task_queue.as_str()) {
            let (matching, namespace_id) = (&self.shared.matching, workflow.namespace_id);
            let queue = start.task_queue.clone();
            start.inherited.keep_for_queue(|version| has_version(matching, namespace_id, &queue, version));
        }
        if let Err(error) = self.create_run(workflow, start, Dispatch::Queue) {
            tracing::error!(%error, "the next run of a chain was refused");
        }
    }
}

/// The run id that the start brings, else a new one.
fn run_id_of(start: &Start) -> Uuid {
    Uuid::parse_str(&start.run_id).unwrap_or_else(|_| Uuid::now_v7())
}

fn workflow_of(start: &Start) -> Option<WorkflowKey> {
    let namespace_id = Uuid::parse_str(&start.namespace_id).ok()?;
    Some(WorkflowKey::of(start.archetype(), namespace_id, start.workflow_id.as_str()))
}

fn terminate(start: &Start) -> Input {
    let payload = Payload {
        metadata: [("encoding".to_owned(), "json/plain".into())].into(),
        // A run id needs no escapes.
        data: format!("\"terminated by new runID: {}\"", start.run_id).into(),
        ..Default::default()
    };
    Input::Terminate {
        reason: TERMINATE_REASON.into(),
        details: Some(Payloads { payloads: vec![payload] }),
        identity: "history-service".into(),
        links: Vec::new(),
    }
}

/// What a start that finds its workflow running wants to leave there.
fn attach(start: &Start) -> Option<Input> {
    let options = start.on_conflict.as_ref()?;
    Some(Input::AttachStart {
        request_id: start.request_id.clone(),
        attach_request_id: options.attach_request_id,
        attach_callbacks: options.attach_completion_callbacks,
        attach_links: options.attach_links,
        callbacks: start.completion_callbacks.clone(),
        links: start.links.clone(),
    })
}
