//! Temporal's dynamic configuration: keys whose values act while the server runs.
//!
//! A file ([`file`]) and the command line give values of keys ([`keys`]), some only for a namespace or a task queue. From them
//! come the limits of each namespace ([`resolve`]), as plain structures: a request reads a field, and looks up no key. When
//! the file changes they are made anew and put in place of the old ones ([`watch`]).

mod connections;
mod file;
mod keys;
mod resolve;
mod value;
mod watch;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};
use perdure_frontend::limits::FrontendLimits;
use perdure_history::ByNamespace;
use perdure_matching::MatchingLimits;
use serde_json::Value;

pub(crate) use connections::ConnectionLimits;
use file::{Constrained, Constraints, Entry, Parsed};
pub(crate) use watch::{Targets, watch};

/// Everything that a key can set.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct AllLimits {
    /// Those of runs among them.
    pub(crate) frontend: FrontendLimits,
    pub(crate) matching: MatchingLimits,
    pub(crate) connections: ConnectionLimits,
}

/// Where values come from.
#[derive(Debug)]
pub(crate) struct DynamicConfig {
    path: Option<PathBuf>,
    /// Of the command line and the settings: they win over the file.
    fixed: Vec<Entry>,
    /// The file as it was read last; None: there is none.
    text: Option<String>,
}

impl DynamicConfig {
    /// Reads the file, if there is one, and what holds from now on. Err: the file cannot be read, or is no such file.
    pub(crate) async fn open(
        path: Option<&Path>,
        fixed: &BTreeMap<String, Value>,
    ) -> anyhow::Result<(Self, ByNamespace<AllLimits>)> {
        let fixed = fixed.iter().map(|(key, value)| fixed_entry(key, value)).collect::<anyhow::Result<_>>()?;
        let path = path.map(Path::to_owned);
        let mut config = Self { path, fixed, text: None };
        let Some(path) = config.path.clone() else {
            let limits = config_of(&[], &config.fixed);
            return Ok((config, limits));
        };
        config.text = read(&path).await?;
        if config.text.is_none() {
            // Images for Temporal set the variable whether or not a file is mounted.
            tracing::warn!(
                "there is no dynamic configuration file {}: defaults hold until there is one",
                path.display()
            );
        }
        let parsed = config.parsed().with_context(|| {
            format!(
                "{} is not a dynamic configuration file: mend it, or unset DYNAMIC_CONFIG_FILE_PATH",
                path.display()
            )
        })?;
        tell(&path, &parsed, &Parsed::default());
        let limits = config_of(&parsed.entries, &config.fixed);
        Ok((config, limits))
    }

    fn parsed(&self) -> anyhow::Result<Parsed> {
        file::parse(self.text.as_deref().unwrap_or_default()).map_err(|error| anyhow!("{error}"))
    }
}

/// None: there is no file.
async fn read(path: &Path) -> anyhow::Result<Option<String>> {
    match tokio::fs::read_to_string(path).await {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(error).with_context(|| format!("the dynamic configuration file {} cannot be read", path.display()))
        }
    }
}

/// What the file says, but for the keys that are fixed.
fn config_of(entries: &[Entry], fixed: &[Entry]) -> ByNamespace<AllLimits> {
    let is_fixed = |entry: &&Entry| fixed.iter().any(|fixed| std::ptr::eq(fixed.key, entry.key));
    let entries: Vec<_> = entries.iter().filter(|entry| !is_fixed(entry)).chain(fixed).cloned().collect();
    resolve::resolve(&entries)
}

fn fixed_entry(name: &str, value: &Value) -> anyhow::Result<Entry> {
    let Some(key) = keys::find(name) else { bail!("limits: {name}: there is no such key") };
    if let Err(what) = key.field.set(&mut AllLimits::default(), value) {
        bail!("limits: {name}: {value}: {what}");
    }
    Ok(Entry { key, values: vec![Constrained { value: value.clone(), holds: Constraints::default() }] })
}

/// A `KEY=JSON` of the command line.
pub(crate) enum Given {
    Acts(Value),
    /// The key changes nothing here; why, where that is known.
    WithoutEffect(Option<&'static str>),
}

/// Judges a value of the command line, which is JSON. A bare word is a text, for values that shells robbed of their quotes.
pub(crate) fn given(name: &str, text: &str) -> Result<Given, String> {
    let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    let Some(key) = keys::find(name) else {
        let mut parsed = Parsed::default();
        parsed.add_other(name.to_owned());
        return Ok(Given::WithoutEffect(parsed.without_effect.first().map(|(_, why)| *why)));
    };
    // A number may be in quotes.
    let unquoted = value.as_str().and_then(|text| serde_json::from_str::<serde_json::Number>(text).ok());
    let value = unquoted.map_or(value, Value::Number);
    key.field.set(&mut AllLimits::default(), &value).map_err(|what| format!("{name}={text}: {what}"))?;
    Ok(Given::Acts(value))
}

/// Tells what does not act, unless it was told of the file as it was before.
fn tell(path: &Path, parsed: &Parsed, before: &Parsed) {
    let path = path.display();
    let unknown: Vec<_> =
        parsed.unknown.iter().filter(|key| !before.unknown.contains(key)).map(String::as_str).collect();
    if !unknown.is_empty() {
        tracing::warn!("{path}: nobody knows these keys: {}", unknown.join(", "));
    }
    for (key, why) in parsed.without_effect.iter().filter(|key| !before.without_effect.contains(key)) {
        tracing::warn!("{path}: {key} has no effect: {why}");
    }
    for bad in parsed.bad.iter().filter(|bad| !before.bad.contains(bad)) {
        tracing::warn!("{path}: {bad}");
    }
}

/// Judges the text of a file without a server. Err: it has not the form of such a file.
pub(crate) fn check(text: &str) -> Result<Parsed, String> {
    file::parse(text)
}

/// All keys that act: name, scope, default. Other names of theirs are behind them.
pub(crate) fn table() -> Vec<[String; 3]> {
    let mut defaults = AllLimits::default();
    let row = |key: &keys::Key| [key.name.to_owned(), key.scope.to_string(), key.field.show(&mut defaults)];
    let other = keys::OTHER_NAMES.iter().filter_map(|(other, name)| {
        let scope = keys::find(name)?.scope.to_string();
        Some([(*other).to_owned(), scope, format!("as {name}")])
    });
    keys::KEYS.iter().map(row).chain(other).collect()
}

#[cfg(test)]
mod tests;
