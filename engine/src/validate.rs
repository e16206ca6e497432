//! Checks of values that requests and commands have in common. Each error is the text that clients know.

use std::collections::BTreeMap;

use perdure_proto::api::common::{Memo, Payload, Priority, SearchAttributes};
use prost::Message;
use prost_types::Duration;

use crate::{
    limits::Limits,
    state::Nanos,
    time::{SECOND, from_duration},
};

/// Longer durations are silently cut to 100 years of 365 days.
pub const MAX_DURATION: Nanos = 100 * 365 * 24 * 3600 * SECOND;
/// Of names that the server makes up.
pub const RESERVED_TASK_QUEUE_PREFIX: &str = "/_sys/";
const INTERNAL_TASK_QUEUE: &str = "temporal-sys-per-ns-tq";
const FAIRNESS_KEY_LENGTH: usize = 64;

/// Attributes that the server sets itself, among them those predefined ones that nobody may set.
const SYSTEM_SEARCH_ATTRIBUTES: &[&str] = &[
    "WorkflowId",
    "RunId",
    "WorkflowType",
    "StartTime",
    "ExecutionTime",
    "CloseTime",
    "ExecutionStatus",
    "TaskQueue",
    "HistoryLength",
    "HistorySizeBytes",
    "ExecutionDuration",
    "StateTransitionCount",
    "ParentWorkflowId",
    "ParentRunId",
    "RootWorkflowId",
    "RootRunId",
];

/// A duration in nanoseconds, cut to [`MAX_DURATION`]; absent means 0.
pub fn duration(duration: Option<&Duration>) -> Result<Nanos, &'static str> {
    let Some(duration) = duration else { return Ok(0) };
    if (duration.seconds > 0 && duration.nanos < 0) || (duration.seconds < 0 && duration.nanos > 0) {
        return Err("duration has seconds and nanos with different signs");
    }
    let nanos = from_duration(duration);
    if nanos < 0 { Err("negative duration") } else { Ok(nanos.min(MAX_DURATION)) }
}

/// The name of a normal task queue. `parent` is the queue of the workflow that asks, if one does.
pub fn task_queue(name: &str, parent: &str, id_length: usize) -> Result<(), String> {
    if name.is_empty() {
        return Err("missing task queue name".into());
    }
    if name.len() > id_length {
        return Err("taskQueue length exceeds limit".into());
    }
    if name.starts_with(RESERVED_TASK_QUEUE_PREFIX) {
        return Err(format!("task queue name cannot start with reserved prefix {RESERVED_TASK_QUEUE_PREFIX}"));
    }
    if name == INTERNAL_TASK_QUEUE && parent != INTERNAL_TASK_QUEUE {
        let place =
            if parent.is_empty() { String::new() } else { format!(" (in parent component task queue: {parent})") };
        return Err(format!("cannot use internal per-namespace task queue:{name}{place}"));
    }
    Ok(())
}

/// A run may not outlive its execution; 0 is no limit in either.
pub fn run_timeout(run: Nanos, execution: Nanos) -> Nanos {
    match (run, execution) {
        (run, 0) => run,
        (0, execution) => execution,
        (run, execution) => run.min(execution),
    }
}

/// A workflow task's time-out: a default where none is given, at most the limit and the run's own.
pub fn task_timeout(task: Nanos, run: Nanos, limits: &Limits) -> Nanos {
    let task = if task == 0 { limits.workflow_task_timeout } else { task };
    run_timeout(task.min(limits.workflow_task_timeout_max), run)
}

pub fn priority(priority: Option<&Priority>) -> Result<(), String> {
    let Some(priority) = priority else { return Ok(()) };
    if priority.priority_key < 0 {
        return Err("priority key can't be negative".into());
    }
    if priority.fairness_key.len() > FAIRNESS_KEY_LENGTH {
        return Err("fairness key length exceeds limit".into());
    }
    if priority.fairness_weight.is_nan() || priority.fairness_weight < 0.0 {
        return Err("must be greater than zero".into());
    }
    Ok(())
}

/// Names and number. Types are known to the namespace's registry, above the engine.
pub fn search_attribute_names(attributes: &SearchAttributes, limits: &Limits) -> Result<(), String> {
    let count = attributes.indexed_fields.len();
    if count > limits.search_attributes {
        return Err(format!("number of search attributes {count} exceeds limit {}", limits.search_attributes));
    }
    match attributes.indexed_fields.keys().find(|name| SYSTEM_SEARCH_ATTRIBUTES.contains(&name.as_str())) {
        Some(name) => Err(format!("{name} attribute can't be set in SearchAttributes")),
        None => Ok(()),
    }
}

/// Bytes of each value and of all together.
pub fn search_attribute_sizes(attributes: &SearchAttributes, limits: &Limits) -> Result<(), String> {
    let (of_value, of_all) = (limits.search_attribute_size, limits.search_attributes_size);
    for (name, value) in &attributes.indexed_fields {
        let size = value.data.len();
        if size > of_value {
            return Err(format!("search attribute {name} value size {size} exceeds size limit {of_value}"));
        }
    }
    let total = attributes.encoded_len();
    if total > of_all {
        return Err(format!("total size of search attributes {total} exceeds size limit {of_all}"));
    }
    Ok(())
}

/// The value that unsets a field of a memo or of search attributes: nil or an empty list.
pub fn is_unset(payload: &Payload) -> bool {
    match payload.metadata.get("encoding").map(AsRef::as_ref) {
        Some(b"binary/null") => true,
        Some(b"json/plain") => payload.data == "null" || payload.data == "[]",
        Some(_) => false,
        None => payload.data.is_empty(),
    }
}

/// Without the fields that say "unset", where there is nothing yet that they could unset. An empty memo is none.
pub fn given_memo(memo: Option<Memo>) -> Option<Memo> {
    memo.map(|memo| Memo { fields: without_unset(memo.fields) }).filter(|memo| !memo.fields.is_empty())
}

/// As [`given_memo`].
pub fn given_search_attributes(attributes: Option<SearchAttributes>) -> Option<SearchAttributes> {
    let given = attributes.map(|given| SearchAttributes { indexed_fields: without_unset(given.indexed_fields) });
    given.filter(|given| !given.indexed_fields.is_empty())
}

fn without_unset(mut fields: BTreeMap<String, Payload>) -> BTreeMap<String, Payload> {
    fields.retain(|_, payload| !is_unset(payload));
    fields
}
