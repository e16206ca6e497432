//! Temporal's dynamic configuration, as far as it sets limits that exist here.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context;
use figment::{
    Figment,
    providers::{Format, Yaml},
};
use perdure_engine::{Limits, Nanos, time::SECOND};
use perdure_frontend::{CallbackAddress, CallbackAddresses, quotas::FrontendLimits};
use serde::{Deserialize, Serialize, de::IgnoredAny};

/// Everything that a key can set.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct AllLimits {
    pub(crate) runs: Limits,
    pub(crate) frontend: FrontendLimits,
    pub(crate) callback_addresses: CallbackAddresses,
}

impl Address {
    fn to_allowed(&self) -> CallbackAddress {
        CallbackAddress { pattern: self.pattern.clone(), allow_insecure: self.allow_insecure }
    }
}

/// One value of a key. Those with constraints hold for some namespaces or queues only: they are not supported.
#[derive(Deserialize)]
struct Constrained {
    value: Value,
    #[serde(default)]
    constraints: BTreeMap<String, IgnoredAny>,
}

/// The value of a limit: a number, or a time, as `1h30m`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum Value {
    Number(i64),
    Text(String),
    Switch(bool),
    Addresses(Vec<Address>),
    #[serde(skip_serializing)]
    List(Vec<IgnoredAny>),
    #[serde(skip_serializing)]
    Object(BTreeMap<String, IgnoredAny>),
}

/// Where callbacks may call.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Address {
    #[serde(alias = "Pattern")]
    pattern: String,
    #[serde(default, alias = "AllowInsecure")]
    allow_insecure: bool,
}

impl Value {
    /// What stands behind a flag's `=`: a text may be in quotes, as in JSON.
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        if let Ok(addresses) = serde_json::from_str(text) {
            return Self::Addresses(addresses);
        }
        text.parse().map_or_else(|_| Self::Text(text.to_owned()), Self::Number)
    }

    fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number).filter(|number| *number >= 0),
            _ => None,
        }
    }

    fn span(&self) -> Option<Nanos> {
        match self {
            Self::Text(text) => Nanos::try_from(perdure_cli::parse_duration(text).ok()?.as_nanos()).ok(),
            _ => None,
        }
    }
}

/// Reads a file of the form `key: [{value: …, constraints: {}}]`. Keys without effect are told once and stop nothing.
pub(crate) fn read_file(limits: &mut AllLimits, path: &Path) -> anyhow::Result<()> {
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
            Some(value) => set(limits, &key, value),
            None => false,
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
pub(crate) fn set(limits: &mut AllLimits, key: &str, value: &Value) -> bool {
    let key = key.to_ascii_lowercase();
    if let Value::Addresses(addresses) = value {
        let known = ["component.callbacks.allowedaddresses", "callback.allowedaddresses"].contains(&key.as_str());
        if known {
            limits.callback_addresses = addresses.iter().map(Address::to_allowed).collect();
        }
        return known;
    }
    match (value.number(), value.span()) {
        (Some(number), _) => {
            set_number(&mut limits.runs, &key, number) || set_quota(&mut limits.frontend, &key, number)
        }
        (_, Some(span)) => set_span(&mut limits.runs, &key, span),
        (None, None) => false,
    }
}

fn set_span(limits: &mut Limits, key: &str, span: Nanos) -> bool {
    match key {
        "history.workflowtaskheartbeattimeout" => limits.workflow_task_heartbeat = span,
        "history.workflowidreuseminimalinterval" => limits.min_start_interval = span,
        "history.defaultworkflowtasktimeout" => limits.workflow_task_timeout = span,
        "matching.wv.versiondrainagestatusvisibilitygraceperiod" => limits.drainage_grace = span,
        "matching.wv.versiondrainagestatusrefreshinterval" => limits.drainage_refresh = span,
        _ => return false,
    }
    true
}

fn set_number(limits: &mut Limits, key: &str, value: i64) -> bool {
    let Ok(count) = usize::try_from(value) else { return false };
    match key {
        "limit.blobsize.error" => limits.blob_size = value,
        "limit.memosize.error" => limits.memo_size = value,
        "limit.historysize.error" => limits.history_size = value,
        "limit.historysize.suggestcontinueasnew" => limits.history_size_suggest_continue_as_new = value,
        "limit.historycount.error" => limits.history_count = value,
        "limit.historycount.suggestcontinueasnew" => limits.history_count_suggest_continue_as_new = value,
        "limit.mutablestatesize.error" => limits.state_size = value,
        "limit.mutablestateactivityfailuresize.error" => limits.failure_size = value,
        "system.transactionsizelimit" => limits.transaction_size = value,
        "limit.numpendingactivities.error" => limits.pending_activities = count,
        "limit.numpendingchildexecutions.error" => limits.pending_children = count,
        "limit.numpendingsignals.error" => limits.pending_signals = count,
        "limit.numpendingcancelrequests.error" => limits.pending_cancels = count,
        "history.maximumsignalsperexecution" => limits.signals = value,
        "history.maximumbufferedeventsbatch" => limits.buffered_events = count,
        "history.maximumbufferedeventssizeinbytes" => limits.buffered_bytes = value,
        "history.maxbufferedquerycount" => limits.buffered_queries = count,
        "history.maxinflightupdates" => limits.in_flight_updates = count,
        "history.maxinflightupdatepayloads" => limits.in_flight_update_bytes = value,
        "history.maxtotalupdates" => limits.total_updates = count,
        "limit.maxidlength" => limits.id_length = count,
        "limit.usermetadatasummarysize" => limits.user_metadata_summary = count,
        "limit.usermetadatadetailssize" => limits.user_metadata_details = count,
        "frontend.searchattributesnumberofkeyslimit" => limits.search_attributes = count,
        "frontend.searchattributessizeofvaluelimit" => limits.search_attribute_size = count,
        "frontend.searchattributestotalsizelimit" => limits.search_attributes_size = count,
        "system.maxcallbacksperworkflow" => limits.callbacks = count,
        "component.nexusoperations.limit.operation.concurrency" => limits.pending_nexus_operations = count,
        "component.nexusoperations.limit.header.size" => limits.nexus_header_size = count,
        "system.numconsecutiveworkflowtaskproblemstotriggersearchattribute" => {
            let Ok(value) = i32::try_from(value) else { return false };
            limits.failed_tasks_to_report = value;
        }
        "matching.maxversionsintaskqueue" => limits.versions_per_task_queue = count,
        "matching.maxdeployments" => limits.worker_deployments = count,
        "matching.maxversionsindeployment" => limits.versions_per_deployment = count,
        "matching.maxtaskqueuesindeploymentversion" => limits.task_queues_per_deployment_version = count,
        // A time without a unit is in seconds.
        "matching.wv.versiondrainagestatusvisibilitygraceperiod" => {
            limits.drainage_grace = value.saturating_mul(SECOND)
        }
        "matching.wv.versiondrainagestatusrefreshinterval" => limits.drainage_refresh = value.saturating_mul(SECOND),
        _ => return false,
    }
    true
}

/// How much clients may ask for.
fn set_quota(limits: &mut FrontendLimits, key: &str, value: i64) -> bool {
    let (Ok(count), Ok(rate)) = (usize::try_from(value), u32::try_from(value)) else { return false };
    match key {
        "frontend.rps" => limits.rps = rate,
        "frontend.namespacerps" => limits.namespace_rps = rate,
        "frontend.namespacerps.visibility" => limits.visibility_rps = rate,
        "frontend.namespaceburstratio" => limits.burst_ratio = rate,
        "frontend.namespacecount" => limits.waiting_calls = count,
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
        let mut limits = AllLimits::default();
        let read = read_file(&mut limits, &path);
        std::fs::remove_file(&path).unwrap();
        read.unwrap();
        let runs = Limits { id_length: 255, blob_size: 1024, ..Limits::default() };
        assert_eq!(limits, AllLimits { runs, ..AllLimits::default() });
    }

    #[test]
    fn keys() {
        let mut limits = AllLimits::default();
        assert!(set(&mut limits, "limit.historyCount.suggestContinueAsNew", &Value::Number(50)));
        assert_eq!(limits.runs.history_count_suggest_continue_as_new, 50);
        assert!(!set(&mut limits, "limit.maxIDLength", &Value::Number(-1)));
        assert!(!set(&mut limits, "frontend.enableExecuteMultiOperation", &Value::Number(1)));
        assert_eq!(limits.runs.id_length, Limits::default().id_length);
        assert!(set(&mut limits, "history.workflowTaskHeartbeatTimeout", &Value::parse("1m30s")));
        assert_eq!(limits.runs.workflow_task_heartbeat, 90_000_000_000);
        assert!(!set(&mut limits, "history.workflowTaskHeartbeatTimeout", &Value::Number(3)));
        assert!(set(&mut limits, "matching.wv.VersionDrainageStatusRefreshInterval", &Value::parse("\"15s\"")));
        assert!(set(&mut limits, "matching.wv.VersionDrainageStatusVisibilityGracePeriod", &Value::parse("\"2\"")));
        assert_eq!((limits.runs.drainage_refresh, limits.runs.drainage_grace), (15 * SECOND, 2 * SECOND));
    }

    /// Each key sets one limit, whose default is Temporal's, or more generous (the last column says why).
    #[test]
    fn defaults_and_keys() {
        type Read = fn(&AllLimits) -> i64;
        const MIB: i64 = 1024 * 1024;
        let table: &[(&str, i64, Read, &str)] = &[
            ("limit.blobSize.error", 2 * MIB, |all| all.runs.blob_size, ""),
            ("limit.memoSize.error", 2 * MIB, |all| all.runs.memo_size, ""),
            ("limit.historySize.error", 50 * MIB, |all| all.runs.history_size, ""),
            (
                "limit.historySize.suggestContinueAsNew",
                4 * MIB,
                |all| all.runs.history_size_suggest_continue_as_new,
                "",
            ),
            ("limit.historyCount.error", 51_200, |all| all.runs.history_count, ""),
            (
                "limit.historyCount.suggestContinueAsNew",
                4_096,
                |all| all.runs.history_count_suggest_continue_as_new,
                "",
            ),
            ("limit.mutableStateSize.error", 8 * MIB, |all| all.runs.state_size, ""),
            ("limit.mutableStateActivityFailureSize.error", 4_096, |all| all.runs.failure_size, ""),
            ("system.transactionSizeLimit", 4 * MIB, |all| all.runs.transaction_size, ""),
            ("limit.numPendingActivities.error", 2_000, |all| all.runs.pending_activities as i64, ""),
            ("limit.numPendingChildExecutions.error", 2_000, |all| all.runs.pending_children as i64, ""),
            ("limit.numPendingSignals.error", 2_000, |all| all.runs.pending_signals as i64, ""),
            ("limit.numPendingCancelRequests.error", 2_000, |all| all.runs.pending_cancels as i64, ""),
            ("history.maximumSignalsPerExecution", 10_000, |all| all.runs.signals, ""),
            ("history.maximumBufferedEventsBatch", 100, |all| all.runs.buffered_events as i64, ""),
            ("history.maximumBufferedEventsSizeInBytes", 2 * MIB, |all| all.runs.buffered_bytes, ""),
            ("history.MaxBufferedQueryCount", 64, |all| all.runs.buffered_queries as i64, "1: a second one is refused"),
            ("history.maxInFlightUpdates", 10, |all| all.runs.in_flight_updates as i64, ""),
            ("history.maxInFlightUpdatePayloads", 20 * MIB, |all| all.runs.in_flight_update_bytes, ""),
            ("history.maxTotalUpdates", 2_000, |all| all.runs.total_updates as i64, ""),
            ("limit.maxIDLength", 1_000, |all| all.runs.id_length as i64, ""),
            ("limit.userMetadataSummarySize", 400, |all| all.runs.user_metadata_summary as i64, ""),
            ("limit.userMetadataDetailsSize", 20_000, |all| all.runs.user_metadata_details as i64, ""),
            ("frontend.searchAttributesNumberOfKeysLimit", 100, |all| all.runs.search_attributes as i64, ""),
            ("frontend.searchAttributesSizeOfValueLimit", 2_048, |all| all.runs.search_attribute_size as i64, ""),
            ("frontend.searchAttributesTotalSizeLimit", 40_960, |all| all.runs.search_attributes_size as i64, ""),
            ("system.maxCallbacksPerWorkflow", 32, |all| all.runs.callbacks as i64, ""),
            (
                "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute",
                5,
                |all| all.runs.failed_tasks_to_report.into(),
                "",
            ),
            ("frontend.rps", 0, |all| all.frontend.rps.into(), "2,400; 0 is none: full mailboxes shed load"),
            ("frontend.namespaceRPS", 0, |all| all.frontend.namespace_rps.into(), "2,400; the same"),
            ("frontend.namespaceRPS.visibility", 0, |all| all.frontend.visibility_rps.into(), "10; the same"),
            ("frontend.namespaceBurstRatio", 2, |all| all.frontend.burst_ratio.into(), ""),
            ("frontend.namespaceCount", 20_000, |all| all.frontend.waiting_calls as i64, "1,200: a poll costs little"),
        ];
        for (key, default, read, _) in table {
            let mut limits = AllLimits::default();
            assert_eq!(read(&limits), *default, "{key}");
            assert!(set(&mut limits, key, &Value::Number(7)), "{key}");
            assert_eq!(read(&limits), 7, "{key}");
            assert_eq!(table.iter().filter(|(_, default, read, _)| read(&limits) != *default).count(), 1, "{key}");
        }
        let spans: &[(&str, i64, Read)] = &[
            ("history.workflowTaskHeartbeatTimeout", 30 * 60, |all| all.runs.workflow_task_heartbeat),
            ("history.defaultWorkflowTaskTimeout", 10, |all| all.runs.workflow_task_timeout),
            ("history.workflowIdReuseMinimalInterval", 0, |all| all.runs.min_start_interval),
        ];
        for (key, seconds, read) in spans {
            let mut limits = AllLimits::default();
            assert_eq!(read(&limits), seconds * SECOND, "{key}");
            assert!(set(&mut limits, key, &Value::parse("7s")), "{key}");
            assert_eq!(read(&limits), 7 * SECOND, "{key}");
        }
    }

    #[test]
    fn addresses_of_callbacks() {
        let expected: CallbackAddresses = [("localhost:*", true), ("*.example.org", false)]
            .into_iter()
            .map(|(pattern, allow_insecure)| CallbackAddress { pattern: pattern.to_owned(), allow_insecure })
            .collect();
        let value = Value::parse(r#"[{"Pattern":"localhost:*","AllowInsecure":true},{"Pattern":"*.example.org"}]"#);
        for key in ["component.callbacks.allowedAddresses", "callback.allowedAddresses"] {
            let mut limits = AllLimits::default();
            assert!(set(&mut limits, key, &value));
            assert_eq!(limits.callback_addresses, expected);
        }
        assert!(!set(&mut AllLimits::default(), "limit.maxIDLength", &value));
        assert!(!set(&mut AllLimits::default(), "callback.allowedAddresses", &Value::Number(1)));
    }
}
