//! The recorded requests as data: `tests/bad_inputs/README.md` says what the fields mean.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

const REQUESTS: &str = include_str!("../../../bad_inputs/requests.jsonl");
const BETTER: &str = include_str!("../../../bad_inputs/better.jsonl");
const WAITING: &str = include_str!("../../../bad_inputs/waiting.jsonl");

/// One call. As a part of a case it may also be a pause.
#[derive(Clone, Deserialize)]
pub(crate) struct Call {
    /// `SERVICE/METHOD`.
    #[serde(default)]
    pub(crate) rpc: String,
    #[serde(default)]
    pub(crate) request: Value,
    #[serde(default)]
    pub(crate) append_base64: String,
    #[serde(default)]
    pub(crate) metadata: BTreeMap<String, String>,
    /// 0: the call carries no deadline.
    pub(crate) timeout_s: Option<f64>,
    pub(crate) wait_s: Option<f64>,
    pub(crate) repeat: Option<usize>,
    #[serde(default, rename = "async")]
    pub(crate) is_async: bool,
    #[serde(default)]
    pub(crate) any: bool,
    /// Paths in the answer that are compared.
    #[serde(default)]
    pub(crate) fields: Vec<String>,
}

#[derive(Clone, Deserialize)]
pub(crate) struct Case {
    pub(crate) id: String,
    #[serde(flatten)]
    pub(crate) call: Call,
    /// The set-up of the server that the answer was recorded with; none: its defaults.
    pub(crate) server: Option<String>,
    #[serde(default)]
    pub(crate) slow: bool,
    #[serde(default)]
    pub(crate) setup: Vec<Call>,
    #[serde(default)]
    pub(crate) during: Vec<Call>,
    #[serde(default)]
    pub(crate) after: Vec<Call>,
    pub(crate) expect: Value,
}

/// Answers of ours that differ for a reason.
#[derive(Deserialize)]
struct Better {
    answers: BTreeMap<String, Value>,
}

/// Cases that wait for what is not built.
#[derive(Deserialize)]
struct Waiting {
    /// False: nothing can be sent, the server has no such setting.
    sent: bool,
    ids: Vec<String>,
}

/// What a case must be answered with.
pub(crate) enum Expected {
    Answer(Value),
    /// UNIMPLEMENTED, by the call or by one that prepares it.
    Unimplemented,
    NotSent,
}

/// All cases, each with what it must be answered with.
pub(crate) fn all() -> Result<Vec<(Case, Expected)>> {
    let mut better = BTreeMap::new();
    for group in lines::<Better>(BETTER)? {
        better.extend(group.answers);
    }
    let mut waiting = BTreeMap::new();
    for group in lines::<Waiting>(WAITING)? {
        waiting.extend(group.ids.into_iter().map(|id| (id, group.sent)));
    }
    let mut cases = Vec::new();
    for case in lines::<Case>(REQUESTS)? {
        let expected = match (better.remove(&case.id), waiting.remove(&case.id)) {
            (_, Some(true)) => Expected::Unimplemented,
            (_, Some(false)) => Expected::NotSent,
            (Some(answer), None) => Expected::Answer(answer),
            (None, None) => Expected::Answer(case.expect.clone()),
        };
        cases.push((case, expected));
    }
    anyhow::ensure!(better.is_empty() && waiting.is_empty(), "no such cases: {better:?} {waiting:?}");
    Ok(cases)
}

fn lines<T: for<'a> Deserialize<'a>>(text: &str) -> Result<Vec<T>> {
    text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}
