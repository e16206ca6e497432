//! Reading runs that are not cached. All misses of a round share one read; what waits for a run waits behind its read, other
//! runs go on.

use std::collections::{HashMap, HashSet, VecDeque, hash_map::Entry};

use perdure_engine::{Corrupt, Task, WorkflowState, journal};
use perdure_storage::{RunKey, StoreError, StoredRun, WorkflowKey};
use uuid::Uuid;

use super::{
    Shard,
    cell::Cell,
    message::{Action, Found, ImportOp, Loaded, Message, Op, StartOp, Wanted},
};
use crate::{error::Error, shared::Shared};

/// Runs that one read asks for at most.
const READ: usize = 256;
/// The same for the first read, which tells how large runs are here.
const FIRST_READ: usize = 32;
/// Runs that are due and wait to be read: beyond these the wake scanner waits too.
const DUE: usize = 2_048;
/// Bytes that one read should bring. How large a run is shows only when it is there, so the next read is made to measure.
const READ_BYTES: usize = 16 * 1024 * 1024;

#[derive(Default)]
pub(super) struct Loader {
    /// Waits for the current run of a workflow.
    workflows: HashMap<WorkflowKey, Vec<Waiting>>,
    runs: HashMap<RunKey, Vec<Op>>,
    /// Not asked for yet, and somebody waits.
    wanted_workflows: VecDeque<WorkflowKey>,
    /// The same. What is no longer in `runs` was read meanwhile, among those that are due.
    wanted: VecDeque<RunKey>,
    /// Runs that are due, in order: not asked for yet, or no longer in `runs`.
    due: VecDeque<RunKey>,
    reading: bool,
    /// Runs to ask for at once; 0: not known yet.
    measure: usize,
    /// Runs that were deleted while a read was under way, which may still have found them.
    gone: HashSet<RunKey>,
}

impl Loader {
    fn take_measure(&mut self, found: &[(RunKey, Option<StoredRun>)]) {
        let bytes: usize = found.iter().filter_map(|(_, stored)| stored.as_ref()).map(stored_bytes).sum();
        let each = bytes / found.len().max(1);
        self.measure = (READ_BYTES / each.max(1)).clamp(1, READ);
    }

    /// More runs that are due may come.
    pub(super) fn has_room(&self) -> bool {
        self.due.len() < DUE
    }

    /// What the next read asks for. Those who wait for an answer go first, and what is due does not make their read much longer: after
    /// a takeover all that was in the former owner's memory is due.
    fn next_read(&mut self) -> Wanted {
        let most = if self.measure == 0 { FIRST_READ } else { self.measure };
        let workflows: Vec<_> = self.wanted_workflows.drain(..self.wanted_workflows.len().min(most)).collect();
        let mut runs = Vec::new();
        take(&mut self.wanted, &self.runs, most, &mut runs);
        let nobody_waits = workflows.is_empty() && runs.is_empty();
        take(&mut self.due, &self.runs, if nobody_waits { most } else { most.min(FIRST_READ) }, &mut runs);
        Wanted { workflows, runs }
    }

    pub(super) fn note_gone(&mut self, key: RunKey) {
        if self.reading {
            self.gone.insert(key);
        }
    }
}

/// Moves the first of a queue, of those that are still wanted.
fn take(queue: &mut VecDeque<RunKey>, still: &HashMap<RunKey, Vec<Op>>, most: usize, into: &mut Vec<RunKey>) {
    let end = into.len() + most;
    while into.len() < end
        && let Some(key) = queue.pop_front()
    {
        if still.contains_key(&key) {
            into.push(key);
        }
    }
}

enum Waiting {
    Op(Box<Op>),
    Start(Box<StartOp>),
    Import(Box<ImportOp>),
}

impl Shard {
    /// The cached run that a call is for. None: the call was parked behind a read, or refused.
    pub(super) fn resolve(&mut self, op: Op) -> Option<(RunKey, Action)> {
        self.shared.metrics.cache_requests.inc();
        let slot = op.target.workflow.slot();
        let run_id = op.target.run_id.or_else(|| self.current.get(&op.target.workflow).copied());
        let Some(run_id) = run_id else {
            self.park_workflow(op.target.workflow.clone(), Waiting::Op(Box::new(op)));
            return None;
        };
        let key = RunKey { slot, run_id };
        match self.cells.get(&key) {
            Some(cell) if cell.damaged => {
                op.action.refuse(Error::Unavailable);
                None
            }
            Some(cell) if cell.deleted => {
                self.refuse_gone(key, op.action);
                None
            }
            Some(cell) if cell.workflow == op.target.workflow => Some((key, op.action)),
            Some(_) => {
                op.action.refuse(Error::RunNotFound);
                None
            }
            None => {
                self.park_run(key, op);
                None
            }
        }
    }

    /// The workflow id has no run, and nobody waits to hear that from the store.
    pub(super) fn is_new(&self, workflow: &WorkflowKey) -> bool {
        !self.current.contains_key(workflow)
            && self.shared.known.is_new(workflow)
            && !self.loader.workflows.contains_key(workflow)
    }

    /// The cached current run of a workflow; Err: the start was parked behind a read.
    pub(super) fn resolve_start(
        &mut self,
        start: Box<StartOp>,
        workflow: &WorkflowKey,
    ) -> Option<(Box<StartOp>, RunKey)> {
        self.shared.metrics.cache_requests.inc();
        match self.current.get(workflow) {
            Some(run_id) => Some((start, RunKey { slot: workflow.slot(), run_id: *run_id })),
            None => {
                self.park_workflow(workflow.clone(), Waiting::Start(start));
                None
            }
        }
    }

    /// An import waits until the current run of its workflow is in memory.
    pub(super) fn park_import(&mut self, workflow: WorkflowKey, op: Box<ImportOp>) {
        self.park_workflow(workflow, Waiting::Import(op));
    }

    /// Loads a run for its own sake: it is due.
    pub(super) fn want_run(&mut self, key: RunKey) {
        if let Entry::Vacant(entry) = self.loader.runs.entry(key) {
            entry.insert(Vec::new());
            self.loader.due.push_back(key);
        }
    }

    fn park_run(&mut self, key: RunKey, op: Op) {
        self.shared.metrics.cache_misses.inc();
        let waiting = self.loader.runs.entry(key).or_default();
        if waiting.is_empty() {
            self.loader.wanted.push_back(key);
        }
        waiting.push(op);
    }

    fn park_workflow(&mut self, workflow: WorkflowKey, waiting: Waiting) {
        self.shared.metrics.cache_misses.inc();
        let waiters = self.loader.workflows.entry(workflow.clone()).or_default();
        if waiters.is_empty() {
            self.loader.wanted_workflows.push_back(workflow);
        }
        waiters.push(waiting);
    }

    /// Starts a read if something is wanted and none is under way.
    pub(super) fn load_wanted(&mut self) {
        if self.loader.reading {
            return;
        }
        let Some(own) = self.own.upgrade() else { return };
        let asked = self.loader.next_read();
        if asked.workflows.is_empty() && asked.runs.is_empty() {
            return;
        }
        self.loader.reading = true;
        let (shared, generation) = (self.shared.clone(), self.generation);
        tokio::spawn(async move {
            let found = read(&shared, &asked).await;
            // A shard that has ended needs no answer.
            let _ = own.send(Message::Loaded(Loaded { generation, asked, found })).await;
        });
    }

    pub(super) fn loaded(&mut self, loaded: Loaded) {
        if loaded.generation != self.generation {
            return;
        }
        self.loader.reading = false;
        let gone = std::mem::take(&mut self.loader.gone);
        let found = match loaded.found {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "runs could not be read");
                self.refuse_wanted(&loaded.asked);
                return;
            }
        };
        self.loader.take_measure(&found.runs);
        for (key, stored) in found.runs {
            if let Some(stored) = stored.filter(|_| !gone.contains(&key)) {
                self.admit_stored(key, stored);
            }
        }
        for key in loaded.asked.runs {
            self.resume_run(key);
        }
        for (workflow, current) in loaded.asked.workflows.into_iter().zip(found.current) {
            self.resume_workflow(workflow, current);
        }
    }

    /// Takes a stored run into the cache and hands out what it owes.
    fn admit_stored(&mut self, key: RunKey, stored: StoredRun) {
        // A run that came into the cache meanwhile is ahead of what was read.
        if self.cells.contains_key(&key) {
            return;
        }
        let cell = match restore(key, stored) {
            Ok(cell) => cell,
            Err(corrupt) => {
                tracing::error!(run_id = %key.run_id, %corrupt, "a stored run cannot be read");
                return;
            }
        };
        if cell.is_open() {
            self.current.entry(cell.workflow.clone()).or_insert(key.run_id);
        }
        let owed = perdure_engine::obligations(&cell.state);
        self.scanner.forget(key, &mut self.deadlines);
        self.cells.insert(key, cell);
        self.book_deadline(key);
        // What matching holds already it need not get again: a run that comes and goes would fill its queue.
        let held = self.owing.remove(&key);
        for task in owed {
            let queued = matches!(task, Task::DispatchWorkflowTask { .. } | Task::DispatchActivity { .. });
            if !(held && queued) {
                self.dispatch(key, task);
            }
        }
    }

    fn resume_run(&mut self, key: RunKey) {
        let ops = self.loader.runs.remove(&key).unwrap_or_default();
        let known = self.cells.contains_key(&key);
        for op in ops {
            if known {
                self.operate(op);
            } else {
                op.action.refuse(Error::RunNotFound);
            }
        }
    }

    fn resume_workflow(&mut self, workflow: WorkflowKey, current: Option<Uuid>) {
        let slot = workflow.slot();
        let waiting = self.loader.workflows.remove(&workflow).unwrap_or_default();
        let cached = current.filter(|run_id| self.cells.contains_key(&RunKey { slot, run_id: *run_id }));
        if let Some(run_id) = cached {
            self.current.entry(workflow.clone()).or_insert(run_id);
        }
        let known = self.current.contains_key(&workflow);
        for waiting in waiting {
            match (waiting, known, current) {
                (Waiting::Op(op), true, _) => self.operate(*op),
                (Waiting::Start(start), true, _) => self.start(start),
                (Waiting::Import(op), true, _) => self.import(op),
                (Waiting::Import(op), false, None) => self.import_beside(None, *op),
                (Waiting::Import(op), false, Some(_)) => drop(op.reply.send(Err(Error::Unavailable))),
                (Waiting::Op(op), false, None) => op.action.refuse(Error::WorkflowNotFound),
                (Waiting::Start(start), false, None) => self.start_first(start),
                // The row names a run that is not there or cannot be read.
                (Waiting::Op(op), false, Some(_)) => op.action.refuse(Error::Unavailable),
                (Waiting::Start(start), false, Some(_)) => drop(start.reply.send(Err(Error::Unavailable))),
            }
        }
    }

    fn refuse_wanted(&mut self, asked: &Wanted) {
        for key in &asked.runs {
            for op in self.loader.runs.remove(key).unwrap_or_default() {
                op.action.refuse(Error::Unavailable);
            }
        }
        for workflow in &asked.workflows {
            for waiting in self.loader.workflows.remove(workflow).unwrap_or_default() {
                match waiting {
                    Waiting::Op(op) => op.action.refuse(Error::Unavailable),
                    Waiting::Start(start) => drop(start.reply.send(Err(Error::Unavailable))),
                    Waiting::Import(op) => drop(op.reply.send(Err(Error::Unavailable))),
                }
            }
        }
        // Due runs that nobody waits for come back with the next scan.
        self.scanner.restart();
    }
}

fn stored_bytes(run: &StoredRun) -> usize {
    let snapshot = run.snapshot.as_ref().map_or(0, |snapshot| snapshot.state.len());
    snapshot + run.journal.iter().map(|row| row.events.len() + row.changes.len()).sum::<usize>()
}

async fn read(shared: &Shared, asked: &Wanted) -> Result<Found, StoreError> {
    let current =
        if asked.workflows.is_empty() { Vec::new() } else { shared.store.current_runs(&asked.workflows).await? };
    let named = asked.workflows.iter().zip(&current);
    let mut keys = asked.runs.clone();
    keys.extend(named.filter_map(|(workflow, run_id)| Some(RunKey { slot: workflow.slot(), run_id: (*run_id)? })));
    if keys.is_empty() {
        return Ok(Found { current, runs: Vec::new() });
    }
    let stored = shared.store.load_runs(&keys).await?;
    Ok(Found { current, runs: keys.into_iter().zip(stored).collect() })
}

/// A run from its snapshot and the journal rows after it.
fn restore(key: RunKey, stored: StoredRun) -> Result<Cell, Corrupt> {
    let mut cell = Cell::new(stored.workflow, key, WorkflowState::default());
    let mut events = Vec::new();
    if let Some(snapshot) = stored.snapshot {
        cell.state = journal::decode_snapshot(&snapshot.state)?;
        cell.seq = snapshot.seq;
        cell.snapshot_seq = snapshot.seq;
        cell.snapshot_bytes = snapshot.state.len();
    }
    for row in stored.journal {
        journal::apply(&mut cell.state, &row.events, &row.changes)?;
        cell.seq = row.seq;
        cell.journal_bytes += row.events.len() + row.changes.len();
        events.push((row.first_event_id, row.events));
    }
    for (first_event_id, batch) in events {
        cell.tail.push(first_event_id, batch);
    }
    cell.stored_wake = stored.wake_at;
    cell.durable_event_id = cell.state.run.next_event_id - 1;
    cell.durable_transitions = cell.state.run.state_transition_count;
    cell.durable_close = cell.state.run.close.is_some();
    Ok(cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(numbers: std::ops::Range<u128>) -> Vec<RunKey> {
        numbers.map(|number| RunKey { slot: 0, run_id: Uuid::from_u128(number) }).collect()
    }

    /// After a takeover thousands of runs are due. Whoever waits for an answer is not behind them.
    #[test]
    fn those_who_wait_are_read_before_what_is_due() {
        let (due, wanted) = (keys(0..3_000), keys(5_000..5_002));
        let mut loader = Loader { measure: READ, ..Loader::default() };
        loader.runs.extend(due.iter().chain(&wanted).map(|key| (*key, Vec::new())));
        loader.due.extend(&due);
        assert!(!loader.has_room(), "the scanner waits");
        assert_eq!(loader.next_read().runs, due[..READ]);

        // One of them is in the queue of what is due as well.
        loader.wanted.extend([wanted[0], due[1_000], wanted[1]]);
        let read = loader.next_read().runs;
        assert_eq!(read[..3], [wanted[0], due[1_000], wanted[1]]);
        assert_eq!(read[3..], due[READ..READ + FIRST_READ]);

        loader.wanted_workflows.push_back(WorkflowKey::new(Uuid::nil(), "w"));
        let read = loader.next_read();
        assert_eq!((read.workflows.len(), read.runs.len()), (1, FIRST_READ));
    }

    #[test]
    fn what_was_read_meanwhile_is_not_read_again() {
        let due = keys(0..1_000);
        let mut loader = Loader { measure: READ, ..Loader::default() };
        loader.due.extend(&due);
        loader.runs.extend(due[900..].iter().map(|key| (*key, Vec::new())));
        assert_eq!(loader.next_read().runs, due[900..]);
        assert!(loader.has_room());
        assert_eq!(loader.next_read().runs, []);
    }
}
