//! Keeping the cache within its budget.

use perdure_storage::RunKey;

use super::{Shard, commit::needs_snapshot};
use crate::shared::CacheBudget;

/// Closed runs that stay in memory for those who come back at once, for the result or with a query.
const CLOSED: usize = 256;

impl Shard {
    /// Lets the oldest closed runs go.
    pub(super) fn evict_closed(&mut self) {
        let excess = self.closed.len().saturating_sub(CLOSED);
        for _ in 0..excess {
            let Some(key) = self.closed.pop_front() else { return };
            let Some(cell) = self.cells.get(&key) else { continue };
            if cell.is_idle() && cell.stored_wake.is_none() {
                self.drop_cell(key);
            } else {
                self.closed.push_back(key);
            }
        }
    }

    /// Lets the runs go that were used longest ago, when they are too many or too large. Runs with unwritten state go through
    /// a batch first.
    pub(super) fn evict(&mut self) {
        let CacheBudget { runs, bytes } = self.shared.cache;
        let fits = self.cells.len() <= runs && self.cells.bytes() <= bytes;
        if fits || !self.leaving.is_empty() || self.in_flight.is_some() {
            return;
        }
        // A tenth at once, so that looking through all of them pays.
        let mut runs = self.cells.len().saturating_sub(runs - runs / 10);
        let mut bytes = self.cells.bytes().saturating_sub(bytes - bytes / 10);
        let idle = self.cells.values().filter(|cell| cell.is_idle());
        let mut idle: Vec<_> = idle.map(|cell| (cell.last_used, cell.key, cell.weight)).collect();
        idle.sort_unstable();
        for (_, key, weight) in idle {
            if runs == 0 && bytes == 0 {
                return;
            }
            runs = runs.saturating_sub(1);
            bytes = bytes.saturating_sub(weight);
            self.let_go(key);
        }
    }

    fn let_go(&mut self, key: RunKey) {
        let Some(cell) = self.cells.get(&key) else { return };
        let nothing_owed = !cell.is_open() && cell.stored_wake.is_none();
        if nothing_owed || (!needs_snapshot(cell) && cell.stored_wake == cell.deadline) {
            self.drop_cell(key);
        } else {
            self.leaving.push(key);
        }
    }

    /// Takes a run out of the cache; its deadline stays if it comes before the scanner's next window.
    pub(super) fn drop_cell(&mut self, key: RunKey) {
        let Some(cell) = self.cells.remove(&key) else { return };
        if self.current.get(&cell.workflow) == Some(&key.run_id) {
            self.current.remove(&cell.workflow);
        }
        if let Some(deadline) = cell.deadline {
            self.deadlines.remove(&(deadline, key));
        }
        if cell.is_open() && !perdure_engine::obligations(&cell.state).is_empty() {
            self.owing.insert(key);
        }
        if let Some(deadline) = cell.deadline.filter(|_| !self.scanner.will_find(cell.stored_wake)) {
            self.scanner.park(key, deadline, &mut self.deadlines);
        }
    }
}
