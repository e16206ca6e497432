//! How a run is stored: journal rows (the changes of one commit) and snapshots (the whole state).
//!
//! The events of a row are kept apart from its other changes, as an encoded `History`, so that readers of history never decode
//! anything. `Kind::Events(n)` among the changes marks where the next n events belong.

use bytes::{Bytes, BytesMut};
use perdure_proto::{RawHistory, api::history::HistoryEvent, take_event};
use prost::{Message, encoding::message};

use crate::{
    apply::Corrupt,
    change::{Change, DurableChange, Kind},
    outcome::encode_event,
    state::{RunState, Volatile, WorkflowState},
    update, workflow_task,
};

/// Field number of `ChangeList.changes`.
const CHANGES: u32 = 1;

/// The changes of one row in their order.
#[derive(Clone, PartialEq, Message)]
struct ChangeList {
    #[prost(message, repeated, tag = "1")]
    changes: Vec<DurableChange>,
}

/// One commit's changes, encoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    pub event_count: i32,
    /// An encoded `History`.
    pub events: Bytes,
    pub changes: Bytes,
}

/// Encodes the changes of a commit. Volatile ones are left out.
pub fn encode(changes: &[Change]) -> Row {
    let mut events = BytesMut::with_capacity(events_len(changes));
    // A `ChangeList`, written change by change: the list itself would be a copy of all of them.
    let mut list = Vec::new();
    let (mut event_count, mut unmarked) = (0, 0);
    for change in changes {
        match change {
            Change::Event { encoded, .. } => {
                events.extend_from_slice(encoded);
                event_count += 1;
                unmarked += 1;
            }
            Change::Durable(change) => {
                mark(&mut unmarked, &mut list);
                message::encode(CHANGES, change, &mut list);
            }
            Change::Volatile(_) => {}
        }
    }
    mark(&mut unmarked, &mut list);
    Row { event_count, events: events.freeze(), changes: list.into() }
}

fn events_len(changes: &[Change]) -> usize {
    let len = |change: &Change| if let Change::Event { encoded, .. } = change { encoded.len() } else { 0 };
    changes.iter().map(len).sum()
}

/// Writes how many events belong here.
fn mark(unmarked: &mut u32, list: &mut Vec<u8>) {
    let count = std::mem::take(unmarked);
    if count > 0 {
        message::encode(CHANGES, &DurableChange { kind: Some(Kind::Events(count)) }, list);
    }
}

/// Applies a stored row to the state that the rows before it led to.
pub fn apply(state: &mut WorkflowState, events: &Bytes, changes: &Bytes) -> Result<(), Corrupt> {
    let list = ChangeList::decode(changes.clone()).map_err(|_| Corrupt::at(0, "the changes of a journal row"))?;
    let mut events = events.clone();
    for change in list.changes {
        match change.kind {
            Some(Kind::Events(count)) => {
                for _ in 0..count {
                    apply_next_event(state, &mut events)?;
                }
            }
            _ => state.apply(&Change::Durable(change))?,
        }
    }
    Ok(())
}

fn apply_next_event(state: &mut WorkflowState, events: &mut Bytes) -> Result<(), Corrupt> {
    let damaged = |_| Corrupt::at(0, "the events of a journal row");
    let event = HistoryEvent::decode(take_event(events).map_err(damaged)?).map_err(damaged)?;
    let encoded = encode_event(&event);
    state.apply(&Change::Event { event: Box::new(event), encoded })
}

/// The whole durable state.
pub fn encode_snapshot(state: &WorkflowState) -> Bytes {
    state.run.encode_to_vec().into()
}

pub fn decode_snapshot(snapshot: &Bytes) -> Result<WorkflowState, Corrupt> {
    let mut run = RunState::decode(snapshot.clone()).map_err(|_| Corrupt::at(0, "a snapshot"))?;
    // Snapshots of older versions do not have it.
    run.buffered_bytes = workflow_task::buffered_size(&run);
    let volatile = Volatile { admitted: update::reapplied(&run), ..Volatile::default() };
    Ok(WorkflowState { run, volatile })
}

/// All events of an encoded `History`, for replay.
pub fn decode_events(events: &Bytes) -> Result<Vec<HistoryEvent>, Corrupt> {
    RawHistory::from_encoded(events.clone()).events().map_err(|_| Corrupt::at(0, "an encoded history"))
}
