//! Deletion of a run.
//!
//! | run | request | afterwards |
//! |---|---|---|
//! | open | ends as terminated | as closed |
//! | closed, owes something to others | noted | goes when nothing is owed any more |
//! | closed, owes nothing | noted | goes, in the same commit |

use perdure_proto::api::enums::WorkflowExecutionStatus;

use crate::{
    Archetype, batch,
    change::Kind,
    close::{self, Termination},
    deadlines::next_deadline,
    obligations::obligations,
    outcome::Reply,
    reject::Reject,
    schedule, standalone_activity, standalone_nexus,
    state::WorkflowState,
    tx::Tx,
};

pub(crate) fn request(tx: &mut Tx) -> Result<Reply, Reject> {
    if tx.state.run.close.is_none() {
        match tx.state.run.archetype() {
            Archetype::Workflow => close::terminate(tx, Termination::by_server("Delete workflow execution")),
            Archetype::Activity => standalone_activity::delete(tx),
            Archetype::NexusOperation => standalone_nexus::delete(tx),
            Archetype::Schedule => schedule::end(tx),
            Archetype::Batch => batch::end(tx, WorkflowExecutionStatus::Terminated),
        }
    }
    if !tx.state.run.delete_requested {
        tx.durable(Kind::DeleteRequested(true));
    }
    Ok(Reply::Done)
}

impl WorkflowState {
    /// The host is to forget the run, and to delete all that it stored of it.
    pub fn is_to_be_deleted(&self) -> bool {
        self.run.delete_requested
            && self.run.close.is_some()
            && obligations(self).is_empty()
            && next_deadline(self).is_none()
    }
}
