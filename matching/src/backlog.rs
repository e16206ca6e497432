//! Tasks that wait for a poller: by priority, and in order within a priority.
//!
//! A [`TaskRef`] is about 100 bytes and all of them are in memory. A budget with a spill to storage comes in behind
//! `push`, `push_front` and `pop`, which are all that the queue knows.

use std::collections::VecDeque;

use perdure_engine::Nanos;

use crate::TaskRef;

/// Priorities run from 1 (first) to 5.
pub(crate) const PRIORITIES: usize = 5;
/// What a task without a priority has.
const DEFAULT_PRIORITY: i32 = 3;

#[derive(Debug, Default)]
pub(crate) struct Backlog {
    levels: [VecDeque<TaskRef>; PRIORITIES],
}

impl Backlog {
    pub(crate) fn push(&mut self, task: TaskRef) {
        self.levels[level(task.priority.level)].push_back(task);
    }

    /// Puts a task back that was taken and is still wanted.
    pub(crate) fn push_front(&mut self, task: TaskRef) {
        self.levels[level(task.priority.level)].push_front(task);
    }

    pub(crate) fn pop(&mut self) -> Option<TaskRef> {
        self.levels.iter_mut().find_map(VecDeque::pop_front)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.levels.iter().all(VecDeque::is_empty)
    }

    /// How many tasks wait, by priority.
    pub(crate) fn counts(&self) -> [usize; PRIORITIES] {
        std::array::from_fn(|level| self.levels[level].len())
    }

    pub(crate) fn len(&self) -> usize {
        self.counts().iter().sum()
    }

    /// When the task at the head of the line was scheduled, the oldest of the priorities.
    pub(crate) fn oldest(&self) -> Option<Nanos> {
        self.levels.iter().filter_map(|level| level.front()).map(|task| task.scheduled_time).min()
    }

    pub(crate) fn clear(&mut self) {
        self.levels.iter_mut().for_each(VecDeque::clear);
    }
}

/// Out-of-range priorities count as the nearest one, 0 as the default.
fn level(priority: i32) -> usize {
    match priority {
        0 => DEFAULT_PRIORITY as usize - 1,
        other => other.clamp(1, PRIORITIES as i32) as usize - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_priorities() {
        for (priority, expected) in [(0, 2), (1, 0), (2, 1), (3, 2), (4, 3), (5, 4), (9, 4), (-7, 0)] {
            assert_eq!(level(priority), expected, "priority {priority}");
        }
    }
}
