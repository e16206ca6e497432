//! The wake scanner: finds the runs that are due, or soon will be, through `wake_at`.
//!
//! It reads each window of time once. Whatever this shard writes later is in its own deadlines.

use std::collections::{BTreeSet, HashMap};

use perdure_engine::{Nanos, time::SECOND};
use perdure_storage::RunKey;

use super::{
    Shard,
    message::{DueRuns, Message},
};

/// How far ahead of the clock the scanner reads.
const HORIZON: Nanos = 60 * SECOND;
/// The next window is read this long before the last one ends.
const LEAD: Nanos = 15 * SECOND;
/// Runs per page.
const PAGE: usize = 1_000;
/// Where a window has more than a page, the next page is read this long before the last one ends: what is not due yet waits in the
/// database, not in memory.
const PAGE_LEAD: Nanos = SECOND;
/// Wait after a read that failed.
const RETRY: Nanos = SECOND;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub from: Nanos,
    pub to: Nanos,
    pub limit: usize,
}

#[derive(Default)]
pub(super) struct Scanner {
    /// Everything with `wake_at` before this time has been read. None: not active.
    scanned_to: Option<Nanos>,
    /// End of the window that is being read.
    reading: Option<Nanos>,
    next_time: Nanos,
    /// Due runs that are not cached, with their entry among the deadlines.
    parked: HashMap<RunKey, Nanos>,
    limit: usize,
}

impl Scanner {
    /// Reads everything again from the beginning of time.
    pub(super) fn restart(&mut self) {
        self.scanned_to = Some(0);
        self.next_time = 0;
        self.limit = PAGE;
    }

    pub(super) fn next_time(&self) -> Option<Nanos> {
        (self.scanned_to.is_some() && self.reading.is_none()).then_some(self.next_time)
    }

    /// The run is cached now and keeps its own deadline.
    pub(super) fn forget(&mut self, key: RunKey, deadlines: &mut BTreeSet<(Nanos, RunKey)>) {
        if let Some(time) = self.parked.remove(&key) {
            deadlines.remove(&(time, key));
        }
    }

    /// A later window will hold a row with this `wake_at`. The one that is being read may not: its read began before.
    pub(super) fn will_find(&self, wake_at: Option<Nanos>) -> bool {
        wake_at.zip(self.reading.or(self.scanned_to)).is_some_and(|(wake_at, read_to)| wake_at >= read_to)
    }

    /// A run that leaves the cache: its deadline is remembered.
    pub(super) fn park(&mut self, key: RunKey, deadline: Nanos, deadlines: &mut BTreeSet<(Nanos, RunKey)>) {
        self.parked.insert(key, deadline);
        deadlines.insert((deadline, key));
    }
}

impl Shard {
    /// Starts to read the next window when its time has come.
    pub(super) fn scan_ahead(&mut self) {
        let now = self.shared.clock.now();
        let (Some(lease), Some(from)) = (&self.lease, self.scanner.scanned_to) else { return };
        if self.scanner.reading.is_some() || now < self.scanner.next_time || !self.loader.has_room() {
            return;
        }
        let Some(own) = self.own.upgrade() else { return };
        let window = Window { from, to: now + HORIZON, limit: self.scanner.limit };
        self.scanner.reading = Some(window.to);
        let (store, slots, generation) = (self.shared.store.clone(), lease.slots(), self.generation);
        tokio::spawn(async move {
            let found = store.due_runs(slots, window.from, window.to, window.limit).await;
            // A shard that has ended needs no answer.
            let _ = own.send(Message::Due(DueRuns { generation, window, found })).await;
        });
    }

    pub(super) fn due_found(&mut self, due: DueRuns) {
        if due.generation != self.generation {
            return;
        }
        let now = self.shared.clock.now();
        self.scanner.reading = None;
        // It began anew meanwhile.
        if self.scanner.scanned_to != Some(due.window.from) {
            return;
        }
        let found = match due.found {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "the wake scanner could not read");
                self.scanner.next_time = now + RETRY;
                return;
            }
        };
        let full = found.len() >= due.window.limit;
        let last = found.last().map(|(time, _)| *time);
        for (time, key) in found {
            if !self.cells.contains_key(&key) && !self.scanner.parked.contains_key(&key) {
                self.scanner.parked.insert(key, time);
                self.deadlines.insert((time, key));
            }
        }
        match last.filter(|_| full) {
            // The rest of the window. A page that is all of one time must grow to get past it.
            Some(last) => {
                let stuck = last == due.window.from;
                self.scanner.limit = if stuck { due.window.limit * 2 } else { PAGE };
                self.scanner.scanned_to = Some(last);
                self.scanner.next_time = last - PAGE_LEAD;
            }
            None => {
                self.scanner.limit = PAGE;
                self.scanner.scanned_to = Some(due.window.to);
                self.scanner.next_time = due.window.to - LEAD;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The read of a window may have begun before the run was written.
    #[test]
    fn a_run_that_leaves_while_its_window_is_read_is_remembered() {
        let found =
            |reading, wake_at| Scanner { scanned_to: Some(10), reading, ..Scanner::default() }.will_find(wake_at);
        for (reading, wake_at, expected) in [
            (None, None, false),
            (None, Some(9), false),
            (None, Some(10), true),
            (Some(20), Some(10), false),
            (Some(20), Some(19), false),
            (Some(20), Some(20), true),
        ] {
            assert_eq!(found(reading, wake_at), expected, "{wake_at:?} while {reading:?} is read");
        }
        assert!(!Scanner::default().will_find(Some(10)), "it is not active");
    }
}
