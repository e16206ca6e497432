//! Fields of a message by their path and text: what the path and the query of a URL say.

use base64::{Engine, engine::general_purpose};
use bytes::Bytes;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage, Value};

/// Messages within messages. Some types contain themselves, and a URL is long.
const MAX_DEPTH: usize = 16;

/// Sets a field, or appends to a repeated one. Names are those of the `.proto` files or of JSON. A name that the message does
/// not know is ignored, so that a URL may say more than the API reads.
pub(super) fn set(message: &mut DynamicMessage, path: &str, values: &[String]) -> Result<(), String> {
    let names: Vec<_> = path.split('.').collect();
    if names.len() > MAX_DEPTH {
        return Err(format!("invalid path: more than {MAX_DEPTH} names"));
    }
    let Some((last, parents)) = names.split_last() else { return Ok(()) };
    let mut message = message;
    for name in parents {
        let Some(field) = field(&message.descriptor(), name) else { return Ok(()) };
        let is_message = matches!(field.kind(), Kind::Message(_)) && !field.is_list() && !field.is_map();
        check_oneof(message, &field)?;
        let value = is_message.then(|| message.get_field_mut(&field).as_message_mut()).flatten();
        message = value.ok_or_else(|| format!("invalid path: {name:?} is not a message"))?;
    }
    let Some(field) = field(&message.descriptor(), last) else { return Ok(()) };
    check_oneof(message, &field)?;
    set_field(message, &field, values)
}

/// The path with the names of the `.proto` files, as far as its names are known.
pub(super) fn canonical(message: &MessageDescriptor, path: &str) -> String {
    let mut message = Some(message.clone());
    let names = path.split('.').map(|name| {
        let found = message.take().and_then(|message| field(&message, name));
        message = found.as_ref().and_then(|field| field.kind().as_message().cloned());
        found.map_or_else(|| name.to_owned(), |field| field.name().to_owned())
    });
    names.collect::<Vec<_>>().join(".")
}

fn field(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    message.get_field_by_name(name).or_else(|| message.get_field_by_json_name(name))
}

/// Of the alternatives one may be given, once unless it is a message.
fn check_oneof(message: &DynamicMessage, field: &FieldDescriptor) -> Result<(), String> {
    let Some(oneof) = field.containing_oneof().filter(|oneof| !oneof.is_synthetic()) else { return Ok(()) };
    let taken = oneof.fields().find(|other| message.has_field(other));
    match taken {
        Some(taken) if taken != *field || !matches!(field.kind(), Kind::Message(_)) => {
            Err(format!("field already set for oneof {:?}", oneof.name()))
        }
        _ => Ok(()),
    }
}

fn set_field(message: &mut DynamicMessage, field: &FieldDescriptor, values: &[String]) -> Result<(), String> {
    let name = field.name();
    if field.is_map() {
        return Err(format!("parsing field {name:?}: a map has no place in a URL"));
    }
    if field.is_list() {
        for value in values {
            let value = parse(&field.kind(), value).map_err(|error| format!("parsing list {name:?}: {error}"))?;
            if let Some(list) = message.get_field_mut(field).as_list_mut() {
                list.push(value);
            }
        }
        return Ok(());
    }
    let [value] = values else {
        return Err(format!("too many values for field {name:?}: {}", values.join(", ")));
    };
    let value = parse(&field.kind(), value).map_err(|error| format!("parsing field {name:?}: {error}"))?;
    message.set_field(field, value);
    Ok(())
}

fn parse(kind: &Kind, text: &str) -> Result<Value, String> {
    let value = match kind {
        Kind::Bool => boolean(text).map(Value::Bool),
        Kind::String => Some(Value::String(text.to_owned())),
        Kind::Bytes => bytes(text).map(Value::Bytes),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => text.parse().ok().map(Value::I32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => text.parse().ok().map(Value::I64),
        Kind::Uint32 | Kind::Fixed32 => text.parse().ok().map(Value::U32),
        Kind::Uint64 | Kind::Fixed64 => text.parse().ok().map(Value::U64),
        Kind::Float => text.parse().ok().map(Value::F32),
        Kind::Double => text.parse().ok().map(Value::F64),
        Kind::Enum(values) => {
            let by_name = values.get_value_by_name(text);
            let value = by_name.or_else(|| values.get_value(text.parse().ok()?));
            value.map(|value| Value::EnumNumber(value.number()))
        }
        Kind::Message(message) if message.parent_file().package_name() == "google.protobuf" => {
            // Times, durations, masks and wrappers are texts in JSON, or come from one.
            let json = serde_json::Value::String(text.to_owned());
            DynamicMessage::deserialize(message.clone(), json).ok().map(Value::Message)
        }
        Kind::Message(message) => return Err(format!("unsupported message type: {:?}", message.full_name())),
    };
    value.ok_or_else(|| format!("{text:?} is not a valid value"))
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn bytes(text: &str) -> Option<Bytes> {
    let decoded = general_purpose::STANDARD.decode(text).or_else(|_| general_purpose::URL_SAFE.decode(text));
    decoded.ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use perdure_proto::DESCRIPTORS;
    use prost_reflect::DescriptorPool;
    use serde_json::json;

    use super::*;

    fn after(message: &str, pairs: &[(&str, &[&str])]) -> Result<serde_json::Value, String> {
        let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
        let mut message = DynamicMessage::new(pool.get_message_by_name(message).unwrap());
        for (path, values) in pairs {
            let values: Vec<_> = values.iter().map(|value| (*value).to_owned()).collect();
            set(&mut message, path, &values)?;
        }
        Ok(serde_json::to_value(&message).unwrap())
    }

    #[test]
    fn values() {
        const HISTORY: &str = "temporal.api.workflowservice.v1.GetWorkflowExecutionHistoryRequest";
        const TIMES: &str = "temporal.api.workflowservice.v1.ListScheduleMatchingTimesRequest";
        const MEMO: &str = "temporal.api.common.v1.Memo";
        const REACHABILITY: &str = "temporal.api.workflowservice.v1.GetWorkerTaskReachabilityRequest";
        const FILTER: &str = "temporal.api.workflowservice.v1.ListOpenWorkflowExecutionsRequest";
        type Case<'a> = (&'a str, &'a [(&'a str, &'a [&'a str])], Result<serde_json::Value, &'a str>);
        let cases: &[Case<'_>] = &[
            (
                HISTORY,
                &[("execution.workflow_id", &["w"]), ("execution.runId", &["r"])],
                Ok(json!({"execution": {"workflowId": "w", "runId": "r"}})),
            ),
            (
                HISTORY,
                &[("waitNewEvent", &["1"]), ("maximum_page_size", &["-5"])],
                Ok(json!({"waitNewEvent": true, "maximumPageSize": -5})),
            ),
            (
                HISTORY,
                &[("historyEventFilterType", &["2"])],
                Ok(json!({"historyEventFilterType": "HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT"})),
            ),
            (
                HISTORY,
                &[("historyEventFilterType", &["HISTORY_EVENT_FILTER_TYPE_ALL_EVENT"])],
                Ok(json!({"historyEventFilterType": "HISTORY_EVENT_FILTER_TYPE_ALL_EVENT"})),
            ),
            (HISTORY, &[("nextPageToken", &["_-8="])], Ok(json!({"nextPageToken": "/+8="}))),
            (HISTORY, &[("pretty", &[""]), ("execution.nothing", &["x"]), ("", &["x"])], Ok(json!({"execution": {}}))),
            (TIMES, &[("startTime", &["2026-01-02T03:04:05Z"])], Ok(json!({"startTime": "2026-01-02T03:04:05Z"}))),
            (
                REACHABILITY,
                &[("buildIds", &["a", "b"]), ("buildIds", &["c"])],
                Ok(json!({"buildIds": ["a", "b", "c"]})),
            ),
            (
                FILTER,
                &[("executionFilter.workflowId", &["w"]), ("executionFilter.runId", &["r"])],
                Ok(json!({"executionFilter": {"workflowId": "w", "runId": "r"}})),
            ),
            (
                FILTER,
                &[("executionFilter.workflowId", &["w"]), ("typeFilter.name", &["r"])],
                Err(r#"field already set for oneof "filters""#),
            ),
            (
                HISTORY,
                &[("historyEventFilterType", &["9"])],
                Err(r#"parsing field "history_event_filter_type": "9" is not a valid value"#),
            ),
            (
                HISTORY,
                &[("waitNewEvent", &["yes"])],
                Err(r#"parsing field "wait_new_event": "yes" is not a valid value"#),
            ),
            (
                HISTORY,
                &[("nextPageToken", &["%"])],
                Err(r#"parsing field "next_page_token": "%" is not a valid value"#),
            ),
            (
                HISTORY,
                &[("maximumPageSize", &["1", "2"])],
                Err(r#"too many values for field "maximum_page_size": 1, 2"#),
            ),
            (HISTORY, &[("namespace.name", &["1"])], Err(r#"invalid path: "namespace" is not a message"#)),
            (
                HISTORY,
                &[("execution", &["1"])],
                Err(
                    r#"parsing field "execution": unsupported message type: "temporal.api.common.v1.WorkflowExecution""#,
                ),
            ),
            (TIMES, &[("startTime", &["noon"])], Err(r#"parsing field "start_time": "noon" is not a valid value"#)),
            (MEMO, &[("fields", &["1"])], Err(r#"parsing field "fields": a map has no place in a URL"#)),
        ];
        for (message, pairs, expected) in cases {
            let found = after(message, pairs);
            assert_eq!(found.as_ref().map_err(String::as_str), expected.as_ref().map_err(|error| *error), "{pairs:?}");
        }
        let deep = vec!["cause"; MAX_DEPTH + 1].join(".");
        assert!(after("temporal.api.failure.v1.Failure", &[(&deep, &["x"])]).is_err());
    }
}
