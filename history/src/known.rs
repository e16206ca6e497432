//! Which workflow ids are certainly new, without asking the database.
//!
//! A start of a new workflow id is the commonest call, and asking for its current run would cost each a round trip. The ids
//! that the database knows are read once, in the background, into a Bloom filter; from then on only this node adds any, as long
//! as it holds the leases. The filter may take a new id for a known one, which costs a read, never the other way round.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use fastbloom::AtomicBloomFilter;
use parking_lot::RwLock;
use perdure_storage::{Store, StoreError, WorkflowKey};

/// Ids per page of the first read.
const PAGE: usize = 10_000;
/// Of the first filter: 0.12 MB at 9.6 bits each.
const FIRST_ROOM: usize = 100_000;
/// A next filter has so many times the room of the one before.
const GROWTH: usize = 4;
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

/// A filter, and where it ran full a larger one behind it. Up to 0.1, 0.5, 2.1, 8.5 million ids there are 1, 2, 3, 4 filters of
/// 0.12, 0.67, 3.2, 14 MB together, and a start looks into each.
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

    fn make_room_and_insert(&mut self, workflow: &WorkflowKey) {
        if self.is_full() {
            self.grow();
        }
        self.insert(workflow);
    }

    fn is_full(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= self.room
    }

    fn grow(&mut self) {
        self.room *= GROWTH;
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
            // Another thread may have made room meanwhile.
            State::Known(filters) => filters.make_room_and_insert(workflow),
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
            if let Err(error) = known.read_pages(read, &*store).await {
                // Starts go on asking, which is only slower.
                tracing::warn!(%error, "the workflow ids of the database could not be read");
            }
        });
    }

    /// A server that has just started has better to do, and so has its database: half of the time is theirs. Ends early where a
    /// later read is under way, or everything was forgotten.
    async fn read_pages(&self, read: u64, store: &dyn Store) -> Result<(), StoreError> {
        let mut filters = Filters::new(FIRST_ROOM);
        let mut after = None;
        while self.is_reading(read) {
            let began = Instant::now();
            let page = store.workflows_after(after.as_ref(), PAGE).await?;
            page.iter().for_each(|workflow| filters.make_room_and_insert(workflow));
            if page.len() < PAGE {
                self.finish(read, filters);
                return Ok(());
            }
            after = page.into_iter().next_back();
            tokio::time::sleep(began.elapsed()).await;
        }
        Ok(())
    }

    fn is_reading(&self, read: u64) -> bool {
        matches!(&*self.state.read(), State::Reading { read: current, .. } if *current == read)
    }

    fn finish(&self, read: u64, mut filters: Filters) {
        let mut state = self.state.write();
        match &*state {
            State::Reading { read: current, started } if *current == read => {
                started.iter().for_each(|workflow| filters.make_room_and_insert(workflow));
                *state = State::Known(filters);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use perdure_storage::{Batch, RunKey, RunWrite, batch::CreateRun};
    use uuid::Uuid;

    use super::*;

    fn workflow(number: usize) -> WorkflowKey {
        WorkflowKey::new(Uuid::nil(), format!("workflow-{number}"))
    }

    #[test]
    fn filters_grow_and_forget_nothing() {
        const ROOM: usize = 1_000;
        const IDS: usize = (1 + GROWTH + GROWTH * GROWTH) * ROOM;
        let known = KnownWorkflows::default();
        *known.state.write() = State::Known(Filters::new(ROOM));
        (0..IDS).for_each(|number| known.add(&workflow(number)));
        assert!((0..IDS).all(|number| !known.is_new(&workflow(number))));
        // An id that is there takes no room.
        (0..IDS).for_each(|number| known.add(&workflow(number)));
        let State::Known(filters) = &*known.state.read() else { panic!("known") };
        // Ids that a filter takes for known ones are not counted: the last may not have been begun.
        assert!((3..=4).contains(&filters.all.len()), "{}", filters.all.len());
        let wrong = (IDS..2 * IDS).filter(|number| filters.contains(&workflow(*number))).count();
        assert!(wrong < IDS * 3 / 100, "{wrong} of {IDS} new ids are taken for known");
    }

    /// More pages than one, and a start between them.
    #[tokio::test]
    async fn what_is_stored_and_what_is_started_meanwhile_is_known() {
        const STORED: usize = 2 * PAGE + 1;
        let store = Arc::new(perdure_storage::MemoryStore::new());
        let lease = store.acquire_leases("test", 1, std::time::Duration::from_secs(60)).await.unwrap().remove(0);
        let create = |number| {
            let workflow = workflow(number);
            let key = RunKey { slot: workflow.slot(), run_id: Uuid::from_u128(number as u128) };
            RunWrite { create: Some(CreateRun { workflow, make_current: true }), ..RunWrite::new(key) }
        };
        let batch = Batch { lease, runs: (0..STORED).map(create).collect() };
        store.commit(&[batch]).await.unwrap();

        let known = Arc::new(KnownWorkflows::default());
        known.read(store);
        known.add(&workflow(STORED));
        assert!(!known.is_new(&workflow(STORED + 1)), "nothing is known yet");
        while !matches!(&*known.state.read(), State::Known(_)) {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        assert!((0..=STORED).all(|number| !known.is_new(&workflow(number))));
        assert!((STORED + 1..2 * STORED).filter(|number| known.is_new(&workflow(*number))).count() > STORED / 2);
    }
}
