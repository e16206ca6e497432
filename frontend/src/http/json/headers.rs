//! Which headers of an HTTP request are metadata of the call.

use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::Status;

use super::Surface;
use crate::{call::parse_timeout, cluster::SERVER_VERSION, http::ui::UI_VERSION};

const CLIENT_NAME: HeaderName = HeaderName::from_static("client-name");
const CLIENT_VERSION: HeaderName = HeaderName::from_static("client-version");
const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// Sent on as they are.
const FORWARDED: [&str; 4] = ["authorization", "authorization-extras", "x-forwarded-for", "caller-type"];
/// What comes after it is the name of metadata.
const METADATA_PREFIX: &str = "grpc-metadata-";
/// Not for callers to set, whatever the prefix.
const RESERVED: [&str; 5] = ["grpc-", "content-", "te", "transfer-encoding", "connection"];

/// INVALID_ARGUMENT for a deadline that cannot be read: waiting without one would be worse.
pub(super) fn metadata(surface: Surface, headers: &HeaderMap) -> Result<HeaderMap, Status> {
    let mut metadata = HeaderMap::new();
    for (name, value) in headers {
        let forwarded = match name.as_str().strip_prefix(METADATA_PREFIX) {
            Some(name) if RESERVED.iter().any(|reserved| name.starts_with(reserved)) => None,
            Some(name) => HeaderName::try_from(name).ok(),
            None => FORWARDED.contains(&name.as_str()).then(|| name.clone()),
        };
        if let Some(name) = forwarded.filter(|_| value.to_str().is_ok()) {
            metadata.append(name, value.clone());
        }
    }
    if let Some(timeout) = headers.get(&TIMEOUT) {
        let text = timeout.to_str().unwrap_or_default();
        if parse_timeout(text).is_none() {
            return Err(Status::invalid_argument(format!("invalid grpc-timeout: {text}")));
        }
        metadata.insert(TIMEOUT, timeout.clone());
    }
    let (own_name, own_version) = match surface {
        Surface::Api => ("temporal-server-http", SERVER_VERSION),
        Surface::Ui => ("temporal-ui", UI_VERSION),
    };
    for (name, own) in [(CLIENT_NAME, own_name), (CLIENT_VERSION, own_version)] {
        let told = headers.get(&name).filter(|_| surface == Surface::Api).cloned();
        metadata.insert(name, told.unwrap_or(HeaderValue::from_static(own)));
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(surface: Surface, headers: &[(&str, &str)]) -> Result<String, String> {
        let pair = |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        let metadata = metadata(surface, &headers.iter().map(pair).collect());
        let metadata = metadata.map_err(|status| status.message().to_owned())?;
        let mut lines: Vec<_> =
            metadata.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect();
        lines.sort();
        Ok(lines.join(" ").replace(SERVER_VERSION, "OWN").replace(UI_VERSION, "UI"))
    }

    #[test]
    fn forwarded() {
        let (api, ui) = (Surface::Api, Surface::Ui);
        let http = "client-name=temporal-server-http client-version=OWN";
        let cases = [
            (api, vec![], Ok(http.to_owned())),
            (api, vec![("accept", "x"), ("cookie", "x"), ("content-length", "5"), ("te", "x")], Ok(http.to_owned())),
            (api, vec![("authorization", "Bearer x")], Ok(format!("authorization=Bearer x {http}"))),
            (
                api,
                vec![("client-name", "a"), ("client-version", "1.0.0")],
                Ok("client-name=a client-version=1.0.0".to_owned()),
            ),
            (ui, vec![("client-name", "a")], Ok("client-name=temporal-ui client-version=UI".to_owned())),
            (api, vec![("grpc-metadata-a", "1"), ("grpc-metadata-grpc-timeout", "1S")], Ok(format!("a=1 {http}"))),
            (api, vec![("grpc-metadata-content-type", "x"), ("grpc-metadata-te", "x")], Ok(http.to_owned())),
            (api, vec![("grpc-timeout", "5S")], Ok(format!("{http} grpc-timeout=5S"))),
            (api, vec![("grpc-timeout", "soon")], Err("invalid grpc-timeout: soon".to_owned())),
        ];
        for (surface, headers, expected) in cases {
            assert_eq!(shown(surface, &headers), expected, "{headers:?}");
        }
    }
}
