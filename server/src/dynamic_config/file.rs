//! The file: `key: [{value: …, constraints: {…}}]`.

use std::collections::{BTreeMap, HashMap};

use figment::{
    Figment,
    providers::{Format, Yaml},
};
use perdure_matching::QueueKind;
use serde::Deserialize;
use serde_json::Value;

use super::keys::{self, Key, Scope};

/// What a file says.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(super) entries: Vec<Entry>,
    /// Keys that nobody knows.
    pub(crate) unknown: Vec<String>,
    /// Keys of Temporal's that change nothing here, and why.
    pub(crate) without_effect: Vec<(String, &'static str)>,
    /// Values that were left out, each with what to do about it.
    pub(crate) bad: Vec<String>,
}

/// The good values of a key.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: &'static Key,
    pub(super) values: Vec<Constrained>,
}

#[derive(Clone, Debug)]
pub(super) struct Constrained {
    pub(super) value: Value,
    pub(super) holds: Constraints,
}

/// For whom a value holds; None: for all.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Constraints {
    pub(super) namespace: Option<String>,
    pub(super) queue: Option<String>,
    pub(super) kind: Option<QueueKind>,
}

/// As in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    value: Value,
    #[serde(default)]
    constraints: Option<BTreeMap<String, Value>>,
}

impl Parsed {
    /// The keys with a value that acts.
    pub(crate) fn known(&self) -> impl Iterator<Item = &'static str> {
        self.entries.iter().map(|entry| entry.key.name)
    }

    /// Takes one key in. Err: a constraint that does not exist, or cannot have its value: whom the value is for is unknown.
    fn add(&mut self, name: String, values: Vec<Written>) -> Result<(), String> {
        let key = keys::find(&name);
        let mut good = Vec::new();
        for Written { value, constraints } in values {
            let holds = read_constraints(&name, constraints.unwrap_or_default())?;
            let Some(key) = key else { continue };
            match check(key, &value, &holds) {
                Ok(constraints) => good.push(Constrained { value, holds: constraints }),
                Err(what) => self.bad.push(format!("{name}: {value}: {what}")),
            }
        }
        match key {
            None => self.add_other(name),
            Some(key) if self.entries.iter().any(|entry| std::ptr::eq(entry.key, key)) => {
                self.bad
                    .push(format!("{name}: the key is there twice, in other letters or by its other name: leave one"));
            }
            Some(key) => self.entries.push(Entry { key, values: good }),
        }
        Ok(())
    }

    pub(super) fn add_other(&mut self, name: String) {
        let starts = |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        match keys::WITHOUT_EFFECT.iter().find(|(prefix, _)| starts(prefix)) {
            Some((_, why)) => self.without_effect.push((name, why)),
            None => self.unknown.push(name),
        }
    }
}

/// Reads a file's text. Err: it has not the form of such a file, with the line where it goes wrong.
pub(crate) fn parse(text: &str) -> Result<Parsed, String> {
    let mut parsed = Parsed::default();
    if is_empty(text) {
        return Ok(parsed);
    }
    let keys: HashMap<String, Option<Vec<Written>>> =
        Figment::from(Yaml::string(text)).extract().map_err(|error| error.to_string())?;
    let mut keys: Vec<_> = keys.into_iter().collect();
    keys.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (name, values) in keys {
        parsed.add(name, values.unwrap_or_default())?;
    }
    Ok(parsed)
}

/// Only comments: an empty document, which the parser takes for no mapping.
fn is_empty(text: &str) -> bool {
    text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#') || line == "---")
}

/// The constraints that this server can judge. The others are Temporal's too, but no value with one of them holds here.
fn read_constraints(key: &str, written: BTreeMap<String, Value>) -> Result<Result<Constraints, String>, String> {
    let mut constraints = Constraints::default();
    let mut foreign = None;
    for (name, value) in written {
        let text = || match &value {
            Value::String(text) => Ok(Some(text.clone())),
            _ => Err(format!("{key}: the constraint {name} must be a text")),
        };
        match name.to_ascii_lowercase().as_str() {
            "namespace" => constraints.namespace = text()?,
            "taskqueuename" => constraints.queue = text()?,
            "tasktype" | "taskqueuetype" => constraints.kind = Some(queue_kind(key, &value)?),
            "namespaceid" | "shardid" | "destination" | "historytasktype" | "chasmtasktype" => foreign = Some(name),
            _ => {
                return Err(format!(
                    "{key}: unknown constraint type \"{name}\": use namespace, taskQueueName or taskType"
                ));
            }
        }
    }
    Ok(foreign.map_or(Ok(constraints), Err))
}

fn queue_kind(key: &str, value: &Value) -> Result<QueueKind, String> {
    let text = value.as_str().map(|text| text.to_ascii_lowercase());
    match (text.as_deref().map(|text| text.trim_start_matches("task_queue_type_")), value.as_i64()) {
        (Some("workflow"), _) | (_, Some(1)) => Ok(QueueKind::Workflow),
        (Some("activity"), _) | (_, Some(2)) => Ok(QueueKind::Activity),
        (Some("nexus"), _) | (_, Some(3)) => Ok(QueueKind::Nexus),
        _ => Err(format!("{key}: the constraint taskType must be Workflow, Activity or Nexus")),
    }
}

/// Whether the key can have this value for these.
fn check(key: &Key, value: &Value, holds: &Result<Constraints, String>) -> Result<Constraints, String> {
    key.field.set(&mut super::AllLimits::default(), value)?;
    let refuse =
        |constraint: &str| format!("constraint \"{constraint}\" isn't valid for this key: the value is ignored");
    let constraints = holds.clone().map_err(|foreign| refuse(&foreign))?;
    if constraints.namespace.is_some() && key.scope == Scope::Global {
        return Err(refuse("namespace"));
    }
    if key.scope != Scope::TaskQueue && constraints.queue.is_some() {
        return Err(refuse("taskQueueName"));
    }
    if constraints.kind.is_some() && (key.scope != Scope::TaskQueue || constraints.queue.is_none()) {
        return Err(match key.scope {
            Scope::TaskQueue => "the constraint taskType needs taskQueueName beside it".to_owned(),
            _ => refuse("taskType"),
        });
    }
    Ok(constraints)
}
