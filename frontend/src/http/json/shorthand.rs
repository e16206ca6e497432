//! Payloads as plain JSON, in both directions.
//!
//! Where the shorthand is on, a payload that holds JSON is shown as that JSON, and a list of payloads as a JSON array. Read
//! are both forms: what looks like a payload is one. The rewriting is done on JSON trees, beside their descriptors.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

const PAYLOAD: &str = "temporal.api.common.v1.Payload";
const PAYLOADS: &str = "temporal.api.common.v1.Payloads";
const ANY: &str = "google.protobuf.Any";
/// The key that tells the message type of a payload in `json/protobuf`.
const MESSAGE_TYPE: &str = "_protoMessageType";
const NULL: &str = "binary/null";
const JSON: &str = "json/plain";
const PROTO_JSON: &str = "json/protobuf";

/// Writes payloads out, so that the tree is canonical JSON of the message. `room`: bytes that what is added may have, as a
/// short text can stand for a long message. Errors are texts for the caller.
pub(super) fn expand(value: &mut Value, message: &MessageDescriptor, room: &mut usize) -> Result<(), String> {
    match message.full_name() {
        PAYLOAD => expand_payload(value, room),
        PAYLOADS if value.is_array() => {
            let mut payloads = value.take();
            for payload in payloads.as_array_mut().into_iter().flatten() {
                expand_payload(payload, room)?;
            }
            *value = json!({"payloads": payloads});
            Ok(())
        }
        _ => children(value, message, &mut |value, message| expand(value, message, room)),
    }
}

fn expand_payload(value: &mut Value, room: &mut usize) -> Result<(), String> {
    if is_payload(value) {
        return Ok(());
    }
    let (encoding, message_type) = match value {
        Value::Null => (NULL, None),
        Value::Object(map) => match map.remove(MESSAGE_TYPE) {
            None => (JSON, None),
            Some(Value::String(name)) => (PROTO_JSON, Some(name)),
            Some(_) => return Err(format!("{MESSAGE_TYPE:?} must be a string")),
        },
        _ => (JSON, None),
    };
    let mut metadata = Map::from_iter([("encoding".to_owned(), encode(encoding))]);
    if let Some(name) = message_type {
        metadata.insert("messageType".to_owned(), encode(&name));
    }
    let mut payload = json!({"metadata": metadata});
    let data = if encoding == NULL { String::new() } else { value.to_string() };
    let size = data.len() + encoding.len() + "encoding".len();
    *room = room.checked_sub(size).ok_or("the payloads are too large")?;
    if encoding != NULL {
        payload["data"] = encode(&data);
    }
    *value = payload;
    Ok(())
}

/// `{"metadata": {"encoding": …}, "data": …}`, everything in base64; nothing but a null may lack the data.
fn is_payload(value: &Value) -> bool {
    let Some(map) = value.as_object() else { return false };
    let Some(metadata) = map.get("metadata").and_then(Value::as_object) else { return false };
    let Some(encoding) = metadata.get("encoding").and_then(decode) else { return false };
    if !metadata.values().all(|value| decode(value).is_some()) {
        return false;
    }
    match map.get("data") {
        None => map.len() == 1 && encoding == NULL.as_bytes(),
        Some(data) => map.len() == 2 && decode(data).is_some(),
    }
}

/// Shortens the payloads of canonical JSON, where that loses nothing.
pub(super) fn collapse(value: &mut Value, message: &MessageDescriptor) {
    match message.full_name() {
        PAYLOAD => {
            if let Some(short) = short(value) {
                *value = short;
            }
        }
        PAYLOADS => {
            let payloads = value.get("payloads").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let short: Option<Vec<_>> =
                payloads.iter().map(|payload| short(payload).or_else(|| null(payload))).collect();
            // One that cannot be shortened keeps all of them long.
            if let Some(short) = short {
                *value = Value::Array(short);
            }
        }
        ANY => {
            let name = value.get("@type").and_then(Value::as_str).and_then(|name| name.rsplit('/').next());
            let pool: &DescriptorPool = message.parent_pool();
            if let Some(message) = name.and_then(|name| pool.get_message_by_name(name)) {
                collapse(value, &message);
            }
        }
        _ => {
            let _: Result<(), String> = children(value, message, &mut |value, message| {
                collapse(value, message);
                Ok(())
            });
        }
    }
}

/// The JSON that a payload holds. None where it could not be read back, or holds something else.
fn short(payload: &Value) -> Option<Value> {
    let map = payload.as_object()?;
    let metadata = map.get("metadata")?.as_object()?;
    let text = |value: Option<&Value>| decode(value?).and_then(|bytes| String::from_utf8(bytes).ok());
    let value: Value = serde_json::from_slice(&decode(map.get("data")?)?).ok()?;
    if map.len() != 2 || value.is_null() || is_payload(&value) || value.get(MESSAGE_TYPE).is_some() {
        return None;
    }
    match (text(metadata.get("encoding"))?.as_str(), metadata.len(), value) {
        (JSON, 1, value) => Some(value),
        (PROTO_JSON, 2, Value::Object(mut value)) => {
            let name = text(metadata.get("messageType")).filter(|name| !name.is_empty())?;
            value.insert(MESSAGE_TYPE.to_owned(), name.into());
            Some(Value::Object(value))
        }
        _ => None,
    }
}

/// A null stays as it is, without keeping its neighbours long.
fn null(payload: &Value) -> Option<Value> {
    let is_null = payload.get("metadata")?.as_object()?.len() == 1 && payload.get("data").is_none();
    (is_null && is_payload(payload)).then(|| payload.clone())
}

/// Visits the messages in the fields of a message. An unknown field is an error, as it is often a misspelled one.
fn children(
    value: &mut Value,
    message: &MessageDescriptor,
    visit: &mut dyn FnMut(&mut Value, &MessageDescriptor) -> Result<(), String>,
) -> Result<(), String> {
    if message.parent_file().package_name() == "google.protobuf" {
        return Ok(());
    }
    let Some(map) = value.as_object_mut() else { return Ok(()) };
    for (name, value) in map {
        let field = message.get_field_by_json_name(name).or_else(|| message.get_field_by_name(name));
        match field {
            Some(field) => child(value, &field, visit)?,
            // Of an `Any` that holds this message.
            None if name == "@type" => {}
            None => return Err(format!("unknown field {name:?} in {}", message.name())),
        }
    }
    Ok(())
}

fn child(
    value: &mut Value,
    field: &FieldDescriptor,
    visit: &mut dyn FnMut(&mut Value, &MessageDescriptor) -> Result<(), String>,
) -> Result<(), String> {
    let Kind::Message(message) = field.kind() else { return Ok(()) };
    match value {
        Value::Object(map) if field.is_map() => {
            let Kind::Message(message) = message.map_entry_value_field().kind() else { return Ok(()) };
            map.values_mut().try_for_each(|value| visit(value, &message))
        }
        Value::Array(list) if field.is_list() => list.iter_mut().try_for_each(|value| visit(value, &message)),
        // A field that is null is a field that is not there.
        Value::Null => Ok(()),
        value => visit(value, &message),
    }
}

fn encode(text: &str) -> Value {
    Value::String(STANDARD.encode(text))
}

/// Either alphabet, with padding or without, as in JSON of protobuf.
fn decode(value: &Value) -> Option<Vec<u8>> {
    const ANY_PADDING: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text = value.as_str()?;
    let alphabet = if text.contains(['-', '_']) { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    GeneralPurpose::new(alphabet, ANY_PADDING).decode(text).ok()
}

#[cfg(test)]
mod tests;
