//! Completion callbacks. No address is allowed yet, so each is refused; a caller must not believe that it will be called.

use http::Uri;
use perdure_proto::api::common::{Callback, callback::Variant};
use tonic::Status;

use crate::status::invalid;

const MAX_URL: usize = 1_000;

pub(crate) fn check(callbacks: &[Callback]) -> Result<(), Status> {
    callbacks.iter().try_for_each(|callback| match &callback.variant {
        Some(Variant::Nexus(nexus)) => Err(refusal_of_url(&nexus.url)),
        Some(Variant::Internal(_)) => Err(Status::unimplemented("unknown callback variant: internal")),
        Some(Variant::NexusHandler(_)) => Err(Status::unimplemented("unknown callback variant: nexus handler")),
        None => Err(Status::unimplemented("unknown callback variant: <nil>")),
    })
}

fn refusal_of_url(url: &str) -> Status {
    if url.len() > MAX_URL {
        return invalid(format!("invalid url: url length longer than max length allowed of {MAX_URL}"));
    }
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    if scheme != "http" && scheme != "https" {
        return invalid(format!("invalid url: unknown scheme: {url}"));
    }
    if rest.starts_with('/') || rest.is_empty() {
        return invalid("invalid url: missing host");
    }
    if url.parse::<Uri>().is_err() {
        return invalid(format!("invalid url: cannot be parsed: {url}"));
    }
    invalid(format!("invalid url: url does not match any configured callback address: {url}"))
}

#[cfg(test)]
mod tests {
    use perdure_proto::api::common::callback::Nexus;

    use super::*;

    #[test]
    fn every_callback_is_refused() {
        let long = format!("http://localhost/{}", "x".repeat(990));
        let cases = [
            (long.as_str(), "invalid url: url length longer than max length allowed of 1000"),
            ("ftp://localhost/x", "invalid url: unknown scheme: ftp://localhost/x"),
            ("localhost", "invalid url: unknown scheme: localhost"),
            ("http:///x", "invalid url: missing host"),
            (
                "http://example.invalid/x",
                "invalid url: url does not match any configured callback address: http://example.invalid/x",
            ),
        ];
        for (url, expected) in cases {
            let callback = Callback {
                variant: Some(Variant::Nexus(Nexus { url: url.to_owned(), ..Default::default() })),
                ..Default::default()
            };
            assert_eq!(check(&[callback]).unwrap_err().message(), expected);
        }
        assert_eq!(check(&[Callback::default()]).unwrap_err().code(), tonic::Code::Unimplemented);
        assert!(check(&[]).is_ok());
    }
}
