//! The state of one workflow run.
//!
//! One definition serves as the state and as its stored form: the types derive protobuf, and what can be in one of
//! several phases is a `oneof`, so an illegal combination has no encoding. Times are Unix nanoseconds, durations
//! nanoseconds; zero means "not set" for both.

mod machines;
mod nexus;
mod size;
mod standalone;
mod standalone_nexus;
mod versioning;

use std::collections::BTreeMap;

use perdure_proto::api::{
    common::{Callback as CallbackSpec, Link, Memo, Priority, RetryPolicy, SearchAttributes, WorkerVersionStamp},
    enums::WorkflowExecutionStatus,
    history::{HistoryEvent, WorkflowExecutionStartedEventAttributes},
    sdk::UserMetadata,
    update,
};

use crate::{Archetype, batch::Batch, schedule::Schedule};

pub use machines::{
    Activity, ActivityBackoff, ActivityPause, ActivityPhase, ActivityScheduled, ActivityStarted, Child, ExternalCancel,
    ExternalSignal, Sticky, TaskStarted, Timer, Update, WorkflowTask,
};
pub use nexus::{
    Callback, CallbackPhase, InPhase, NexusCancellation, NexusCancellationPhase, NexusOperation, NexusOperationPhase,
    NexusStarted, RetryBackoff,
};
pub use standalone::{ActivityCancelRequest, ActivityOutcome, StandaloneActivity};
pub use standalone_nexus::{NexusCancelRequest, NexusOutcome, StandaloneNexus};
pub use versioning::Versioning;

/// Unix nanoseconds, or a span of them.
pub type Nanos = i64;

/// The whole state: what is stored, and what only lives in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkflowState {
    pub run: RunState,
    pub volatile: Volatile,
}

/// What a crash may lose: nothing here was acknowledged to anybody.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Volatile {
    /// A workflow task that exists only to carry updates, until something else is written.
    pub speculative_task: Option<Box<WorkflowTask>>,
    /// Updates that no worker has accepted yet, in order of admission, by update id.
    pub admitted: Vec<AdmittedUpdate>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct AdmittedUpdate {
    pub update_id: String,
    pub request: update::Request,
    /// Other requests for it: their ids, and the callbacks that they brought.
    pub joined: Vec<(String, Vec<CallbackSpec>)>,
    /// Delivered in the workflow task with this scheduled event id and attempt; None: waits for the next task.
    pub sent_in: Option<(i64, i32)>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct RunState {
    // Identity.
    #[prost(string, tag = "1")]
    pub namespace_id: String,
    #[prost(string, tag = "2")]
    pub namespace: String,
    #[prost(string, tag = "3")]
    pub workflow_id: String,
    #[prost(string, tag = "4")]
    pub run_id: String,
    #[prost(string, tag = "5")]
    pub first_execution_run_id: String,
    #[prost(string, tag = "6")]
    pub original_execution_run_id: String,
    #[prost(message, optional, boxed, tag = "7")]
    pub parent: Option<Box<Parent>>,
    #[prost(string, tag = "8")]
    pub root_workflow_id: String,
    #[prost(string, tag = "9")]
    pub root_run_id: String,

    // Configuration.
    #[prost(string, tag = "10")]
    pub workflow_type: String,
    #[prost(string, tag = "11")]
    pub task_queue: String,
    /// None: the starter left it open. Zero, which some clients send, is no limit either, and is shown as it was sent.
    #[prost(int64, optional, tag = "12")]
    pub execution_timeout: Option<Nanos>,
    #[prost(int64, optional, tag = "13")]
    pub run_timeout: Option<Nanos>,
    #[prost(int64, tag = "14")]
    pub task_timeout: Nanos,
    #[prost(message, optional, tag = "15")]
    pub retry_policy: Option<RetryPolicy>,
    #[prost(string, tag = "16")]
    pub cron_schedule: String,
    #[prost(int32, tag = "17")]
    pub attempt: i32,
    #[prost(message, optional, tag = "18")]
    pub memo: Option<Memo>,
    #[prost(message, optional, tag = "19")]
    pub search_attributes: Option<SearchAttributes>,
    #[prost(message, optional, boxed, tag = "20")]
    pub user_metadata: Option<Box<UserMetadata>>,
    #[prost(message, optional, tag = "21")]
    pub priority: Option<Priority>,

    // Times.
    #[prost(int64, tag = "22")]
    pub start_time: Nanos,
    /// Start time plus the first workflow task's backoff.
    #[prost(int64, tag = "23")]
    pub execution_time: Nanos,
    /// When the run times out; 0: never.
    #[prost(int64, tag = "24")]
    pub run_expiration: Nanos,
    /// When the whole chain of runs times out; 0: never.
    #[prost(int64, tag = "25")]
    pub execution_expiration: Nanos,
    #[prost(message, optional, tag = "26")]
    pub close: Option<Close>,

    // Progress.
    #[prost(int64, tag = "30")]
    pub next_event_id: i64,
    #[prost(int64, tag = "31")]
    pub history_size_bytes: i64,
    #[prost(int64, tag = "32")]
    pub state_transition_count: i64,
    /// The pending workflow task: normal or transient. The speculative one is in `Volatile`.
    #[prost(message, optional, tag = "33")]
    pub workflow_task: Option<WorkflowTask>,
    /// Until this time signals and the like schedule no workflow task (cron, retry, start delay); 0: over.
    #[prost(int64, tag = "34")]
    pub first_task_backoff_until: Nanos,
    /// Started event id of the last completed workflow task; 0: none yet.
    #[prost(int64, tag = "35")]
    pub last_completed_started_event_id: i64,
    #[prost(int64, tag = "36")]
    pub last_completed_event_id: i64,
    #[prost(message, optional, tag = "37")]
    pub sticky: Option<Sticky>,
    #[prost(message, optional, tag = "38")]
    pub worker_version: Option<WorkerVersionStamp>,
    /// Events that wait for the started workflow task to end. They have no id yet.
    #[prost(message, repeated, tag = "39")]
    pub buffered: Vec<HistoryEvent>,
    /// Their size. Adding it up at each step would make a burst of events cost the square of their number.
    #[prost(int64, tag = "92")]
    pub buffered_bytes: i64,

    // Machines, by the event id that began each, timers by their id.
    #[prost(btree_map = "int64, message", tag = "40")]
    pub activities: BTreeMap<i64, Box<Activity>>,
    #[prost(btree_map = "string, message", tag = "41")]
    pub timers: BTreeMap<String, Timer>,
    #[prost(btree_map = "int64, message", tag = "42")]
    pub children: BTreeMap<i64, Child>,
    #[prost(btree_map = "int64, message", tag = "43")]
    pub external_signals: BTreeMap<i64, ExternalSignal>,
    #[prost(btree_map = "int64, message", tag = "44")]
    pub external_cancels: BTreeMap<i64, ExternalCancel>,
    /// Accepted and completed updates by update id.
    #[prost(btree_map = "string, message", tag = "45")]
    pub updates: BTreeMap<String, Update>,

    // Requests that were seen.
    /// Request ids of starts (and attached starts) of this run.
    #[prost(btree_map = "string, message", tag = "50")]
    pub start_request_ids: BTreeMap<String, RequestIdInfo>,
    /// Request ids of signals; the value is not used.
    #[prost(btree_map = "string, bool", tag = "51")]
    pub signal_request_ids: BTreeMap<String, bool>,
    #[prost(int64, tag = "52")]
    pub signal_count: i64,
    #[prost(bool, tag = "53")]
    pub cancel_requested: bool,
    #[prost(string, tag = "54")]
    pub cancel_request_id: String,
    #[prost(message, repeated, tag = "55")]
    pub links: Vec<Link>,

    /// What the close of this run still owes to others, each until it is acknowledged.
    #[prost(message, optional, tag = "56")]
    pub owed_at_close: Option<OwedAtClose>,
    /// How the run began, kept only where a retry or cron may begin the next run in the same way.
    #[prost(message, optional, boxed, tag = "57")]
    pub started: Option<Box<WorkflowExecutionStartedEventAttributes>>,
    /// Attempt of the pending workflow task, or of the next one: above 1 while tasks keep failing.
    #[prost(int32, tag = "62")]
    pub task_attempt: i32,
    /// WorkflowTaskFailedCause of the last task of a row that fails; 0: none, or a time-out.
    #[prost(int32, tag = "63")]
    pub last_task_failed_cause: i32,

    // Resets.
    /// Request id of the reset that made this run.
    #[prost(string, tag = "64")]
    pub reset_request_id: String,
    /// When the run began that this one was made from; 0: this one was not made by a reset.
    #[prost(int64, tag = "67")]
    pub original_start_time: Nanos,
    /// The run that the last reset of this one made; empty: none.
    #[prost(string, tag = "65")]
    pub reset_run_id: String,
    /// Ids of updates that a reset brought along: admitted by an event, which also is what tells the worker, and not
    /// answered yet. They are among `Volatile::admitted` too.
    #[prost(string, repeated, tag = "66")]
    pub reapplied_updates: Vec<String>,

    /// Set while operators keep the run from its workers, and after its close if they did then.
    #[prost(message, optional, boxed, tag = "85")]
    pub pause: Option<Box<WorkflowPause>>,
    /// Workflow tasks that failed or timed out since the last one that completed.
    #[prost(int32, tag = "86")]
    pub task_failures: i32,
    /// So many failed that lists show it.
    #[prost(bool, tag = "87")]
    pub problems_reported: bool,
    /// Children that runs started after the fork of the reset that made this one (see `child::name`): this run's own
    /// take their places.
    #[prost(string, repeated, tag = "88")]
    pub replaced_children: Vec<String>,

    /// Set for runs of archetype Batch.
    #[prost(message, optional, boxed, tag = "91")]
    pub batch: Option<Box<Batch>>,
    /// Set for runs of archetype Schedule.
    #[prost(message, optional, boxed, tag = "90")]
    pub schedule: Option<Box<Schedule>>,
    #[prost(enumeration = "Archetype", tag = "70")]
    pub archetype: i32,
    /// Set for an activity of its own.
    #[prost(message, optional, boxed, tag = "71")]
    pub standalone_activity: Option<Box<StandaloneActivity>>,
    /// The run goes once it is closed and owes nothing.
    #[prost(bool, tag = "72")]
    pub delete_requested: bool,

    #[prost(message, required, tag = "80")]
    pub versioning: Versioning,

    // Nexus.
    /// By scheduled event id.
    #[prost(btree_map = "int64, message", tag = "75")]
    pub nexus_operations: BTreeMap<i64, NexusOperation>,
    /// Completion callbacks: the request id that brought each, and its place among those of that request.
    #[prost(btree_map = "string, message", tag = "76")]
    pub callbacks: BTreeMap<String, Callback>,
    /// Set where the run is a Nexus operation of its own.
    #[prost(message, optional, boxed, tag = "77")]
    pub standalone_nexus: Option<Box<StandaloneNexus>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Parent {
    #[prost(string, tag = "1")]
    pub namespace_id: String,
    #[prost(string, tag = "2")]
    pub namespace: String,
    #[prost(string, tag = "3")]
    pub workflow_id: String,
    #[prost(string, tag = "4")]
    pub run_id: String,
    #[prost(int64, tag = "5")]
    pub initiated_event_id: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct WorkflowPause {
    #[prost(int64, tag = "1")]
    pub time: Nanos,
    #[prost(string, tag = "2")]
    pub identity: String,
    #[prost(string, tag = "3")]
    pub reason: String,
    #[prost(string, tag = "4")]
    pub request_id: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Close {
    #[prost(enumeration = "WorkflowExecutionStatus", tag = "1")]
    pub status: i32,
    #[prost(int64, tag = "2")]
    pub time: Nanos,
    #[prost(int64, tag = "3")]
    pub event_id: i64,
    /// The next run of the chain; empty: none.
    #[prost(string, tag = "4")]
    pub new_run_id: String,
    /// The close event itself: queries, parents and result polls need it without a read.
    #[prost(message, optional, boxed, tag = "5")]
    pub event: Option<Box<HistoryEvent>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct OwedAtClose {
    /// The parent must still be told.
    #[prost(bool, tag = "1")]
    pub notify_parent: bool,
    /// Initiated event ids of children to which the parent close policy must still be applied, started or not.
    #[prost(int64, repeated, tag = "2")]
    pub children: Vec<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct RequestIdInfo {
    #[prost(int32, tag = "1")]
    pub event_type: i32,
    #[prost(int64, tag = "2")]
    pub event_id: i64,
}
