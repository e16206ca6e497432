//! How large a state is, in the eyes of its limit.

use prost::Message;

use super::RunState;

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

fn encoded(message: Option<&impl Message>) -> usize {
    message.map_or(0, Message::encoded_len)
}
