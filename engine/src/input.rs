//! Everything that can happen to one run.

use std::collections::BTreeMap;

use perdure_proto::api::{
    common::{Callback, Header, Link, Memo, Payloads, Priority, RetryPolicy, SearchAttributes, WorkerVersionStamp},
    enums::{ContinueAsNewInitiator, WorkflowIdConflictPolicy, WorkflowIdReusePolicy},
    failure::Failure,
    history::HistoryEvent,
    sdk::UserMetadata,
    update,
    workflow::VersioningOverride,
    workflowservice::{RespondWorkflowTaskCompletedRequest, RespondWorkflowTaskFailedRequest},
};

use crate::{
    Archetype,
    activity::{ActivityOperation, ActivitySelector},
    batch::{BatchInput, NewBatch},
    callback::CallbackOutcome,
    nexus::{NexusCancelOutcome, NexusCompletion, NexusStartOutcome},
    pause::PauseRequest,
    schedule::{NewSchedule, ScheduleInput},
    standalone_activity::ActivityControl,
    standalone_nexus::{NewNexusOperation, NexusControl},
    state::{Nanos, Parent},
    versioning::{Inherited, OptionsUpdate, TakenBy},
};

/// A start, validated and with defaults filled in; also the next run of a chain and a child.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Start {
    pub namespace_id: String,
    pub namespace: String,
    pub workflow_id: String,
    pub run_id: String,
    pub request_id: String,
    pub workflow_type: String,
    pub task_queue: String,
    pub input: Option<Payloads>,
    pub header: Option<Header>,
    /// None: the starter left it open, and the Started event does.
    pub execution_timeout: Option<Nanos>,
    pub run_timeout: Option<Nanos>,
    pub task_timeout: Nanos,
    pub identity: String,
    pub reuse_policy: WorkflowIdReusePolicy,
    pub conflict_policy: WorkflowIdConflictPolicy,
    pub retry_policy: Option<RetryPolicy>,
    pub cron_schedule: String,
    pub memo: Option<Memo>,
    pub search_attributes: Option<SearchAttributes>,
    pub user_metadata: Option<UserMetadata>,
    pub priority: Option<Priority>,
    pub links: Vec<Link>,
    pub completion_callbacks: Vec<Callback>,
    /// What an open run is to take over from a start that finds it.
    pub on_conflict: Option<perdure_proto::api::common::OnConflictOptions>,
    /// Delay asked for by the caller; cron's first wait is computed by the engine.
    pub start_delay: Nanos,
    pub parent: Option<Parent>,
    pub root_workflow_id: String,
    pub root_run_id: String,
    /// Signal-with-start: this signal follows the Started event.
    pub signal: Option<Signal>,
    /// Update-with-start: this update, with its id, goes out with the first workflow task.
    pub update: Option<(String, Box<update::Request>)>,
    /// For the first run of a chain: of another one that came before, in the eyes of a schedule.
    pub last_completion_result: Option<Payloads>,
    pub continued_failure: Option<Failure>,
    /// Set for a run that continues a chain.
    pub continued: Option<Continued>,
    /// The caller wants the first workflow task in the response (eager start).
    pub request_eager_execution: bool,
    pub kind: StartKind,
    /// In its newest form ([`crate::normalized_override`]).
    pub versioning_override: Option<VersioningOverride>,
    /// From the run before, or from the parent.
    pub inherited: Inherited,
}

/// What is started.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum StartKind {
    #[default]
    Workflow,
    /// An activity of its own: its id and type stand where those of workflows do.
    Activity(ActivityTimeouts),
    /// A Nexus operation of its own, by its id.
    NexusOperation(Box<NewNexusOperation>),
    /// The id is the schedule's.
    Schedule(Box<NewSchedule>),
    /// The id is the job's.
    Batch(Box<NewBatch>),
}

/// 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ActivityTimeouts {
    pub schedule_to_close: Nanos,
    pub schedule_to_start: Nanos,
    pub start_to_close: Nanos,
    pub heartbeat: Nanos,
}

impl Start {
    pub fn archetype(&self) -> Archetype {
        match self.kind {
            StartKind::Workflow => Archetype::Workflow,
            StartKind::Activity(_) => Archetype::Activity,
            StartKind::NexusOperation(_) => Archetype::NexusOperation,
            StartKind::Schedule(_) => Archetype::Schedule,
            StartKind::Batch(_) => Archetype::Batch,
        }
    }
}

/// What a run takes over from the run before it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Continued {
    pub run_id: String,
    pub first_execution_run_id: String,
    pub initiator: ContinueAsNewInitiator,
    pub attempt: i32,
    pub failure: Option<Failure>,
    pub last_completion_result: Option<Payloads>,
    /// Wait before the first workflow task.
    pub backoff: Nanos,
    pub execution_expiration: Nanos,
    pub original_execution_run_id: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signal {
    pub name: String,
    pub input: Option<Payloads>,
    pub header: Option<Header>,
    pub identity: String,
    pub request_id: String,
    pub links: Vec<Link>,
    /// Sender, when another workflow sent it.
    pub external_workflow: Option<(String, String)>,
    /// Of a signal-with-start: a first workflow task that waits for its time waits no longer.
    pub ends_backoff: bool,
}

/// Anything that can happen to one run that exists.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    Signal(Box<Signal>),
    RequestCancel {
        reason: String,
        identity: String,
        request_id: String,
        external: Option<ExternalInitiator>,
        links: Vec<Link>,
    },
    Terminate {
        reason: String,
        details: Option<Payloads>,
        identity: String,
        links: Vec<Link>,
    },
    /// A second start found this run open and conflict policy USE_EXISTING wants its request id kept.
    AttachStart {
        request_id: String,
        attach_request_id: bool,
        attach_callbacks: bool,
        attach_links: bool,
        callbacks: Vec<Callback>,
        links: Vec<Link>,
    },

    /// A worker takes the pending workflow task (normal, transient or speculative).
    WorkflowTaskStart {
        scheduled_event_id: i64,
        attempt: i32,
        identity: String,
        request_id: String,
        worker_version: Option<WorkerVersionStamp>,
        taken_by: TakenBy,
    },
    WorkflowTaskCompleted {
        token: WorkflowTaskRef,
        request: Box<RespondWorkflowTaskCompletedRequest>,
        /// Id by name of those Nexus endpoints that exist, among them that the commands name.
        nexus_endpoints: BTreeMap<String, String>,
    },
    WorkflowTaskFailed {
        token: WorkflowTaskRef,
        request: Box<RespondWorkflowTaskFailedRequest>,
    },

    ActivityStart {
        scheduled_event_id: i64,
        attempt: i32,
        identity: String,
        request_id: String,
        worker_version: Option<WorkerVersionStamp>,
        taken_by: TakenBy,
    },
    ActivityCompleted {
        activity: ActivityRef,
        result: Option<Payloads>,
        identity: String,
    },
    ActivityFailed {
        activity: ActivityRef,
        failure: Box<Failure>,
        last_heartbeat_details: Option<Payloads>,
        identity: String,
    },
    ActivityCanceled {
        activity: ActivityRef,
        details: Option<Payloads>,
        identity: String,
    },
    ActivityHeartbeat {
        activity: ActivityRef,
        details: Option<Payloads>,
        identity: String,
    },

    /// An operator steps in.
    OperateActivity {
        activity: ActivitySelector,
        operation: Box<ActivityOperation>,
    },

    UpdateOptions(Box<OptionsUpdate>),

    /// A client or an operator asks something of an activity of its own.
    ControlActivity(Box<ActivityControl>),

    /// A client asks something of a Nexus operation of its own.
    ControlNexusOperation(NexusControl),

    /// The run is to be deleted; one that is open ends first.
    Delete,

    Schedule(Box<ScheduleInput>),
    Batch(BatchInput),

    /// Time has passed: act on every deadline that is not after `ctx.now`.
    Wake,

    ChildStarted {
        initiated_event_id: i64,
        run_id: String,
        header: Option<Header>,
    },
    ChildStartFailed {
        initiated_event_id: i64,
        cause: i32,
    },
    /// A child of this run closed; `event` is its close event.
    ChildClosed {
        initiated_event_id: i64,
        workflow_id: String,
        run_id: String,
        event: Box<HistoryEvent>,
    },
    /// None: delivered. Some: SignalExternalWorkflowExecutionFailedCause.
    ExternalSignalDone {
        initiated_event_id: i64,
        failed_cause: Option<i32>,
    },
    ExternalCancelDone {
        initiated_event_id: i64,
        failed_cause: Option<i32>,
    },
    ParentNotified,
    ChildReleased {
        initiated_event_id: i64,
    },

    /// An attempt to start a Nexus operation has ended; the attempt as its task named it.
    NexusOperationStartDone {
        scheduled_event_id: i64,
        attempt: i32,
        outcome: NexusStartOutcome,
    },
    /// The handler of a Nexus operation reports its end, perhaps before the answer to its start has arrived.
    NexusOperationCompleted(Box<NexusCompletion>),
    NexusCancelDone {
        scheduled_event_id: i64,
        attempt: i32,
        outcome: NexusCancelOutcome,
    },
    CallbackDone {
        callback_id: String,
        attempt: i32,
        outcome: CallbackOutcome,
    },

    /// An update request; the reply tells its stage.
    Update {
        request: Box<update::Request>,
        update_id: String,
    },
    /// Operators keep the run from its workers, or let it go on.
    Pause(PauseRequest),
    Unpause(PauseRequest),
    /// A reset made the run with this id from this one.
    WasReset {
        run_id: String,
    },
    /// The worker of the sticky queue is gone.
    ResetSticky,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExternalInitiator {
    pub workflow_id: String,
    pub run_id: String,
    pub initiated_event_id: i64,
    /// Only a child of the sender may be canceled.
    pub child_workflow_only: bool,
}

/// Which start of which workflow task a worker answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkflowTaskRef {
    pub scheduled_event_id: i64,
    pub started_event_id: i64,
    pub attempt: i32,
    pub started_time: Nanos,
}

/// Which activity a worker or client answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActivityRef {
    Token { scheduled_event_id: i64, attempt: i32, started_time: Nanos },
    Id(String),
}
