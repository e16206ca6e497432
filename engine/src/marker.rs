//! Markers change nothing but the history: they are for the worker that replays it.

use perdure_proto::api::history::{HistoryEvent, history_event::Attributes};

use crate::{apply::Corrupt, state::RunState};

pub(crate) fn apply(_run: &mut RunState, event: &HistoryEvent, attributes: &Attributes) -> Result<(), Corrupt> {
    match attributes {
        Attributes::MarkerRecordedEventAttributes(_) => Ok(()),
        _ => Err(Corrupt::at(event.event_id, "not a marker")),
    }
}
