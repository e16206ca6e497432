//! What becomes of workflows whose data the database refused, and of the others.

use std::collections::HashSet;

use perdure_engine::{Nanos, Reject, time::SECOND};
use perdure_storage::WorkflowKey;

use super::{Shard, dispatch::Release};
use crate::error::Error;

/// What callers are told. The database's own words stay in the log.
const REFUSED: &str = "the request holds data that the database cannot store";

/// A run whose step was refused is looked at again after this time: what time itself does to it may be refused again.
const WAIT: Nanos = 5 * SECOND;

/// Leaves once what it tells is durable.
pub(super) struct Held {
    /// Whose fate it shares; None: nobody's.
    pub(super) workflow: Option<WorkflowKey>,
    pub(super) release: Release,
}

impl Shard {
    pub(super) fn hold(&mut self, workflow: Option<WorkflowKey>, release: Release) {
        self.releases.push(Held { workflow, release });
    }

    /// Lets out what is durable. Callers whose request was refused are told so.
    pub(super) fn release_except(&mut self, held: Vec<Held>, refused: &HashSet<WorkflowKey>) {
        for Held { workflow, release } in held {
            match workflow.filter(|workflow| refused.contains(workflow)) {
                Some(_) => release.refuse(Error::Reject(Reject::InvalidArgument(REFUSED.into()))),
                None => self.release(release),
            }
        }
    }

    /// Drops what is in memory of workflows whose writes were refused, with all that happened to them since.
    pub(super) fn forget_refused(&mut self, refused: &HashSet<WorkflowKey>) {
        let gone: Vec<_> =
            self.cells.values().filter(|cell| refused.contains(&cell.workflow)).map(|cell| cell.key).collect();
        let again = self.shared.clock.now() + WAIT;
        for key in gone {
            let Some(cell) = self.cells.remove(&key) else { continue };
            tracing::error!(workflow_id = %cell.workflow.workflow_id, run_id = %key.run_id, "its data was refused");
            if let Some(deadline) = cell.deadline {
                self.deadlines.remove(&(deadline, key));
            }
            // What its stored state owes is handed out when it comes back.
            self.scanner.park(key, again, &mut self.deadlines);
        }
        self.current.retain(|workflow, _| !refused.contains(workflow));
        self.dirty.retain(|key| self.cells.contains_key(key));
        self.leaving.retain(|key| self.cells.contains_key(key));
        let later = std::mem::take(&mut self.releases);
        for held in later {
            match held.workflow.as_ref().filter(|workflow| refused.contains(*workflow)) {
                // It came after the one that was refused: nothing is known against it.
                Some(_) => held.release.refuse(Error::Unavailable),
                None => self.releases.push(held),
            }
        }
    }
}
