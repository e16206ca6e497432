//! The machines of a run: what is pending in it.

use perdure_proto::api::{
    activity::ActivityOptions,
    common::{Header, Payloads, Priority, RetryPolicy, WorkerVersionStamp},
    deployment::WorkerDeploymentVersion,
    enums::ParentClosePolicy,
    failure::Failure,
    history::HistoryEvent,
    sdk::UserMetadata,
    update,
};

use super::Nanos;

// === Workflow task ===

#[derive(Clone, PartialEq, prost::Message)]
pub struct WorkflowTask {
    #[prost(int64, tag = "1")]
    pub scheduled_event_id: i64,
    #[prost(int64, tag = "2")]
    pub scheduled_time: Nanos,
    /// 1 for a normal task; above 1 the task is transient: its Scheduled and Started are written when it completes.
    #[prost(int32, tag = "3")]
    pub attempt: i32,
    #[prost(int64, tag = "4")]
    pub start_to_close: Nanos,
    /// The queue to dispatch to: sticky or normal.
    #[prost(string, tag = "5")]
    pub task_queue: String,
    #[prost(bool, tag = "6")]
    pub sticky: bool,
    /// Only sticky (and speculative) tasks have one; 0: none.
    #[prost(int64, tag = "7")]
    pub schedule_to_start_deadline: Nanos,
    #[prost(message, optional, tag = "8")]
    pub started: Option<TaskStarted>,
    /// When the first of a row of heartbeats (force-new) was scheduled; bounds how long they go on.
    #[prost(int64, tag = "9")]
    pub original_scheduled_time: Nanos,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct TaskStarted {
    /// For a transient task the id that the event will have.
    #[prost(int64, tag = "1")]
    pub event_id: i64,
    #[prost(int64, tag = "2")]
    pub time: Nanos,
    #[prost(string, tag = "3")]
    pub identity: String,
    #[prost(string, tag = "4")]
    pub request_id: String,
    #[prost(bool, tag = "5")]
    pub suggest_continue_as_new: bool,
    #[prost(int64, tag = "6")]
    pub history_size_bytes: i64,
    #[prost(message, optional, tag = "7")]
    pub worker_version: Option<WorkerVersionStamp>,
    /// SuggestContinueAsNewReason of each reason.
    #[prost(int32, repeated, tag = "8")]
    pub suggest_reasons: Vec<i32>,
    /// The workflow is told that its queue's routing points to another version.
    #[prost(bool, tag = "9")]
    pub target_version_changed: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Sticky {
    #[prost(string, tag = "1")]
    pub task_queue: String,
    #[prost(int64, tag = "2")]
    pub schedule_to_start: Nanos,
}

// === Activity ===

#[derive(Clone, PartialEq, prost::Message)]
pub struct Activity {
    #[prost(int64, tag = "1")]
    pub scheduled_event_id: i64,
    #[prost(string, tag = "2")]
    pub activity_id: String,
    #[prost(string, tag = "3")]
    pub activity_type: String,
    #[prost(string, tag = "4")]
    pub task_queue: String,
    #[prost(message, optional, tag = "5")]
    pub retry_policy: Option<RetryPolicy>,
    #[prost(int64, tag = "6")]
    pub schedule_to_close: Nanos,
    #[prost(int64, tag = "7")]
    pub schedule_to_start: Nanos,
    #[prost(int64, tag = "8")]
    pub start_to_close: Nanos,
    #[prost(int64, tag = "9")]
    pub heartbeat: Nanos,
    /// Time of the first scheduling.
    #[prost(int64, tag = "10")]
    pub scheduled_time: Nanos,
    /// Time at which the current attempt could first be dispatched.
    #[prost(int64, tag = "11")]
    pub attempt_scheduled_time: Nanos,
    #[prost(int32, tag = "12")]
    pub attempt: i32,
    #[prost(oneof = "ActivityPhase", tags = "20, 21, 22")]
    pub phase: Option<ActivityPhase>,
    #[prost(message, optional, boxed, tag = "13")]
    pub last_failure: Option<Box<Failure>>,
    #[prost(message, optional, tag = "14")]
    pub heartbeat_details: Option<Payloads>,
    #[prost(int64, tag = "15")]
    pub last_heartbeat_time: Nanos,
    /// Event id of ActivityTaskCancelRequested; 0: not requested.
    #[prost(int64, tag = "16")]
    pub cancel_requested_event_id: i64,
    #[prost(string, tag = "17")]
    pub last_worker_identity: String,
    #[prost(int64, tag = "18")]
    pub last_attempt_complete_time: Nanos,
    #[prost(message, optional, tag = "19")]
    pub priority: Option<Priority>,
    /// What a poll response needs, kept so that dispatch reads no history.
    #[prost(message, optional, tag = "23")]
    pub input: Option<Payloads>,
    #[prost(message, optional, tag = "24")]
    pub header: Option<Header>,
    #[prost(int64, tag = "25")]
    pub workflow_task_completed_event_id: i64,
    /// The wait before the next attempt, as describe shows it.
    #[prost(int64, tag = "26")]
    pub current_retry_interval: Nanos,
    #[prost(message, optional, boxed, tag = "27")]
    pub user_metadata: Option<Box<UserMetadata>>,
    /// Set while paused: no attempt begins; one that runs goes on.
    #[prost(message, optional, boxed, tag = "28")]
    pub pause: Option<Box<ActivityPause>>,
    /// Attempts that do not count, because the activity was reset while one ran.
    #[prost(int32, tag = "29")]
    pub forgiven_attempts: i32,
    /// The running attempt is to learn that the activity was reset.
    #[prost(bool, tag = "30")]
    pub reset: bool,
    /// The next attempt does not get what the running one reports.
    #[prost(bool, tag = "31")]
    pub drop_heartbeat: bool,
    /// The options that its event has, once an operator changed them.
    #[prost(message, optional, boxed, tag = "32")]
    pub original_options: Option<Box<ActivityOptions>>,
    /// How often its options were changed: an attempt that was offered before is not to be taken from its old queue.
    #[prost(int32, tag = "33")]
    pub options_version: i32,
    /// Of an activity of its own, where no event says so.
    #[prost(bool, tag = "43")]
    pub cancel_requested: bool,
    /// The first attempt waits so long.
    #[prost(int64, tag = "44")]
    pub start_delay: Nanos,
    /// When a worker took the last attempt that one took.
    #[prost(int64, tag = "45")]
    pub last_started_time: Nanos,
    /// Of the worker that last took it; None: an unversioned one, or none.
    #[prost(message, optional, tag = "40")]
    pub last_deployment_version: Option<WorkerDeploymentVersion>,
}

impl Activity {
    pub fn is_cancel_requested(&self) -> bool {
        self.cancel_requested || self.cancel_requested_event_id != 0
    }

    /// When the first attempt may begin: the time-outs of the whole count from here.
    pub fn first_dispatch_time(&self) -> Nanos {
        self.scheduled_time.saturating_add(self.start_delay)
    }

    /// Number of the current attempt, as far as it counts for retries.
    pub fn counted_attempt(&self) -> i32 {
        self.attempt - self.forgiven_attempts
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ActivityPause {
    #[prost(int64, tag = "1")]
    pub time: Nanos,
    #[prost(string, tag = "2")]
    pub identity: String,
    #[prost(string, tag = "3")]
    pub reason: String,
    #[prost(string, tag = "4")]
    pub request_id: String,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum ActivityPhase {
    /// Waits for a worker.
    #[prost(message, tag = "20")]
    Scheduled(ActivityScheduled),
    /// A worker has it.
    #[prost(message, tag = "21")]
    Started(ActivityStarted),
    /// Waits for its next attempt.
    #[prost(message, tag = "22")]
    Backoff(ActivityBackoff),
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ActivityScheduled {}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ActivityStarted {
    #[prost(int64, tag = "1")]
    pub time: Nanos,
    #[prost(string, tag = "2")]
    pub identity: String,
    #[prost(string, tag = "3")]
    pub request_id: String,
    #[prost(message, optional, tag = "4")]
    pub worker_version: Option<WorkerVersionStamp>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ActivityBackoff {
    #[prost(int64, tag = "1")]
    pub until: Nanos,
}

// === Timer ===

#[derive(Clone, PartialEq, prost::Message)]
pub struct Timer {
    #[prost(int64, tag = "1")]
    pub started_event_id: i64,
    #[prost(int64, tag = "2")]
    pub fire_at: Nanos,
}

// === Child workflow, external signal, external cancel ===

#[derive(Clone, PartialEq, prost::Message)]
pub struct Child {
    #[prost(int64, tag = "1")]
    pub initiated_event_id: i64,
    #[prost(string, tag = "2")]
    pub workflow_id: String,
    #[prost(string, tag = "3")]
    pub workflow_type: String,
    #[prost(string, tag = "4")]
    pub namespace: String,
    #[prost(string, tag = "5")]
    pub namespace_id: String,
    #[prost(enumeration = "ParentClosePolicy", tag = "6")]
    pub parent_close_policy: i32,
    /// Event id of ChildWorkflowExecutionStarted; 0: the child is still to be started.
    #[prost(int64, tag = "7")]
    pub started_event_id: i64,
    #[prost(string, tag = "8")]
    pub run_id: String,
    /// Run id that the child was given when it was initiated, so that a repeated delivery starts the same run.
    #[prost(string, tag = "9")]
    pub create_request_id: String,
    /// The Initiated event, kept until the child has started; then dropped.
    #[prost(message, optional, boxed, tag = "10")]
    pub initiated: Option<Box<HistoryEvent>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ExternalSignal {
    #[prost(int64, tag = "1")]
    pub initiated_event_id: i64,
    /// Dedupes at the receiver.
    #[prost(string, tag = "2")]
    pub request_id: String,
    #[prost(message, optional, boxed, tag = "3")]
    pub initiated: Option<Box<HistoryEvent>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ExternalCancel {
    #[prost(int64, tag = "1")]
    pub initiated_event_id: i64,
    #[prost(string, tag = "2")]
    pub request_id: String,
    #[prost(message, optional, boxed, tag = "3")]
    pub initiated: Option<Box<HistoryEvent>>,
}

// === Update ===

#[derive(Clone, PartialEq, prost::Message)]
pub struct Update {
    #[prost(string, tag = "1")]
    pub update_id: String,
    #[prost(int64, tag = "2")]
    pub accepted_event_id: i64,
    /// Set once completed.
    #[prost(message, optional, tag = "3")]
    pub outcome: Option<update::Outcome>,
    #[prost(int64, tag = "4")]
    pub completed_event_id: i64,
    /// Message id of the accepted request; the completion must name its protocol instance.
    #[prost(string, tag = "5")]
    pub protocol_instance_id: String,
}
