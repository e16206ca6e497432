//! What leaves a shard after a commit, and how tasks find their way to workers.
//!
//! A task that a step owes is offered to a parked poller first: the poller is reserved, Started is written in the same commit as
//! Scheduled, and the task is handed over once both are durable. Only without a poller does the task go to its queue.

use std::time::Duration;

use perdure_engine::{
    Input, Nanos, Reply, TakenBy, Task, in_transition,
    outcome::{ActivityTaskStarted, WorkflowTaskStarted},
};
use perdure_matching::{
    Directive, Matching, PollerInfo, QueueKey, QueueKind, Reservation, StartedActivityTask, StartedTask,
    StartedWorkflowTask, TaskKind, TaskPriority, TaskRef,
};
use perdure_storage::RunKey;

use super::{Shard, cell::Cell, message::Send};
use crate::{
    deliver::Delivery,
    error::Error,
    versioning::{Router, taken_inline},
};

/// Leaves after the commit.
pub(super) enum Release {
    Send(Send),
    Deliver {
        reservation: Reservation,
        task: Box<StartedTask>,
        lifetime: Nanos,
    },
    Offer {
        queue: QueueKey,
        task: Box<TaskRef>,
    },
    /// A message to another run.
    Deliveries(Box<Delivery>),
}

impl Release {
    /// What it tells has not happened. Tasks and messages are made again from what is stored.
    pub(super) fn refuse(self, error: Error) {
        match self {
            Release::Send(send) => send(Some(error)),
            Release::Deliver { .. } | Release::Offer { .. } | Release::Deliveries(_) => {}
        }
    }
}

impl Shard {
    pub(super) fn release(&mut self, release: Release) {
        match release {
            Release::Send(send) => send(None),
            Release::Offer { queue, task } => self.shared.matching.offer(&queue, task),
            Release::Deliver { reservation, task, lifetime } => {
                reservation.deliver(task, Duration::from_nanos(lifetime.max(0) as u64));
            }
            Release::Deliveries(delivery) => self.shared.deliver(*delivery),
        }
    }

    /// Hands out one task of a run.
    pub(super) fn dispatch(&mut self, key: RunKey, task: Task) {
        match task {
            Task::DispatchWorkflowTask { scheduled_event_id, attempt } => {
                self.dispatch_workflow_task(key, scheduled_event_id, attempt);
            }
            Task::DispatchActivity { scheduled_event_id, attempt } => {
                self.dispatch_activity(key, scheduled_event_id, attempt)
            }
            owed_to_others => {
                let cell = self.cells.get(&key);
                let delivery = cell.and_then(|cell| Delivery::of(cell, &owed_to_others, &self.shared.limits));
                if let Some(delivery) = delivery {
                    self.hold_for(key, Release::Deliveries(Box::new(delivery)));
                }
            }
        }
    }

    /// The workflow task that was kept back for a caller, who did not get it.
    pub(super) fn dispatch_pending_task(&mut self, key: RunKey) {
        let owed = self.cells.get(&key).map(|cell| perdure_engine::obligations(&cell.state)).unwrap_or_default();
        for task in owed.into_iter().filter(|task| matches!(task, Task::DispatchWorkflowTask { .. })) {
            self.dispatch(key, task);
        }
    }

    fn dispatch_workflow_task(&mut self, key: RunKey, scheduled_event_id: i64, attempt: i32) {
        let Some(queue) = self.cells.get(&key).and_then(workflow_queue) else { return };
        let sticky = queue.kind == QueueKind::StickyWorkflow;
        let is_left = |cell: &Cell| {
            let matching = &self.shared.matching;
            !matching.has_sticky_worker(&queue) || router(cell, matching).is_routed_elsewhere()
        };
        if sticky && self.cells.get(&key).is_some_and(is_left) {
            // The step moves the task to the normal queue and dispatches it from there.
            if let Err(reject) = self.step(key, Input::ResetSticky) {
                tracing::error!(run_id = %key.run_id, %reject, "a sticky workflow task could not leave its queue");
            }
            return;
        }
        let Some(cell) = self.cells.get(&key) else { return };
        let priority = TaskPriority::of(cell.state.run.priority.as_ref());
        let directive = router(cell, &self.shared.matching).workflow_directive();
        if let Some(reservation) = self.shared.matching.reserve(&queue, &directive, &priority) {
            let taken_by = self.taken_by(key, reservation.poller());
            let request_id = self.new_request_id();
            let task = (scheduled_event_id, attempt);
            let input = workflow_task_start(task, reservation.poller(), request_id, taken_by);
            if let Ok(Reply::WorkflowTaskStarted(info)) = self.step(key, input) {
                let task = self.started_workflow_task(key, *info);
                let lifetime = self.cells.get(&key).map_or(0, |cell| cell.state.run.task_timeout);
                let task = Box::new(StartedTask::Workflow(task));
                self.hold_for(key, Release::Deliver { reservation, task, lifetime });
            }
            return;
        }
        let Some(cell) = self.cells.get(&key) else { return };
        let now = self.shared.clock.now();
        let task = task_ref(cell, TaskKind::Workflow, (scheduled_event_id, attempt), (directive, priority), now);
        self.hold_for(key, Release::Offer { queue, task: Box::new(task) });
    }

    fn dispatch_activity(&mut self, key: RunKey, scheduled_event_id: i64, attempt: i32) {
        let Some(cell) = self.cells.get(&key) else { return };
        let run = &cell.state.run;
        let Some(activity) = run.activities.get(&scheduled_event_id).filter(|_| run.close.is_none()) else { return };
        // In transition it waits: the engine asks again when it is over.
        if in_transition(&cell.state.run) {
            return;
        }
        let queue = activity_queue(cell, &activity.task_queue);
        let priority = TaskPriority::of(activity.priority.as_ref());
        let directive = router(cell, &self.shared.matching).activity_directive(&queue);
        if let Some(reservation) = self.shared.matching.reserve(&queue, &directive, &priority) {
            let taken_by = self.taken_by(key, reservation.poller());
            let request_id = self.new_request_id();
            let task = (scheduled_event_id, attempt);
            let input = activity_start(task, reservation.poller(), request_id, taken_by);
            if let Ok(Reply::ActivityStarted(info)) = self.step(key, input) {
                let lifetime = info.activity.start_to_close;
                if let Some(task) = self.started_activity_task(key, *info) {
                    let task = Box::new(StartedTask::Activity(task));
                    self.hold_for(key, Release::Deliver { reservation, task, lifetime });
                }
            }
            return;
        }
        let now = self.shared.clock.now();
        let task = TaskRef {
            options_version: activity.options_version,
            ..task_ref(cell, TaskKind::Activity, (scheduled_event_id, attempt), (directive, priority), now)
        };
        self.hold_for(key, Release::Offer { queue, task: Box::new(task) });
    }

    /// Completes a started workflow task for its worker: history from memory where it is there, and the queries that wait.
    pub(super) fn started_workflow_task(&mut self, key: RunKey, info: WorkflowTaskStarted) -> StartedWorkflowTask {
        let Some(cell) = self.cells.get_mut(&key) else {
            return StartedWorkflowTask { info: Box::new(info), ..Default::default() };
        };
        let first_event_id = if info.sticky { info.previous_started_event_id + 1 } else { 1 };
        let history = if first_event_id > info.last_event_id {
            Some(Default::default())
        } else {
            cell.tail.since(first_event_id)
        };
        let waiting = cell.queries.iter_mut().filter(|(_, query)| !query.sent);
        let queries = waiting
            .map(|(id, query)| {
                query.sent = true;
                (id.clone(), query.query.clone())
            })
            .collect();
        StartedWorkflowTask {
            workflow: Some(cell.workflow.clone()),
            run: Some(key),
            info: Box::new(info),
            history,
            queries,
            backlog_count_hint: 0,
        }
    }

    pub(super) fn started_activity_task(&self, key: RunKey, info: ActivityTaskStarted) -> Option<StartedActivityTask> {
        let workflow = self.cells.get(&key)?.workflow.clone();
        Some(StartedActivityTask { workflow, run: key, info: Box::new(info) })
    }

    pub(super) fn taken_by(&self, key: RunKey, poller: &PollerInfo) -> TakenBy {
        match self.cells.get(&key) {
            Some(cell) => router(cell, &self.shared.matching).taken_by(poller),
            None => taken_inline(poller),
        }
    }

    /// The task was offered to workers of other versions than it is for now: offers it to these.
    pub(super) fn redirect(&mut self, key: RunKey, task: &TaskRef) -> bool {
        let Some(cell) = self.cells.get(&key) else { return false };
        let router = router(cell, &self.shared.matching);
        let (scheduled_event_id, attempt) = (task.scheduled_event_id, task.attempt);
        let (directive, again) = match task.kind {
            TaskKind::Workflow => {
                (Some(router.workflow_directive()), Task::DispatchWorkflowTask { scheduled_event_id, attempt })
            }
            TaskKind::Activity => {
                let activity = cell.state.run.activities.get(&scheduled_event_id);
                let queue = activity.map(|activity| activity_queue(cell, &activity.task_queue));
                let directive = queue.map(|queue| router.activity_directive(&queue));
                (directive, Task::DispatchActivity { scheduled_event_id, attempt })
            }
        };
        let is_other = directive.is_some_and(|directive| directive != task.directive);
        if is_other && perdure_engine::obligations(&cell.state).contains(&again) {
            self.dispatch(key, again);
        }
        is_other
    }

    pub(super) fn new_request_id(&mut self) -> String {
        perdure_engine::Ids::message_id(&mut self.ids)
    }
}

pub(super) fn workflow_task_start(
    (scheduled_event_id, attempt): (i64, i32),
    poller: &PollerInfo,
    request_id: String,
    taken_by: TakenBy,
) -> Input {
    Input::WorkflowTaskStart {
        scheduled_event_id,
        attempt,
        identity: poller.identity.clone(),
        request_id,
        worker_version: poller.stamp(),
        taken_by,
    }
}

pub(super) fn activity_start(
    (scheduled_event_id, attempt): (i64, i32),
    poller: &PollerInfo,
    request_id: String,
    taken_by: TakenBy,
) -> Input {
    Input::ActivityStart {
        scheduled_event_id,
        attempt,
        identity: poller.identity.clone(),
        request_id,
        worker_version: poller.stamp(),
        taken_by,
    }
}

/// The queue of the pending workflow task, if one is pending and waits for a worker.
fn workflow_queue(cell: &Cell) -> Option<QueueKey> {
    let task = perdure_engine::pending_workflow_task(&cell.state)?;
    if task.started.is_some() {
        return None;
    }
    let kind = if task.sticky { QueueKind::StickyWorkflow } else { QueueKind::Workflow };
    Some(QueueKey { namespace_id: cell.workflow.namespace_id, name: task.task_queue.as_str().into(), kind })
}

fn activity_queue(cell: &Cell, name: &str) -> QueueKey {
    QueueKey { namespace_id: cell.workflow.namespace_id, name: name.into(), kind: QueueKind::Activity }
}

fn router<'a>(cell: &'a Cell, matching: &'a Matching) -> Router<'a> {
    Router { matching, namespace_id: cell.workflow.namespace_id, run: &cell.state.run }
}

fn task_ref(
    cell: &Cell,
    kind: TaskKind,
    (scheduled_event_id, attempt): (i64, i32),
    (directive, priority): (Directive, TaskPriority),
    scheduled_time: Nanos,
) -> TaskRef {
    TaskRef {
        kind,
        workflow: cell.workflow.clone(),
        run: cell.key,
        scheduled_event_id,
        attempt,
        priority,
        directive,
        scheduled_time,
        options_version: 0,
    }
}
