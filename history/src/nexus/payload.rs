//! Payloads as content of Nexus requests: bytes with a media type.

use std::collections::BTreeMap;

use bytes::Bytes;
use perdure_proto::api::common::Payload;
use prost::Message;

/// One of Temporal's payloads as a whole, where a media type alone would lose something.
const WHOLE: &str = "application/x-temporal-payload";
const UNKNOWN: &[u8] = b"unknown/nexus-content";

/// Nexus has no absent content: what comes in or goes out without a payload is one that holds nothing.
pub(crate) fn or_null(payload: Option<Payload>) -> Payload {
    payload.unwrap_or_else(|| encoded("binary/null", Bytes::new()))
}

fn encoded(encoding: &'static str, data: Bytes) -> Payload {
    Payload { metadata: [("encoding".to_owned(), encoding.into())].into(), data, ..Payload::default() }
}

/// The body of a request, and its headers: names without `content-`.
pub fn to_content(payload: &Payload) -> (BTreeMap<String, String>, Bytes) {
    let text = |name: &str| payload.metadata.get(name).and_then(|value| std::str::from_utf8(value).ok());
    let kind = match (text("encoding"), payload.metadata.len(), text("messageType")) {
        _ if !payload.external_payloads.is_empty() => None,
        (Some("json/plain"), 1, _) => Some("application/json".to_owned()),
        (Some("binary/plain"), 1, _) => Some("application/octet-stream".to_owned()),
        (Some("binary/null"), 1, _) => return (BTreeMap::new(), payload.data.clone()),
        (Some("json/protobuf"), 2, Some(name)) => {
            Some(format!("application/json; format=protobuf; message-type=\"{name}\""))
        }
        (Some("binary/protobuf"), 2, Some(name)) => Some(format!("application/x-protobuf; message-type=\"{name}\"")),
        _ => None,
    };
    match kind {
        Some(kind) => ([("type".to_owned(), kind)].into(), payload.data.clone()),
        None => ([("type".to_owned(), WHOLE.to_owned())].into(), payload.encode_to_vec().into()),
    }
}

/// None: the body is not what its media type says. `header`: names without `content-`, in small letters.
pub fn of_content(header: &BTreeMap<String, String>, body: Bytes) -> Option<Payload> {
    let known: Vec<(&str, &str)> = header
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| !["encoding", "length"].contains(name))
        .collect();
    match known.as_slice() {
        [] if body.is_empty() => return Some(encoded("binary/null", body)),
        [("type", WHOLE)] => return Payload::decode(body).ok(),
        [("type", "application/json")] => return Some(encoded("json/plain", body)),
        [("type", "application/octet-stream")] => return Some(encoded("binary/plain", body)),
        [("type", kind)] => {
            if let Some((encoding, name)) = message_type(kind) {
                let mut payload = encoded(encoding, body);
                payload.metadata.insert("messageType".to_owned(), name.to_owned().into());
                return Some(payload);
            }
        }
        _ => {}
    }
    let mut payload = Payload { data: body, ..Payload::default() };
    payload.metadata = known.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned().into())).collect();
    payload.metadata.insert("encoding".to_owned(), UNKNOWN.into());
    Some(payload)
}

/// The encoding and message type of `application/x-protobuf; message-type="…"` and of the same in JSON.
fn message_type(kind: &str) -> Option<(&'static str, &str)> {
    let mut parts = kind.split(';').map(str::trim);
    let media = parts.next()?;
    let parameters: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
    let value =
        |name: &str| parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| value.trim_matches('"'));
    let name = value("message-type").filter(|name| !name.is_empty())?;
    match (media, parameters.len()) {
        ("application/x-protobuf", 1) => Some(("binary/protobuf", name)),
        ("application/json", 2) if value("format") == Some("protobuf") => Some(("json/protobuf", name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let mut protobuf = encoded("binary/protobuf", "x".into());
        protobuf.metadata.insert("messageType".to_owned(), "a.B".into());
        let mut json_protobuf = encoded("json/protobuf", "{}".into());
        json_protobuf.metadata.insert("messageType".to_owned(), "a.B".into());
        let mut more = encoded("json/plain", "1".into());
        more.metadata.insert("other".to_owned(), "x".into());
        let payloads = [
            (encoded("json/plain", "1".into()), Some("application/json")),
            (encoded("binary/plain", "1".into()), Some("application/octet-stream")),
            (encoded("binary/null", Bytes::new()), None),
            (protobuf, Some("application/x-protobuf; message-type=\"a.B\"")),
            (json_protobuf, Some("application/json; format=protobuf; message-type=\"a.B\"")),
            (more, Some(WHOLE)),
            (Payload { data: "x".into(), ..Payload::default() }, Some(WHOLE)),
        ];
        for (payload, kind) in payloads {
            let (header, body) = to_content(&payload);
            assert_eq!(header.get("type").map(String::as_str), kind);
            assert_eq!(of_content(&header, body), Some(payload));
        }
    }

    #[test]
    fn content_of_others() {
        let of =
            |kind: &str, body: &'static str| of_content(&[("type".to_owned(), kind.to_owned())].into(), body.into());
        assert_eq!(of("text/plain", "x").unwrap().metadata["encoding"], UNKNOWN);
        assert_eq!(of("text/plain", "x").unwrap().metadata["type"], "text/plain");
        assert_eq!(of(WHOLE, "\u{7}\u{7}"), None);
    }
}
