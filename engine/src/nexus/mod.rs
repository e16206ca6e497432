//! Nexus operations, as the run that asked for them sees them.
//!
//! | state | start answered: async | completed, failed, canceled, refused for good | attempt failed | completion | cancel command | time comes |
//! |---|---|---|---|---|---|---|
//! | none | not awaited | not awaited | not awaited | not found | task fails, unless the end waits in the buffer | – |
//! | scheduled | started: Started | none: Completed, Failed, Canceled | backoff | none: Started, then the end | CancelRequested: waits for the start | schedule-to-start, schedule-to-close: none, TimedOut |
//! | backoff | not awaited | not awaited | not awaited | as scheduled | as scheduled | its end: scheduled; time-outs as scheduled |
//! | started | not awaited | not awaited | not awaited | none: the end | CancelRequested: on its way | start-to-close, schedule-to-close: none, TimedOut |
//!
//! The cancellation of an operation:
//!
//! | state | operation starts | delivered | refused for good | attempt failed | cancel command again | time comes |
//! |---|---|---|---|---|---|---|
//! | waits | on its way | not awaited | not awaited | not awaited | task fails | – |
//! | on its way | – | done: CancelRequestCompleted | failed: CancelRequestFailed | backoff | task fails | – |
//! | backoff | – | not awaited | not awaited | not awaited | task fails | its end: on its way |
//! | done, failed | – | not awaited | not awaited | not awaited | task fails | – |
//!
//! A cancel request is a request: the operation goes on until its handler, or a time-out, ends it.
//!
//! An operation of its own (`standalone_nexus`) moves alike: what is an event here is a change there, its end closes the
//! run, and what the command does a client does.

mod apply;
mod cancel;
mod completion;
mod describe;
mod failure;
mod header;
mod start;
mod timeout;

use perdure_proto::api::{
    common::{Link, Payload},
    enums::TimeoutType,
    failure::Failure,
    history::{HistoryEvent, history_event::Attributes},
};

pub use self::header::{BadNexusHeader, nexus_header};
pub(crate) use self::{
    apply::{apply, apply_durable, cancellation_ended, is_awaited, mark_started},
    cancel::{done as cancel_done, requested},
    completion::completed,
    describe::pending,
    failure::of_timeout as timeout_failure,
    start::done as start_done,
    timeout::{next_deadline, wake},
};
use crate::{
    outcome::Task,
    reject::Reject,
    state::{Nanos, NexusCancellationPhase, NexusOperation, NexusOperationPhase, RunState},
    tx::{EventExtras, Tx},
    workflow_task,
};

/// What became of an attempt to start an operation.
#[derive(Clone, Debug, PartialEq)]
pub enum NexusStartOutcome {
    /// The handler works on it; `Input::NexusOperationCompleted` follows.
    Async {
        operation_token: String,
        links: Vec<Link>,
    },
    /// The handler had the result at once.
    Completed {
        result: Option<Payload>,
        links: Vec<Link>,
    },
    /// The operation itself failed.
    Failed {
        failure: Box<Failure>,
    },
    Canceled {
        failure: Box<Failure>,
    },
    /// The handler, or the way to it, refused the request. Unless it may be tried again the operation fails.
    HandlerError {
        failure: Box<Failure>,
        retryable: bool,
    },
    /// So little is left of the operation's own time that no attempt was made.
    TimedOut(TimeoutType),
}

/// The news of an operation's end that its handler sends.
#[derive(Clone, Debug, PartialEq)]
pub struct NexusCompletion {
    pub scheduled_event_id: i64,
    /// Request id of the operation; empty: not told.
    pub request_id: String,
    /// For an operation of which nothing else has been heard yet.
    pub operation_token: String,
    /// When the handler started it; 0: not told.
    pub start_time: Nanos,
    /// Links of the start.
    pub links: Vec<Link>,
    pub result: NexusResult,
}

#[derive(Clone, Debug, PartialEq)]
pub enum NexusResult {
    Succeeded(Option<Payload>),
    Failed(Box<Failure>),
    Canceled(Box<Failure>),
}

/// What became of an attempt to deliver a cancel request.
#[derive(Clone, Debug, PartialEq)]
pub enum NexusCancelOutcome {
    Delivered,
    Failed { failure: Box<Failure>, retryable: bool },
}

/// The operation whose attempt a task names, while that attempt is under way.
fn awaited(tx: &Tx, scheduled_event_id: i64) -> Result<NexusOperation, Reject> {
    let run = &tx.state.run;
    let operation = run.nexus_operations.get(&scheduled_event_id).filter(|_| run.close.is_none());
    operation.cloned().ok_or(Reject::NotAwaited)
}

/// Writes an event about an operation, which the workflow is to hear.
fn tell(tx: &mut Tx, attributes: Attributes, extras: EventExtras) {
    tx.event_or_buffer_with(attributes, extras);
    workflow_task::ensure_scheduled(tx);
}

/// The scheduled event id of the operation that this event ends; None: it ends none.
pub(crate) fn ended(event: &HistoryEvent) -> Option<i64> {
    use Attributes as A;
    match event.attributes.as_ref()? {
        A::NexusOperationCompletedEventAttributes(end) => Some(end.scheduled_event_id),
        A::NexusOperationFailedEventAttributes(end) => Some(end.scheduled_event_id),
        A::NexusOperationCanceledEventAttributes(end) => Some(end.scheduled_event_id),
        A::NexusOperationTimedOutEventAttributes(end) => Some(end.scheduled_event_id),
        _ => None,
    }
}

/// Requests that are on their way to handlers.
pub(crate) fn push_obligations(run: &RunState, tasks: &mut Vec<Task>) {
    for (&scheduled_event_id, operation) in &run.nexus_operations {
        if let Some(NexusOperationPhase::Scheduled(_)) = &operation.phase {
            tasks.push(Task::StartNexusOperation { scheduled_event_id, attempt: operation.attempt });
        }
        if let Some(cancellation) = &operation.cancellation
            && let Some(NexusCancellationPhase::Scheduled(_)) = &cancellation.phase
        {
            tasks.push(Task::CancelNexusOperation { scheduled_event_id, attempt: cancellation.attempt });
        }
    }
}

/// The task of a cancel request that can be delivered from now on.
fn push_cancel_task(tx: &mut Tx, scheduled_event_id: i64) {
    let operation = tx.state.run.nexus_operations.get(&scheduled_event_id);
    let cancellation = operation.and_then(|operation| operation.cancellation.as_ref());
    if let Some(attempt) = cancellation
        .filter(|cancellation| matches!(cancellation.phase, Some(NexusCancellationPhase::Scheduled(_))))
        .map(|cancellation| cancellation.attempt)
    {
        tx.task(Task::CancelNexusOperation { scheduled_event_id, attempt });
    }
}
