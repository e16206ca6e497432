//! How Nexus writes failures, links, states and times into HTTP.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use perdure_engine::{Nanos, time::SECOND};
use perdure_proto::api::nexus::{Failure, Link};
use serde_json::{Value, json};

const LINK: &str = "nexus-link";
/// Of a failure that only carries its cause.
const UNWRAP: &str = "unwrap-error";

const ERROR_TYPES: [(StatusCode, &str); 10] = [
    (StatusCode::BAD_REQUEST, "BAD_REQUEST"),
    (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"),
    (StatusCode::FORBIDDEN, "UNAUTHORIZED"),
    (StatusCode::NOT_FOUND, "NOT_FOUND"),
    (StatusCode::REQUEST_TIMEOUT, "REQUEST_TIMEOUT"),
    (StatusCode::CONFLICT, "CONFLICT"),
    (StatusCode::TOO_MANY_REQUESTS, "RESOURCE_EXHAUSTED"),
    (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"),
    (StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED"),
    (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"),
];
/// Has no name in HTTP.
const UPSTREAM_TIMEOUT: (u16, &str) = (520, "UPSTREAM_TIMEOUT");

pub fn error_type(status: StatusCode) -> Option<&'static str> {
    let known = ERROR_TYPES.iter().find(|(known, _)| *known == status).map(|(_, kind)| *kind);
    known.or_else(|| (status.as_u16() == UPSTREAM_TIMEOUT.0).then_some(UPSTREAM_TIMEOUT.1))
}

/// The status of a handler error's type.
pub fn status_of(kind: &str) -> StatusCode {
    let known = ERROR_TYPES.iter().find(|(_, known)| *known == kind).map(|(status, _)| *status);
    let upstream = || StatusCode::from_u16(UPSTREAM_TIMEOUT.0).ok().filter(|_| kind == UPSTREAM_TIMEOUT.1);
    known.or_else(upstream).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

pub fn failure_to_json(failure: &Failure) -> Value {
    let mut value = json!({"message": failure.message});
    if !failure.stack_trace.is_empty() {
        value["stackTrace"] = json!(failure.stack_trace);
    }
    if !failure.metadata.is_empty() {
        value["metadata"] = json!(failure.metadata);
    }
    if let Ok(details) = serde_json::from_slice::<Value>(&failure.details) {
        value["details"] = details;
    }
    if let Some(cause) = &failure.cause {
        value["cause"] = failure_to_json(cause);
    }
    value
}

/// None: no JSON object, or one of other types.
fn failure_of_json(value: &Value) -> Option<Failure> {
    let object = value.as_object()?;
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let metadata = object.get("metadata").and_then(Value::as_object);
    let metadata =
        metadata.into_iter().flatten().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    let details = object.get("details").filter(|details| !details.is_null());
    let cause = match object.get("cause").filter(|cause| !cause.is_null()) {
        Some(cause) => Some(Box::new(failure_of_json(cause)?)),
        None => None,
    };
    Some(Failure {
        message: text("message"),
        stack_trace: text("stackTrace"),
        metadata: metadata.collect(),
        details: details.map(|details| details.to_string().into()).unwrap_or_default(),
        cause,
    })
}

/// None where the body is no failure.
pub fn failure_of_body(header: &HeaderMap, body: &[u8]) -> Option<Failure> {
    let kind = header.get(CONTENT_TYPE)?.to_str().ok()?;
    let media = kind.split(';').next().unwrap_or_default().trim();
    (media == "application/json").then(|| failure_of_json(&serde_json::from_slice(body).ok()?))?
}

/// Servers wrap the failure that they mean.
pub fn unwrap(failure: Failure) -> Failure {
    let is_wrapper = failure.metadata.get(UNWRAP).is_some_and(|value| value == "true");
    match failure.cause {
        Some(cause) if is_wrapper => *cause,
        cause => Failure { cause, ..failure },
    }
}

/// `<url>; type="…"`, one header each.
pub fn put_links(header: &mut HeaderMap, links: &[Link]) {
    for link in links {
        if let Ok(value) = HeaderValue::try_from(format!("<{}>; type=\"{}\"", link.url, link.r#type)) {
            header.append(LINK, value);
        }
    }
}

/// Those that can be read; several may stand in one header.
pub fn links_of(header: &HeaderMap) -> Vec<Link> {
    let values = header.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(link).collect()
}

fn link(text: &str) -> Option<Link> {
    let (url, parameters) = text.trim().strip_prefix('<')?.split_once('>')?;
    let mut parameters = parameters.split(';').filter_map(|parameter| parameter.trim().split_once('='));
    let (_, kind) = parameters.find(|(name, _)| *name == "type")?;
    Some(Link { url: url.to_owned(), r#type: kind.trim_matches('"').to_owned() })
}

/// Headers whose name begins with `content-`, without that.
pub fn content_header(header: &HeaderMap) -> BTreeMap<String, String> {
    prefixed(header, "content-")
}

/// Headers whose name begins so, without that.
pub fn prefixed(header: &HeaderMap, prefix: &str) -> BTreeMap<String, String> {
    let named = header.iter().filter_map(|(name, value)| Some((name.as_str().strip_prefix(prefix)?, value)));
    named.filter_map(|(name, value)| Some((name.to_owned(), value.to_str().ok()?.to_owned()))).collect()
}

/// As HTTP writes times: whole seconds.
pub fn http_date(time: Nanos) -> String {
    let seconds = std::time::Duration::from_secs((time / SECOND).max(0) as u64);
    httpdate::fmt_http_date(std::time::SystemTime::UNIX_EPOCH + seconds)
}

/// None where it is malformed.
pub fn parse_http_date(text: &str) -> Option<Nanos> {
    let time = httpdate::parse_http_date(text).ok()?;
    let since = time.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?;
    Nanos::try_from(since.as_nanos()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_there_and_back() {
        let link = |url: &str| Link { url: url.to_owned(), r#type: "a.B".to_owned() };
        let mut header = HeaderMap::new();
        put_links(&mut header, &[link("temporal:///x?y=1&z=2"), link("u")]);
        assert_eq!(links_of(&header), [link("temporal:///x?y=1&z=2"), link("u")]);
        let mut header = HeaderMap::new();
        header.insert(LINK, HeaderValue::from_static("<a>; type=\"a.B\", <b>;type=a.B, bad, <c>; x=y"));
        assert_eq!(links_of(&header), [link("a"), link("b")]);
    }

    #[test]
    fn failures_there_and_back() {
        let cause = Failure { message: "c".into(), details: "[1]".into(), ..Failure::default() };
        let failure = Failure {
            message: "m".into(),
            stack_trace: "s".into(),
            metadata: [(UNWRAP.to_owned(), "true".to_owned())].into(),
            details: "{\"a\":1}".into(),
            cause: Some(Box::new(cause.clone())),
        };
        assert_eq!(failure_of_json(&failure_to_json(&failure)), Some(failure.clone()));
        assert_eq!(unwrap(failure), cause);
        assert_eq!(unwrap(cause.clone()), cause);
        assert_eq!(failure_of_json(&json!([])), None);
    }

    #[test]
    fn every_type_has_its_status() {
        for (status, kind) in ERROR_TYPES {
            assert_eq!((error_type(status), status_of(kind)), (Some(kind), status));
        }
        assert_eq!(status_of("UPSTREAM_TIMEOUT").as_u16(), 520);
        assert_eq!(status_of("other"), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(error_type(StatusCode::IM_A_TEAPOT), None);
    }
}
