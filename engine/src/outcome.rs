//! What one input leads to.

use bytes::Bytes;
use perdure_proto::api::{
    activity::ActivityOptions, enums::UpdateWorkflowExecutionLifecycleStage, failure::Failure, history::HistoryEvent,
    protocol::Message, update, workflow::WorkflowExecutionOptions,
};

use crate::{change::Change, input::Start, state::Nanos, warning::Warning};

/// The changes, tasks, notices and reply of one input.
#[derive(Debug, Default)]
pub struct Outcome {
    pub changes: Vec<Change>,
    /// Owed after the commit. `obligations` finds the same again from the state.
    pub tasks: Vec<Task>,
    /// Wake-ups in memory, after the commit; losing one is harmless.
    pub notices: Vec<Notice>,
    pub reply: Reply,
    /// The next run of the chain (continue-as-new, retry, cron): to be started in the same commit.
    pub next_run: Option<Box<Start>>,
    /// A field that lists show has changed (start, close, search attributes, memo, status).
    pub visibility_changed: bool,
    /// What changed of that is which builds of unversioned workers the run has to do with: lists may show it a little later,
    /// with the next change if one comes soon. Most runs close first.
    pub visibility_may_wait: bool,
}

/// Work owed after the commit.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Offer the pending workflow task (also a speculative one) to its queue.
    DispatchWorkflowTask { scheduled_event_id: i64, attempt: i32 },
    /// Offer the activity's current attempt to its queue.
    DispatchActivity { scheduled_event_id: i64, attempt: i32 },
    /// Start the child; answer with `Input::ChildStarted` or `Input::ChildStartFailed`.
    StartChild { initiated_event_id: i64 },
    /// Deliver the signal; answer with `Input::ExternalSignalDone`.
    SignalExternal { initiated_event_id: i64 },
    /// Deliver the cancel request; answer with `Input::ExternalCancelDone`.
    CancelExternal { initiated_event_id: i64 },
    /// Work on a page of a batch; answer with `BatchInput::PageDone`.
    RunBatch { page: i64 },
    /// Start the workflow of a schedule's action; answer with `ScheduleInput::ActionStarted`.
    StartScheduled { action_id: i64 },
    /// End the workflow of an action; answer with `ScheduleInput::ActionTold`.
    EndScheduled { action_id: i64, terminate: bool },
    /// Tell the parent how this run ended (`Input::ChildClosed` there); then `Input::ParentNotified` here.
    NotifyParent,
    /// Terminate, or request the cancel of, a child of this closed run; then `Input::ChildReleased` here.
    ApplyParentClosePolicy { initiated_event_id: i64 },
    /// Ask the handler to start the operation; answer with `Input::NexusOperationStartDone`.
    StartNexusOperation { scheduled_event_id: i64, attempt: i32 },
    /// Ask the handler to cancel the operation; answer with `Input::NexusCancelDone`.
    CancelNexusOperation { scheduled_event_id: i64, attempt: i32 },
    /// Tell a callback how this run ended; answer with `Input::CallbackDone`.
    InvokeCallback { callback_id: String, attempt: i32 },
}

/// A wake-up in memory.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// The update reached a stage; waiters look. `Err` is a rejection (an outcome without history).
    Update { update_id: String, stage: UpdateWorkflowExecutionLifecycleStage, outcome: Option<update::Outcome> },
    /// The update was dropped (the run closed, or it was lost): waiters get this error.
    UpdateAborted { update_id: String, reason: UpdateAbort },
    /// Answers to queries that went out with the completed workflow task, by query id.
    QueryAnswered { query_id: String, result: perdure_proto::api::query::WorkflowQueryResult },
    /// The workflow task ended: queries that it carried and that have no answer by now go on.
    QueriesUnanswered,
    /// The run closed.
    Closed,
    /// Something has become large.
    Warning(Warning),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateAbort {
    /// The run closed before the update was accepted: NOT_FOUND `workflow update was aborted by closing workflow`.
    WorkflowClosing,
    /// The run continues as a new one: the caller is to be sent there.
    ContinuedAsNew,
    /// The workflow task that carried it failed: FAILED_PRECONDITION with WorkflowNotReadyFailure.
    WorkflowTaskFailed,
}

/// The answer to the one who sent the input.
#[derive(Debug, Default)]
pub enum Reply {
    #[default]
    Done,
    Started(Box<StartedReply>),
    WorkflowTaskStarted(Box<WorkflowTaskStarted>),
    ActivityStarted(Box<ActivityTaskStarted>),
    WorkflowTaskCompleted(WorkflowTaskCompletedReply),
    Heartbeat {
        cancel_requested: bool,
        paused: bool,
        reset: bool,
    },
    /// The options that the activity has from now on.
    ActivityOptions(Box<ActivityOptions>),
    /// The options that the run has from now on.
    WorkflowOptions(Box<WorkflowExecutionOptions>),
    /// The update's stage now; waiters go on from here.
    Update {
        stage: UpdateWorkflowExecutionLifecycleStage,
        outcome: Option<Box<update::Outcome>>,
    },
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct StartedReply {
    pub run_id: String,
    pub first_execution_run_id: String,
    pub started: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkflowTaskCompletedReply {
    /// A new workflow task is pending and the caller asked for it inline (return_new_workflow_task).
    pub new_task: bool,
    /// Activities that the completing worker takes at once; each is then started for it.
    pub eager_activities: Vec<i64>,
    /// Where the worker must go back to when its speculative task was dropped; 0: nowhere.
    pub reset_history_event_id: i64,
    /// The task was failed by the server instead (bad command): the RPC answers INVALID_ARGUMENT with this text if Some.
    pub failed: Option<String>,
    /// A row of heartbeats lasted too long, the task was timed out: the RPC answers NOT_FOUND
    /// `workflow task heartbeat timeout`.
    pub heartbeats_ended: bool,
}

/// All that a poll response needs about a workflow task, apart from the history itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkflowTaskStarted {
    pub workflow_id: String,
    pub run_id: String,
    pub workflow_type: String,
    pub scheduled_event_id: i64,
    pub started_event_id: i64,
    pub attempt: i32,
    pub previous_started_event_id: i64,
    pub scheduled_time: Nanos,
    pub started_time: Nanos,
    /// Last event that is in the stored history at this moment.
    pub last_event_id: i64,
    pub sticky: bool,
    /// Scheduled and Started of a transient or speculative task: to be shown behind the stored history.
    pub transient_events: Vec<HistoryEvent>,
    /// Update requests for the worker.
    pub messages: Vec<Message>,
    pub task_queue: String,
}

/// All that a poll response needs about an activity task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ActivityTaskStarted {
    pub activity: crate::state::Activity,
    pub workflow_id: String,
    pub run_id: String,
    pub workflow_type: String,
    pub namespace: String,
    pub started_time: Nanos,
}

/// An event with its encoding inside a `History` (field tag, length, event).
pub fn encode_event(event: &HistoryEvent) -> Bytes {
    let mut out = bytes::BytesMut::new();
    perdure_proto::RawHistory::push_event(event, &mut out);
    out.freeze()
}

/// The failure that an activity or child reports when the server itself caused it.
pub fn server_failure(message: impl Into<String>, non_retryable: bool) -> Failure {
    use perdure_proto::api::failure::{ServerFailureInfo, failure::FailureInfo};
    Failure {
        message: message.into(),
        failure_info: Some(FailureInfo::ServerFailureInfo(ServerFailureInfo { non_retryable })),
        ..Default::default()
    }
}
