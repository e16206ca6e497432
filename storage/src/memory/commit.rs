//! Batches: all checks first, so that a batch that fails leaves nothing behind.

use super::state::{Run, State};
use crate::{
    batch::{Batch, RunWrite, WakeAt},
    error::CommitError,
    keys::{RunKey, WorkflowKey},
};

#[derive(Debug, thiserror::Error)]
#[error("the row exists already")]
struct Duplicate;

#[derive(Debug, thiserror::Error)]
#[error("a text holds a NUL")]
struct NulInText;

/// As PostgreSQL, which cannot store it.
fn has_nul(write: &RunWrite) -> bool {
    let id = write.create.iter().map(|create| &*create.workflow.workflow_id);
    let shown = write.visibility.iter().flat_map(|row| [row.workflow_type.as_str(), row.task_queue.as_str()]);
    id.chain(shown).any(|text| text.contains('\0'))
        || write.visibility.as_ref().is_some_and(|row| row.search_values.to_string().contains("\\u0000"))
}

impl State {
    pub(super) fn commit(&mut self, batches: &[Batch]) -> Result<(), CommitError> {
        if !batches.iter().all(|batch| self.leases.iter().any(|row| row.lease == batch.lease)) {
            return Err(CommitError::LeaseLost);
        }
        let writes = batches.iter().flat_map(|batch| &batch.runs);
        if writes.clone().any(|write| self.is_duplicate(write)) {
            return Err(CommitError::Unknown(Box::new(Duplicate)));
        }
        if writes.clone().any(has_nul) {
            return Err(CommitError::Refused(Box::new(NulInText)));
        }
        writes.cloned().for_each(|write| self.write(write));
        Ok(())
    }

    fn is_duplicate(&self, write: &RunWrite) -> bool {
        let mut keys = write.journal.iter().map(|row| (write.key, row.seq));
        write.create.is_some() && self.runs.contains_key(&write.key) || keys.any(|key| self.journal.contains_key(&key))
    }

    fn write(&mut self, write: RunWrite) {
        let trims_to = write.trims_to();
        if let Some(create) = write.create {
            if create.make_current {
                self.current_runs.insert(create.workflow.clone(), write.key.run_id);
            }
            self.runs.insert(write.key, Run { workflow: create.workflow, snapshot: None, wake_at: None });
        }
        if let Some(seq) = trims_to {
            let covered: Vec<_> =
                self.journal.range((write.key, i64::MIN)..=(write.key, seq)).map(|(key, _)| *key).collect();
            covered.iter().for_each(|key| {
                self.journal.remove(key);
            });
        }
        if let Some(run) = self.runs.get_mut(&write.key) {
            match write.wake_at {
                WakeAt::Keep => {}
                WakeAt::Set(time) => run.wake_at = Some(time),
                WakeAt::Clear => run.wake_at = None,
            }
            if write.snapshot.is_some() {
                run.snapshot = write.snapshot;
            }
        }
        for row in write.journal {
            self.journal.insert((write.key, row.seq), row);
        }
        if let Some(row) = write.visibility {
            self.visibility.insert((row.namespace_id, row.run_id), row);
        }
        if let Some(delete) = write.delete {
            self.delete(write.key, &delete.workflow);
        }
    }

    fn delete(&mut self, key: RunKey, workflow: &WorkflowKey) {
        self.runs.remove(&key);
        self.journal.retain(|(run, _), _| *run != key);
        self.visibility.remove(&(workflow.namespace_id, key.run_id));
        if self.current_runs.get(workflow) == Some(&key.run_id) {
            self.current_runs.remove(workflow);
        }
    }
}
