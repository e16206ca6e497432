//! Payloads as content of Nexus requests.

use perdure_proto::api::common::Payload;

/// Nexus has no absent content: what comes in or goes out without a payload is one that holds nothing.
pub(crate) fn or_null(payload: Option<Payload>) -> Payload {
    payload.unwrap_or_else(|| Payload {
        metadata: [("encoding".to_owned(), "binary/null".into())].into(),
        ..Payload::default()
    })
}
