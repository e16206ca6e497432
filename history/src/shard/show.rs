//! Changes that lists may show a little later.
//!
//! The row of a list has more indexes than all other rows together. A change that can wait goes along with the next one that
//! cannot, which for most runs is their close. After a crash it waits for that in any case: nothing else remembers it.

use perdure_engine::{Nanos, time::SECOND};
use perdure_storage::RunKey;

use super::{Shard, cell::Dirty};

/// How long a change may wait.
const LONGEST: Nanos = SECOND;

impl Shard {
    pub(super) fn show_later(&mut self, key: RunKey) {
        let Some(cell) = self.cells.get_mut(&key) else { return };
        let written_anyway = cell.dirty.as_ref().is_some_and(|dirty| dirty.visibility);
        if written_anyway || cell.shown_by.is_some() {
            return;
        }
        let time = self.shared.clock.now() + LONGEST;
        cell.shown_by = Some(time);
        self.to_show.push_back((time, key));
    }

    /// Writes the rows whose time has come, unless they were written meanwhile.
    pub(super) fn show_due(&mut self) {
        let now = self.shared.clock.now();
        while let Some((time, key)) = self.to_show.front().copied().filter(|(time, _)| *time <= now) {
            self.to_show.pop_front();
            let Some(cell) = self.cells.get_mut(&key).filter(|cell| cell.shown_by == Some(time)) else { continue };
            if cell.damaged {
                continue;
            }
            if cell.dirty.is_none() {
                self.dirty.push(key);
            }
            cell.dirty.get_or_insert_with(Dirty::default).visibility = true;
        }
    }
}
