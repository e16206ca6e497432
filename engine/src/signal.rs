//! Signals.
//!
//! | run | event | workflow task |
//! |---|---|---|
//! | open, request id not seen | Signaled, kept back while a task is started | wanted, unless the first one waits for its backoff |
//! | the same, from a signal-with-start | the same | wanted at once, even before the first one's backoff is over |
//! | open or closed, request id seen | – | – |
//! | open, 10,000 signals | rejected | – |
//! | open, closing (UNHANDLED_COMMAND) with a task started | rejected, retryable: the run must be given a chance to end | – |
//! | closed | rejected | – |

use perdure_proto::api::{
    common::WorkflowExecution,
    enums::{EventType, WorkflowTaskFailedCause},
    history::{HistoryEvent, WorkflowExecutionSignaledEventAttributes, history_event::Attributes},
};

use crate::{
    apply::Corrupt,
    input::Signal,
    outcome::Reply,
    reject::Reject,
    state::{RunState, WorkflowState},
    tx::{EventExtras, Tx},
    workflow_task,
};

pub(crate) fn signal(tx: &mut Tx, signal: Signal) -> Result<Reply, Reject> {
    let run = &tx.state.run;
    if !signal.request_id.is_empty() && run.signal_request_ids.contains_key(&signal.request_id) {
        return Ok(Reply::Done);
    }
    if run.close.is_some() {
        return Err(Reject::WorkflowClosed);
    }
    if signals_so_far(run) >= tx.ctx.limits.signals {
        return Err(Reject::InvalidArgument("exceeded workflow execution limit for signal events".into()));
    }
    if is_closing(tx.state) {
        return Err(Reject::BusyWorkflow("workflow operation can not be applied because workflow is closing".into()));
    }
    let ends_backoff = signal.ends_backoff;
    write(tx, signal);
    if ends_backoff {
        workflow_task::schedule_now(tx);
    } else {
        workflow_task::ensure_scheduled(tx);
    }
    Ok(Reply::Done)
}

pub(crate) fn write(tx: &mut Tx, signal: Signal) {
    let attributes = WorkflowExecutionSignaledEventAttributes {
        signal_name: signal.name,
        input: signal.input,
        identity: signal.identity,
        header: signal.header,
        external_workflow_execution: signal
            .external_workflow
            .map(|(workflow_id, run_id)| WorkflowExecution { workflow_id, run_id }),
        request_id: signal.request_id,
        ..Default::default()
    };
    let extras = EventExtras { links: signal.links, ..Default::default() };
    tx.event_or_buffer_with(Attributes::WorkflowExecutionSignaledEventAttributes(attributes), extras);
}

fn signals_so_far(run: &RunState) -> i64 {
    let waits = |event: &&HistoryEvent| event.event_type() == EventType::WorkflowExecutionSignaled;
    run.signal_count + run.buffered.iter().filter(waits).count() as i64
}

/// The last task tried to close the run and met events that it had not seen; this one may try again.
fn is_closing(state: &WorkflowState) -> bool {
    state.run.last_task_failed_cause == WorkflowTaskFailedCause::UnhandledCommand as i32
        && workflow_task::is_started(state)
}

pub(crate) fn apply(
    run: &mut RunState,
    event: &HistoryEvent,
    signaled: &WorkflowExecutionSignaledEventAttributes,
) -> Result<(), Corrupt> {
    // A buffered signal counts once, when it gets its id.
    if event.event_id != 0 {
        run.signal_count += 1;
    }
    if !signaled.request_id.is_empty() {
        run.signal_request_ids.insert(signaled.request_id.clone(), true);
    }
    Ok(())
}
