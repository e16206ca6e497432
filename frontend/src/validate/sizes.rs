//! Sizes of what clients send, as encoded.

use perdure_proto::api::{common::Memo, failure::Failure, sdk::UserMetadata};
use prost::Message;
use tonic::Status;

use crate::{limits::FrontendLimits, status::invalid};

/// What stays of a failure that is too large.
const TRUNCATED_MESSAGE: usize = 4 * 1_024;

pub(crate) const FAILURE: &str = "Failure exceeds size limit.";
pub(crate) const HEARTBEAT: &str = "Heartbeat details exceed size limit.";

pub(crate) fn too_large(blob: Option<&impl Message>, limits: &FrontendLimits) -> bool {
    blob.is_some_and(|blob| exceeds(blob.encoded_len(), limits.runs.blob_size))
}

pub(crate) fn blob(blob: Option<&impl Message>, limits: &FrontendLimits) -> Result<(), Status> {
    if too_large(blob, limits) {
        return Err(invalid("Blob data size exceeds limit."));
    }
    Ok(())
}

pub(crate) fn memo(memo: Option<&Memo>, limits: &FrontendLimits) -> Result<(), Status> {
    if memo.is_some_and(|memo| exceeds(memo.encoded_len(), limits.runs.memo_size)) {
        return Err(invalid("Memo size exceeds limit."));
    }
    Ok(())
}

pub(crate) fn user_metadata(metadata: Option<&UserMetadata>, limits: &FrontendLimits) -> Result<(), Status> {
    let Some(metadata) = metadata else {
        return Ok(());
    };
    let parts = [
        ("summary", &metadata.summary, limits.runs.user_metadata_summary),
        ("details", &metadata.details, limits.runs.user_metadata_details),
    ];
    for (name, payload, limit) in parts {
        let size = payload.as_ref().map_or(0, Message::encoded_len);
        if size > limit {
            return Err(invalid(format!("user_metadata.{name} exceeds size limit. Length={size} Limit={limit}")));
        }
    }
    Ok(())
}

/// The server's failure that takes the place of one that is too large, with what can be kept of it as its cause.
pub(crate) fn replace_failure(mut failure: Failure) -> Failure {
    let mut end = failure.message.len().min(TRUNCATED_MESSAGE);
    while !failure.message.is_char_boundary(end) {
        end -= 1;
    }
    failure.message.truncate(end);
    let kept = Failure { message: failure.message, source: failure.source, ..Default::default() };
    let mut replacement = perdure_engine::outcome::server_failure(FAILURE, true);
    replacement.cause = Some(Box::new(kept));
    replacement
}

fn exceeds(size: usize, limit: i64) -> bool {
    i64::try_from(size).is_ok_and(|size| size > limit)
}

#[cfg(test)]
mod tests {
    use perdure_proto::api::common::{Payload, Payloads};

    use super::*;

    fn payload(len: usize) -> Payload {
        Payload { data: vec![0; len].into(), ..Default::default() }
    }

    #[test]
    fn blobs_and_metadata() {
        let mut limits = FrontendLimits::default();
        limits.runs.blob_size = 100;
        let payloads = |len| Payloads { payloads: vec![payload(len)] };
        assert!(blob(Some(&payloads(90)), &limits).is_ok());
        assert_eq!(blob(Some(&payloads(100)), &limits).unwrap_err().message(), "Blob data size exceeds limit.");
        let metadata = UserMetadata { summary: Some(payload(401)), details: None };
        let text = "user_metadata.summary exceeds size limit. Length=404 Limit=400";
        assert_eq!(user_metadata(Some(&metadata), &limits).unwrap_err().message(), text);
        assert!(user_metadata(None, &limits).is_ok());
    }

    #[test]
    fn a_failure_that_is_too_large_becomes_the_cause() {
        let failure = Failure { message: "é".repeat(5_000), stack_trace: "x".repeat(9), ..Default::default() };
        let replaced = replace_failure(failure);
        assert_eq!(replaced.message, FAILURE);
        let cause = replaced.cause.unwrap();
        assert_eq!(cause.message.len(), TRUNCATED_MESSAGE);
        assert!(cause.stack_trace.is_empty());
    }
}
