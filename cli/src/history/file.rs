//! One history as a file.
//!
//! | suffix | form |
//! |---|---|
//! | `.json` | JSON of protobuf, as `temporal workflow show --output json` prints it and SDKs replay it |
//! | `.json.gz` | the same with gzip; read only |
//! | `.binpb.gz` | the encoded message `History` with gzip: about a tenth of the JSON |

use std::io::{Read, Write};

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::ValueEnum;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use perdure_proto::{
    RawHistory,
    api::{
        common::WorkflowExecution,
        history::{HistoryEvent, history_event::Attributes},
    },
};

use super::spelling;
use crate::json::{self, Style};

const HISTORY: &str = "temporal.api.history.v1.History";

/// A packed file may hold so much more than it has bytes; histories end long before.
const UNPACKED_MAX: u64 = 1024 * 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FileFormat {
    /// For people, and for the replayers of SDKs.
    Json,
    /// Protobuf with gzip: small.
    Binary,
}

impl FileFormat {
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Json => ".json",
            Self::Binary => ".binpb.gz",
        }
    }

    pub(super) fn encode(self, history: &RawHistory) -> anyhow::Result<Bytes> {
        match self {
            Self::Json => {
                let json = json::render(history, HISTORY, Style::Canonical)?;
                Ok(serde_json::to_vec_pretty(&json)?.into())
            }
            Self::Binary => {
                let mut packed = GzEncoder::new(Vec::new(), Compression::default());
                packed.write_all(history.encoded())?;
                Ok(packed.finish()?.into())
            }
        }
    }
}

/// Whether a file of this name is taken for a history.
pub(super) fn is_history(name: &str) -> bool {
    [".json", ".json.gz", ".binpb.gz"].iter().any(|suffix| name.ends_with(suffix))
}

/// A history, and the run that it is of, as far as the file tells.
#[derive(Debug)]
pub struct HistoryFile {
    pub events: Vec<HistoryEvent>,
    pub history: RawHistory,
}

impl HistoryFile {
    /// `name` says by its suffix what the bytes are.
    pub fn decode(name: &str, bytes: Bytes) -> anyhow::Result<Self> {
        let bytes = if name.ends_with(".gz") { unpack(&bytes)? } else { bytes };
        let history: RawHistory = match name.ends_with(".binpb.gz") {
            true => RawHistory::from_encoded(bytes),
            false => from_json(&bytes).context("it is not the JSON of a history")?,
        };
        let events = history.events().context("it is damaged")?;
        if events.is_empty() {
            bail!("it has no events");
        }
        Ok(Self { events, history })
    }

    /// The run that the events name. A run that a reset made has the id that the last reset says, others the one that their start
    /// says; `name`, where it is a run id, stands in for histories of servers that did not write these yet.
    pub fn execution(&self, name: &str) -> WorkflowExecution {
        let started = self.events.iter().find_map(|event| match &event.attributes {
            Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => Some(started),
            _ => None,
        });
        let reset_into = self.events.iter().rev().find_map(|event| match &event.attributes {
            Some(Attributes::WorkflowTaskFailedEventAttributes(failed)) if !failed.new_run_id.is_empty() => {
                Some(&failed.new_run_id)
            }
            _ => None,
        });
        let original = started.map(|started| &started.original_execution_run_id).filter(|id| !id.is_empty());
        let of_name = name.split('.').next().filter(|stem| uuid::Uuid::parse_str(stem).is_ok());
        let run_id = reset_into.or(original).cloned().or_else(|| of_name.map(str::to_owned));
        WorkflowExecution {
            workflow_id: started.map(|started| started.workflow_id.clone()).unwrap_or_default(),
            run_id: run_id.unwrap_or_default(),
        }
    }
}

fn from_json(bytes: &[u8]) -> anyhow::Result<RawHistory> {
    let text = std::str::from_utf8(bytes).context("it is not text")?;
    json::parse(text, HISTORY).or_else(|error| {
        let Ok(mut value) = serde_json::from_str(text) else { return Err(error) };
        spelling::in_full(&mut value, &json::descriptor(HISTORY)?);
        json::parse(&value.to_string(), HISTORY)
    })
}

fn unpack(packed: &Bytes) -> anyhow::Result<Bytes> {
    let mut bytes = Vec::new();
    GzDecoder::new(packed.as_ref()).take(UNPACKED_MAX).read_to_end(&mut bytes).context("it is not gzip")?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_names_its_run() {
        let run = "0190a1b2-0000-7000-8000-000000000001";
        let file = |events: &str| {
            let text = format!("{{\"events\": [{events}]}}");
            HistoryFile::decode("h.json", text.into()).expect("a history")
        };
        let started = |attributes: &str| format!("{{\"workflowExecutionStartedEventAttributes\": {{{attributes}}}}}");
        let reset = r#"{"workflowTaskFailedEventAttributes": {"newRunId": "new"}}"#;
        let plain = started(r#""workflowId": "w", "originalExecutionRunId": "first""#);
        let cases = [
            (file(&plain), "h.json", ["w", "first"]),
            (file(&format!("{plain}, {reset}")), "h.json", ["w", "new"]),
            (file(&started("")), &format!("{run}.json.gz"), ["", run]),
            (file(&started("")), "notes.json", ["", ""]),
        ];
        for (file, name, expected) in cases {
            let WorkflowExecution { workflow_id, run_id } = file.execution(name);
            assert_eq!([workflow_id.as_str(), run_id.as_str()], expected, "{name}");
        }
    }

    #[test]
    fn each_format_reads_back() {
        let text = r#"{"events": [{"eventId": "1", "eventTime": "2026-01-01T00:00:00Z"}]}"#;
        let history = HistoryFile::decode("h.json", text.into()).expect("a history");
        for format in [FileFormat::Json, FileFormat::Binary] {
            let bytes = format.encode(&history.history).expect("its form");
            let again = HistoryFile::decode(&format!("h{}", format.suffix()), bytes).expect("a history");
            assert_eq!(again.events, history.events, "{format:?}");
        }
        for (name, bytes) in [("h.json", "{"), ("h.json", "{\"events\": []}"), ("h.binpb.gz", "no gzip")] {
            assert!(HistoryFile::decode(name, bytes.into()).is_err(), "{name} {bytes}");
        }
    }
}
