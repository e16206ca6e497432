//! The start of a run.

use perdure_proto::api::{
    common::{Callback, Link},
    history::{
        HistoryEvent, WorkflowExecutionOptionsUpdatedEventAttributes, WorkflowExecutionStartedEventAttributes,
    },
};

use crate::{
    apply::Corrupt,
    change::Created,
    ctx::Ctx,
    input::Start,
    outcome::{Outcome, Reply},
    reject::Reject,
    state::{RunState, WorkflowState},
    tx::Tx,
};

/// Starts a run that does not exist yet.
pub fn start(_start: Start, _ctx: &mut Ctx) -> Result<(WorkflowState, Outcome), Reject> {
    Err(Reject::StaleTask)
}

pub(crate) fn apply_created(_run: &mut RunState, _created: &Created) {}

pub(crate) fn apply(
    _run: &mut RunState,
    event: &HistoryEvent,
    _started: &WorkflowExecutionStartedEventAttributes,
) -> Result<(), Corrupt> {
    Err(Corrupt::at(event.event_id, "not built"))
}

pub(crate) fn apply_options(
    _run: &mut RunState,
    event: &HistoryEvent,
    _options: &WorkflowExecutionOptionsUpdatedEventAttributes,
) -> Result<(), Corrupt> {
    Err(Corrupt::at(event.event_id, "not built"))
}

pub(crate) fn attach(
    _tx: &mut Tx,
    _request_id: String,
    _callbacks: Vec<Callback>,
    _links: Vec<Link>,
) -> Result<Reply, Reject> {
    Err(Reject::WorkflowClosed)
}
