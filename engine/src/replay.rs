//! A state from its history alone.

use perdure_proto::api::history::HistoryEvent;

use crate::{
    apply::Corrupt,
    change::{Change, Created, DurableChange, Kind},
    outcome::encode_event,
    state::WorkflowState,
};

/// The state that a history leads to. What no event says is at its beginning: attempts that run, heartbeats, the worker's
/// cache, what waits in the buffer.
pub fn replay(created: Created, events: impl IntoIterator<Item = HistoryEvent>) -> Result<WorkflowState, Corrupt> {
    let mut state = WorkflowState::default();
    state.apply(&Change::Durable(DurableChange { kind: Some(Kind::Created(created)) }))?;
    for event in events {
        let encoded_len = encode_event(&event).len();
        state.apply_event(&event, encoded_len)?;
    }
    Ok(state)
}
