//! Closed runs that another server has written.
//!
//! | the workflow id has here | the imported run becomes the current one |
//! |---|---|
//! | no run, or one that is being deleted | yes |
//! | an open run | no |
//! | closed runs | if it was started after the current one |

use perdure_engine::{Ctx, Import};
use perdure_storage::{RunKey, WorkflowKey};

use super::{
    Shard,
    book::Dispatch,
    dispatch::Release,
    message::{self, ImportOp},
};
use crate::error::Error;

impl Shard {
    pub(super) fn import(&mut self, op: Box<ImportOp>) {
        if !self.is_active() {
            drop(op.reply.send(Err(Error::Unavailable)));
            return;
        }
        let workflow = op.workflow.clone();
        if self.is_new(&workflow) || self.current_is_going(&workflow) {
            self.import_beside(None, *op);
            return;
        }
        match self.current.get(&workflow) {
            Some(run_id) => self.import_beside(Some(RunKey { slot: workflow.slot(), run_id: *run_id }), *op),
            None => self.park_import(workflow, op),
        }
    }

    /// `current`: the current run of the workflow id, which is in memory.
    pub(super) fn import_beside(&mut self, current: Option<RunKey>, op: ImportOp) {
        let ImportOp { workflow, run_id, import, reply } = op;
        let key = RunKey { slot: workflow.slot(), run_id };
        let result = self.try_import(workflow.clone(), key, current, import);
        self.hold(Some(workflow), Release::Send(message::answer(reply, result)));
    }

    fn try_import(
        &mut self,
        workflow: WorkflowKey,
        key: RunKey,
        current: Option<RunKey>,
        import: Import,
    ) -> Result<(), Error> {
        if self.cells.contains_key(&key) {
            // It came between the caller's look and now.
            return Err(Error::Unavailable);
        }
        let now = self.shared.clock.now();
        let limits = self.shared.limits.load();
        let mut ctx = Ctx { now, ids: &mut self.ids, limits: limits.of(&import.namespace) };
        let (state, outcome) = perdure_engine::import(import, &mut ctx)?;
        let current = current.and_then(|key| self.cells.get(&key)).map(|cell| (&cell.state.run, cell.is_open()));
        let make_current = current.is_none_or(|(run, open)| !open && run.start_time < state.run.start_time);
        if make_current {
            self.current.insert(workflow.clone(), key.run_id);
        }
        self.insert_new(workflow, key, state, make_current);
        self.book(key, outcome, Dispatch::Queue);
        Ok(())
    }
}
