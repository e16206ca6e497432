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
                initiated: Some(event.clone()),
            };
            run.external_signals.insert(event.event_id, signal);
        }
        A::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(_) => {
            let cancel = ExternalCancel {
                initiated_event_id: event.event_id,
                request_id: request_id(run, event.event_id),
                initiated: Some(event.clone()),
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

/// The signal was delivered, or cannot be: `failed_cause` is a SignalExternalWorkflowExecutionFailedCause.
pub(crate) fn signal_done(tx: &mut Tx, initiated_event_id: i64, failed_cause: Option<i32>) -> Result<Reply, Reject> {
    let run = &tx.state.run;
    let initiated = run.external_signals.get(&initiated_event_id).and_then(|signal| signal.initiated.as_ref());
    let Some(Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(initiated)) =
        initiated.filter(|_| run.close.is_none()).and_then(|event| event.attributes.clone())
    else {
        return Err(Reject::NotAwaited);
    };
    tx.event_or_buffer(match failed_cause {
        None => Attributes::ExternalWorkflowExecutionSignaledEventAttributes(
            ExternalWorkflowExecutionSignaledEventAttributes {
                initiated_event_id,
                namespace: initiated.namespace,
                namespace_id: initiated.namespace_id,
                workflow_execution: initiated.workflow_execution,
                control: initiated.control,
            },
        ),
        Some(cause) => Attributes::SignalExternalWorkflowExecutionFailedEventAttributes(
            SignalExternalWorkflowExecutionFailedEventAttributes {
                cause,
                // Temporal never sets it.
                workflow_task_completed_event_id: 0,
                namespace: initiated.namespace,
                namespace_id: initiated.namespace_id,
                workflow_execution: initiated.workflow_execution,
                initiated_event_id,
                control: initiated.control,
            },
        ),
    });
    workflow_task::ensure_scheduled(tx);
    Ok(Reply::Done)
}

/// The cancel request was delivered, or cannot be: `failed_cause` is a CancelExternalWorkflowExecutionFailedCause.
pub(crate) fn cancel_done(tx: &mut Tx, initiated_event_id: i64, failed_cause: Option<i32>) -> Result<Reply, Reject> {
    let run = &tx.state.run;
    let initiated = run.external_cancels.get(&initiated_event_id).and_then(|cancel| cancel.initiated.as_ref());
    let Some(Attributes::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(initiated)) =
        initiated.filter(|_| run.close.is_none()).and_then(|event| event.attributes.clone())
    else {
        return Err(Reject::NotAwaited);
    };
    tx.event_or_buffer(match failed_cause {
        None => Attributes::ExternalWorkflowExecutionCancelRequestedEventAttributes(
            ExternalWorkflowExecutionCancelRequestedEventAttributes {
                initiated_event_id,
                namespace: initiated.namespace,
                namespace_id: initiated.namespace_id,
                workflow_execution: initiated.workflow_execution,
            },
        ),
        Some(cause) => Attributes::RequestCancelExternalWorkflowExecutionFailedEventAttributes(
            RequestCancelExternalWorkflowExecutionFailedEventAttributes {
                cause,
                workflow_task_completed_event_id: 0,
                namespace: initiated.namespace,
                namespace_id: initiated.namespace_id,
                workflow_execution: initiated.workflow_execution,
                initiated_event_id,
                control: initiated.control,
            },
        ),
    });
    workflow_task::ensure_scheduled(tx);
    Ok(Reply::Done)
}
