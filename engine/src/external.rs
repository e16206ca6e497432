//! (Replaced by the machine's own work.)

use perdure_proto::api::history::{HistoryEvent, history_event::Attributes};

use crate::{apply::Corrupt, outcome::Reply, reject::Reject, state::RunState, tx::Tx};

pub(crate) fn apply(_run: &mut RunState, event: &HistoryEvent, _attributes: &Attributes) -> Result<(), Corrupt> {
    Err(Corrupt::at(event.event_id, "not built"))
}

pub(crate) fn signal_done(_tx: &mut Tx, _initiated_event_id: i64, _failed_cause: Option<i32>) -> Result<Reply, Reject> {
    Err(Reject::NotAwaited)
}

pub(crate) fn cancel_done(_tx: &mut Tx, _initiated_event_id: i64, _failed_cause: Option<i32>) -> Result<Reply, Reject> {
    Err(Reject::NotAwaited)
}
