//! Tasks of one lane that wait for a poller: by priority, within a priority by turns of fairness keys (`fair.rs`), and in
//! order within a key.
//!
//! Where there are too many, the last of them go to the store (`spill.rs`) and come back in order. Tasks whose key may have
//! none now, because of its rate limit, stand aside (`held.rs`).

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use perdure_engine::Nanos;
use perdure_storage::{BacklogId, BacklogOrder, Slot};
use tokio::time::Instant;

use crate::{
    TaskRef,
    fair::Turns,
    held::Held,
    key_rates::KeyRates,
    rate::Wait,
    spill::{Job, Page, Spill},
};

/// Priorities run from 1 (first) to 5.
pub(crate) const PRIORITIES: usize = 5;
/// What a task without a priority has.
const DEFAULT_PRIORITY: i32 = 3;

/// How many waiting tasks may be in memory, in one lane and in the process.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) per_lane: usize,
    pub(crate) per_process: usize,
    used: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(per_lane: usize, per_process: usize) -> Self {
        Self { per_lane, per_process, used: AtomicUsize::new(0) }
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Of one lane, as things are: a process that is full lets each lane keep a little.
    fn room(&self) -> usize {
        if self.used() > self.per_process { self.per_lane / 64 } else { self.per_lane }.max(4)
    }

    fn grow(&self, tasks: usize) {
        self.used.fetch_add(tasks, Ordering::Relaxed);
    }

    pub(crate) fn shrink(&self, tasks: usize) {
        self.used.fetch_sub(tasks, Ordering::Relaxed);
    }
}

/// A task and its place. Places never change, so a task that comes back is where it was.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) order: BacklogOrder,
    /// When it came into memory.
    pub(crate) since: Instant,
    pub(crate) task: Box<TaskRef>,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order.cmp(&other.order)
    }
}

pub(crate) struct Backlog {
    heap: BinaryHeap<Reverse<Waiting>>,
    held: Held,
    turns: [Turns; PRIORITIES],
    /// In the heap and held, by level.
    counts: [usize; PRIORITIES],
    next_sequence: i64,
    spill: Option<Box<Spill>>,
    budget: Arc<Budget>,
}

impl Backlog {
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        Self {
            heap: BinaryHeap::new(),
            held: Held::default(),
            turns: Default::default(),
            counts: [0; PRIORITIES],
            next_sequence: 0,
            spill: None,
            budget,
        }
    }

    /// `weight` is the one that counts for the task's key. `can_spill`: there is a store.
    pub(crate) fn push(&mut self, task: Box<TaskRef>, weight: f32, now: Instant, can_spill: bool) {
        let level = level(task.priority.level);
        let pass = self.turns[level].enter(task.priority.fairness_key.as_ref(), weight);
        let order = BacklogOrder { level: level as i16, pass: pass as i64, sequence: self.next_sequence };
        self.next_sequence += 1;
        let waiting = Waiting { order, since: now, task };
        self.budget.grow(1);
        match &mut self.spill {
            Some(spill) if spill.takes(order) => spill.push(waiting),
            _ => self.keep(waiting),
        }
        if can_spill && self.heap.len() > self.budget.room() {
            self.spill_half();
        }
    }

    /// Puts a task back that was taken and is still wanted: it is where it was.
    pub(crate) fn put_back(&mut self, waiting: Waiting) {
        self.budget.grow(1);
        self.keep(waiting);
    }

    fn keep(&mut self, waiting: Waiting) {
        self.counts[waiting.order.level as usize] += 1;
        self.heap.push(Reverse(waiting));
    }

    /// The next task whose key may have one now. An error says when to ask again; `Ok(None)`: nothing is in memory.
    pub(crate) fn pop(&mut self, rates: &mut KeyRates, now: Instant) -> Result<Option<Waiting>, Wait> {
        loop {
            if let Some(waiting) = self.pop_held(rates, now) {
                self.taken(&waiting);
                return Ok(Some(waiting));
            }
            let Some(Reverse(head)) = self.heap.pop() else { return self.held.wait().map_or(Ok(None), Err) };
            // What is held of its key goes first.
            let held = self.held.has(head.task.priority.fairness_key.as_ref());
            match if held { Err(Wait::Paused) } else { rates.take(&head.task.priority, now) } {
                Ok(()) => {
                    self.taken(&head);
                    return Ok(Some(head));
                }
                Err(wait) => self.held.hold(head, wait),
            }
        }
    }

    /// A held task, if its time has come and it goes before those that are not held.
    fn pop_held(&mut self, rates: &mut KeyRates, now: Instant) -> Option<Waiting> {
        loop {
            let (order, key) = self.held.candidate(now)?;
            if self.heap.peek().is_some_and(|Reverse(head)| head.order < order) {
                return None;
            }
            let taken = self.held.first(&key).map(|first| rates.take(&first.task.priority, now))?;
            match taken {
                Ok(()) => return self.held.take_first(&key),
                Err(wait) => self.held.defer(&key, wait),
            }
        }
    }

    fn taken(&mut self, waiting: &Waiting) {
        let level = waiting.order.level as usize;
        self.counts[level] -= 1;
        self.budget.shrink(1);
        self.turns[level].serve(waiting.order.pass as u64);
        if self.counts[level] == 0 && self.spill.is_none() {
            self.turns[level].reset();
        }
        if self.heap.capacity() > 1024 && self.heap.len() < self.heap.capacity() / 8 {
            self.heap.shrink_to(self.heap.len() * 2);
        }
    }

    /// A task of this key must not overtake what waits.
    pub(crate) fn blocks(&self, key: Option<&Arc<str>>) -> bool {
        !self.heap.is_empty() || self.spill.is_some() || self.held.has(key)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.heap.is_empty() && self.held.is_empty() && self.spill.is_none()
    }

    /// How many tasks wait, by priority, those in the store included.
    pub(crate) fn counts(&self) -> [usize; PRIORITIES] {
        let spilled = self.spill.as_ref().map_or([0; PRIORITIES], |spill| spill.counts);
        std::array::from_fn(|level| self.counts[level] + spilled[level])
    }

    pub(crate) fn len(&self) -> usize {
        self.counts().iter().sum()
    }

    /// Since when the task at the head of the line has been in memory.
    pub(crate) fn waits_since(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(head)| head.since)
    }

    pub(crate) fn has_spill_of(&self, id: BacklogId) -> bool {
        self.spill.as_ref().is_some_and(|spill| spill.id == id)
    }

    pub(crate) fn has_spill(&self) -> bool {
        self.spill.is_some()
    }

    /// When the oldest task of each priority was scheduled, of those in memory. Looks at all of them.
    pub(crate) fn oldest(&self) -> [Option<Nanos>; PRIORITIES] {
        let mut oldest = [None; PRIORITIES];
        for waiting in self.heap.iter().map(|Reverse(waiting)| waiting).chain(self.held.iter()) {
            let slot: &mut Option<Nanos> = &mut oldest[waiting.order.level as usize];
            let time = waiting.task.scheduled_time;
            *slot = Some(slot.map_or(time, |known| known.min(time)));
        }
        oldest
    }

    /// No key is limited any more, or each in another way.
    pub(crate) fn release_all(&mut self) {
        let held = self.held.take();
        self.heap.extend(held.into_iter().map(Reverse));
    }

    /// Takes all out: what is in memory, in order, and what is in the store.
    pub(crate) fn take_all(&mut self) -> (Vec<Waiting>, Option<Box<Spill>>) {
        self.release_all();
        let mut all: Vec<_> = std::mem::take(&mut self.heap).into_iter().map(|Reverse(waiting)| waiting).collect();
        let mut spill = self.spill.take();
        if let Some(spill) = &mut spill {
            all.extend(spill.out.drain().map(|Reverse(waiting)| waiting));
        }
        all.sort_unstable();
        self.budget.shrink(all.len());
        self.counts = [0; PRIORITIES];
        self.turns.iter_mut().for_each(Turns::reset);
        (all, spill.filter(|spill| !spill.is_read_out()))
    }

    /// Forgets the tasks of these slots that have waited until now.
    pub(crate) fn forget(&mut self, slots: &Range<Slot>) {
        let stays = |waiting: &Waiting| !slots.contains(&waiting.task.run.slot);
        let before = self.heap.len() + self.held.len();
        self.release_all();
        self.heap.retain(|Reverse(waiting)| stays(waiting));
        self.counts = [0; PRIORITIES];
        for Reverse(waiting) in &self.heap {
            self.counts[waiting.order.level as usize] += 1;
        }
        let mut gone = before - self.heap.len();
        if let Some(spill) = &mut self.spill {
            gone += spill.forget(slots, self.next_sequence);
        }
        self.budget.shrink(gone);
    }

    // === What goes to the store and comes back ===

    fn spill_half(&mut self) {
        let mut all = std::mem::take(&mut self.heap).into_vec();
        let middle = all.len() / 2;
        // Reversed: the first half is what goes last.
        all.select_nth_unstable(middle);
        let kept = all.split_off(middle);
        self.heap = BinaryHeap::from(kept);
        let spill = self.spill.get_or_insert_default();
        for Reverse(waiting) in all {
            self.counts[waiting.order.level as usize] -= 1;
            spill.push(waiting);
        }
    }

    /// What the store has to do now.
    pub(crate) fn next_job(&mut self) -> Option<Job> {
        let room = self.budget.room();
        let spill = self.spill.as_mut()?;
        let wants_more = self.heap.len() <= room / 4 && self.held.len() <= room / 2;
        if wants_more && spill.is_read_out() {
            let first = spill.take_first((room / 4).max(1));
            if spill.out.is_empty() {
                self.spill = None;
            }
            first.into_iter().for_each(|waiting| self.keep(waiting));
        }
        self.spill.as_mut()?.next_job(wants_more, (room / 4).max(1))
    }

    pub(crate) fn spill_mut(&mut self) -> Option<&mut Spill> {
        self.spill.as_deref_mut()
    }

    /// What came back from the store.
    pub(crate) fn accept(&mut self, page: Page) {
        let Some(spill) = &mut self.spill else { return };
        let out = spill.out.len();
        let kept = spill.accept(page);
        // What was to go out was in memory already.
        self.budget.grow(kept.len() - (out - spill.out.len()).min(kept.len()));
        kept.into_iter().for_each(|waiting| self.keep(waiting));
    }
}

impl Drop for Backlog {
    fn drop(&mut self) {
        let out = self.spill.as_ref().map_or(0, |spill| spill.out.len());
        self.budget.shrink(self.heap.len() + self.held.len() + out);
    }
}

/// Out-of-range priorities count as the nearest one, 0 as the default.
pub(crate) fn level(priority: i32) -> usize {
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
