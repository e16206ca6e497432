//! What callers of history give and get.

use perdure_engine::{Nanos, Reply, outcome::StartedReply};
use perdure_matching::{StartedActivityTask, StartedWorkflowTask};
use perdure_proto::api::{
    common::Payloads,
    enums::{UpdateWorkflowExecutionLifecycleStage as Stage, WorkflowExecutionStatus},
    history::HistoryEvent,
    update,
};
use perdure_storage::WorkflowKey;
use uuid::Uuid;

/// The run that a call is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub workflow: WorkflowKey,
    /// None: the current run.
    pub run_id: Option<Uuid>,
}

/// Answer to a start.
#[derive(Debug)]
pub struct Started {
    pub reply: StartedReply,
    /// The first workflow task, if the caller asked for it and could have it.
    pub eager: Option<StartedWorkflowTask>,
    pub status: WorkflowExecutionStatus,
}

/// Answer to an input.
#[derive(Debug)]
pub struct InputReply {
    pub run_id: Uuid,
    pub reply: Reply,
}

/// Answer to a completed workflow task.
#[derive(Debug, Default)]
pub struct Responded {
    /// The next workflow task, already started for the caller.
    pub new_task: Option<StartedWorkflowTask>,
    /// Activities already started for the caller.
    pub activities: Vec<StartedActivityTask>,
    pub reset_history_event_id: i64,
    /// The commands were bad: the task was failed with this text.
    pub failed: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct QueryOutcome {
    pub result: Option<Payloads>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct UpdateResult {
    pub run_id: Uuid,
    pub stage: Stage,
    pub outcome: Option<update::Outcome>,
}

/// What one waits for in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// An event after this one, or the close.
    Event(i64),
    /// A transition after this many.
    Transition(i64),
    Closed,
}

/// How far a run has come, as far as it is durable.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    pub run_id: Uuid,
    pub last_event_id: i64,
    pub closed: bool,
    pub paused: bool,
    pub close_event: Option<HistoryEvent>,
    /// Scheduled and Started of a pending transient or speculative workflow task, for SDKs that read along.
    pub transient_events: Vec<HistoryEvent>,
}

/// A clock that tests can replace: Unix nanoseconds.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Nanos;
}

/// The machine's clock. It never goes backwards within a process: event times and deadlines rely on it.
#[derive(Debug, Default)]
pub struct SystemClock {
    last: std::sync::atomic::AtomicI64,
}

impl Clock for SystemClock {
    fn now(&self) -> Nanos {
        use std::{sync::atomic::Ordering, time::SystemTime};
        let wall =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as Nanos);
        self.last.fetch_max(wall, Ordering::Relaxed).max(wall)
    }
}
