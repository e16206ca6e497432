//! Termination by request: the end without the workflow's consent. A started workflow task fails, what waited for it is
//! written, then Terminated.

use crate::{
    close::{self, Termination},
    outcome::Reply,
    reject::Reject,
    tx::Tx,
};

pub(crate) fn request(tx: &mut Tx, termination: Termination) -> Result<Reply, Reject> {
    if tx.state.run.close.is_some() {
        return Err(Reject::WorkflowClosed);
    }
    close::terminate(tx, termination);
    Ok(Reply::Done)
}
