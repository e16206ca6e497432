//! Termination by request.

use perdure_proto::api::common::{Link, Payloads};

use crate::{outcome::Reply, reject::Reject, tx::Tx};

pub(crate) fn request(
    _tx: &mut Tx,
    _reason: String,
    _details: Option<Payloads>,
    _identity: String,
    _links: Vec<Link>,
) -> Result<Reply, Reject> {
    Err(Reject::WorkflowClosed)
}
