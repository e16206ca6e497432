//! Temporal's dynamic configuration, as far as it sets limits that exist here.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context;
use figment::{
    Figment,
    providers::{Format, Yaml},
};
use perdure_engine::Limits;
use serde::{Deserialize, de::IgnoredAny};

/// One value of a key. Those with constraints hold for some namespaces or queues only: they are not supported.
#[derive(Deserialize)]
struct Constrained {
    value: Setting,
    #[serde(default)]
    constraints: BTreeMap<String, IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Setting {
    Number(i64),
    Other(IgnoredAny),
}

/// Reads a file of the form `key: [{value: …, constraints: {}}]`. Keys without effect are told once and stop nothing.
pub(crate) fn read_file(limits: &mut Limits, path: &Path) -> anyhow::Result<()> {
    if !path.is_file() {
        // Images for Temporal set the variable whether or not a file is mounted.
        tracing::warn!("there is no dynamic configuration file {}: defaults hold", path.display());
        return Ok(());
    }
    let keys: BTreeMap<String, Vec<Constrained>> = Figment::from(Yaml::file(path))
        .extract()
        .with_context(|| format!("{} is not a dynamic configuration file", path.display()))?;
    let mut ignored = Vec::new();
    for (key, values) in keys {
        let unconstrained = values.iter().find(|value| value.constraints.is_empty());
        let known = match unconstrained.map(|value| &value.value) {
            Some(Setting::Number(number)) => set(limits, &key, *number),
            Some(Setting::Other(_)) | None => false,
        };
        if !known {
            ignored.push(key);
        }
    }
    if !ignored.is_empty() {
        let path = path.display();
        tracing::warn!("{path}: these keys have no effect here: {}", ignored.join(", "));
    }
    Ok(())
}

/// Sets one limit by its key, in any case of letters. False if there is no such limit or the value is not one.
pub(crate) fn set(limits: &mut Limits, key: &str, value: i64) -> bool {
    let Ok(count) = usize::try_from(value) else { return false };
    match key.to_ascii_lowercase().as_str() {
        "limit.blobsize.error" => limits.blob_size = value,
        "limit.memosize.error" => limits.memo_size = value,
        "limit.historysize.error" => limits.history_size = value,
        "limit.historysize.suggestcontinueasnew" => limits.history_size_suggest_continue_as_new = value,
        "limit.historycount.error" => limits.history_count = value,
        "limit.historycount.suggestcontinueasnew" => limits.history_count_suggest_continue_as_new = value,
        "limit.mutablestatesize.error" => limits.state_size = value,
        "system.transactionsizelimit" => limits.transaction_size = value,
        "limit.numpendingactivities.error" => limits.pending_activities = count,
        "limit.numpendingchildexecutions.error" => limits.pending_children = count,
        "limit.numpendingsignals.error" => limits.pending_signals = count,
        "limit.numpendingcancelrequests.error" => limits.pending_cancels = count,
        "history.maximumsignalsperexecution" => limits.signals = value,
        "history.maximumbufferedeventsbatch" => limits.buffered_events = count,
        "history.maxinflightupdates" => limits.in_flight_updates = count,
        "history.maxtotalupdates" => limits.total_updates = count,
        "limit.maxidlength" => limits.id_length = count,
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_configuration_file() {
        let path = std::env::temp_dir().join(format!("perdure-dynamic-{}.yaml", std::process::id()));
        let text = "limit.maxIDLength:\n  - value: 255\n    constraints: {}\n\
                    limit.blobSize.error:\n  - value: 7\n    constraints: {namespace: n}\n  - value: 1024\n\
                    system.forceSearchAttributesCacheRefreshOnRead:\n  - value: true\n    constraints: {}\n";
        std::fs::write(&path, text).unwrap();
        let mut limits = Limits::default();
        let read = read_file(&mut limits, &path);
        std::fs::remove_file(&path).unwrap();
        read.unwrap();
        assert_eq!(limits, Limits { id_length: 255, blob_size: 1024, ..Limits::default() });
    }

    #[test]
    fn keys() {
        let mut limits = Limits::default();
        assert!(set(&mut limits, "limit.historyCount.suggestContinueAsNew", 50));
        assert_eq!(limits.history_count_suggest_continue_as_new, 50);
        assert!(!set(&mut limits, "limit.maxIDLength", -1));
        assert!(!set(&mut limits, "frontend.enableExecuteMultiOperation", 1));
        assert_eq!(limits.id_length, Limits::default().id_length);
    }
}
