//! Completion callbacks that a start brings: where they go, and how large they are.

use std::{collections::BTreeMap, sync::Arc};

use http::Uri;
use perdure_history::nexus::SYSTEM_CALLBACK;
use perdure_proto::api::common::{Callback, callback::Variant};
use tonic::Status;

use super::links;
use crate::{limits::FrontendLimits, status::invalid};

/// Addresses, beside this server itself, that callbacks may call. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallbackAddresses(Arc<[CallbackAddress]>);

/// `pattern` is of `host:port`, with `*` for any characters.
#[derive(Clone, Debug, PartialEq)]
pub struct CallbackAddress {
    pub pattern: String,
    /// Also without TLS.
    pub allow_insecure: bool,
}

impl FromIterator<CallbackAddress> for CallbackAddresses {
    fn from_iter<T: IntoIterator<Item = CallbackAddress>>(addresses: T) -> Self {
        Self(addresses.into_iter().collect())
    }
}

impl CallbackAddresses {
    /// The first pattern that matches decides.
    fn check(&self, url: &str, scheme: &str, host: &str) -> Result<(), Status> {
        match self.0.iter().find(|address| matches(&address.pattern, host)) {
            None => Err(invalid(format!("invalid url: url does not match any configured callback address: {url}"))),
            Some(address) if !address.allow_insecure && scheme != "https" => {
                Err(invalid(format!("invalid url: callback address does not allow insecure connections: {url}")))
            }
            Some(_) => Ok(()),
        }
    }
}

/// Whether the text is the pattern, in which `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return text.ends_with(part);
        }
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// Also writes the names of headers in small letters, as they are looked up.
/// `most`: so many there may be, of what is called `of`.
pub(crate) fn check(callbacks: &mut [Callback], most: usize, of: &str, limits: &FrontendLimits) -> Result<(), Status> {
    callbacks.iter_mut().try_for_each(|callback| {
        links::check(&callback.links, limits)?;
        match &mut callback.variant {
            Some(Variant::Nexus(nexus)) => {
                check_url(&nexus.url, limits)?;
                let size: usize = nexus.header.iter().map(|(name, value)| name.len() + value.len()).sum();
                let limit = limits.callback_header;
                if size > limit {
                    return Err(invalid(format!(
                        "invalid header: header size longer than max allowed size of {limit}"
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
    })?;
    if callbacks.len() > most {
        return Err(invalid(format!("cannot attach more than {most} callbacks to {of}")));
    }
    Ok(())
}

fn check_url(url: &str, limits: &FrontendLimits) -> Result<(), Status> {
    let limit = limits.callback_url;
    if url.len() > limit {
        return Err(invalid(format!("invalid url: url length longer than max length allowed of {limit}")));
    }
    if url == SYSTEM_CALLBACK {
        return Ok(());
    }
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    if scheme != "http" && scheme != "https" {
        return Err(invalid(format!("invalid url: unknown scheme: {url}")));
    }
    if rest.starts_with('/') || rest.is_empty() {
        return Err(invalid("invalid url: missing host"));
    }
    let Some(host) = url.parse::<Uri>().ok().and_then(|url| Some(url.authority()?.as_str().to_owned())) else {
        return Err(invalid(format!("invalid url: cannot be parsed: {url}")));
    };
    limits.callback_addresses.check(url, scheme, host.rsplit('@').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use perdure_proto::api::common::callback::Nexus;

    use super::*;

    fn callback(url: &str, header: &[(&str, &str)]) -> Callback {
        let header = header.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Callback { variant: Some(Variant::Nexus(Nexus { url: url.to_owned(), header })), ..Default::default() }
    }

    fn checked(callbacks: &mut [Callback]) -> Result<(), Status> {
        check(callbacks, 32, "a workflow", &FrontendLimits::default())
    }

    fn refusal(callbacks: &mut [Callback]) -> String {
        checked(callbacks).unwrap_err().message().to_owned()
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
        assert_eq!(checked(&mut [Callback::default()]).unwrap_err().code(), tonic::Code::Unimplemented);
    }

    #[test]
    fn headers_and_number() {
        let mut taken = [callback(SYSTEM_CALLBACK, &[("Temporal-Callback-Token", "T")])];
        checked(&mut taken).unwrap();
        assert_eq!(taken, [callback(SYSTEM_CALLBACK, &[("temporal-callback-token", "T")])]);
        let large = "x".repeat(8_192);
        let expected = "invalid header: header size longer than max allowed size of 8192";
        assert_eq!(refusal(&mut [callback(SYSTEM_CALLBACK, &[("h", &large)])]), expected);
        let mut many = vec![callback(SYSTEM_CALLBACK, &[]); 33];
        assert_eq!(refusal(&mut many), "cannot attach more than 32 callbacks to a workflow");
    }

    #[test]
    fn allowed_addresses() {
        let addresses: CallbackAddresses = [("*.example.org:443", false), ("localhost:*", true), ("a*b*c", true)]
            .into_iter()
            .map(|(pattern, allow_insecure)| CallbackAddress { pattern: pattern.to_owned(), allow_insecure })
            .collect();
        let limits = FrontendLimits { callback_addresses: addresses, ..FrontendLimits::default() };
        let unknown = "does not match any configured callback address";
        let cases = [
            ("https://x.example.org:443/y", ""),
            ("http://x.example.org:443/y", "does not allow insecure connections"),
            ("https://example.org:443/y", unknown),
            ("http://localhost:1/x", ""),
            ("http://user@localhost:1/x", ""),
            ("http://localhost/x", unknown),
            ("http://localhost:1@elsewhere.org/x", unknown),
            ("http://a1b2c/", ""),
            ("http://abc/", ""),
            ("http://acb/", unknown),
        ];
        for (url, expected) in cases {
            let refusal = check(&mut [callback(url, &[])], 1, "a workflow", &limits).err();
            let text = refusal.map(|status| status.message().to_owned()).unwrap_or_default();
            assert!(if expected.is_empty() { text.is_empty() } else { text.contains(expected) }, "{url}: {text}");
        }
    }
}
