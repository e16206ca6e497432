//! Payloads from the command line.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use perdure_proto::api::common::{Payload, Payloads};
use serde::de::IgnoredAny;

use crate::key_value::KeyValue;

/// The encoding of what is given as JSON.
const JSON: &str = "json/plain";

/// A payload that holds `text`, which must be JSON.
pub(crate) fn json_payload(text: &str) -> Result<Payload, serde_json::Error> {
    serde_json::from_str::<IgnoredAny>(text)?;
    Ok(encoded(JSON, Bytes::copy_from_slice(text.as_bytes())))
}

/// A payload that holds a text, which need not be JSON.
pub(crate) fn text_payload(text: &str) -> Payload {
    let quoted = serde_json::Value::from(text).to_string();
    encoded(JSON, Bytes::from(quoted))
}

fn encoded(encoding: &str, data: Bytes) -> Payload {
    let metadata = BTreeMap::from([("encoding".to_owned(), Bytes::copy_from_slice(encoding.as_bytes()))]);
    Payload { metadata, data, ..Payload::default() }
}

/// What one group of input flags says.
pub(crate) struct Input<'a> {
    pub(crate) texts: &'a [String],
    pub(crate) files: &'a [PathBuf],
    /// The first value of a key is for the first payload, and so on; the first also for those that have none.
    pub(crate) meta: &'a [KeyValue],
    pub(crate) base64: bool,
}

impl Input<'_> {
    /// The arguments, or nothing where there are none.
    pub(crate) fn payloads(&self) -> anyhow::Result<Option<Payloads>> {
        let mut data: Vec<Vec<u8>> = self.texts.iter().map(|text| text.clone().into_bytes()).collect();
        for file in self.files {
            data.push(std::fs::read(file).with_context(|| format!("cannot read the input {}", file.display()))?);
        }
        if data.is_empty() {
            return Ok(None);
        }
        let payloads = data.into_iter().enumerate().map(|(index, data)| self.payload(index, data));
        Ok(Some(Payloads { payloads: payloads.collect::<anyhow::Result<_>>()? }))
    }

    fn payload(&self, index: usize, data: Vec<u8>) -> anyhow::Result<Payload> {
        let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for pair in self.meta {
            values.entry(&pair.key).or_default().push(&pair.value);
        }
        values.entry("encoding").or_insert_with(|| vec![JSON]);
        let number = index + 1;
        let data = if self.base64 {
            BASE64_STANDARD.decode(data).with_context(|| format!("input {number} is not base64"))?
        } else {
            data
        };
        let mut payload = Payload { data: Bytes::from(data), ..Payload::default() };
        for (key, values) in values {
            // Each list has at least one value.
            let value = values.get(index).or(values.first()).copied().unwrap_or_default();
            if key == "encoding"
                && value.starts_with("json/")
                && let Err(error) = serde_json::from_slice::<IgnoredAny>(&payload.data)
            {
                bail!("input {number} is not JSON ({error}); a text needs quotes: --input '\"…\"'");
            }
            payload.metadata.insert(key.to_owned(), Bytes::copy_from_slice(value.as_bytes()));
        }
        Ok(payload)
    }
}

/// A group of input flags: `--<prefix>input` and its companions.
macro_rules! input_flags {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $what:literal $(, $short:literal)?) => {
        $(#[$doc])*
        #[derive(clap::Args, Debug)]
        pub(crate) struct $name {
            #[arg(help = concat!($what, " in JSON; may be repeated, one for each argument"), id = concat!($prefix, "input"), long = concat!($prefix, "input"), value_name = "JSON", allow_hyphen_values = true $(, short = $short)?)]
            texts: Vec<String>,
            #[arg(help = concat!($what, " in a file; may be repeated"), id = concat!($prefix, "input-file"), long = concat!($prefix, "input-file"), value_name = "FILE", conflicts_with = concat!($prefix, "input"))]
            files: Vec<std::path::PathBuf>,
            /// Metadata of the payloads, `KEY=VALUE`, like `encoding=json/protobuf`; may be repeated.
            #[arg(id = concat!($prefix, "input-meta"), long = concat!($prefix, "input-meta"), value_name = "KEY=VALUE")]
            meta: Vec<$crate::key_value::KeyValue>,
            /// The inputs are base64 of what the payloads shall hold.
            #[arg(id = concat!($prefix, "input-base64"), long = concat!($prefix, "input-base64"))]
            base64: bool,
        }

        impl $name {
            pub(crate) fn payloads(&self) -> anyhow::Result<Option<perdure_proto::api::common::Payloads>> {
                let Self { texts, files, meta, base64 } = self;
                $crate::payload::Input { texts, files, meta, base64: *base64 }.payloads()
            }
        }
    };
}

input_flags! {
    /// What a workflow, activity, query, signal or update gets.
    PayloadInput, "", "Argument", 'i'
}
input_flags! {
    /// What the signal of `signal-with-start` gets.
    SignalInput, "signal-", "The signal's argument"
}
input_flags! {
    /// What the update of `…-update-with-start` gets.
    UpdateInput, "update-", "The update's argument"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payloads(texts: &[&str], meta: &[&str], base64: bool) -> anyhow::Result<Vec<(String, String)>> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let meta: Vec<KeyValue> = meta.iter().map(|pair| pair.parse().expect("a pair")).collect();
        let built = Input { texts: &texts, files: &[], meta: &meta, base64 }.payloads()?;
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let shown = |payload: &Payload| (text(&payload.metadata["encoding"]), text(&payload.data));
        Ok(built.map(|built| built.payloads.iter().map(shown).collect()).unwrap_or_default())
    }

    #[test]
    fn inputs() {
        type Expected<'a> = Option<&'a [(&'a str, &'a str)]>;
        let cases: [(&[&str], &[&str], bool, Expected<'_>); 8] = [
            (&[], &[], false, Some(&[])),
            (&["1", "{\"a\":2}"], &[], false, Some(&[("json/plain", "1"), ("json/plain", "{\"a\":2}")])),
            (&["Anna"], &[], false, None),
            (&["1 2"], &[], false, None),
            (&["Anna"], &["encoding=binary/plain"], false, Some(&[("binary/plain", "Anna")])),
            (&["IkFubmEi"], &[], true, Some(&[("json/plain", "\"Anna\"")])),
            (&["***"], &[], true, None),
            (
                &["a", "1", "b"],
                &["encoding=binary/plain", "encoding=json/plain"],
                false,
                Some(&[("binary/plain", "a"), ("json/plain", "1"), ("binary/plain", "b")]),
            ),
        ];
        for (texts, meta, base64, expected) in cases {
            let owned = |(encoding, data): &(&str, &str)| ((*encoding).to_owned(), (*data).to_owned());
            let expected: Option<Vec<_>> = expected.map(|expected| expected.iter().map(owned).collect());
            assert_eq!(payloads(texts, meta, base64).ok(), expected, "{texts:?} {meta:?}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let files = [PathBuf::from("/no/such/input.json")];
        let error = Input { texts: &[], files: &files, meta: &[], base64: false }.payloads().expect_err("no file");
        assert!(format!("{error:#}").contains("/no/such/input.json"));
    }
}
