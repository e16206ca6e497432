//! The cached runs, and about how much memory they take.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use perdure_storage::RunKey;

use super::cell::Cell;

/// A map whose weight is kept up to date as runs come, change ([`Cells::change`]) and go.
#[derive(Default)]
pub(super) struct Cells {
    /// Boxed: a table has up to twice as many places as runs, and moves all of them when it grows. Each step looks into it several
    /// times, with ids that servers make.
    cells: HashMap<RunKey, Box<Cell>, RandomState>,
    bytes: usize,
}

impl Cells {
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// About how many bytes all of them take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn get(&self, key: &RunKey) -> Option<&Cell> {
        self.cells.get(key).map(|cell| &**cell)
    }

    pub(super) fn get_mut(&mut self, key: &RunKey) -> Option<&mut Cell> {
        self.cells.get_mut(key).map(|cell| &mut **cell)
    }

    pub(super) fn contains_key(&self, key: &RunKey) -> bool {
        self.cells.contains_key(key)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Cell> {
        self.cells.values().map(|cell| &**cell)
    }

    pub(super) fn insert(&mut self, key: RunKey, mut cell: Cell) {
        cell.weight = cell.weigh();
        self.bytes += cell.weight;
        if let Some(before) = self.cells.insert(key, Box::new(cell)) {
            self.bytes -= before.weight;
        }
    }

    pub(super) fn remove(&mut self, key: &RunKey) -> Option<Box<Cell>> {
        let cell = self.cells.remove(key)?;
        self.bytes -= cell.weight;
        Some(cell)
    }

    /// Changes a run in ways that its weight depends on. None: it is not cached.
    pub(super) fn change<R>(&mut self, key: &RunKey, change: impl FnOnce(&mut Cell) -> R) -> Option<R> {
        let cell = self.cells.get_mut(key)?;
        let result = change(cell);
        let weight = cell.weigh();
        self.bytes = self.bytes - cell.weight + weight;
        cell.weight = weight;
        Some(result)
    }

    pub(super) fn clear(&mut self) {
        self.cells.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use perdure_engine::{
        WorkflowState,
        state::{Activity, Timer},
    };
    use perdure_storage::WorkflowKey;
    use uuid::Uuid;

    use super::*;

    fn cell(number: u128) -> (RunKey, Cell) {
        let workflow = WorkflowKey::new(Uuid::nil(), "w");
        let key = RunKey { slot: workflow.slot(), run_id: Uuid::from_u128(number) };
        (key, Cell::new(workflow, key, WorkflowState::default()))
    }

    /// Every way in and out leaves the sum of the weights.
    #[test]
    fn the_weight_is_that_of_the_runs_in_it() {
        let mut cells = Cells::default();
        let sum = |cells: &Cells| cells.values().map(Cell::weigh).sum::<usize>();
        for number in 0..3 {
            let (key, cell) = cell(number);
            cells.insert(key, cell);
        }
        let (key, _) = cell(1);
        let empty = cells.bytes();
        assert_eq!((empty, empty), (sum(&cells), 3 * cells.get(&key).map_or(0, Cell::weigh)));

        cells.change(&key, |cell| {
            let run = &mut cell.state.run;
            run.activities.extend((0..100).map(|id| (id, Box::default())));
            run.timers.insert("t".into(), Timer::default());
        });
        assert_eq!(cells.bytes(), sum(&cells));
        assert!(cells.bytes() > empty + 100 * size_of::<Activity>());

        let (again, fresh) = cell(1);
        cells.insert(again, fresh);
        assert_eq!(cells.bytes(), empty, "it replaces the heavy one");
        cells.remove(&key);
        assert_eq!((cells.len(), cells.bytes()), (2, sum(&cells)));
        cells.clear();
        assert_eq!(cells.bytes(), 0);
    }
}
