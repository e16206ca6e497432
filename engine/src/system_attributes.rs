//! Search attributes that the server itself says about a run. They follow from its state, so nothing stores them, and
//! the next run of a chain does not inherit them.
//!
//! | attribute | values |
//! |---|---|
//! | `TemporalPauseInfo` | `Workflow:<workflow id>` and `Reason:<reason>` of a paused run; `property:activityType=<type>` of each type with a paused activity |
//! | `TemporalSchedulePaused` | whether a schedule is paused |
//! | `Endpoint`, `Service`, `Operation`, `RequestId` | of a Nexus operation of its own |
//! | those of `versioning/search_attributes` | |
//! | `TemporalReportedProblems` | `category=…` and `cause=…` of the last workflow task, once enough of them failed in a row |

use std::collections::BTreeSet;

use perdure_proto::api::{
    common::{Payload, SearchAttributes},
    enums::WorkflowTaskFailedCause,
    history::{HistoryEvent, history_event::Attributes},
};

use crate::{
    activity,
    change::{Change, DurableChange, Kind},
    standalone_activity, standalone_nexus,
    state::RunState,
    versioning::{self, Shown},
};

const PAUSE_INFO: &str = "TemporalPauseInfo";
const SCHEDULE_PAUSED: &str = "TemporalSchedulePaused";
const REPORTED_PROBLEMS: &str = "TemporalReportedProblems";

/// All search attributes of a run: those that were given, and the server's.
pub fn search_attributes(run: &RunState) -> Option<SearchAttributes> {
    if standalone_activity::is_standalone(run) {
        return run.search_attributes.clone();
    }
    if standalone_nexus::is_standalone(run) {
        let mut all = run.search_attributes.clone().unwrap_or_default();
        for (name, value) in standalone_nexus::attributes(run) {
            all.indexed_fields.insert(name.into(), payload("Keyword", quoted(value)));
        }
        return Some(all);
    }
    if let Some(schedule) = &run.schedule {
        let paused = schedule.progress.state.as_ref().is_some_and(|state| state.paused);
        let mut all = run.search_attributes.clone().unwrap_or_default();
        all.indexed_fields.insert(SCHEDULE_PAUSED.into(), payload("Bool", paused.to_string()));
        return Some(all);
    }
    let shown = [(PAUSE_INFO, pause_info(run)), (REPORTED_PROBLEMS, problems(run))];
    let versions = versioning::shown(run);
    if versions.is_empty() && shown.iter().all(|(_, values)| values.is_empty()) {
        return run.search_attributes.clone();
    }
    let mut all = run.search_attributes.clone().unwrap_or_default();
    for (name, values) in shown.into_iter().filter(|(_, values)| !values.is_empty()) {
        all.indexed_fields.insert(name.into(), keyword_list(&values));
    }
    for (name, value) in versions {
        let payload = match value {
            Shown::Keyword(value) => payload("Keyword", quoted(&value)),
            Shown::List(values) => keyword_list(&values),
        };
        all.indexed_fields.insert(name.into(), payload);
    }
    Some(all)
}

/// Whether a change may be one of what [`shown`] tells, or else leaves it alone. Looks at one activity at most: `shown` looks at
/// all, which each step of a run with a thousand of them would pay.
pub(crate) fn may_touch(run: &RunState, change: &Change) -> bool {
    let kind = match change {
        Change::Event { event, .. } => return may_touch_by_event(run, event),
        Change::Durable(DurableChange { kind: Some(kind) }) => kind,
        Change::Durable(DurableChange { kind: None }) | Change::Volatile(_) => return false,
    };
    match kind {
        Kind::EventBuffered(event) => may_touch_by_event(run, event),
        Kind::ActivityPaused(_) | Kind::ActivityResumed(_) | Kind::ProblemsReported(_) => true,
        Kind::WorkflowTaskCleared(_) => run.problems_reported,
        _ => standalone_activity::is_standalone(run),
    }
}

fn may_touch_by_event(run: &RunState, event: &HistoryEvent) -> bool {
    use Attributes as A;
    match &event.attributes {
        Some(A::WorkflowExecutionPausedEventAttributes(_) | A::WorkflowExecutionUnpausedEventAttributes(_)) => true,
        Some(
            A::WorkflowTaskCompletedEventAttributes(_)
            | A::WorkflowTaskFailedEventAttributes(_)
            | A::WorkflowTaskTimedOutEventAttributes(_),
        ) => run.problems_reported,
        _ => activity::ended(event).and_then(|id| run.activities.get(&id)).is_some_and(|one| one.pause.is_some()),
    }
}

/// What changes whenever the server's attributes do.
pub(crate) fn shown(run: &RunState) -> [Vec<String>; 2] {
    if standalone_activity::is_standalone(run) {
        return [standalone_activity::shown(run), Vec::new()];
    }
    [pause_info(run), problems(run)]
}

fn pause_info(run: &RunState) -> Vec<String> {
    let mut values = Vec::new();
    if let Some(pause) = &run.pause {
        values.push(format!("Workflow:{}", run.workflow_id));
        if !pause.reason.is_empty() {
            values.push(format!("Reason:{}", pause.reason));
        }
    }
    let paused = run.activities.values().filter(|activity| activity.pause.is_some());
    let types: BTreeSet<&str> = paused.map(|activity| activity.activity_type.as_str()).collect();
    values.extend(types.into_iter().map(|name| format!("property:activityType={name}")));
    values
}

fn problems(run: &RunState) -> Vec<String> {
    if !run.problems_reported {
        return Vec::new();
    }
    match WorkflowTaskFailedCause::try_from(run.last_task_failed_cause) {
        // No cause: it timed out.
        Ok(WorkflowTaskFailedCause::Unspecified) => {
            vec!["category=WorkflowTaskTimedOut".into(), "cause=WorkflowTaskTimedOutCauseStartToClose".into()]
        }
        Ok(cause) => vec!["category=WorkflowTaskFailed".into(), format!("cause=WorkflowTaskFailedCause{cause:?}")],
        Err(unknown) => {
            vec!["category=WorkflowTaskFailed".into(), format!("cause=WorkflowTaskFailedCause{}", unknown.0)]
        }
    }
}

fn keyword_list(values: &[String]) -> Payload {
    let quoted: Vec<String> = values.iter().map(|value| quoted(value)).collect();
    payload("KeywordList", format!("[{}]", quoted.join(",")))
}

pub(crate) fn payload(kind: &str, json: String) -> Payload {
    let metadata = [("encoding".to_owned(), "json/plain".into()), ("type".to_owned(), kind.to_owned().into())].into();
    Payload { metadata, data: json.into(), ..Default::default() }
}

/// A string as JSON.
pub(crate) fn quoted(value: &str) -> String {
    let mut out = String::from('"');
    for character in value.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if u32::from(control) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
