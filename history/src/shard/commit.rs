//! From gathered changes to a durable batch, and from a durable batch to what it lets out.

use std::collections::HashSet;

use perdure_engine::{Archetype, Change, journal};
use perdure_storage::{Batch, CommitError, JournalRow, RunKey, RunWrite, Snapshot, WakeAt, batch::CreateRun};
use tokio::{sync::oneshot, time::Instant};

use super::{Shard, cell::Cell, refuse::Held};
use crate::{
    committer::{Committed, Place},
    metrics::Tally,
    visibility,
};

/// When a run's state is written as a snapshot, so that loading stays short.
const WHILE_CACHED: SnapshotPays = SnapshotPays { rows: 64, part: 1 };
/// The same for a run that leaves the cache.
const AT_FAREWELL: SnapshotPays = SnapshotPays { rows: 16, part: 4 };

/// After so many journal rows, if they are as large as this part of the last snapshot or are very many: to write a large state, such
/// as one with the request ids of 10,000 signals, costs more than what a few rows cost the next reader.
struct SnapshotPays {
    rows: i64,
    part: usize,
}

impl SnapshotPays {
    fn for_run(&self, cell: &Cell) -> bool {
        const VERY_MANY: i64 = 16;
        let rows = cell.seq - cell.snapshot_seq;
        rows >= self.rows && (cell.journal_bytes >= cell.snapshot_bytes / self.part || rows >= self.rows * VERY_MANY)
    }
}

/// Bytes of events in one journal row. Only a reset and commands with large payloads come to it.
const ROW_BYTES: usize = 1024 * 1024;

/// A batch on its way.
pub(super) struct InFlight {
    done: oneshot::Receiver<Committed>,
    runs: Vec<Written>,
    releases: Vec<Held>,
    began: Instant,
}

/// How far a run is once the batch is durable.
struct Written {
    key: RunKey,
    last_event_id: i64,
    transitions: i64,
    closed: bool,
    deleted: bool,
    tally: Tally,
    /// The run leaves the cache if nothing has happened to it since.
    leaves: Option<u64>,
}

/// Waits for the batch in flight; for ever if there is none.
pub(super) async fn finished(in_flight: &mut Option<InFlight>) -> Committed {
    match in_flight {
        Some(batch) => (&mut batch.done).await.unwrap_or_else(|gone| Err(CommitError::Unknown(Box::new(gone)))),
        None => std::future::pending().await,
    }
}

/// Waits for the place in the next transaction that was asked for; for ever if none was. None: ask again.
pub(super) async fn place(asked: &mut Option<oneshot::Receiver<Place>>) -> Option<Place> {
    match asked {
        Some(place) => place.await.ok(),
        None => std::future::pending().await,
    }
}

impl Shard {
    /// Takes what the node has ready for this shard before its batch is made. In each turn all tasks go on that can, those of
    /// connections that something has arrived on among them; nothing waits for what may come.
    pub(super) async fn gather(&mut self) {
        /// What arrived goes through a few tasks before it is here.
        const QUIET: usize = 2;
        const MOST: usize = 16;
        let mut quiet = 0;
        for _ in 0..MOST {
            if quiet == QUIET {
                return;
            }
            tokio::task::yield_now().await;
            let mut taken = 0;
            while taken < super::ROUND
                && let Ok(message) = self.mailbox.try_recv()
            {
                self.receive(message);
                taken += 1;
            }
            quiet = if taken == 0 { quiet + 1 } else { 0 };
        }
    }

    /// Makes the next batch if there is a place for it, or asks for one; lets out what waits for nothing.
    pub(super) fn commit_gathered(&mut self, place: Option<Place>) {
        let Some(lease) = self.lease.clone().filter(|_| self.in_flight.is_none()) else { return };
        if self.dirty.is_empty() && self.leaving.is_empty() {
            let releases = std::mem::take(&mut self.releases);
            self.release_except(releases, &HashSet::new());
            return;
        }
        let Some(place) = place else {
            let committer = &self.shared.committer;
            self.asked.get_or_insert_with(|| committer.ask());
            return;
        };
        let mut runs = Vec::with_capacity(self.dirty.len());
        let mut written = Vec::with_capacity(self.dirty.len());
        let mut workflows = Vec::with_capacity(self.dirty.len());
        let now = self.shared.clock.now();
        for key in std::mem::take(&mut self.dirty) {
            if let Some(cell) = self.cells.get_mut(&key) {
                let tally = cell.dirty.as_ref().map(|dirty| Tally::of(dirty.create.is_some(), &dirty.changes));
                let write = write_of(cell, now);
                cell.in_flight += 1;
                written.push(Written { tally: tally.unwrap_or_default(), ..written_of(cell, None) });
                workflows.push(cell.workflow.clone());
                runs.push(write);
            }
        }
        for key in std::mem::take(&mut self.leaving) {
            if let Some(cell) = self.cells.get_mut(&key).filter(|cell| cell.is_idle()) {
                runs.push(farewell_of(cell));
                cell.in_flight += 1;
                written.push(written_of(cell, Some(cell.last_used)));
                workflows.push(cell.workflow.clone());
            }
        }
        self.shared.metrics.batch_runs.observe(runs.len() as f64);
        let done = place.take(Batch { lease, runs }, workflows);
        let releases = std::mem::take(&mut self.releases);
        self.in_flight = Some(InFlight { done, runs: written, releases, began: Instant::now() });
    }

    pub(super) fn committed(&mut self, result: Committed) {
        let Some(batch) = self.in_flight.take() else { return };
        self.shared.metrics.commit_latency.observe(batch.began.elapsed().as_secs_f64());
        let refused = match result {
            Ok(refused) => refused,
            Err(error) => {
                self.shared.metrics.commit_failures.inc();
                tracing::warn!(%error, "a batch was not committed: the shard reloads");
                drop(batch);
                self.forget();
                self.shared.shard_failed();
                return;
            }
        };
        if !refused.is_empty() {
            self.forget_refused(&refused);
        }
        for Written { key, last_event_id, transitions, closed, deleted, tally, leaves } in batch.runs {
            let Some(cell) = self.cells.get_mut(&key) else { continue };
            cell.in_flight -= 1;
            cell.durable_event_id = last_event_id;
            cell.durable_transitions = transitions;
            let closes = closed && !cell.durable_close;
            if closes {
                self.closed.push_back(key);
            }
            let kind = (cell.workflow.archetype, cell.workflow.namespace_id);
            self.series.count(&self.shared.metrics, kind, &cell.state, tally, closes);
            cell.durable_close = closed;
            cell.wake_event_waiters();
            if deleted {
                self.forget_deleted(key);
                continue;
            }
            if cell.damaged {
                self.drop_damaged(key);
                continue;
            }
            if leaves.is_some_and(|used| cell.last_used == used && cell.is_idle()) {
                self.drop_cell(key);
            }
        }
        self.release_except(batch.releases, &refused);
    }
}

fn written_of(cell: &Cell, leaves: Option<u64>) -> Written {
    Written {
        key: cell.key,
        last_event_id: cell.state.run.next_event_id - 1,
        transitions: cell.state.run.state_transition_count,
        closed: cell.state.run.close.is_some(),
        deleted: cell.deleted,
        tally: Tally::default(),
        leaves,
    }
}

/// What the batch writes of a run that has changes.
fn write_of(cell: &mut Cell, now: perdure_engine::Nanos) -> RunWrite {
    let dirty = cell.dirty.take().unwrap_or_default();
    if cell.deleted {
        // One that was never stored leaves nothing to delete.
        let nothing = RunWrite::new(cell.key);
        return if dirty.create.is_some() { nothing } else { RunWrite::delete(cell.key, cell.workflow.clone()) };
    }
    if dirty.visibility {
        cell.shown_by = None;
    }
    let journal = journal_of(cell, &dirty.changes);
    cell.journal_bytes += journal.iter().map(|row| row.events.len() + row.changes.len()).sum::<usize>();
    let snapshot_due = !cell.damaged && WHILE_CACHED.for_run(cell);
    RunWrite {
        key: cell.key,
        create: dirty.create.map(|make_current| CreateRun { workflow: cell.workflow.clone(), make_current }),
        journal,
        snapshot: snapshot_due.then(|| snapshot_of(cell)),
        trim: !has_history(cell),
        wake_at: wake_at_of(cell, now),
        visibility: dirty.visibility.then(|| visibility::row(cell)),
        delete: None,
    }
}

/// One row, unless that would be too large for a page of history.
fn journal_of(cell: &mut Cell, changes: &[Change]) -> Vec<JournalRow> {
    let mut bytes = 0;
    let parts = changes.chunk_by(|_, next| {
        let Change::Event { encoded, .. } = next else { return true };
        bytes += encoded.len();
        let fits = bytes < ROW_BYTES;
        bytes = if fits { bytes } else { encoded.len() };
        fits
    });
    let mut rows = Vec::new();
    for part in parts {
        let first_event_id = part.iter().find_map(|change| match change {
            Change::Event { event, .. } => Some(event.event_id),
            _ => None,
        });
        let row = journal::encode(part);
        cell.seq += 1;
        rows.push(JournalRow {
            seq: cell.seq,
            first_event_id: first_event_id.unwrap_or(cell.state.run.next_event_id),
            event_count: row.event_count,
            events: row.events,
            changes: row.changes,
        });
    }
    rows
}

/// What the batch writes of a run that leaves the cache: its state, and the exact time of its next deadline.
fn farewell_of(cell: &mut Cell) -> RunWrite {
    let exact = if perdure_engine::obligations(&cell.state).is_empty() { cell.deadline } else { cell.stored_wake };
    let wake_at = match exact {
        _ if exact == cell.stored_wake => WakeAt::Keep,
        Some(time) => WakeAt::Set(time),
        None => WakeAt::Clear,
    };
    cell.stored_wake = exact;
    let snapshot = needs_snapshot(cell).then(|| snapshot_of(cell));
    RunWrite { snapshot, trim: !has_history(cell), wake_at, ..RunWrite::new(cell.key) }
}

/// A state is written as a whole where that spares the next reader more than a few journal rows.
pub(super) fn needs_snapshot(cell: &Cell) -> bool {
    AT_FAREWELL.for_run(cell) || (cell.seq > cell.snapshot_seq && !has_history(cell))
}

/// The rows of workflows are their history. Others would only grow: a schedule lives for ever.
fn has_history(cell: &Cell) -> bool {
    cell.workflow.archetype == Archetype::Workflow
}

fn snapshot_of(cell: &mut Cell) -> Snapshot {
    let state = journal::encode_snapshot(&cell.state);
    cell.snapshot_seq = cell.seq;
    cell.snapshot_bytes = state.len();
    cell.journal_bytes = 0;
    Snapshot { seq: cell.seq, state }
}

/// Written only when it must become earlier, and once at the end.
fn wake_at_of(cell: &mut Cell, now: perdure_engine::Nanos) -> WakeAt {
    // The common case, decided without a look at what the run owes: what is stored is due already.
    if cell.is_open() && cell.stored_wake.is_some_and(|stored| stored <= now) {
        return WakeAt::Keep;
    }
    let owes = !perdure_engine::obligations(&cell.state).is_empty();
    let needed = if owes { Some(now) } else { cell.deadline };
    let wake_at = match (needed, cell.stored_wake) {
        // The first write is early enough for all that follows, so that the index is touched at the start and at the end only.
        (Some(needed), None) => WakeAt::Set(needed.min(now)),
        (Some(needed), Some(stored)) if needed < stored => WakeAt::Set(needed),
        (None, Some(_)) if cell.state.run.close.is_some() => WakeAt::Clear,
        _ => WakeAt::Keep,
    };
    match wake_at {
        WakeAt::Set(time) => cell.stored_wake = Some(time),
        WakeAt::Clear => cell.stored_wake = None,
        WakeAt::Keep => {}
    }
    wake_at
}
