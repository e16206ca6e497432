//! Runs that are to go.
//!
//! The engine says when (`WorkflowState::is_to_be_deleted`). From then on callers find no such run, and hear so once its
//! deletion is durable; the run leaves memory when it is. A new run of its id may begin at once.

use perdure_storage::{RunKey, WorkflowKey};

use super::{Shard, cell::Dirty, dispatch::Release};
use crate::{error::Error, shard::message::Action};

impl Shard {
    /// Books the deletion of a run that wants it and owes nothing any more.
    pub(super) fn book_deletion(&mut self, key: RunKey) {
        let Some(cell) = self.cells.get_mut(&key) else { return };
        if cell.deleted || !cell.state.is_to_be_deleted() {
            return;
        }
        cell.deleted = true;
        if cell.dirty.is_none() {
            cell.dirty = Some(Dirty::default());
            self.dirty.push(key);
        }
    }

    /// The current run of this id is on its way out: a new one may take its place.
    pub(super) fn current_is_going(&self, workflow: &WorkflowKey) -> bool {
        let current = self.current.get(workflow).map(|run_id| RunKey { slot: workflow.slot(), run_id: *run_id });
        current.and_then(|key| self.cells.get(&key)).is_some_and(|cell| cell.deleted)
    }

    /// Refuses an operation on a run that is on its way out.
    pub(super) fn refuse_gone(&mut self, key: RunKey, action: Action) {
        self.hold_for(key, Release::Send(Box::new(move |_| action.refuse(Error::RunNotFound))));
    }

    /// The deletion is durable.
    pub(super) fn forget_deleted(&mut self, key: RunKey) {
        let Some(cell) = self.cells.remove(&key) else { return };
        if self.current.get(&cell.workflow) == Some(&key.run_id) {
            self.current.remove(&cell.workflow);
        }
        if let Some(deadline) = cell.deadline {
            self.deadlines.remove(&(deadline, key));
        }
        self.scanner.forget(key, &mut self.deadlines);
        self.owing.remove(&key);
        self.loader.note_gone(key);
    }
}
