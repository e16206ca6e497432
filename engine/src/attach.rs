//! What requests attach to a run that is no workflow: completion callbacks and links. No event says so, a change does.
//!
//! | run | its start | another start of its id that attaches |
//! |---|---|---|
//! | open | kept | kept; rejected, with nothing kept, where they become too many |
//! | closed | – | rejected |

use perdure_proto::api::common::{Callback, Link};

use crate::{
    change::{CallbacksAttached, Kind},
    reject::Reject,
    tx::Tx,
};

/// What one request brings.
pub(crate) struct Attached {
    /// Empty: it is not to be known again.
    pub(crate) request_id: String,
    pub(crate) callbacks: Vec<Callback>,
    pub(crate) links: Vec<Link>,
}

impl Attached {
    /// The run has only so many, and calls itself `what` in the refusal: `an activity`.
    pub(crate) fn check(&self, tx: &Tx, what: &str) -> Result<(), Reject> {
        let (run, limits) = (&tx.state.run, tx.ctx.limits);
        let kinds = [
            ("callbacks", self.callbacks.len(), run.callbacks.len(), limits.callbacks_standalone),
            ("links", self.links.len(), run.links.len(), limits.links_standalone),
        ];
        for (name, more, attached, limit) in kinds {
            if more > 0 && attached + more > limit {
                let text =
                    format!("cannot attach more than {limit} {name} to {what} ({attached} {name} already attached)");
                return Err(Reject::FailedPrecondition(text));
            }
        }
        Ok(())
    }
}

/// Keeps the callbacks of a request.
pub(crate) fn keep_callbacks(tx: &mut Tx, request_id: String, callbacks: Vec<Callback>) {
    if !callbacks.is_empty() {
        tx.durable(Kind::CallbacksAttached(CallbacksAttached { request_id, time: tx.now(), callbacks }));
    }
}
