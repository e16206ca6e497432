//! Operations on runs that exist.

use perdure_engine::{Input, Reject, Reply, TakenBy};
use perdure_matching::{PollerInfo, RecordError, StartedTask, TaskKind, TaskRef};
use perdure_proto::api::{enums::UpdateWorkflowExecutionLifecycleStage as Stage, update};
use perdure_storage::RunKey;
use tokio::sync::oneshot;

use super::{
    Shard,
    cell::{EventWaiter, UpdateWaiter},
    dispatch::{activity_start, workflow_task_start},
    message::{self, Action, Op, ReplyTo},
};
use crate::{
    api::{InputReply, Responded, UpdateResult},
    error::Error,
    versioning::taken_inline,
};

impl Shard {
    pub(super) fn operate(&mut self, op: Op) {
        if !self.is_active() {
            op.action.refuse(Error::Unavailable);
            return;
        }
        if let Some((key, action)) = self.resolve(op) {
            self.act(key, action);
        }
    }

    fn act(&mut self, key: RunKey, action: Action) {
        match action {
            Action::Input { input, reply } => {
                let result = self.step(key, input).map_err(Error::Reject);
                let result = result.map(|reply| InputReply { run_id: key.run_id, reply });
                self.send_when_durable(key, message::answer(reply, result));
            }
            Action::Respond { token, request, nexus_endpoints, poller, reply } => {
                let input = Input::WorkflowTaskCompleted { token, request, nexus_endpoints };
                let result = self.respond(key, input, &poller);
                self.send_when_durable(key, message::answer(reply, result));
            }
            Action::Record { task, poller, reply } => self.record(key, &task, &poller, reply),
            Action::View(look) => {
                if let Some(cell) = self.cells.get(&key) {
                    let send = look(Ok(&cell.state));
                    self.send_when_durable(key, send);
                }
            }
            Action::Query { query, reject, until, reply } => self.query(key, query, reject, until, reply),
            Action::Update { update_id, request, wait, reply } => self.update(key, update_id, request, wait, reply),
            Action::PollUpdate { update_id, wait, reply } => self.poll_update(key, update_id, wait, reply),
            Action::Reset(op) => self.reset(key, *op),
            Action::Wait { until, reply } => self.wait(key, EventWaiter { until, reply }),
        }
    }

    /// A completed workflow task, with what the worker takes along: the next task, eager activities.
    fn respond(&mut self, key: RunKey, completed: Input, poller: &PollerInfo) -> Result<Responded, Error> {
        let reply = self.step_inline(key, completed)?;
        let Reply::WorkflowTaskCompleted(reply) = reply else { return Ok(Responded::default()) };
        if reply.heartbeats_ended {
            return Err(Reject::WorkflowTaskHeartbeatTimeout.into());
        }
        let mut responded = Responded {
            reset_history_event_id: reply.reset_history_event_id,
            failed: reply.failed,
            ..Responded::default()
        };
        for scheduled_event_id in reply.eager_activities {
            let request_id = self.new_request_id();
            let input = activity_start((scheduled_event_id, 1), poller, request_id, taken_inline(poller));
            if let Ok(Reply::ActivityStarted(info)) = self.step(key, input) {
                responded.activities.extend(self.started_activity_task(key, *info));
            }
        }
        if reply.new_task {
            responded.new_task = self.start_pending_task(key, poller, taken_inline(poller));
        }
        Ok(responded)
    }

    /// Starts the pending workflow task for a caller who takes it at once.
    pub(super) fn start_pending_task(
        &mut self,
        key: RunKey,
        poller: &PollerInfo,
        taken_by: TakenBy,
    ) -> Option<perdure_matching::StartedWorkflowTask> {
        let cell = self.cells.get(&key)?;
        let pending = perdure_engine::pending_workflow_task(&cell.state)?;
        let (scheduled_event_id, attempt) = (pending.scheduled_event_id, pending.attempt);
        let request_id = self.new_request_id();
        let input = workflow_task_start((scheduled_event_id, attempt), poller, request_id, taken_by);
        match self.step(key, input) {
            Ok(Reply::WorkflowTaskStarted(info)) => Some(self.started_workflow_task(key, *info)),
            _ => None,
        }
    }

    fn record(
        &mut self,
        key: RunKey,
        task: &TaskRef,
        poller: &PollerInfo,
        reply: oneshot::Sender<Result<StartedTask, RecordError>>,
    ) {
        if self.has_other_options(key, task) || self.redirect(key, task) {
            self.send_when_durable(key, Box::new(move |_| drop(reply.send(Err(RecordError::Stale)))));
            return;
        }
        let (request_id, taken_by) = (self.new_request_id(), self.taken_by(key, poller));
        let started = (task.scheduled_event_id, task.attempt);
        let input = match task.kind {
            TaskKind::Workflow => workflow_task_start(started, poller, request_id, taken_by),
            TaskKind::Activity => activity_start(started, poller, request_id, taken_by),
        };
        let started = match self.step(key, input) {
            Ok(Reply::WorkflowTaskStarted(info)) => Some(StartedTask::Workflow(self.started_workflow_task(key, *info))),
            Ok(Reply::ActivityStarted(info)) => self.started_activity_task(key, *info).map(StartedTask::Activity),
            _ => None,
        };
        let result = started.ok_or(RecordError::Stale);
        // Where it was refused, the run offers the task again when it comes back.
        let send = move |refused: Option<Error>| {
            drop(reply.send(if refused.is_some() { Err(RecordError::Stale) } else { result }));
        };
        self.send_when_durable(key, Box::new(send));
    }

    /// The activity's options changed after the task was offered, and it was offered anew: its queue may be another.
    fn has_other_options(&self, key: RunKey, task: &TaskRef) -> bool {
        let activity = self.cells.get(&key).and_then(|cell| cell.state.run.activities.get(&task.scheduled_event_id));
        task.kind == TaskKind::Activity
            && activity.is_some_and(|activity| activity.options_version != task.options_version)
    }

    pub(super) fn update(
        &mut self,
        key: RunKey,
        update_id: String,
        request: Box<update::Request>,
        wait: Stage,
        reply: ReplyTo<UpdateResult>,
    ) {
        match self.step(key, Input::Update { request, update_id: update_id.clone() }) {
            Ok(Reply::Update { stage, outcome }) => {
                self.answer_update(key, update_id, (stage, outcome.map(|outcome| *outcome)), wait, reply)
            }
            Ok(_) => self.poll_update(key, update_id, wait, reply),
            Err(reject) => self.send_when_durable(key, message::answer(reply, Err(Error::Reject(reject)))),
        }
    }

    pub(super) fn poll_update(&mut self, key: RunKey, update_id: String, wait: Stage, reply: ReplyTo<UpdateResult>) {
        let Some(cell) = self.cells.get(&key) else { return };
        let Some(now) = cell.state.update_progress(&update_id) else {
            self.send_when_durable(key, message::tell(reply, Err(Error::UpdateNotFound)));
            return;
        };
        self.answer_update(key, update_id, now, wait, reply);
    }

    /// Answers if the update is as far as wanted, else lets the caller wait.
    fn answer_update(
        &mut self,
        key: RunKey,
        update_id: String,
        (stage, outcome): (Stage, Option<update::Outcome>),
        wait: Stage,
        reply: ReplyTo<UpdateResult>,
    ) {
        if outcome.is_some() || stage >= wait {
            let result = UpdateResult { run_id: key.run_id, stage, outcome };
            self.send_when_durable(key, message::tell(reply, Ok(result)));
        } else if let Some(cell) = self.cells.get_mut(&key) {
            let waiters = cell.update_waiters.entry(update_id).or_default();
            waiters.retain(|waiter| !waiter.reply.is_closed());
            waiters.push(UpdateWaiter { wait, reply });
        }
    }

    fn wait(&mut self, key: RunKey, waiter: EventWaiter) {
        let Some(cell) = self.cells.get_mut(&key) else { return };
        cell.last_used = self.steps;
        cell.event_waiters.push(waiter);
        cell.wake_event_waiters();
    }
}
