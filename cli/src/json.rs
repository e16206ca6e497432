//! Messages as JSON: the canonical mapping of protobuf, and what becomes of it for people.
//!
//! | in the message | canonical | short payloads | for people |
//! |---|---|---|---|
//! | `Payload` with JSON | metadata and data in base64 | the value itself | the value itself |
//! | another `Payload` | metadata and data in base64 | the same | `<encoding, N bytes>` |
//! | an enum's value | its full name | its full name | without the enum's name, `ContinuedAsNew` |
//! | `Timestamp`, `Duration` | RFC 3339, seconds | the same | `5 minutes ago`, `1h 30m` |

use std::sync::LazyLock;

use anyhow::{Context, anyhow};
use chrono::{DateTime, Utc};
use prost::Message;
use prost_reflect::{
    DescriptorError, DescriptorPool, DynamicMessage, EnumDescriptor, Kind, MessageDescriptor, ReflectMessage, Value,
};
use serde_json::{Map, Value as Json};

use crate::{duration::spell, output::TimeFormat};

/// The two types whose JSON may be what they hold.
const PAYLOAD: &str = "temporal.api.common.v1.Payload";
const PAYLOADS: &str = "temporal.api.common.v1.Payloads";

/// The descriptors are decoded when the first answer is shown: a few milliseconds that other commands do not pay.
static POOL: LazyLock<Result<DescriptorPool, DescriptorError>> =
    LazyLock::new(|| DescriptorPool::decode(perdure_proto::DESCRIPTORS));

fn descriptor(name: &str) -> anyhow::Result<MessageDescriptor> {
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
            (PAYLOAD, Self::ShortPayloads | Self::People(_)) => match (short(message), self) {
                (Some(value), _) => Ok(value),
                (None, Self::People(_)) => Ok(Json::from(opaque(message))),
                (None, _) => self.fields(message),
            },
            (PAYLOADS, Self::ShortPayloads | Self::People(_)) => self.payloads(message),
            _ => self.fields(message),
        }
    }

    fn fields(self, message: &DynamicMessage) -> anyhow::Result<Json> {
        let mut object = Map::new();
        for (field, value) in message.fields() {
            object.insert(field.json_name().to_owned(), self.value(&field.kind(), value)?);
        }
        Ok(Json::Object(object))
    }

    /// A list of arguments is a list of values where each of them has a short form.
    fn payloads(self, message: &DynamicMessage) -> anyhow::Result<Json> {
        let list = message.get_field_by_name("payloads");
        let list = list.as_deref().and_then(Value::as_list).unwrap_or_default();
        let list: Vec<&DynamicMessage> = list.iter().filter_map(Value::as_message).collect();
        match self {
            Self::People(_) => list.into_iter().map(|payload| self.message(payload)).collect(),
            _ => match list.into_iter().map(short).collect() {
                Some(values) => Ok(Json::Array(values)),
                None => self.fields(message),
            },
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
            Value::Bytes(value) => {
                use base64::{Engine, prelude::BASE64_STANDARD};
                Json::from(BASE64_STANDARD.encode(value))
            }
        })
    }

    fn map(
        self,
        kind: &Kind,
        entries: &std::collections::HashMap<prost_reflect::MapKey, Value>,
    ) -> anyhow::Result<Json> {
        let kind = match kind {
            Kind::Message(entry) => entry.map_entry_value_field().kind(),
            other => other.clone(),
        };
        let entry = |(key, value)| -> anyhow::Result<(String, Json)> {
            let key = match key {
                &prost_reflect::MapKey::String(ref text) => text.clone(),
                &prost_reflect::MapKey::Bool(value) => value.to_string(),
                &prost_reflect::MapKey::I32(value) => value.to_string(),
                &prost_reflect::MapKey::I64(value) => value.to_string(),
                &prost_reflect::MapKey::U32(value) => value.to_string(),
                &prost_reflect::MapKey::U64(value) => value.to_string(),
            };
            Ok((key, self.value(&kind, value)?))
        };
        Ok(Json::Object(entries.iter().map(entry).collect::<anyhow::Result<_>>()?))
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

/// A number, or the text that protobuf has for those that JSON has not. A float of 32 bits keeps its short spelling.
fn float(value: f64, text: String) -> Json {
    let number = text.parse().ok().and_then(serde_json::Number::from_f64);
    match number {
        Some(number) => Json::Number(number),
        None if value.is_nan() => Json::from("NaN"),
        None if value > 0.0 => Json::from("Infinity"),
        None => Json::from("-Infinity"),
    }
}

/// `WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW` of `WorkflowExecutionStatus` is `ContinuedAsNew`.
fn short_name(values: &EnumDescriptor, name: &str) -> String {
    let mut prefix = String::new();
    for (index, letter) in values.name().char_indices() {
        if letter.is_ascii_uppercase() && index > 0 {
            prefix.push('_');
        }
        prefix.push(letter.to_ascii_uppercase());
    }
    let words = name.strip_prefix(&prefix).map_or(name, |rest| rest.trim_start_matches('_'));
    let word = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{first}{}", rest.to_ascii_lowercase())
    };
    words.split('_').map(word).collect()
}

/// What a payload holds, where that is JSON or nothing.
fn short(payload: &DynamicMessage) -> Option<Json> {
    let data = payload.get_field_by_name("data")?;
    match encoding(payload).as_deref()? {
        "json/plain" | "json/protobuf" => serde_json::from_slice(data.as_bytes()?).ok(),
        "binary/null" => Some(Json::Null),
        _ => None,
    }
}

fn encoding(payload: &DynamicMessage) -> Option<String> {
    let metadata = payload.get_field_by_name("metadata")?;
    let key = prost_reflect::MapKey::String("encoding".to_owned());
    let value = metadata.as_map()?.get(&key)?.as_bytes()?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// A payload that only its owner can read.
fn opaque(payload: &DynamicMessage) -> String {
    let encoding = encoding(payload).unwrap_or_else(|| "no encoding".to_owned());
    let data = payload.get_field_by_name("data");
    let length = data.as_deref().and_then(Value::as_bytes).map_or(0, |data| data.len());
    format!("<{encoding}, {length} bytes>")
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
