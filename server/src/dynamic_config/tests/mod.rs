//! Files, values and whom they hold for.

mod changes;
mod table;

use std::time::Duration;

use perdure_matching::QueueKind;
use serde_json::json;

use super::*;

fn resolved(text: &str) -> ByNamespace<AllLimits> {
    let parsed = check(text).unwrap();
    assert_eq!((&parsed.unknown, &parsed.bad), (&Vec::new(), &Vec::new()));
    config_of(&parsed.entries, &[])
}

#[test]
fn a_file() {
    let text = "
# The keys of a set-up that exists.
LIMIT.MAXIDLENGTH:
  - value: 255
    constraints: {}
limit.blobSize.error:
  - value: 7
    constraints: {namespace: n}
  - value: 1024
frontend.namespaceRPS: [{value: 5, constraints: {namespace: n}}, {value: 6, constraints: {namespace: n}}]
system.forceSearchAttributesCacheRefreshOnRead:
  - value: true
    constraints: {}
frontend.doesNotExist:
  - value: {a: [1, {b: 2}]}
    constraints: {shardID: 4}
limit.memoSize.error: []
limit.historySize.error:
";
    let parsed = check(text).unwrap();
    let known: Vec<_> = parsed.known().collect();
    let mentioned = [
        "limit.maxIDLength",
        "frontend.namespaceRPS",
        "limit.blobSize.error",
        "limit.historySize.error",
        "limit.memoSize.error",
    ];
    assert_eq!(known, mentioned);
    assert_eq!(parsed.unknown, ["frontend.doesNotExist"]);
    let (key, why) = &parsed.without_effect[0];
    assert_eq!(
        (key.as_str(), *why),
        ("system.forceSearchAttributesCacheRefreshOnRead", "search attributes are visible at once")
    );
    let limits = config_of(&parsed.entries, &[]);
    let defaults = AllLimits::default();
    let mut all = defaults.clone();
    all.frontend.runs.id_length = 255;
    all.frontend.runs.blob_size = 1024;
    assert_eq!(limits.all, all);
    let mut own = all;
    own.frontend.runs.blob_size = 7;
    own.frontend.namespace_rps = 5;
    assert_eq!(limits.named, std::collections::HashMap::from([("n".to_owned(), own)]));
    assert_eq!(*limits.of("other"), limits.all);
}

#[test]
fn files_without_a_value() {
    for text in ["", "# nothing\n", "---\n", "{}"] {
        assert_eq!(resolved(text), ByNamespace::of_all(AllLimits::default()), "{text:?}");
    }
}

/// The whole file is refused: nobody can tell what it means.
#[test]
fn no_such_file() {
    let cases = [
        ("limit.maxIDLength: 255", "invalid type: found unsigned int `255`, expected a sequence"),
        ("limit.maxIDLength:\n  - valeu: 255", "unknown field: found `valeu`"),
        ("- a\n- b", "invalid type"),
        ("a: [\n", "did not find expected node content"),
        ("a:\n  - value: 1\n  -value: 2\n", "line 3"),
        (
            "limit.maxIDLength: [{value: 1, constraints: {namspace: n}}]",
            "limit.maxIDLength: unknown constraint type \"namspace\": use namespace, taskQueueName or taskType",
        ),
        ("x: [{value: 1, constraints: {namespace: 1}}]", "x: the constraint namespace must be a text"),
        (
            "x: [{value: 1, constraints: {taskType: Query}}]",
            "x: the constraint taskType must be Workflow, Activity or Nexus",
        ),
    ];
    for (text, expected) in cases {
        let error = check(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

/// Such a value is left out, and the others act.
#[test]
fn bad_values() {
    let cases = [
        ("limit.maxIDLength: [{value: -1}]", "limit.maxIDLength: -1: a whole number that is not negative is needed"),
        ("limit.maxIDLength: [{value: x}]", "limit.maxIDLength: \"x\": a whole number that is not negative is needed"),
        ("limit.maxIDLength: [{}]", "limit.maxIDLength: null: a whole number that is not negative is needed"),
        ("frontend.rps: [{value: 5000000000}]", "frontend.rps: 5000000000: the number is too large"),
        (
            "frontend.namespaceBurstRatio: [{value: -1.5}]",
            "frontend.namespaceBurstRatio: -1.5: a number that is not negative is needed",
        ),
        (
            "history.longPollExpirationInterval: [{value: soon}]",
            "history.longPollExpirationInterval: \"soon\": a time is needed, as 90s, 1h30m, or a number of seconds",
        ),
        (
            "callback.allowedAddresses: [{value: 1}]",
            "callback.allowedAddresses: 1: a list is needed, as [{Pattern: \"*.example.org\", AllowInsecure: false}]",
        ),
        (
            "limit.maxIDLength: [{value: 9, constraints: {namespace: n}}]",
            "limit.maxIDLength: 9: constraint \"namespace\" isn't valid for this key: the value is ignored",
        ),
        (
            "limit.blobSize.error: [{value: 9, constraints: {taskQueueName: q}}]",
            "limit.blobSize.error: 9: constraint \"taskQueueName\" isn't valid for this key: the value is ignored",
        ),
        (
            "limit.blobSize.error: [{value: 9, constraints: {shardID: 3}}]",
            "limit.blobSize.error: 9: constraint \"shardID\" isn't valid for this key: the value is ignored",
        ),
        (
            "matching.longPollExpirationInterval: [{value: 9, constraints: {taskType: Activity}}]",
            "matching.longPollExpirationInterval: 9: the constraint taskType needs taskQueueName beside it",
        ),
        (
            "{frontend.rps: [{value: 1}], frontend.RPS: [{value: 2}]}",
            "frontend.rps: the key is there twice, in other letters or by its other name: leave one",
        ),
    ];
    for (text, expected) in cases {
        let parsed = check(text).unwrap();
        assert_eq!(parsed.bad, [expected]);
        let limits = config_of(&parsed.entries, &[]);
        assert!(limits.named.is_empty() && limits.all.frontend.runs == AllLimits::default().frontend.runs, "{text}");
    }
}

#[test]
fn the_most_constrained_value_wins() {
    let text = "matching.longPollExpirationInterval:
  - {value: 1, constraints: {}}
  - {value: 2, constraints: {namespace: n}}
  - {value: 3, constraints: {taskQueueName: q}}
  - {value: 4, constraints: {namespace: n, taskQueueName: q}}
  - {value: 5, constraints: {namespace: n, taskQueueName: q, taskType: Activity}}
  - {value: 6, constraints: {namespace: n, taskQueueName: q, taskType: 2}}
  - {value: 7, constraints: {taskQueueName: r, taskType: TASK_QUEUE_TYPE_NEXUS}}
  - {value: 8, constraints: {taskQueueName: r}}
";
    let limits = resolved(text);
    let cases = [
        ("n", "q", QueueKind::Activity, 5),
        ("n", "q", QueueKind::Workflow, 4),
        ("n", "q", QueueKind::StickyWorkflow, 4),
        ("n", "other", QueueKind::Activity, 2),
        ("n", "r", QueueKind::Nexus, 7),
        ("n", "r", QueueKind::Activity, 8),
        ("m", "q", QueueKind::Activity, 3),
        ("m", "other", QueueKind::Activity, 1),
    ];
    for (namespace, queue, kind, seconds) in cases {
        let found = *limits.of(namespace).frontend.poll_timeout.of(queue, kind);
        assert_eq!(found, Duration::from_secs(seconds), "{namespace} {queue} {kind:?}");
    }
}

#[test]
fn the_command_line() {
    let acts = |key: &str, text: &str| match given(key, text).unwrap() {
        Given::Acts(value) => Some(value),
        Given::WithoutEffect(_) => None,
    };
    assert_eq!(acts("limit.maxIDLength", "255"), Some(json!(255)));
    assert_eq!(acts("limit.maxidlength", "\"255\""), Some(json!(255)));
    assert_eq!(acts("history.workflowTaskHeartbeatTimeout", "\"15s\""), Some(json!("15s")));
    assert_eq!(acts("history.workflowTaskHeartbeatTimeout", "1m30s"), Some(json!("1m30s")));
    assert_eq!(acts("history.workflowTaskHeartbeatTimeout", "\"2\""), Some(json!(2)));
    let addresses = r#"[{"Pattern":"localhost:*","AllowInsecure":true}]"#;
    assert!(acts("component.callbacks.allowedAddresses", addresses).is_some());
    let error = given("limit.maxIDLength", "true").err().unwrap();
    assert_eq!(error, "limit.maxIDLength=true: a whole number that is not negative is needed");
    let without_effect = |key: &str| match given(key, "1").unwrap() {
        Given::Acts(_) => panic!("{key} acts"),
        Given::WithoutEffect(why) => why,
    };
    assert_eq!(without_effect("frontend.doesNotExist"), None);
    assert_eq!(without_effect("frontend.EnableExecuteMultiOperation"), Some("update-with-start is always there"));
}

#[tokio::test]
async fn the_command_line_without_a_file() {
    let fixed = BTreeMap::from([("limit.maxidlength".to_owned(), json!(20))]);
    let (_, limits) = DynamicConfig::open(None, &fixed).await.unwrap();
    assert_eq!(limits.all.frontend.runs.id_length, 20);
}

#[test]
fn the_command_line_wins_over_the_file() {
    let parsed = check("limit.blobSize.error: [{value: 1}, {value: 2, constraints: {namespace: n}}]").unwrap();
    let fixed = [fixed_entry("limit.blobSize.error", &json!(3)).unwrap()];
    let limits = config_of(&parsed.entries, &fixed);
    assert_eq!(["n", "other"].map(|name| limits.of(name).frontend.runs.blob_size), [3, 3]);
    let error = |key, value| fixed_entry(key, &value).unwrap_err().to_string();
    assert_eq!(error("limit.blobSize.errors", json!(1)), "limits: limit.blobSize.errors: there is no such key");
    let bad = "limits: limit.blobSize.error: true: a whole number that is not negative is needed";
    assert_eq!(error("limit.blobSize.error", json!(true)), bad);
}
