//! (Replaced by the machine's own work.)

use perdure_proto::api::history::{HistoryEvent, history_event::Attributes};

use crate::{apply::Corrupt, state::RunState};

pub(crate) fn apply(_run: &mut RunState, event: &HistoryEvent, _attributes: &Attributes) -> Result<(), Corrupt> {
    Err(Corrupt::at(event.event_id, "not built"))
}
