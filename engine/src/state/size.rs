//! How large a state is, in the eyes of its limit.

use std::collections::BTreeMap;

use perdure_proto::api::history::HistoryEvent;
use prost::Message;

use super::{Activity, RunState};

impl RunState {
    /// Bytes of the state without what is in the history too and is kept here only to spare a read: inputs of work that
    /// is pending, outcomes of updates. Temporal's server does not count them.
    pub fn counted_size(&self) -> usize {
        let activities = self.activities.values().map(|one| encoded(one.input.as_ref()) + encoded(one.header.as_ref()));
        let operations = self.nexus_operations.values().map(|one| encoded(one.input.as_ref()));
        let children = self.children.values().map(|one| encoded(one.initiated.as_ref()));
        let signals = self.external_signals.values().map(|one| encoded(one.initiated.as_ref()));
        let updates = self.updates.values().map(|one| encoded(one.outcome.as_ref()));
        let of_machines = activities.chain(operations).chain(children).chain(signals).chain(updates);
        let kept = of_machines.sum::<usize>() + encoded(self.started.as_ref());
        self.encoded_len().saturating_sub(kept)
    }
}

/// Beside its own fields a machine has names, failures, links and its place in a tree.
const MACHINE_EXTRA: usize = 512;
const REQUEST_ID: usize = 128;
/// A short one, on the heap.
const ID: usize = 32;
/// Names and ids of the run itself, each on the heap.
const NAMES: usize = 640;
/// Entries of a node of a `BTreeMap`.
const NODE: usize = 11;

impl RunState {
    /// About how many bytes of memory the state takes, without a look at every part of it: what machines hold (inputs,
    /// results) came with events, which were on average as large as those of the history.
    pub fn held_size(&self) -> usize {
        fn machines<K, V>(machines: &BTreeMap<K, V>, extra: usize) -> usize {
            // The first node has room for all.
            let places = if machines.is_empty() { 0 } else { machines.len().max(NODE) };
            places * size_of::<(K, V)>() + machines.len() * extra
        }
        let pending = self.activities.len()
            + self.nexus_operations.len()
            + self.children.len()
            + self.external_signals.len()
            + self.external_cancels.len()
            + self.updates.len()
            + self.buffered.len();
        let event = self.history_size_bytes / self.next_event_id.max(1);
        NAMES
            + self.activities.len() * size_of::<Activity>()
            + machines(&self.activities, MACHINE_EXTRA)
            + machines(&self.nexus_operations, MACHINE_EXTRA)
            + machines(&self.children, MACHINE_EXTRA)
            + machines(&self.external_signals, MACHINE_EXTRA)
            + machines(&self.external_cancels, MACHINE_EXTRA)
            + machines(&self.updates, MACHINE_EXTRA)
            + machines(&self.timers, ID)
            + machines(&self.callbacks, MACHINE_EXTRA)
            + self.buffered.len() * size_of::<HistoryEvent>()
            + (self.signal_request_ids.len() + self.start_request_ids.len()) * REQUEST_ID
            + pending * usize::try_from(event).unwrap_or(0)
    }
}

fn encoded(message: Option<&impl Message>) -> usize {
    message.map_or(0, Message::encoded_len)
}
