//! A queue with a recorder that answers by script, and short ways to make pollers and tasks.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use perdure_matching::{
    Directive, Matching, MatchingLimits, Poll, PollerInfo, QueryTask, QueueKey, QueueKind, RecordError, Recorder,
    Reservation, StartedTask, StartedWorkflowTask, TaskKind, TaskPriority, TaskRef,
};
use perdure_storage::{RunKey, WorkflowKey};
use tokio::{
    sync::Semaphore,
    task::JoinHandle,
    time::{Instant, sleep},
};
use uuid::Uuid;

pub(crate) const NAMESPACE: Uuid = Uuid::from_u128(7);

/// Records every task as started, unless the script says otherwise for its id.
pub(crate) struct Script {
    answers: Mutex<HashMap<String, VecDeque<RecordError>>>,
    /// Recording waits for a permit: tests hold it to catch a task on its way.
    pub(crate) gate: Semaphore,
    pub(crate) recorded: Mutex<Vec<(String, String)>>,
}

#[async_trait]
impl Recorder for Script {
    async fn record_started(&self, task: &TaskRef, poller: &PollerInfo) -> Result<StartedTask, RecordError> {
        if let Ok(permit) = self.gate.acquire().await {
            drop(permit);
        }
        let id = task.workflow.workflow_id.to_string();
        if let Some(error) = self.answers.lock().get_mut(&id).and_then(VecDeque::pop_front) {
            return Err(error);
        }
        self.recorded.lock().push((id.clone(), poller.identity.clone()));
        Ok(*started(&id))
    }
}

pub(crate) struct World {
    pub(crate) matching: Matching,
    pub(crate) script: Arc<Script>,
    pub(crate) key: QueueKey,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::of_kind(QueueKind::Workflow)
    }

    pub(crate) fn of_kind(kind: QueueKind) -> Self {
        Self::with(kind, MatchingLimits::default())
    }

    pub(crate) fn with(kind: QueueKind, limits: MatchingLimits) -> Self {
        let matching = Matching::new(limits);
        let script =
            Arc::new(Script { answers: Mutex::default(), gate: Semaphore::new(1), recorded: Mutex::default() });
        matching.set_recorder(script.clone());
        Self { matching, script, key: QueueKey { namespace_id: NAMESPACE, name: "queue".into(), kind } }
    }

    /// Recording this task fails so, once per error, before it works.
    pub(crate) fn fails(&self, id: &str, errors: &[RecordError]) {
        self.script.answers.lock().insert(id.to_owned(), errors.iter().copied().collect());
    }

    /// A poll that runs; it is parked, or has what waited, when this returns.
    pub(crate) async fn poll_as(&self, poller: PollerInfo, deadline: Duration) -> JoinHandle<String> {
        let (matching, key) = (self.matching.clone(), self.key.clone());
        let poll = tokio::spawn(async move { name(matching.poll(key, poller, Instant::now() + deadline).await) });
        settle().await;
        poll
    }

    pub(crate) async fn poll(&self, identity: &str) -> JoinHandle<String> {
        self.poll_as(poller(identity), Duration::from_secs(60)).await
    }

    pub(crate) fn offer(&self, id: &str) {
        self.matching.offer(&self.key, task(id, 0));
    }

    pub(crate) fn reserve(&self) -> Option<Reservation> {
        self.matching.reserve(&self.key, &Directive::by_routing("w"), &TaskPriority::default())
    }

    /// A started task whose poller is gone.
    pub(crate) async fn lose(&self, id: &str, keep: Duration) {
        let poll = self.poll("lost").await;
        let reservation = self.reserve().unwrap();
        poll.abort();
        settle().await;
        reservation.deliver(started(id), keep);
    }

    pub(crate) fn backlog(&self) -> usize {
        self.matching.describe(&self.key).total().backlog_count
    }
}

pub(crate) fn poller(identity: &str) -> PollerInfo {
    PollerInfo {
        identity: identity.into(),
        worker_instance_key: format!("instance of {identity}"),
        ..Default::default()
    }
}

pub(crate) fn task(id: &str, priority: i32) -> TaskRef {
    TaskRef {
        kind: TaskKind::Workflow,
        workflow: WorkflowKey::new(NAMESPACE, id),
        run: RunKey { slot: 1, run_id: Uuid::from_u128(1) },
        scheduled_event_id: 2,
        attempt: 1,
        priority: TaskPriority { level: priority, ..Default::default() },
        directive: Directive::by_routing(id),
        scheduled_time: 1_000,
        options_version: 0,
    }
}

pub(crate) fn started(id: &str) -> Box<StartedTask> {
    let workflow = Some(WorkflowKey::new(NAMESPACE, id));
    Box::new(StartedTask::Workflow(StartedWorkflowTask { workflow, ..Default::default() }))
}

pub(crate) fn query(id: &str, sticky: bool) -> QueryTask {
    QueryTask {
        task_id: id.into(),
        workflow: WorkflowKey::new(NAMESPACE, "w"),
        run: RunKey { slot: 1, run_id: Uuid::from_u128(1) },
        query: Default::default(),
        workflow_type: "type".into(),
        previous_started_event_id: 3,
        last_event_id: 4,
        directive: Directive::by_routing("w"),
        sticky,
    }
}

/// What a poll ended with, in one word.
pub(crate) fn name(poll: Poll) -> String {
    match poll {
        Poll::Task(task) => id_of(&task),
        Poll::Query(query) => format!("query {}", query.task_id),
        Poll::Nexus(task) => format!("nexus {}", task.task_id),
        Poll::Empty => "empty".into(),
    }
}

pub(crate) fn id_of(task: &StartedTask) -> String {
    match task {
        StartedTask::Workflow(task) => {
            task.workflow.as_ref().map(|key| key.workflow_id.to_string()).unwrap_or_default()
        }
        StartedTask::Activity(task) => task.workflow.workflow_id.to_string(),
    }
}

/// Lets everything run that can run now: with a paused clock a sleep ends when all others wait.
pub(crate) async fn settle() {
    sleep(Duration::from_millis(1)).await;
}
