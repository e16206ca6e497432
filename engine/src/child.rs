//! (Replaced by the machine's own work.)

use perdure_proto::api::{common::Header, history::{HistoryEvent, history_event::Attributes}};

use crate::{apply::Corrupt, outcome::Reply, reject::Reject, state::RunState, tx::Tx};

pub(crate) fn apply(_run: &mut RunState, event: &HistoryEvent, _attributes: &Attributes) -> Result<(), Corrupt> {
    Err(Corrupt::at(event.event_id, "not built"))
}

pub(crate) fn started(_tx: &mut Tx, _initiated_event_id: i64, _run_id: String, _header: Option<Header>) -> Result<Reply, Reject> {
    Err(Reject::NotAwaited)
}

pub(crate) fn start_failed(_tx: &mut Tx, _initiated_event_id: i64, _cause: i32) -> Result<Reply, Reject> {
    Err(Reject::NotAwaited)
}

pub(crate) fn closed(_tx: &mut Tx, _initiated_event_id: i64, _workflow_id: String, _run_id: String, _event: HistoryEvent) -> Result<Reply, Reject> {
    Err(Reject::NotAwaited)
}
