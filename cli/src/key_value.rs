//! `KEY=VALUE`, as many flags take it.

use std::{collections::BTreeMap, str::FromStr};

use perdure_proto::api::common::Payload;

use crate::payload::json_payload;

/// One `KEY=VALUE`; the value may hold further `=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyValue {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl FromStr for KeyValue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok(Self { key: key.to_owned(), value: value.to_owned() }),
            _ => Err(format!("{text:?} is not KEY=VALUE")),
        }
    }
}

/// The pairs as texts.
pub(crate) fn texts(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    pairs.iter().map(|pair| (pair.key.clone(), pair.value.clone())).collect()
}

/// The pairs with values in JSON, as payloads: memos, search attributes, headers. `flag` is named in errors.
pub(crate) fn payloads(flag: &str, pairs: &[KeyValue]) -> anyhow::Result<BTreeMap<String, Payload>> {
    let payload = |pair: &KeyValue| {
        let value = json_payload(&pair.value).map_err(|error| {
            anyhow::anyhow!(
                "{flag} {}={} is not JSON ({error}); a text needs quotes: {flag} '{}=\"…\"'",
                pair.key,
                pair.value,
                pair.key
            )
        })?;
        Ok((pair.key.clone(), value))
    };
    pairs.iter().map(payload).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs() {
        let cases = [
            ("a=b", Some(("a", "b"))),
            ("a=", Some(("a", ""))),
            ("a=b=c", Some(("a", "b=c"))),
            ("=b", None),
            ("a", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let parsed = text.parse::<KeyValue>().ok();
            let parsed = parsed.as_ref().map(|pair| (pair.key.as_str(), pair.value.as_str()));
            assert_eq!(parsed, expected, "{text}");
        }
    }

    #[test]
    fn values_are_json() {
        let pair = |text: &str| text.parse::<KeyValue>().expect("a pair");
        let good = payloads("--memo", &[pair("a=\"x\""), pair("b=3"), pair("c=[1,2]")]).expect("JSON");
        assert_eq!(good["a"].data.as_ref(), b"\"x\"");
        assert_eq!(good["b"].metadata["encoding"].as_ref(), b"json/plain");
        let error = payloads("--memo", &[pair("a=x")]).expect_err("not JSON").to_string();
        assert!(error.contains("--memo a=x is not JSON"), "{error}");
    }
}
