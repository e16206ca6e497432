//! Activities. (Replaced by the machine's own work.)

use perdure_proto::api::{common::{Payloads, WorkerVersionStamp}, failure::Failure, history::{HistoryEvent, history_event::Attributes}};

use crate::{apply::Corrupt, change::Kind, input::ActivityRef, outcome::Reply, reject::Reject, state::RunState, tx::Tx};

pub(crate) fn apply(_run: &mut RunState, event: &HistoryEvent, _attributes: &Attributes) -> Result<(), Corrupt> {
    Err(Corrupt::at(event.event_id, "activities are not built"))
}

pub(crate) fn apply_durable(_run: &mut RunState, _kind: &Kind) -> Result<(), Corrupt> {
    Err(Corrupt::at(0, "activities are not built"))
}

pub(crate) fn start(_tx: &mut Tx, _scheduled_event_id: i64, _attempt: i32, _identity: String, _request_id: String, _worker_version: Option<WorkerVersionStamp>) -> Result<Reply, Reject> {
    Err(Reject::StaleTask)
}

pub(crate) fn completed(_tx: &mut Tx, _activity: ActivityRef, _result: Option<Payloads>, _identity: String) -> Result<Reply, Reject> {
    Err(Reject::ActivityGone)
}

pub(crate) fn failed(_tx: &mut Tx, _activity: ActivityRef, _failure: Failure, _last_heartbeat_details: Option<Payloads>, _identity: String) -> Result<Reply, Reject> {
    Err(Reject::ActivityGone)
}

pub(crate) fn canceled(_tx: &mut Tx, _activity: ActivityRef, _details: Option<Payloads>, _identity: String) -> Result<Reply, Reject> {
    Err(Reject::ActivityGone)
}

pub(crate) fn heartbeat(_tx: &mut Tx, _activity: ActivityRef, _details: Option<Payloads>, _identity: String) -> Result<Reply, Reject> {
    Err(Reject::ActivityGone)
}

/// Acts on every deadline of activities that is not after now.
pub(crate) fn wake(_tx: &mut Tx) {}
