//! Changes: the atoms of a run's state, and the form in which the journal keeps them.

use std::collections::BTreeMap;

use bytes::Bytes;
use perdure_proto::api::{
    activity::ActivityOptions,
    common::{Callback, Payloads, WorkerVersionStamp},
    deployment::WorkerDeploymentVersion,
    failure::Failure,
    history::{DeclinedTargetVersionUpgrade, HistoryEvent},
};

use crate::{
    batch::BatchChange,
    schedule::ScheduleChange,
    standalone_activity::StandaloneActivityChange,
    standalone_nexus::StandaloneNexusChange,
    state::{ActivityPause, AdmittedUpdate, Nanos, TaskStarted, WorkflowTask},
};

/// One atomic mutation of a run's state.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// In the history for good. Encoded once, here; the bytes are what is stored and sent.
    Event { event: Box<HistoryEvent>, encoded: Bytes },
    /// Durable, not an event.
    Durable(DurableChange),
    /// Memory only.
    Volatile(VolatileChange),
}

/// A durable change that is not an event. Stored beside the events of its journal row.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DurableChange {
    #[prost(
        oneof = "Kind",
        tags = "1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 30, 31, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 55, 60, 61, 70"
    )]
    pub kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Kind {
    /// Only in stored form: "apply the next n events of this row". `Change::Event` in memory.
    #[prost(uint32, tag = "1")]
    Events(u32),
    /// An event that waits for the started workflow task to end.
    #[prost(message, tag = "2")]
    EventBuffered(Box<HistoryEvent>),
    /// The buffer was emptied; its events follow as events.
    #[prost(bool, tag = "3")]
    BufferFlushed(bool),
    /// A workflow task without events so far (transient), or an update of fields that the event does not carry.
    #[prost(message, tag = "4")]
    WorkflowTaskSet(WorkflowTask),
    /// A transient workflow task was started, or the fields of a started one that its event lacks.
    #[prost(message, tag = "5")]
    WorkflowTaskStarted(TaskStarted),
    /// The pending workflow task is gone without an event (a transient attempt that failed or timed out).
    #[prost(message, tag = "6")]
    WorkflowTaskCleared(WorkflowTaskCleared),
    #[prost(message, tag = "7")]
    StickySet(crate::state::Sticky),
    #[prost(bool, tag = "8")]
    StickyCleared(bool),
    #[prost(message, tag = "10")]
    ActivityStarted(ActivityStartedChange),
    #[prost(message, tag = "11")]
    ActivityRetry(ActivityRetryChange),
    #[prost(message, tag = "12")]
    ActivityHeartbeat(ActivityHeartbeatChange),
    /// The backoff of the activity with this scheduled event id is over: it waits for a worker.
    #[prost(int64, tag = "13")]
    ActivityReady(i64),
    #[prost(string, tag = "14")]
    SignalRequestSeen(String),
    #[prost(message, tag = "15")]
    StartRequestSeen(StartRequestSeen),
    /// The parent acknowledged the close of this run.
    #[prost(bool, tag = "16")]
    ParentNotified(bool),
    /// The child with this initiated event id was dealt with after the close: started, or its policy applied.
    #[prost(int64, tag = "17")]
    ChildReleased(i64),
    /// One more transition; kept so that the count survives.
    #[prost(int64, tag = "18")]
    Transition(i64),
    /// Completion request id of the cancel, which its event does not carry while buffered.
    #[prost(string, tag = "19")]
    CancelRequestSeen(String),
    /// First change of every run: what no event says.
    #[prost(message, tag = "20")]
    Created(Created),
    /// A reset made this run, from the events that come before this change.
    #[prost(message, tag = "21")]
    ResetFrom(ResetFrom),
    /// A reset of this run made the run with this id.
    #[prost(string, tag = "22")]
    ResetInto(String),
    /// The worker rejected the update with this id, which the history has as admitted.
    #[prost(string, tag = "23")]
    UpdateForgotten(String),
    #[prost(message, tag = "24")]
    ActivityPaused(ActivityPausedChange),
    /// Its attempts begin anew, or it is no longer paused, or both.
    #[prost(message, tag = "25")]
    ActivityResumed(ActivityResumedChange),
    #[prost(message, tag = "26")]
    ActivityOptionsSet(ActivityOptionsChange),
    /// An attempt that no worker has waits until another time.
    #[prost(message, tag = "27")]
    ActivityDelayed(ActivityDelayedChange),
    #[prost(bool, tag = "30")]
    DeleteRequested(bool),
    #[prost(message, tag = "31")]
    StandaloneActivity(Box<StandaloneActivityChange>),
    #[prost(message, tag = "60")]
    Schedule(Box<ScheduleChange>),
    #[prost(message, tag = "61")]
    Batch(Box<BatchChange>),
    /// The events before this change are another server's.
    #[prost(bool, tag = "70")]
    Imported(bool),
    /// An attempt to start a Nexus operation failed, and there will be another.
    #[prost(message, tag = "40")]
    NexusStartRetry(NexusRetryChange),
    /// The backoff of the Nexus operation with this scheduled event id is over: its start is to be delivered.
    #[prost(int64, tag = "41")]
    NexusStartReady(i64),
    #[prost(message, tag = "42")]
    NexusCancelRetry(NexusRetryChange),
    #[prost(int64, tag = "43")]
    NexusCancelReady(i64),
    #[prost(message, tag = "44")]
    CallbackRetry(CallbackRetryChange),
    /// The backoff of the callback with this id is over.
    #[prost(string, tag = "45")]
    CallbackReady(String),
    #[prost(message, tag = "46")]
    CallbackEnded(CallbackEndedChange),
    /// The update that the callback waits for was rejected, and no event says so.
    #[prost(message, tag = "48")]
    CallbackRefused(CallbackRefusedChange),
    #[prost(message, tag = "47")]
    StandaloneNexus(Box<StandaloneNexusChange>),
    /// One request brought completion callbacks to a run that has no events.
    #[prost(message, tag = "49")]
    CallbacksAttached(CallbacksAttached),
    /// Too many workflow tasks have failed in a row: lists show it from now on.
    #[prost(bool, tag = "55")]
    ProblemsReported(bool),
    /// The run is on its way to the version of a worker that took one of its tasks.
    #[prost(message, tag = "50")]
    VersionTransitionStarted(VersionTransitionChange),
    /// What a pinned run was told about the version that its queue's routing points to.
    #[prost(message, tag = "51")]
    TargetVersionSeen(TargetVersionChange),
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct VersionTransitionChange {
    /// None: to unversioned workers.
    #[prost(message, optional, tag = "1")]
    pub version: Option<WorkerDeploymentVersion>,
    #[prost(int64, tag = "2")]
    pub revision: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct TargetVersionChange {
    #[prost(message, optional, tag = "1")]
    pub notified: Option<DeclinedTargetVersionUpgrade>,
    #[prost(message, optional, tag = "2")]
    pub declined: Option<DeclinedTargetVersionUpgrade>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ActivityPausedChange {
    #[prost(int64, tag = "1")]
    pub scheduled_event_id: i64,
    #[prost(message, required, tag = "2")]
    pub pause: ActivityPause,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ActivityResumedChange {
    #[prost(int64, tag = "1")]
    pub scheduled_event_id: i64,
    #[prost(bool, tag = "2")]
    pub unpause: bool,
    /// The current attempt counts as the first.
    #[prost(bool, tag = "3")]
    pub forgive_attempts: bool,
    #[prost(bool, tag = "4")]
    pub drop_heartbeat: bool,
    /// Tell the worker that has it, and forget the last failure.
    #[prost(bool, tag = "5")]
    pub reset: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ActivityOptionsChange {
    #[prost(int64, tag = "1")]
    pub scheduled_event_id: i64,
    #[prost(message, required, tag = "2")]
    pub options: ActivityOptions,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ActivityDelayedChange {
    #[prost(int64, tag = "1")]
    pub scheduled_event_id: i64,
    #[prost(int64, tag = "2")]
    pub until: Nanos,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct NexusRetryChange {
    #[prost(int64, tag = "1")]
    pub scheduled_event_id: i64,
    /// When the attempt ended.
    #[prost(int64, tag = "2")]
    pub ended: Nanos,
    #[prost(int64, tag = "3")]
    pub until: Nanos,
    #[prost(message, optional, tag = "4")]
    pub failure: Option<Failure>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct CallbackRetryChange {
    #[prost(string, tag = "1")]
    pub callback_id: String,
    /// When the attempt ended.
    #[prost(int64, tag = "2")]
    pub ended: Nanos,
    #[prost(int64, tag = "3")]
    pub until: Nanos,
    #[prost(message, optional, tag = "4")]
    pub failure: Option<Failure>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct CallbackRefusedChange {
    #[prost(string, tag = "1")]
    pub callback_id: String,
    #[prost(message, optional, tag = "2")]
    pub failure: Option<Failure>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct CallbacksAttached {
    #[prost(string, tag = "1")]
    pub request_id: String,
    #[prost(int64, tag = "2")]
    pub time: Nanos,
    #[prost(message, repeated, tag = "3")]
    pub callbacks: Vec<Callback>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct CallbackEndedChange {
    #[prost(string, tag = "1")]
    pub callback_id: String,
    #[prost(int64, tag = "2")]
    pub ended: Nanos,
    /// None: the callback was called.
    #[prost(message, optional, tag = "3")]
    pub failure: Option<Failure>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ResetFrom {
    #[prost(string, tag = "1")]
    pub request_id: String,
    #[prost(int64, tag = "2")]
    pub time: Nanos,
    /// Request ids of what the base run had on its way to others, by initiated event id: under the same ids it arrives
    /// once, whichever of the two runs sends it.
    #[prost(btree_map = "int64, string", tag = "3")]
    pub requests: BTreeMap<i64, String>,
    /// Children that were started after the fork (see `child::name`).
    #[prost(string, repeated, tag = "4")]
    pub replaced_children: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Created {
    #[prost(string, tag = "1")]
    pub namespace_id: String,
    #[prost(string, tag = "2")]
    pub namespace: String,
    #[prost(string, tag = "3")]
    pub workflow_id: String,
    #[prost(string, tag = "4")]
    pub run_id: String,
    #[prost(string, tag = "5")]
    pub request_id: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct WorkflowTaskCleared {
    /// WorkflowTaskFailedCause; 0: a time-out.
    #[prost(int32, tag = "1")]
    pub cause: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ActivityStartedChange {
    #[prost(int64, tag = "1")]
    pub scheduled_event_id: i64,
    #[prost(int64, tag = "2")]
    pub time: Nanos,
    #[prost(string, tag = "3")]
    pub identity: String,
    #[prost(string, tag = "4")]
    pub request_id: String,
    #[prost(message, optional, tag = "5")]
    pub worker_version: Option<WorkerVersionStamp>,
    #[prost(message, optional, tag = "6")]
    pub deployment_version: Option<WorkerDeploymentVersion>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ActivityRetryChange {
    #[prost(int64, tag = "1")]
    pub scheduled_event_id: i64,
    /// The attempt that follows.
    #[prost(int32, tag = "2")]
    pub attempt: i32,
    #[prost(int64, tag = "3")]
    pub until: Nanos,
    #[prost(message, optional, tag = "4")]
    pub failure: Option<Failure>,
    /// When the attempt before it ended.
    #[prost(int64, tag = "5")]
    pub ended: Nanos,
    #[prost(int64, tag = "6")]
    pub interval: Nanos,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ActivityHeartbeatChange {
    #[prost(int64, tag = "1")]
    pub scheduled_event_id: i64,
    #[prost(int64, tag = "2")]
    pub time: Nanos,
    #[prost(message, optional, tag = "3")]
    pub details: Option<Payloads>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct StartRequestSeen {
    #[prost(string, tag = "1")]
    pub request_id: String,
    #[prost(int32, tag = "2")]
    pub event_type: i32,
    #[prost(int64, tag = "3")]
    pub event_id: i64,
}

/// Lost in a crash without harm.
#[derive(Clone, Debug, PartialEq)]
pub enum VolatileChange {
    UpdateAdmitted(AdmittedUpdate),
    /// Another request for an admitted update brought callbacks.
    UpdateJoined {
        update_id: String,
        request_id: String,
        callbacks: Vec<Callback>,
    },
    /// The update left the list: accepted, rejected or aborted.
    UpdateRemoved(String),
    /// All admitted updates (of these ids) went out with this workflow task.
    UpdatesSent {
        ids: Vec<String>,
        scheduled_event_id: i64,
        attempt: i32,
    },
    /// The task that carried updates failed: they wait for the next one.
    UpdatesUnsent,
    SpeculativeTaskScheduled(WorkflowTask),
    SpeculativeTaskStarted(TaskStarted),
    SpeculativeTaskCleared,
}
