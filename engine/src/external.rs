//! Signals and cancel requests to other workflows.
//!
//! | state | command | delivered | could not be delivered |
//! |---|---|---|---|
//! | none | pending: …Initiated | not awaited | not awaited |
//! | pending | (another one, with its own event id) | none: ExternalWorkflowExecutionSignaled, …CancelRequested | none: …Failed |
//!
//! The receiver dedupes by the request id that the state keeps, so a delivery may be repeated after a crash.

use perdure_proto::api::history::{
    ExternalWorkflowExecutionCancelRequestedEventAttributes, ExternalWorkflowExecutionSignaledEventAttributes,
    HistoryEvent, RequestCancelExternalWorkflowExecutionFailedEventAttributes,
    SignalExternalWorkflowExecutionFailedEventAttributes, history_event::Attributes,
};

use crate::{
    apply::Corrupt,
    outcome::Reply,
    reject::Reject,
    state::{ExternalCancel, ExternalSignal, RunState},
    tx::Tx,
    workflow_task,
};

pub(crate) fn apply(run: &mut RunState, event: &HistoryEvent, attributes: &Attributes) -> Result<(), Corrupt> {
    use Attributes as A;
    match attributes {
        A::SignalExternalWorkflowExecutionInitiatedEventAttributes(_) => {
            let signal = ExternalSignal {
                initiated_event_id: event.event_id,
                request_id: request_id(run, event.event_id),
                initiated: Some(Box::new(event.clone())),
            };
            run.external_signals.insert(event.event_id, signal);
        }
        A::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(_) => {
            let cancel = ExternalCancel {
                initiated_event_id: event.event_id,
                request_id: request_id(run, event.event_id),
                initiated: Some(Box::new(event.clone())),
            };
            run.external_cancels.insert(event.event_id, cancel);
        }
        A::ExternalWorkflowExecutionSignaledEventAttributes(done) => {
            run.external_signals.remove(&done.initiated_event_id);
        }
        A::SignalExternalWorkflowExecutionFailedEventAttributes(failed) => {
            run.external_signals.remove(&failed.initiated_event_id);
        }
        A::ExternalWorkflowExecutionCancelRequestedEventAttributes(done) => {
            run.external_cancels.remove(&done.initiated_event_id);
        }
        A::RequestCancelExternalWorkflowExecutionFailedEventAttributes(failed) => {
            run.external_cancels.remove(&failed.initiated_event_id);
        }
        _ => return Err(Corrupt::at(event.event_id, "not an event of external workflows")),
    }
    Ok(())
}

/// The same for each delivery of one command, and different for all others.
pub(crate) fn request_id(run: &RunState, initiated_event_id: i64) -> String {
    format!("{}:{initiated_event_id}", run.run_id)
}

/// The event that tells how a delivery went: `$done` or, with a cause, `$failed`, with the target of `$initiated`. The
/// namespace is named here even where the command left it open.
macro_rules! delivered {
    (
        $namespace:ident,
        $initiated:ident,
        $initiated_event_id:ident,
        $cause:ident,
        $done:ident { $($field:ident),* },
        $failed:ident
    ) => {
        match $cause {
            None => Attributes::$done($done {
                initiated_event_id: $initiated_event_id,
                namespace: $namespace,
                namespace_id: $initiated.namespace_id,
                workflow_execution: $initiated.workflow_execution,
                $($field: $initiated.$field,)*
            }),
            Some(cause) => Attributes::$failed($failed {
                cause,
                // Temporal never sets it.
                workflow_task_completed_event_id: 0,
                namespace: $namespace,
                namespace_id: $initiated.namespace_id,
                workflow_execution: $initiated.workflow_execution,
                initiated_event_id: $initiated_event_id,
                control: $initiated.control,
            }),
        }
    };
}

/// The signal was delivered, or cannot be: `failed_cause` is a SignalExternalWorkflowExecutionFailedCause.
pub(crate) fn signal_done(tx: &mut Tx, initiated_event_id: i64, failed_cause: Option<i32>) -> Result<Reply, Reject> {
    let signal = tx.state.run.external_signals.get(&initiated_event_id);
    let Some(Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(initiated)) =
        awaited(tx, signal.and_then(|signal| signal.initiated.as_deref()))
    else {
        return Err(Reject::NotAwaited);
    };
    let namespace = tx.state.run.namespace.clone();
    let attributes = delivered!(
        namespace,
        initiated,
        initiated_event_id,
        failed_cause,
        ExternalWorkflowExecutionSignaledEventAttributes { control },
        SignalExternalWorkflowExecutionFailedEventAttributes
    );
    tx.event_or_buffer(attributes);
    workflow_task::ensure_scheduled(tx);
    Ok(Reply::Done)
}

/// The cancel request was delivered, or cannot be: `failed_cause` is a CancelExternalWorkflowExecutionFailedCause.
pub(crate) fn cancel_done(tx: &mut Tx, initiated_event_id: i64, failed_cause: Option<i32>) -> Result<Reply, Reject> {
    let cancel = tx.state.run.external_cancels.get(&initiated_event_id);
    let Some(Attributes::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(initiated)) =
        awaited(tx, cancel.and_then(|cancel| cancel.initiated.as_deref()))
    else {
        return Err(Reject::NotAwaited);
    };
    let namespace = tx.state.run.namespace.clone();
    let attributes = delivered!(
        namespace,
        initiated,
        initiated_event_id,
        failed_cause,
        ExternalWorkflowExecutionCancelRequestedEventAttributes {},
        RequestCancelExternalWorkflowExecutionFailedEventAttributes
    );
    tx.event_or_buffer(attributes);
    workflow_task::ensure_scheduled(tx);
    Ok(Reply::Done)
}

/// What was initiated, while the run that wants to know the outcome is open.
fn awaited(tx: &Tx, initiated: Option<&HistoryEvent>) -> Option<Attributes> {
    initiated.filter(|_| tx.state.run.close.is_none()).and_then(|event| event.attributes.clone())
}
