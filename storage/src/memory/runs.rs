//! Reads of runs.

use std::ops::Range;

use perdure_engine::Nanos;

use super::state::State;
use crate::{
    batch::JournalRow,
    keys::{RunKey, Slot},
    store::{EventBatch, StoredRun},
};

impl State {
    pub(super) fn load(&self, key: RunKey) -> Option<StoredRun> {
        let run = self.runs.get(&key)?;
        let seen = run.snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
        Some(StoredRun {
            workflow: run.workflow.clone(),
            snapshot: run.snapshot.clone(),
            journal: self.journal_of(key).filter(|row| row.seq > seen).cloned().collect(),
            wake_at: run.wake_at,
        })
    }

    fn journal_of(&self, key: RunKey) -> impl DoubleEndedIterator<Item = &JournalRow> {
        self.journal.range((key, i64::MIN)..=(key, i64::MAX)).map(|(_, row)| row)
    }

    pub(super) fn events(
        &self,
        key: RunKey,
        from_event_id: i64,
        end_event_id: i64,
        max_batches: usize,
        max_bytes: usize,
    ) -> Vec<EventBatch> {
        let mut bytes = 0;
        self.journal_of(key)
            .filter(|row| row.event_count > 0 && row.first_event_id + i64::from(row.event_count) > from_event_id)
            .take_while(|row| row.first_event_id < end_event_id)
            .take_while(|row| {
                let before = bytes;
                bytes += row.events.len();
                before == 0 || before < max_bytes
            })
            .take(max_batches)
            .map(event_batch)
            .collect()
    }

    pub(super) fn events_reverse(&self, key: RunKey, last_event_id: i64, max_batches: usize) -> Vec<EventBatch> {
        let rows = self.journal_of(key).rev();
        rows.filter(|row| row.event_count > 0 && row.first_event_id <= last_event_id)
            .take(max_batches)
            .map(event_batch)
            .collect()
    }

    pub(super) fn due(&self, slots: Range<Slot>, times: Range<Nanos>, limit: usize) -> Vec<(Nanos, RunKey)> {
        let mut due: Vec<_> = self
            .runs
            .iter()
            .filter(|(key, _)| slots.contains(&key.slot))
            .filter_map(|(key, run)| Some((run.wake_at?, *key)))
            .filter(|(wake_at, _)| times.contains(wake_at))
            .collect();
        due.sort();
        due.truncate(limit);
        due
    }
}

fn event_batch(row: &JournalRow) -> EventBatch {
    EventBatch { first_event_id: row.first_event_id, event_count: row.event_count, events: row.events.clone() }
}
