//! Which workflow ids are certainly new, without asking the database.
//!
//! A start of a new workflow id is the commonest call, and asking for its current run would cost each a round trip. The ids
//! that the database knows are read once, in the background, into a Bloom filter; from then on only this node adds any, as long
//! as it holds the leases. The filter may take a new id for a known one, which costs a read, never the other way round.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use fastbloom::AtomicBloomFilter;
use parking_lot::RwLock;
use perdure_storage::{Store, StoreError, WorkflowKey};

/// Ids per page of the first read.
const PAGE: usize = 10_000;
/// The first filter has room for twice what was read, and for this many at least: 1.2 MB at 9.6 bits each.
const LEAST_ROOM: usize = 1_000_000;
/// Of the first filter. Each next one has half as many, so that all of them together stay below twice this.
const FALSE_POSITIVES: f64 = 0.01;

#[derive(Default)]
pub(crate) struct KnownWorkflows {
    state: RwLock<State>,
    /// Number of the last read that was begun.
    reads: AtomicU64,
}

#[derive(Default)]
enum State {
    /// Nothing is known: every start asks.
    #[default]
    Unknown,
    /// Being read. New ids are kept beside, because a page may have been read before them.
    Reading {
        read: u64,
        started: Vec<WorkflowKey>,
    },
    Known(Filters),
}

/// A filter, and where it ran full a larger one behind it: each has twice the room of the one before. After 1, 3, 7, 15
/// million new ids there are 1, 2, 3, 4 filters of 1.2, 4.0, 10, 24 MB together, and a start looks into each.
struct Filters {
    /// At least one; the last takes what is new.
    all: Vec<AtomicBloomFilter>,
    room: usize,
    /// What the last one has taken.
    taken: AtomicUsize,
}

impl Filters {
    fn new(room: usize) -> Self {
        Self { all: vec![filter(FALSE_POSITIVES, room)], room, taken: AtomicUsize::new(0) }
    }

    fn contains(&self, workflow: &WorkflowKey) -> bool {
        self.all.iter().any(|filter| filter.contains(workflow))
    }

    fn insert(&self, workflow: &WorkflowKey) {
        if self.contains(workflow) {
            return;
        }
        if let Some(last) = self.all.last() {
            last.insert(workflow);
            self.taken.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_full(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= self.room
    }

    fn grow(&mut self) {
        self.room *= 2;
        self.taken = AtomicUsize::new(0);
        let halvings = i32::try_from(self.all.len()).unwrap_or(i32::MAX);
        self.all.push(filter(FALSE_POSITIVES / 2f64.powi(halvings), self.room));
    }
}

fn filter(false_positives: f64, room: usize) -> AtomicBloomFilter {
    AtomicBloomFilter::with_false_pos(false_positives).expected_items(room)
}

impl KnownWorkflows {
    /// True only where the workflow id has no run at all.
    pub(crate) fn is_new(&self, workflow: &WorkflowKey) -> bool {
        match &*self.state.read() {
            State::Known(filters) => !filters.contains(workflow),
            State::Unknown | State::Reading { .. } => false,
        }
    }

    /// A run of this workflow id is being started.
    pub(crate) fn add(&self, workflow: &WorkflowKey) {
        if let State::Known(filters) = &*self.state.read() {
            filters.insert(workflow);
            if !filters.is_full() {
                return;
            }
        }
        match &mut *self.state.write() {
            State::Unknown => {}
            State::Reading { started, .. } => started.push(workflow.clone()),
            State::Known(filters) => {
                filters.insert(workflow);
                // Another thread may have seen to it meanwhile.
                if filters.is_full() {
                    filters.grow();
                }
            }
        }
    }

    /// Forgets everything: another node may have held the leases.
    pub(crate) fn forget(&self) {
        *self.state.write() = State::Unknown;
    }

    /// Reads all ids. What is started meanwhile is not missed.
    pub(crate) fn read(self: &Arc<Self>, store: Arc<dyn Store>) {
        let read = self.reads.fetch_add(1, Ordering::Relaxed);
        *self.state.write() = State::Reading { read, started: Vec::new() };
        let known = self.clone();
        tokio::spawn(async move {
            match read_all(&*store).await {
                Ok(workflows) => known.fill(read, workflows),
                // Starts go on asking, which is only slower.
                Err(error) => tracing::warn!(%error, "the workflow ids of the database could not be read"),
            }
        });
    }

    fn fill(&self, read: u64, workflows: Vec<WorkflowKey>) {
        let room = (workflows.len() * 2).max(LEAST_ROOM);
        let filters = Filters::new(room);
        workflows.iter().for_each(|workflow| filters.insert(workflow));
        let mut state = self.state.write();
        match &*state {
            State::Reading { read: current, started } if *current == read => {
                started.iter().for_each(|workflow| filters.insert(workflow));
                *state = State::Known(filters);
            }
            // A later read is under way, or everything was forgotten.
            _ => {}
        }
    }
}

async fn read_all(store: &dyn Store) -> Result<Vec<WorkflowKey>, StoreError> {
    let mut all: Vec<WorkflowKey> = Vec::new();
    loop {
        let page = store.workflows_after(all.last(), PAGE).await?;
        let last = page.len() < PAGE;
        all.extend(page);
        if last {
            return Ok(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn workflow(number: usize) -> WorkflowKey {
        WorkflowKey::new(Uuid::nil(), format!("workflow-{number}"))
    }

    #[test]
    fn filters_grow_and_forget_nothing() {
        const ROOM: usize = 1_000;
        const IDS: usize = 15 * ROOM;
        let known = KnownWorkflows::default();
        *known.state.write() = State::Known(Filters::new(ROOM));
        (0..IDS).for_each(|number| known.add(&workflow(number)));
        assert!((0..IDS).all(|number| !known.is_new(&workflow(number))));
        // An id that is there takes no room.
        (0..IDS).for_each(|number| known.add(&workflow(number)));
        let State::Known(filters) = &*known.state.read() else { panic!("known") };
        // Ids that a filter takes for known ones are not counted: the last may not have been begun.
        assert!((4..=5).contains(&filters.all.len()), "{}", filters.all.len());
        let wrong = (IDS..2 * IDS).filter(|number| filters.contains(&workflow(*number))).count();
        assert!(wrong < IDS * 3 / 100, "{wrong} of {IDS} new ids are taken for known");
    }
}
