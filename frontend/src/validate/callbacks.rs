//! Completion callbacks that a start brings: where they go, and how large they are.

use std::collections::BTreeMap;

use http::Uri;
use perdure_history::nexus::SYSTEM_CALLBACK;
use perdure_proto::api::common::{Callback, callback::Variant};
use tonic::Status;

use super::links;
use crate::status::invalid;

/// Temporal's defaults; sizes in bytes.
const MAX_CALLBACKS: usize = 32;
const MAX_URL: usize = 1_000;
const MAX_HEADER: usize = 8_192;

/// Also writes the names of headers in small letters, as they are looked up.
pub(crate) fn check(callbacks: &mut [Callback]) -> Result<(), Status> {
    if callbacks.len() > MAX_CALLBACKS {
        return Err(invalid(format!("cannot attach more than {MAX_CALLBACKS} callbacks to a workflow")));
    }
    callbacks.iter_mut().try_for_each(|callback| {
        links::check(&callback.links)?;
        match &mut callback.variant {
            Some(Variant::Nexus(nexus)) => {
                check_url(&nexus.url)?;
                let size: usize = nexus.header.iter().map(|(name, value)| name.len() + value.len()).sum();
                if size > MAX_HEADER {
                    return Err(invalid(format!(
                        "invalid header: header size longer than max allowed size of {MAX_HEADER}"
                    )));
                }
                let header = std::mem::take(&mut nexus.header).into_iter();
                nexus.header = header.map(|(name, value)| (name.to_lowercase(), value)).collect::<BTreeMap<_, _>>();
                Ok(())
            }
            Some(Variant::Internal(_)) => Err(Status::unimplemented("unknown callback variant: internal")),
            Some(Variant::NexusHandler(_)) => Err(Status::unimplemented("unknown callback variant: nexus handler")),
            None => Err(Status::unimplemented("unknown callback variant: <nil>")),
        }
    })
}

/// This server itself is the only address that is called.
fn check_url(url: &str) -> Result<(), Status> {
    if url.len() > MAX_URL {
        return Err(invalid(format!("invalid url: url length longer than max length allowed of {MAX_URL}")));
    }
    if url == SYSTEM_CALLBACK {
        return Ok(());
    }
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    Err(if scheme != "http" && scheme != "https" {
        invalid(format!("invalid url: unknown scheme: {url}"))
    } else if rest.starts_with('/') || rest.is_empty() {
        invalid("invalid url: missing host")
    } else if url.parse::<Uri>().is_err() {
        invalid(format!("invalid url: cannot be parsed: {url}"))
    } else {
        invalid(format!("invalid url: url does not match any configured callback address: {url}"))
    })
}

#[cfg(test)]
mod tests {
    use perdure_proto::api::common::callback::Nexus;

    use super::*;

    fn callback(url: &str, header: &[(&str, &str)]) -> Callback {
        let header = header.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Callback { variant: Some(Variant::Nexus(Nexus { url: url.to_owned(), header })), ..Default::default() }
    }

    fn refusal(callbacks: &mut [Callback]) -> String {
        check(callbacks).unwrap_err().message().to_owned()
    }

    #[test]
    fn urls() {
        let long = format!("http://localhost/{}", "x".repeat(990));
        let cases = [
            (long.as_str(), "invalid url: url length longer than max length allowed of 1000"),
            ("ftp://localhost/x", "invalid url: unknown scheme: ftp://localhost/x"),
            ("temporal://system/x", "invalid url: unknown scheme: temporal://system/x"),
            ("localhost", "invalid url: unknown scheme: localhost"),
            ("http:///x", "invalid url: missing host"),
            (
                "http://example.invalid/x",
                "invalid url: url does not match any configured callback address: http://example.invalid/x",
            ),
        ];
        for (url, expected) in cases {
            assert_eq!(refusal(&mut [callback(url, &[])]), expected);
        }
        assert_eq!(check(&mut [Callback::default()]).unwrap_err().code(), tonic::Code::Unimplemented);
    }

    #[test]
    fn headers_and_number() {
        let mut taken = [callback(SYSTEM_CALLBACK, &[("Temporal-Callback-Token", "T")])];
        check(&mut taken).unwrap();
        assert_eq!(taken, [callback(SYSTEM_CALLBACK, &[("temporal-callback-token", "T")])]);
        let large = "x".repeat(MAX_HEADER);
        let expected = "invalid header: header size longer than max allowed size of 8192";
        assert_eq!(refusal(&mut [callback(SYSTEM_CALLBACK, &[("h", &large)])]), expected);
        let mut many = vec![callback(SYSTEM_CALLBACK, &[]); 33];
        assert_eq!(refusal(&mut many), "cannot attach more than 32 callbacks to a workflow");
    }
}
