//! The words of matching: queues, tasks, pollers, and the one thing that it asks of history.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use perdure_engine::{
    Nanos,
    outcome::{ActivityTaskStarted, WorkflowTaskStarted},
};
use perdure_proto::{
    RawHistory,
    api::{
        common::{Payloads, Priority, WorkerVersionStamp},
        deployment::WorkerDeploymentOptions,
        failure::Failure,
        query::WorkflowQuery,
    },
};
use perdure_storage::{RunKey, WorkflowKey};
use uuid::Uuid;

use crate::{DeploymentVersion, Directive, NexusTask};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QueueKey {
    pub namespace_id: Uuid,
    pub name: Arc<str>,
    pub kind: QueueKind,
}

/// A name is four queues: one each for workflow, activity and Nexus tasks, and, for a worker's own name, a sticky one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueueKind {
    Workflow,
    /// Belongs to one worker; a task for it waits only while that worker polls.
    StickyWorkflow,
    Activity,
    Nexus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskKind {
    Workflow,
    Activity,
}

/// A task that waits: only where to find it. Whether it is still wanted, history knows.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskRef {
    pub kind: TaskKind,
    pub workflow: WorkflowKey,
    pub run: RunKey,
    pub scheduled_event_id: i64,
    pub attempt: i32,
    pub priority: TaskPriority,
    /// Which workers may have it.
    pub directive: Directive,
    pub scheduled_time: Nanos,
    /// Of the activity when the task was offered; 0 for workflow tasks.
    pub options_version: i32,
}

/// Where a task stands among others of its queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskPriority {
    /// 1 (first) to 5; 0 counts as 3.
    pub level: i32,
    /// Tasks of one level take turns by key. None: the key of all tasks without one.
    pub fairness_key: Option<Arc<str>>,
    /// How many turns the key gets for one of a key of weight 1; 0 counts as 1.
    pub fairness_weight: f32,
}

impl TaskPriority {
    pub fn of(priority: Option<&Priority>) -> Self {
        let Some(priority) = priority else { return Self::default() };
        Self {
            level: priority.priority_key,
            fairness_key: Some(priority.fairness_key.as_str()).filter(|key| !key.is_empty()).map(Arc::from),
            fairness_weight: priority.fairness_weight,
        }
    }
}

/// Who polls: goes into the Started event and into poller lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PollerInfo {
    pub identity: String,
    pub worker_version: Option<WorkerVersionStamp>,
    pub worker_instance_key: String,
    /// Activities only: the rate that the worker asks for, per second.
    pub max_tasks_per_second: Option<f64>,
    /// The rate that the server allows its queue at most, per second.
    pub system_rate: Option<f64>,
    /// What the worker says of its deployment: for lists of pollers.
    pub deployment_options: Option<Box<WorkerDeploymentOptions>>,
    /// Some for a worker in versioned mode: it gets only the tasks of its version.
    pub deployment: Option<DeploymentVersion>,
}

impl PollerInfo {
    /// For Started events, which say nothing of a worker in versioned mode: the run knows its version.
    pub fn stamp(&self) -> Option<WorkerVersionStamp> {
        self.worker_version.clone().filter(|_| self.deployment.is_none())
    }
}

/// What a poll ends with.
#[derive(Debug)]
pub enum Poll {
    Task(Box<StartedTask>),
    Query(Box<QueryTask>),
    Nexus(Box<NexusTask>),
    /// Nothing came in time, or the worker is shutting down.
    Empty,
}

/// A task whose start is durable, complete for the worker.
#[derive(Debug)]
pub enum StartedTask {
    Workflow(StartedWorkflowTask),
    Activity(StartedActivityTask),
}

#[derive(Clone, Debug, Default)]
pub struct StartedWorkflowTask {
    pub workflow: Option<WorkflowKey>,
    pub run: Option<RunKey>,
    pub info: Box<WorkflowTaskStarted>,
    /// The first page of history from memory. None: the reader fetches it (`History::read`).
    pub history: Option<RawHistory>,
    /// Queries that ride along, by query id.
    pub queries: BTreeMap<String, WorkflowQuery>,
    pub backlog_count_hint: i64,
}

#[derive(Clone, Debug)]
pub struct StartedActivityTask {
    pub workflow: WorkflowKey,
    pub run: RunKey,
    pub info: Box<ActivityTaskStarted>,
}

/// A query without a workflow task of its own.
#[derive(Clone, Debug)]
pub struct QueryTask {
    pub task_id: String,
    pub workflow: WorkflowKey,
    pub run: RunKey,
    pub query: WorkflowQuery,
    pub workflow_type: String,
    pub previous_started_event_id: i64,
    /// The last event of the history that the worker must have seen.
    pub last_event_id: i64,
    /// Which workers may have it.
    pub directive: Directive,
    /// Sent to a sticky queue: the worker has the run cached and needs no history.
    pub sticky: bool,
}

/// How a worker answered a direct query.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryAnswer {
    Answered(Option<Payloads>),
    Failed { message: String, failure: Option<Box<Failure>> },
}

/// Why a task could not be recorded as started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// Nobody wants it any more: drop it.
    Stale,
    /// History cannot tell now (overloaded, reloading): the task stays at the head of its queue.
    Retry,
}

/// Records a task as started, durably, before a worker sees it. History implements it.
#[async_trait]
pub trait Recorder: Send + Sync + 'static {
    async fn record_started(&self, task: &TaskRef, poller: &PollerInfo) -> Result<StartedTask, RecordError>;
}
