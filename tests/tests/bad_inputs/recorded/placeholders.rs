//! `${…}` in requests, and back again in answers.

use std::sync::LazyLock;

use anyhow::{Context, Result};
use base64::{Engine, prelude::BASE64_STANDARD};
use regex::{Captures, Regex};
use serde_json::{Map, Value};

static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| regex(r"\$\{([^{}]+)\}"));
static UUID: LazyLock<Regex> = LazyLock::new(|| regex("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"));
static HEX: LazyLock<Regex> = LazyLock::new(|| regex(r"(-deleted-|please retry \(|workflow\) = \()[0-9a-f]+"));
static TIME: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| ?[+-]\d\d:?\d\d( UTC)?)?"));
/// A row of one character that is at least so long is told by its length.
const LONG_ROW: usize = 200;

fn regex(text: &str) -> Regex {
    Regex::new(text).expect("a constant that the tests use at each run")
}

/// The namespaces of all cases.
#[derive(Clone)]
pub(crate) struct Namespaces {
    pub(crate) first: String,
    pub(crate) first_id: String,
    pub(crate) second: String,
}

/// What the placeholders of one case stand for.
pub(crate) struct Scope {
    namespaces: Namespaces,
    id: String,
    /// Answers of the steps so far, as JSON.
    pub(crate) answers: Vec<Value>,
    /// Number of the copy in a repetition.
    pub(crate) index: usize,
}

impl Scope {
    pub(crate) fn new(namespaces: Namespaces) -> Self {
        let id = format!("b{}", &uuid::Uuid::new_v4().simple().to_string()[..11]);
        Self { namespaces, id, answers: Vec::new(), index: 0 }
    }

    fn run_id(&self, step: usize) -> Value {
        let Some(answer) = self.answers.get(step) else { return Value::Null };
        match lookup(answer, "runId") {
            Value::Null => lookup(answer, "workflowExecution.runId"),
            run_id => run_id,
        }
    }

    fn value(&self, name: &str) -> Result<Value> {
        let (kind, argument) = name.split_once(':').unwrap_or((name, ""));
        let (step, path) = argument.split_once(':').unwrap_or((argument, ""));
        let answer = || -> Result<&Value> { self.answers.get(step.parse::<usize>()?).context("no such step") };
        Ok(match kind {
            "REPEAT" => {
                let (text, count) = argument.rsplit_once(':').context("REPEAT:text:count")?;
                text.repeat(count.parse()?).into()
            }
            "TOKEN" => lookup(answer()?, "taskToken"),
            "RUN" => self.run_id(step.parse()?),
            "FIELD" => lookup(answer()?, path),
            "ID" => self.id.clone().into(),
            "I" => self.index.to_string().into(),
            "NS" => self.namespaces.first.clone().into(),
            "NS2" => self.namespaces.second.clone().into(),
            "NSTOKEN" => BASE64_STANDARD.encode(format!("\n${}", self.namespaces.first_id)).into(),
            _ => anyhow::bail!("unknown placeholder {name}"),
        })
    }

    fn fill_text(&self, text: &str) -> Result<Value> {
        if let Some(whole) = PLACEHOLDER.captures(text).filter(|found| found[0].len() == text.len()) {
            return self.value(&whole[1]);
        }
        let mut filled = String::new();
        let mut end = 0;
        for found in PLACEHOLDER.captures_iter(text) {
            let place = found.get(0).context("the whole match")?;
            filled.push_str(&text[end..place.start()]);
            match self.value(&found[1])? {
                Value::String(value) => filled.push_str(&value),
                other => filled.push_str(&other.to_string()),
            }
            end = place.end();
        }
        filled.push_str(&text[end..]);
        Ok(filled.into())
    }

    /// The request with all placeholders replaced.
    pub(crate) fn fill(&mut self, value: &Value) -> Result<Value> {
        Ok(match value {
            Value::String(text) => self.fill_text(text)?,
            Value::Object(fields) => {
                let mut filled = Map::new();
                for (name, value) in fields {
                    let name = self.fill_text(name)?.as_str().context("a name is a text")?.to_owned();
                    filled.insert(name, self.fill(value)?);
                }
                filled.into()
            }
            Value::Array(items) => {
                let mut filled = Vec::new();
                for item in items {
                    match item.get("$repeat").and_then(Value::as_u64) {
                        None => filled.push(self.fill(item)?),
                        Some(count) => {
                            for index in 0..count {
                                self.index = usize::try_from(index)?;
                                filled.push(self.fill(&item["item"])?);
                            }
                        }
                    }
                }
                filled.into()
            }
            other => other.clone(),
        })
    }

    /// An answer's value with placeholders where it differs from run to run.
    pub(crate) fn plain(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.plain_text(text).into(),
            Value::Array(items) => items.iter().map(|item| self.plain(item)).collect::<Vec<_>>().into(),
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| (self.plain_text(name), self.plain(value)));
                fields.collect::<Map<_, _>>().into()
            }
            other => other.clone(),
        }
    }

    pub(crate) fn plain_text(&self, text: &str) -> String {
        let names = &self.namespaces;
        let mut text = text
            .replace(&self.id, "${ID}")
            .replace(&names.second, "${NS2}")
            .replace(&names.first, "${NS}")
            .replace(&names.first_id, "${NSID}");
        for step in 0..self.answers.len() {
            if let Value::String(run_id) = self.run_id(step)
                && !run_id.is_empty()
            {
                text = text.replace(&run_id, &format!("${{RUN:{step}}}"));
            }
        }
        let text = UUID.replace_all(&text, "$${ANY_UUID}");
        let text = HEX.replace_all(&text, |found: &Captures<'_>| format!("{}${{ANY_HEX}}", &found[1]));
        let text = text.replace('\u{a0}', " ");
        let text = TIME.replace_all(&text, "$${ANY_TIME}");
        shorten(&text)
    }
}

/// Long rows of one character become `${REPEAT:…}`.
fn shorten(text: &str) -> String {
    let mut short = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let row = rest.len() - rest.trim_start_matches(first).len();
        if row >= LONG_ROW && first.is_ascii() {
            short.push_str(&format!("${{REPEAT:{first}:{row}}}"));
        } else {
            short.push_str(&rest[..row]);
        }
        rest = &rest[row..];
    }
    short
}

/// The value at a dotted path; a part is a key, an index (-1: the last), `#` (the list's length) or `key=value` (the first that matches).
pub(crate) fn lookup(value: &Value, path: &str) -> Value {
    let mut value = value.clone();
    for part in path.split('.') {
        value = match &value {
            Value::Array(items) => match part.split_once('=') {
                Some((key, wanted)) => {
                    let found = items.iter().find(|item| item.get(key).and_then(Value::as_str) == Some(wanted));
                    found.cloned().unwrap_or_default()
                }
                None if part == "#" => items.len().into(),
                None => part.parse().ok().and_then(|index| item(items, index)).cloned().unwrap_or_default(),
            },
            Value::Object(fields) => fields.get(part).cloned().unwrap_or_default(),
            _ => return Value::Null,
        };
    }
    value
}

/// Below 0: from the end.
fn item(items: &[Value], index: i64) -> Option<&Value> {
    match usize::try_from(index) {
        Ok(index) => items.get(index),
        Err(_) => items.len().checked_sub(usize::try_from(-index).ok()?).and_then(|index| items.get(index)),
    }
}
