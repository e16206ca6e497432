//! Histories of older tools: they wrote `WorkflowExecutionStarted` for what is `EVENT_TYPE_WORKFLOW_EXECUTION_STARTED` in the JSON of
//! protobuf. SDKs' replayers take both.

use prost_reflect::{Kind, MessageDescriptor};
use serde_json::Value as Json;

use crate::json::short_name;

/// Writes the short names of enum values in full.
pub(super) fn in_full(value: &mut Json, descriptor: &MessageDescriptor) {
    let Json::Object(fields) = value else { return };
    for (name, value) in fields {
        let found = descriptor.get_field_by_json_name(name).or_else(|| descriptor.get_field_by_name(name));
        let Some(field) = found else { continue };
        match (&mut *value, field.kind()) {
            (Json::Object(entries), Kind::Message(entry)) if field.is_map() => {
                let kind = entry.map_entry_value_field().kind();
                entries.values_mut().for_each(|value| one_in_full(value, &kind));
            }
            (Json::Array(items), kind) => items.iter_mut().for_each(|item| one_in_full(item, &kind)),
            (value, kind) => one_in_full(value, &kind),
        }
    }
}

fn one_in_full(value: &mut Json, kind: &Kind) {
    match (&*value, kind) {
        (Json::String(text), Kind::Enum(values)) if values.get_value_by_name(text).is_none() => {
            let full = values.values().find(|known| short_name(values, known.name()) == *text);
            if let Some(full) = full {
                *value = Json::from(full.name());
            }
        }
        (_, Kind::Message(message)) if !message.full_name().starts_with("google.protobuf.") => in_full(value, message),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::history::HistoryFile;

    #[test]
    fn both_spellings_are_one_history() {
        let history = |event: &str, kind: &str, retry: &str| {
            let text = format!(
                r#"{{"events": [{{"eventId": "1", "eventType": "{event}", "workflowExecutionStartedEventAttributes":
                {{"taskQueue": {{"name": "q", "kind": "{kind}"}}, "memo": {{"fields": {{"Normal": {{"data": "AA=="}}}}}}}}}},
                {{"eventId": "2", "workflowExecutionFailedEventAttributes": {{"retryState": "{retry}"}}}}]}}"#
            );
            HistoryFile::decode("h.json", text.into()).expect("a history").events
        };
        let full = history(
            "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED",
            "TASK_QUEUE_KIND_NORMAL",
            "RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED",
        );
        assert_eq!(history("WorkflowExecutionStarted", "Normal", "MaximumAttemptsReached"), full);
        assert_eq!(full[0].event_type, 1);
    }
}
