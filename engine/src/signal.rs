//! Signals.

use perdure_proto::api::history::{HistoryEvent, WorkflowExecutionSignaledEventAttributes};

use crate::{apply::Corrupt, input::Signal, outcome::Reply, reject::Reject, state::RunState, tx::Tx};

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

pub(crate) fn signal(_tx: &mut Tx, _signal: Signal) -> Result<Reply, Reject> {
    Err(Reject::WorkflowClosed)
}
