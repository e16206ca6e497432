//! Stepping a run, and booking what comes of it.

use bytes::{Bytes, BytesMut};
use perdure_engine::{Change, Ctx, Input, Nanos, Outcome, Reject, Reply, Task};
use perdure_storage::RunKey;

use super::{Shard, cell::Dirty, dispatch::Release, message};

/// Whether the tasks of an outcome are dispatched, or taken by the caller itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dispatch {
    Queue,
    /// The workflow task goes to the caller.
    Inline,
}

impl Shard {
    /// Lets the engine step a cached run.
    pub(super) fn step(&mut self, key: RunKey, input: Input) -> Result<Reply, Reject> {
        let outcome = self.outcome(key, input)?;
        Ok(self.book(key, outcome, Dispatch::Queue))
    }

    /// The same for a worker that takes the next workflow task along, if there is one.
    pub(super) fn step_inline(&mut self, key: RunKey, input: Input) -> Result<Reply, Reject> {
        let outcome = self.outcome(key, input)?;
        let inline = matches!(&outcome.reply, Reply::WorkflowTaskCompleted(reply) if reply.new_task);
        Ok(self.book(key, outcome, if inline { Dispatch::Inline } else { Dispatch::Queue }))
    }

    fn outcome(&mut self, key: RunKey, input: Input) -> Result<Outcome, Reject> {
        let now = self.shared.clock.now();
        let cell = self.cells.get_mut(&key).filter(|cell| !cell.damaged).ok_or(Reject::StaleTask)?;
        let limits = self.shared.limits.load();
        let limits = limits.of(&cell.state.run.namespace);
        let mut ctx = Ctx { now, ids: &mut self.ids, limits };
        let outcome = perdure_engine::step(&mut cell.state, input, &mut ctx);
        if let Err(Reject::Corrupt(corrupt)) = &outcome {
            tracing::error!(run_id = %key.run_id, %corrupt, "a transition contradicted the run's state: the run is read again");
            cell.damaged = true;
            self.drop_damaged(key);
        }
        outcome
    }

    /// Forgets a run whose state in memory is wrong, once what was booked before is durable.
    pub(super) fn drop_damaged(&mut self, key: RunKey) {
        if self.cells.get(&key).is_some_and(|cell| cell.damaged && cell.dirty.is_none() && cell.in_flight == 0) {
            self.drop_cell(key);
        }
    }

    /// Takes an outcome apart: changes for the batch, tasks and notices for after it, the reply for the caller.
    pub(super) fn book(&mut self, key: RunKey, outcome: Outcome, dispatch: Dispatch) -> Reply {
        self.steps += 1;
        let Outcome { changes, tasks, notices, reply, next_run, visibility_changed, visibility_may_wait } = outcome;
        self.book_changes(key, changes, visibility_changed);
        if visibility_may_wait && !visibility_changed {
            self.show_later(key);
        }
        self.undated.insert(key);
        if let Some(next) = next_run {
            self.start_next_run(key, *next);
        }
        for notice in notices {
            self.notice(key, notice);
        }
        for task in tasks {
            let inline = dispatch == Dispatch::Inline && matches!(task, Task::DispatchWorkflowTask { .. });
            if !inline {
                self.dispatch(key, task);
            }
        }
        self.settle_queries(key);
        self.book_deletion(key);
        reply
    }

    fn book_changes(&mut self, key: RunKey, changes: Vec<Change>, visibility: bool) {
        let (steps, to_write) = (self.steps, &mut self.dirty);
        self.cells.change(&key, |cell| {
            cell.last_used = steps;
            if !changes.iter().any(is_durable) {
                return;
            }
            if let Some((first, events)) = events_of(&changes) {
                cell.tail.push(first, events);
            }
            if cell.dirty.is_none() {
                to_write.push(key);
            }
            let dirty = cell.dirty.get_or_insert_with(Dirty::default);
            dirty.visibility |= visibility;
            dirty.changes.extend(changes.into_iter().filter(is_durable));
        });
    }

    /// Brings the entries of all runs that were stepped up to date. Once for many steps: looking for the next deadline of a
    /// run is a look at each of its activities and timers.
    pub(super) fn book_deadlines(&mut self) {
        for key in std::mem::take(&mut self.undated) {
            self.book_deadline(key);
        }
    }

    /// Brings the run's entry among the deadlines up to date.
    pub(super) fn book_deadline(&mut self, key: RunKey) {
        let Some(cell) = self.cells.get_mut(&key) else { return };
        let next = perdure_engine::next_deadline(&cell.state);
        if next == cell.deadline {
            return;
        }
        if let Some(old) = cell.deadline {
            self.deadlines.remove(&(old, key));
        }
        if let Some(new) = next {
            self.deadlines.insert((new, key));
        }
        cell.deadline = next;
    }

    /// Acts on all deadlines that have passed.
    pub(super) fn wake_due(&mut self) {
        if !self.is_active() {
            return;
        }
        let now = self.shared.clock.now();
        self.book_deadlines();
        while let Some((time, key)) = self.deadlines.first().copied().filter(|(time, _)| *time <= now) {
            self.deadlines.remove(&(time, key));
            match self.cells.get_mut(&key) {
                Some(cell) => {
                    cell.deadline = None;
                    self.undated.insert(key);
                    self.wake(key, now);
                }
                None => {
                    self.scanner.forget(key, &mut self.deadlines);
                    self.want_run(key);
                }
            }
        }
    }

    fn wake(&mut self, key: RunKey, now: Nanos) {
        /// A deadline that waking did not move is a defect; it must not spin the shard.
        const RETRY: Nanos = 100_000_000;
        if let Err(reject) = self.step(key, Input::Wake) {
            tracing::error!(run_id = %key.run_id, %reject, "a run refused to wake");
        }
        // Its own, and that of a run that began by it.
        self.book_deadlines();
        let Some(cell) = self.cells.get_mut(&key) else { return };
        if let Some(time) = cell.deadline.filter(|time| *time <= now) {
            self.deadlines.remove(&(time, key));
            self.deadlines.insert((now + RETRY, key));
            cell.deadline = Some(now + RETRY);
        }
    }

    /// Sends once all that has been booked of this run so far is durable.
    pub(super) fn send_when_durable(&mut self, key: RunKey, send: message::Send) {
        self.hold_for(key, Release::Send(send));
    }

    pub(super) fn hold_for(&mut self, key: RunKey, release: Release) {
        let workflow = self.cells.get(&key).map(|cell| cell.workflow.clone());
        self.hold(workflow, release);
    }
}

/// The events among the changes, encoded, with the id of the first.
fn events_of(changes: &[Change]) -> Option<(i64, Bytes)> {
    let mut events = changes.iter().filter_map(|change| match change {
        Change::Event { event, encoded } => Some((event.event_id, encoded)),
        Change::Durable(_) | Change::Volatile(_) => None,
    });
    let (first, encoded) = events.next()?;
    let bytes: usize = events.clone().map(|(_, encoded)| encoded.len()).sum();
    if bytes == 0 {
        return Some((first, encoded.clone()));
    }
    // To measure: they stay in memory for as long as the run does.
    let mut all = BytesMut::with_capacity(encoded.len() + bytes);
    all.extend_from_slice(encoded);
    events.for_each(|(_, encoded)| all.extend_from_slice(encoded));
    Some((first, all.freeze()))
}

fn is_durable(change: &Change) -> bool {
    !matches!(change, Change::Volatile(_))
}
