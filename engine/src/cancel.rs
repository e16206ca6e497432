//! Requests to cancel a run.

use perdure_proto::api::common::Link;

use crate::{apply::Corrupt, input::ExternalInitiator, outcome::Reply, reject::Reject, state::RunState, tx::Tx};

pub(crate) struct Request {
    pub(crate) reason: String,
    pub(crate) identity: String,
    pub(crate) request_id: String,
    pub(crate) external: Option<ExternalInitiator>,
    pub(crate) links: Vec<Link>,
}

pub(crate) fn apply(run: &mut RunState) -> Result<(), Corrupt> {
    run.cancel_requested = true;
    Ok(())
}

pub(crate) fn request(_tx: &mut Tx, _request: Request) -> Result<Reply, Reject> {
    Err(Reject::WorkflowClosed)
}
