//! Deadlines of a run.

use crate::{outcome::Reply, reject::Reject, tx::Tx};

pub(crate) fn wake(_tx: &mut Tx) -> Result<Reply, Reject> {
    Ok(Reply::Done)
}
