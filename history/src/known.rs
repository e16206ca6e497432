//! Which workflow ids are certainly new, without asking the database.
//!
//! A start of a new workflow id is the commonest call, and asking for its current run would cost each a round trip. The ids
//! that the database knows are read once, in the background, into a Bloom filter; from then on only this node adds any, as long
//! as it holds the leases. The filter may take a new id for a known one, which costs a read, never the other way round.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use fastbloom::AtomicBloomFilter;
use parking_lot::RwLock;
use perdure_storage::{Store, StoreError, WorkflowKey};

/// Ids per page of the first read.
const PAGE: usize = 10_000;
/// The filter has room for twice what was read, and for this many at least: 10 bits each. A node that starts more before it
/// is restarted asks more and more often.
const LEAST_ROOM: usize = 1_000_000;
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
    Known(AtomicBloomFilter),
}

impl KnownWorkflows {
    /// True only where the workflow id has no run at all.
    pub(crate) fn is_new(&self, workflow: &WorkflowKey) -> bool {
        match &*self.state.read() {
            State::Known(filter) => !filter.contains(workflow),
            State::Unknown | State::Reading { .. } => false,
        }
    }

    /// A run of this workflow id is being started.
    pub(crate) fn add(&self, workflow: &WorkflowKey) {
        if let State::Known(filter) = &*self.state.read() {
            filter.insert(workflow);
            return;
        }
        match &mut *self.state.write() {
            State::Unknown => {}
            State::Reading { started, .. } => started.push(workflow.clone()),
            State::Known(filter) => {
                filter.insert(workflow);
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
        let filter = AtomicBloomFilter::with_false_pos(FALSE_POSITIVES).expected_items(room);
        workflows.iter().for_each(|workflow| {
            filter.insert(workflow);
        });
        let mut state = self.state.write();
        match &*state {
            State::Reading { read: current, started } if *current == read => {
                started.iter().for_each(|workflow| {
                    filter.insert(workflow);
                });
                *state = State::Known(filter);
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
