use perdure_engine::limits::RetryDefaults;
use perdure_frontend::CallbackAddress;

use super::*;

const DISALLOWED: &str = "request-timeout xdc-redirection-api xdc-redirection-source-cell xdc-redirection caller-name \
                          caller-type call-initiation temporal-principal-type temporal-principal-name";

/// Key, scope, Temporal's default, and ours with its reason where it is more generous.
const TABLE: &[[&str; 5]] = &[
    ["limit.blobSize.error", "namespace", "2097152", "", ""],
    ["limit.memoSize.error", "namespace", "2097152", "", ""],
    ["limit.maxIDLength", "global", "1000", "", ""],
    ["limit.workerBuildIdSize", "global", "255", "", ""],
    ["limit.userMetadataSummarySize", "namespace", "400", "", ""],
    ["limit.userMetadataDetailsSize", "namespace", "20000", "", ""],
    ["frontend.searchAttributesNumberOfKeysLimit", "namespace", "100", "", ""],
    ["frontend.searchAttributesSizeOfValueLimit", "namespace", "2048", "", ""],
    ["frontend.searchAttributesTotalSizeLimit", "namespace", "40960", "", ""],
    ["frontend.maxlinksPerRequest", "namespace", "10", "", ""],
    ["frontend.linkMaxSize", "namespace", "4000", "", ""],
    ["frontend.callbackURLMaxLength", "namespace", "1000", "", ""],
    ["frontend.callbackHeaderMaxLength", "namespace", "8192", "", ""],
    ["system.maxCallbacksPerWorkflow", "namespace", "32", "", ""],
    ["system.maxCallbacksPerUpdateID", "namespace", "32", "", ""],
    ["component.callbacks.allowedAddresses", "namespace", "[]", "", ""],
    ["component.callbacks.request.timeout", "namespace", "10s", "", ""],
    ["component.callbacks.retryPolicy.initialInterval", "global", "1s", "", ""],
    ["component.callbacks.retryPolicy.maxInterval", "global", "1h", "", ""],
    ["callback.maxPerExecution", "namespace", "2000", "", ""],
    ["chasm.maxLinksPerComponent", "namespace", "2000", "", ""],
    ["limit.blobSize.warn", "namespace", "524288", "", ""],
    ["limit.memoSize.warn", "namespace", "2048", "", ""],
    ["limit.historySize.warn", "namespace", "10485760", "", ""],
    ["limit.historyCount.warn", "namespace", "10240", "", ""],
    ["limit.mutableStateSize.warn", "global", "1048576", "", ""],
    ["limit.mutableStateActivityFailureSize.warn", "namespace", "2048", "", ""],
    ["limit.historySize.error", "namespace", "52428800", "", ""],
    ["limit.historySize.suggestContinueAsNew", "namespace", "4194304", "", ""],
    ["limit.historyCount.error", "namespace", "51200", "", ""],
    ["limit.historyCount.suggestContinueAsNew", "namespace", "4096", "", ""],
    ["limit.mutableStateSize.error", "global", "8388608", "", ""],
    ["limit.mutableStateActivityFailureSize.error", "namespace", "4096", "", ""],
    ["system.transactionSizeLimit", "global", "4194304", "", ""],
    ["limit.numPendingActivities.error", "namespace", "2000", "", ""],
    ["limit.numPendingChildExecutions.error", "namespace", "2000", "", ""],
    ["limit.numPendingSignals.error", "namespace", "2000", "", ""],
    ["limit.numPendingCancelRequests.error", "namespace", "2000", "", ""],
    ["history.maximumSignalsPerExecution", "namespace", "10000", "", ""],
    ["history.maximumBufferedEventsBatch", "global", "100", "", ""],
    ["history.maximumBufferedEventsSizeInBytes", "global", "2097152", "", ""],
    ["history.MaxBufferedQueryCount", "global", "1", "64", "a second query that waits is not refused"],
    ["history.maxInFlightUpdates", "namespace", "10", "", ""],
    ["history.maxInFlightUpdatePayloads", "namespace", "20971520", "", ""],
    ["history.maxTotalUpdates", "namespace", "2000", "", ""],
    ["history.maxTotalUpdates.suggestContinueAsNewThreshold", "namespace", "0.9", "", ""],
    ["history.defaultWorkflowTaskTimeout", "namespace", "10s", "", ""],
    ["history.workflowTaskHeartbeatTimeout", "namespace", "30m", "", ""],
    ["history.workflowTaskRetryMaxInterval", "global", "10m", "", ""],
    ["history.defaultActivityRetryPolicy", "namespace", "1s x 2, at most x 100, any number of attempts", "", ""],
    ["history.defaultWorkflowRetryPolicy", "namespace", "1s x 2, at most x 100, any number of attempts", "", ""],
    [
        "history.workflowIdReuseMinimalInterval",
        "namespace",
        "1s",
        "0s",
        "an id can be started again at once, as on Temporal's SQL stores",
    ],
    ["system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute", "namespace", "5", "", ""],
    ["component.nexusoperations.limit.operation.concurrency", "namespace", "30", "", ""],
    ["component.nexusoperations.limit.service.name.length", "namespace", "1000", "", ""],
    ["component.nexusoperations.limit.operation.name.length", "namespace", "1000", "", ""],
    ["component.nexusoperations.limit.header.size", "namespace", "8192", "", ""],
    ["component.nexusoperations.retryPolicy.initialInterval", "global", "1s", "", ""],
    ["component.nexusoperations.retryPolicy.maxInterval", "global", "1h", "", ""],
    ["component.nexusoperations.limit.operation.token.length", "namespace", "4096", "", ""],
    ["component.nexusoperations.limit.scheduleToCloseTimeout", "namespace", "0s", "", ""],
    ["component.nexusoperations.disallowedHeaders", "global", DISALLOWED, "", ""],
    ["component.nexusoperations.request.timeout", "namespace", "10s", "", ""],
    ["component.nexusoperations.limit.request.timeout.min", "namespace", "1500ms", "", ""],
    ["component.nexusoperations.limit.dispatch.task.timeout.min", "namespace", "1s", "", ""],
    ["nexusoperation.limit.reasonLength", "namespace", "1000", "", ""],
    ["limit.endpointNameMaxLength", "global", "200", "", ""],
    ["limit.endpointExternalURLMaxLength", "global", "4096", "", ""],
    ["limit.endpointDescriptionMaxSize", "global", "20000", "", ""],
    ["limit.endpointListDefaultPageSize", "global", "100", "", ""],
    ["limit.endpointListMaxPageSize", "global", "1000", "", ""],
    ["matching.maxDeployments", "namespace", "100", "", ""],
    ["matching.maxVersionsInDeployment", "namespace", "100", "", ""],
    ["matching.maxVersionsInTaskQueue", "namespace", "200", "", ""],
    ["matching.maxTaskQueuesInDeploymentVersion", "namespace", "100", "", ""],
    ["matching.wv.VersionDrainageStatusVisibilityGracePeriod", "namespace", "3m", "", ""],
    ["matching.wv.VersionDrainageStatusRefreshInterval", "namespace", "3m", "", ""],
    ["limit.reachabilityQueryBuildIds", "global", "5", "", ""],
    ["frontend.rps", "global", "2400", "0", "none: full mailboxes shed load"],
    ["frontend.namespaceRPS", "namespace", "2400", "0", "the same"],
    ["frontend.namespaceBurstRatio", "namespace", "2", "", ""],
    ["frontend.namespaceRPS.visibility", "namespace", "10", "0", "the same"],
    ["frontend.namespaceBurstRatio.visibility", "namespace", "1", "", ""],
    ["frontend.disableListVisibilityByFilter", "namespace", "false", "", ""],
    ["frontend.namespaceCount", "namespace", "1200", "20000", "a poll that waits costs little"],
    ["frontend.historyMaxPageSize", "namespace", "256", "", ""],
    ["frontend.visibilityMaxPageSize", "namespace", "1000", "", ""],
    ["history.longPollExpirationInterval", "namespace", "20s", "", ""],
    ["activity.longPollTimeout", "namespace", "20s", "", ""],
    ["nexusoperation.longPollTimeout", "namespace", "20s", "", ""],
    ["system.namespaceMinRetentionLocal", "global", "1h", "", ""],
    [
        "frontend.MaxConcurrentBatchOperationPerNamespace",
        "namespace",
        "1",
        "0",
        "none: nobody waits for another's slow one",
    ],
    [
        "worker.schedulerNamespaceStartWorkflowRPS",
        "namespace",
        "30",
        "0",
        "none: such a start is no heavier than others",
    ],
    ["worker.batcherRPS", "namespace", "50", "", ""],
    ["frontend.keepAliveTime", "global", "1m", "", ""],
    ["frontend.keepAliveTimeout", "global", "10s", "", ""],
    ["frontend.keepAliveMaxConnectionAge", "global", "5m", "", ""],
    ["frontend.keepAliveMaxConnectionAgeGrace", "global", "70s", "", ""],
    ["matching.longPollExpirationInterval", "task queue", "1m", "", ""],
    [
        "admin.matchingNamespaceTaskqueueToPartitionDispatchRate",
        "task queue",
        "1000",
        "none",
        "queues have no partitions whose store must be protected",
    ],
    ["matching.maxFairnessKeyWeightOverrides", "namespace", "1000", "", ""],
    ["matching.maxTaskQueueIdleTime", "global", "5m", "", ""],
    ["matching.PollerHistoryTTL", "global", "5m", "", ""],
    ["matching.queryPollerUnavailableWindow", "global", "20s", "", ""],
];

#[test]
fn defaults() {
    let expected =
        TABLE.iter().map(|[key, scope, theirs, ours, _]| [key, scope, if ours.is_empty() { theirs } else { ours }]);
    let expected: Vec<_> = expected.map(|row| row.map(|text| (*text).to_owned())).collect();
    let told = table();
    let (keys, other_names) = told.split_at(expected.len());
    assert_eq!(keys, expected);
    let as_key = ["callback.request.timeout", "namespace", "as component.callbacks.request.timeout"].map(str::to_owned);
    assert!(other_names.contains(&as_key), "{other_names:?}");
}

#[test]
fn each_key_sets_its_own_limit_and_no_other() {
    let show_all = |limits: &mut AllLimits| keys::KEYS.iter().map(|key| key.field.show(limits)).collect::<Vec<_>>();
    let defaults = show_all(&mut AllLimits::default());
    for (at, key) in keys::KEYS.iter().enumerate() {
        let mut limits = AllLimits::default();
        if key.name.ends_with("llowedAddresses") {
            let value = json!([{"Pattern": "localhost:*", "AllowInsecure": true}, {"pattern": "*.example.org"}]);
            key.field.set(&mut limits, &value).unwrap();
            let address =
                |pattern: &str, allow_insecure| CallbackAddress { pattern: pattern.to_owned(), allow_insecure };
            let expected = [address("localhost:*", true), address("*.example.org", false)].into_iter().collect();
            assert_eq!(limits.frontend.callback_addresses, expected);
            continue;
        }
        let (value, shown) = match &key.field {
            keys::Field::Switch(_) => (json!(true), "true"),
            keys::Field::Retry(_) => (json!({"MaximumAttempts": 7}), "1s x 2, at most x 100, 7 attempts"),
            keys::Field::Headers(_) => (json!(["X-One", "two"]), "x-one two"),
            keys::Field::Time(_) | keys::Field::Span(_) | keys::Field::QueueSpan(_) => (json!(7), "7s"),
            _ => (json!(7), "7"),
        };
        key.field.set(&mut limits, &value).unwrap();
        let mut expected = defaults.clone();
        expected[at] = shown.to_owned();
        assert_eq!(show_all(&mut limits), expected, "{}", key.name);
    }
}

#[test]
fn other_names_are_of_keys() {
    for (other, name) in keys::OTHER_NAMES {
        let key = keys::find(&other.to_uppercase()).unwrap();
        assert_eq!(key.name, *name);
        assert!(keys::KEYS.iter().all(|key| key.name != *other), "{other} is a key of its own");
    }
}

#[test]
fn retry_policies() {
    let set = |value: serde_json::Value| {
        let mut limits = AllLimits::default();
        keys::find("history.defaultWorkflowRetryPolicy").unwrap().field.set(&mut limits, &value)?;
        Ok::<_, String>(limits.frontend.runs.default_workflow_retry)
    };
    let all = json!({"InitialIntervalInSeconds": 5, "MaximumIntervalCoefficient": 10.0, "BackoffCoefficient": 1.5,
        "MaximumAttempts": 4});
    let expected = RetryDefaults {
        initial_interval: 5_000_000_000,
        backoff_coefficient: 1.5,
        maximum_interval_coefficient: 10.0,
        maximum_attempts: 4,
    };
    assert_eq!(set(all), Ok(expected));
    assert_eq!(set(json!({})), Ok(RetryDefaults::default()));
    for bad in [
        json!({"BackoffCoefficient": 0.5}),
        json!({"MaximumIntervalCoefficient": 0}),
        json!({"MaximumAttempts": -1}),
        json!({"InitialIntervalInSeconds": 0}),
        json!({"InitialInterval": 5}),
        json!(7),
    ] {
        assert!(set(bad.clone()).is_err(), "{bad}");
    }
}

/// Go's durations; numbers without a unit are seconds.
#[test]
fn times() {
    let key = keys::find("HISTORY.workflowtaskheartbeattimeout").unwrap();
    let cases = [
        (json!("1h30m"), 5_400_000),
        (json!("1.5s"), 1_500),
        (json!("250ms"), 250),
        (json!("0s"), 0),
        (json!("15"), 15_000),
        (json!(15), 15_000),
        (json!(0.5), 500),
    ];
    for (value, millis) in cases {
        let mut limits = AllLimits::default();
        key.field.set(&mut limits, &value).unwrap();
        assert_eq!(limits.frontend.runs.workflow_task_heartbeat, millis * 1_000_000, "{value}");
    }
    for value in
        [json!("-1s"), json!(-1), json!("1w2"), json!(""), json!("1e999"), json!(null), json!(true), json!([1])]
    {
        assert!(key.field.set(&mut AllLimits::default(), &value).is_err(), "{value}");
    }
}

/// A prefix of a key without effect must not hide a key that acts.
#[test]
fn no_key_is_in_both_lists() {
    for key in keys::KEYS {
        let hides = |prefix: &str| key.name.to_lowercase().starts_with(&prefix.to_lowercase());
        let hidden: Vec<_> = keys::WITHOUT_EFFECT.iter().filter(|(prefix, _)| hides(prefix)).collect();
        assert!(hidden.is_empty(), "{}: {hidden:?}", key.name);
    }
}
