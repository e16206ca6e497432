//! Messages as JSON: the canonical mapping of protobuf, and what becomes of it for people.
//!
//! | in the message | canonical | short payloads | for people |
//! |---|---|---|---|
//! | `Payload` with JSON alone | metadata and data in base64 | the value itself | the value itself |
//! | `Payload` with JSON and more metadata | metadata and data in base64 | the same | the value itself |
//! | another `Payload` | metadata and data in base64 | the same | `<encoding, N bytes>` |
//! | an enum's value | its full name | its full name | without the enum's name, `ContinuedAsNew` |
//! | `Timestamp`, `Duration` | RFC 3339, seconds | the same | `5 minutes ago`, `1h 30m` |

use std::{collections::HashMap, sync::LazyLock};

use anyhow::{Context, anyhow};
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};
use prost::Message;
use prost_reflect::{
    DescriptorError, DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor,
    ReflectMessage, Value,
};
use serde_json::{Map, Value as Json};

use crate::{
    choices::{camel, screaming},
    duration::spell,
    output::TimeFormat,
};

/// The two types whose JSON may be what they hold.
const PAYLOAD: &str = "temporal.api.common.v1.Payload";
const PAYLOADS: &str = "temporal.api.common.v1.Payloads";

/// The descriptors are decoded when the first answer is shown: a few milliseconds that other commands do not pay.
static POOL: LazyLock<Result<DescriptorPool, DescriptorError>> =
    LazyLock::new(|| DescriptorPool::decode(perdure_proto::DESCRIPTORS));

pub(crate) fn descriptor(name: &str) -> anyhow::Result<MessageDescriptor> {
    let pool = POOL.as_ref().map_err(|error| anyhow!("the descriptors of the API are damaged: {error}"))?;
    pool.get_message_by_name(name).with_context(|| format!("the API has no {name}"))
}

/// For whom a message is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Style {
    Canonical,
    ShortPayloads,
    People(TimeFormat),
}

/// The JSON of a message of the protobuf type `name`.
pub(crate) fn render<M: Message>(message: &M, name: &str, style: Style) -> anyhow::Result<Json> {
    let descriptor = descriptor(name)?;
    let dynamic = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())?;
    style.message(&dynamic)
}

/// A message from its JSON.
pub(crate) fn parse<M: Message + Default>(text: &str, name: &str) -> anyhow::Result<M> {
    let descriptor = descriptor(name)?;
    let mut source = serde_json::Deserializer::from_str(text);
    let dynamic = DynamicMessage::deserialize(descriptor, &mut source)?;
    source.end()?;
    Ok(dynamic.transcode_to()?)
}

impl Style {
    fn message(self, message: &DynamicMessage) -> anyhow::Result<Json> {
        match (message.descriptor().full_name(), self) {
            ("google.protobuf.Timestamp", Self::People(format)) => Ok(timestamp(message, format)),
            ("google.protobuf.Duration", Self::People(_)) => Ok(duration(message)),
            (name, _) if name.starts_with("google.protobuf.") => Ok(serde_json::to_value(message)?),
            (PAYLOAD, Self::People(_)) => Ok(content(message)),
            (PAYLOAD, Self::ShortPayloads) => short(message).map_or_else(|| self.fields(message), Ok),
            (PAYLOADS, Self::ShortPayloads | Self::People(_)) => self.payloads(message),
            _ => self.fields(message),
        }
    }

    fn fields(self, message: &DynamicMessage) -> anyhow::Result<Json> {
        let mut object = Map::new();
        for (field, value) in message.fields() {
            object.insert(field.json_name().to_owned(), self.value(&field.kind(), value)?);
        }
        if matches!(self, Self::People(_)) {
            for field in message.descriptor().fields().filter(|field| !message.has_field(field)) {
                if let Some(nought) = nought(&field) {
                    object.insert(field.json_name().to_owned(), nought);
                }
            }
        }
        Ok(Json::Object(object))
    }

    /// Arguments as a list of values. In JSON one that has no short form keeps all of them long.
    fn payloads(self, message: &DynamicMessage) -> anyhow::Result<Json> {
        let list = message.get_field_by_name("payloads");
        let list = list.as_deref().and_then(Value::as_list).unwrap_or_default();
        let list: Vec<&DynamicMessage> = list.iter().filter_map(Value::as_message).collect();
        let has_short = |payload: &&DynamicMessage| short(payload).is_some() || is_null(payload);
        match self {
            Self::ShortPayloads if !list.iter().all(has_short) => Self::Canonical.fields(message),
            _ => list.into_iter().map(|payload| self.message(payload)).collect(),
        }
    }

    fn value(self, kind: &Kind, value: &Value) -> anyhow::Result<Json> {
        Ok(match value {
            Value::List(items) => items.iter().map(|item| self.value(kind, item)).collect::<anyhow::Result<_>>()?,
            Value::Map(entries) => self.map(kind, entries)?,
            Value::Message(message) => self.message(message)?,
            Value::EnumNumber(number) => self.enum_value(kind, *number),
            Value::Bool(value) => Json::from(*value),
            Value::I32(value) => Json::from(*value),
            Value::U32(value) => Json::from(*value),
            // JSON's numbers are doubles to most readers; protobuf writes these as texts.
            Value::I64(value) => Json::from(value.to_string()),
            Value::U64(value) => Json::from(value.to_string()),
            Value::F32(value) => float(f64::from(*value), value.to_string()),
            Value::F64(value) => float(*value, value.to_string()),
            Value::String(value) => Json::from(value.as_str()),
            Value::Bytes(value) => Json::from(BASE64_STANDARD.encode(value)),
        })
    }

    fn map(self, kind: &Kind, entries: &HashMap<MapKey, Value>) -> anyhow::Result<Json> {
        let kind = match kind {
            Kind::Message(entry) => entry.map_entry_value_field().kind(),
            other => other.clone(),
        };
        let mut object = Map::new();
        for (key, value) in entries {
            let key = match key {
                MapKey::String(text) => text.clone(),
                MapKey::Bool(value) => value.to_string(),
                MapKey::I32(value) => value.to_string(),
                MapKey::I64(value) => value.to_string(),
                MapKey::U32(value) => value.to_string(),
                MapKey::U64(value) => value.to_string(),
            };
            object.insert(key, self.value(&kind, value)?);
        }
        Ok(Json::Object(object))
    }

    fn enum_value(self, kind: &Kind, number: i32) -> Json {
        let value = kind.as_enum().and_then(|values| values.get_value(number).map(|value| (values, value)));
        match (value, self) {
            (Some((values, value)), Self::People(_)) => Json::from(short_name(values, value.name())),
            (Some((_, value)), _) => Json::from(value.name()),
            (None, _) => Json::from(number),
        }
    }
}

/// What protobuf leaves out because it is the default, and people want to see: numbers and booleans.
fn nought(field: &FieldDescriptor) -> Option<Json> {
    if field.is_list() || field.is_map() || field.supports_presence() {
        return None;
    }
    match field.kind() {
        Kind::Bool => Some(Json::from(false)),
        Kind::String | Kind::Bytes | Kind::Message(_) | Kind::Enum(_) => None,
        _ => Some(Json::from(0)),
    }
}

/// A number, or the text that protobuf has for those that JSON has not. A float of 32 bits keeps its short spelling.
fn float(value: f64, text: String) -> Json {
    // A whole number is written without a point, as other programs do.
    let number = text.parse::<i64>().map(serde_json::Number::from).ok();
    match number.or_else(|| text.parse().ok().and_then(serde_json::Number::from_f64)) {
        Some(number) => Json::Number(number),
        None if value.is_nan() => Json::from("NaN"),
        None if value > 0.0 => Json::from("Infinity"),
        None => Json::from("-Infinity"),
    }
}

/// `WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW` of `WorkflowExecutionStatus` is `ContinuedAsNew`.
pub(crate) fn short_name(values: &EnumDescriptor, name: &str) -> String {
    let prefix = screaming(values.name());
    camel(name.strip_prefix(&prefix).map_or(name, |rest| rest.trim_start_matches('_')))
}

/// The short form of a payload in JSON, where it reads back as the same payload.
fn short(payload: &DynamicMessage) -> Option<Json> {
    let metadata = payload.get_field_by_name("metadata")?;
    let value: Json = serde_json::from_slice(payload.get_field_by_name("data")?.as_bytes()?).ok()?;
    match (encoding(payload)?.as_str(), metadata.as_map()?.len(), value) {
        ("json/plain", 1, value) if !value.is_null() => Some(value),
        ("json/protobuf", 2, Json::Object(mut fields)) => {
            fields.insert("_protoMessageType".to_owned(), Json::from(entry(payload, "messageType")?));
            Some(Json::Object(fields))
        }
        _ => None,
    }
}

/// Nothing, which has no short form and yet does not keep its neighbours long.
fn is_null(payload: &DynamicMessage) -> bool {
    encoding(payload).as_deref() == Some("binary/null")
}

/// What a payload holds, for people.
fn content(payload: &DynamicMessage) -> Json {
    let encoding = encoding(payload).unwrap_or_else(|| "no encoding".to_owned());
    let data = payload.get_field_by_name("data");
    let data = data.as_deref().and_then(Value::as_bytes).map_or(&[][..], |data| data.as_ref());
    let value = match encoding.as_str() {
        "json/plain" | "json/protobuf" => serde_json::from_slice(data).ok(),
        "binary/null" => Some(Json::Null),
        _ => None,
    };
    value.unwrap_or_else(|| Json::from(format!("<{encoding}, {} bytes>", data.len())))
}

fn encoding(payload: &DynamicMessage) -> Option<String> {
    entry(payload, "encoding")
}

/// An entry of the metadata.
fn entry(payload: &DynamicMessage, key: &str) -> Option<String> {
    let metadata = payload.get_field_by_name("metadata")?;
    let value = metadata.as_map()?.get(&MapKey::String(key.to_owned()))?.as_bytes()?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// The two numbers of a timestamp or duration.
fn seconds(message: &DynamicMessage) -> (i64, i32) {
    let seconds = message.get_field_by_name("seconds").as_deref().and_then(Value::as_i64);
    let nanos = message.get_field_by_name("nanos").as_deref().and_then(Value::as_i32);
    (seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

fn timestamp(message: &DynamicMessage, format: TimeFormat) -> Json {
    let (seconds, nanos) = seconds(message);
    match u32::try_from(nanos).ok().and_then(|nanos| DateTime::from_timestamp(seconds, nanos)) {
        Some(time) => Json::from(format.show(time, Utc::now())),
        None => Json::from(format!("{seconds} s after 1970")),
    }
}

fn duration(message: &DynamicMessage) -> Json {
    let (seconds, nanos) = seconds(message);
    let parts = (u64::try_from(seconds), u32::try_from(nanos));
    match parts {
        (Ok(seconds), Ok(nanos)) => Json::from(spell(std::time::Duration::new(seconds, nanos))),
        _ => Json::from(format!("{seconds}s")),
    }
}

#[cfg(test)]
mod tests {
    use perdure_proto::api::{
        common::{Memo, Payload, Payloads},
        enums::WorkflowExecutionStatus,
        taskqueue::RateLimit,
        workflow::WorkflowExecutionInfo,
    };
    use serde_json::json;

    use super::*;

    fn payload(encoding: &str, data: &str) -> Payload {
        Payload {
            metadata: [("encoding".to_owned(), encoding.to_owned().into())].into(),
            data: data.to_owned().into(),
            ..Payload::default()
        }
    }

    #[test]
    fn payloads_in_their_styles() {
        let plain = |encoding: &str, data: &str| {
            let encoded = |text: &str| BASE64_STANDARD.encode(text);
            let mut object = json!({ "metadata": { "encoding": encoded(encoding) } });
            if !data.is_empty() {
                object["data"] = json!(encoded(data));
            }
            object
        };
        let people = Style::People(TimeFormat::Iso);
        let cases = [
            (Style::ShortPayloads, &[("json/plain", "[1]")][..], json!([[1]])),
            (Style::ShortPayloads, &[("json/plain", "1"), ("binary/null", "")], json!([1, plain("binary/null", "")])),
            (
                Style::ShortPayloads,
                &[("json/plain", "1"), ("binary/plain", "x")],
                json!({ "payloads": [plain("json/plain", "1"), plain("binary/plain", "x")] }),
            ),
            (Style::Canonical, &[("json/plain", "1")], json!({ "payloads": [plain("json/plain", "1")] })),
            (people, &[("json/plain", "\"a\""), ("binary/plain", "xyz")], json!(["a", "<binary/plain, 3 bytes>"])),
            (people, &[("json/plain", "{broken")], json!(["<json/plain, 7 bytes>"])),
        ];
        for (style, list, expected) in cases {
            let payloads = Payloads { payloads: list.iter().map(|(encoding, data)| payload(encoding, data)).collect() };
            assert_eq!(render(&payloads, PAYLOADS, style).expect("JSON"), expected, "{style:?} {list:?}");
        }
    }

    #[test]
    fn other_types_in_their_styles() {
        let info = WorkflowExecutionInfo {
            status: WorkflowExecutionStatus::ContinuedAsNew.into(),
            start_time: Some(prost_types::Timestamp { seconds: 1, nanos: 500_000_000 }),
            execution_duration: Some(prost_types::Duration { seconds: 90, nanos: 0 }),
            history_length: 7,
            memo: Some(Memo { fields: [("a".to_owned(), payload("json/plain", "\"b\""))].into() }),
            ..WorkflowExecutionInfo::default()
        };
        let name = "temporal.api.workflow.v1.WorkflowExecutionInfo";
        let canonical = render(&info, name, Style::ShortPayloads).expect("JSON");
        assert_eq!(
            canonical,
            json!({
                "status": "WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW",
                "startTime": "1970-01-01T00:00:01.500Z",
                "executionDuration": "90s",
                "historyLength": "7",
                "memo": { "fields": { "a": "b" } },
            })
        );
        let people = render(&info, name, Style::People(TimeFormat::Iso)).expect("JSON");
        assert_eq!(people["status"], "ContinuedAsNew");
        assert_eq!(people["startTime"], "1970-01-01T00:00:01Z");
        assert_eq!(people["executionDuration"], "1m 30s");
        assert_eq!(people["stateTransitionCount"], 0);
    }

    #[test]
    fn floats_that_json_has_not() {
        let name = "temporal.api.taskqueue.v1.RateLimit";
        let cases = [(0.1, json!(0.1)), (5.0, json!(5)), (f32::NAN, json!("NaN")), (f32::INFINITY, json!("Infinity"))];
        for (requests_per_second, expected) in cases {
            let rendered = render(&RateLimit { requests_per_second }, name, Style::Canonical).expect("JSON");
            assert_eq!(rendered["requestsPerSecond"], expected);
        }
    }
}
