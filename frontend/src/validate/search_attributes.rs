//! Search attributes that a client sets: known to the namespace, of the right type, not too large.

use perdure_proto::api::common::{Payload, SearchAttributes};
use perdure_storage::{
    search_values::{TYPE_KEY, decode_value},
    visibility::AttributeKind,
};
use prost::Message;
use serde_json::Value;
use tonic::Status;

use crate::{
    namespaces::{AuthorizedNamespace, is_settable, is_system},
    status::invalid,
};

const MAX_KEYS: usize = 100;
const MAX_VALUE: usize = 2 * 1_024;
const MAX_TOTAL: usize = 40 * 1_024;

/// Checks them and notes each value's type in its payload, as clients get it back.
pub(crate) fn check(attributes: &mut SearchAttributes, namespace: &AuthorizedNamespace) -> Result<(), Status> {
    for name in attributes.indexed_fields.keys() {
        if !is_system(name) && namespace.attribute(name).is_none() {
            let namespace = namespace.name();
            return Err(invalid(format!("Namespace {namespace} has no mapping defined for search attribute {name}")));
        }
    }
    let count = attributes.indexed_fields.len();
    if count > MAX_KEYS {
        return Err(invalid(format!("number of search attributes {count} exceeds limit {MAX_KEYS}")));
    }
    let size = attributes.encoded_len();
    for (name, payload) in &mut attributes.indexed_fields {
        check_value(name, payload, namespace)?;
    }
    if let Some((name, payload)) = attributes.indexed_fields.iter().find(|(_, payload)| payload.data.len() > MAX_VALUE)
    {
        let size = payload.data.len();
        return Err(invalid(format!("search attribute {name} value size {size} exceeds size limit {MAX_VALUE}")));
    }
    if size > MAX_TOTAL {
        return Err(invalid(format!("total size of search attributes {size} exceeds size limit {MAX_TOTAL}")));
    }
    Ok(())
}

fn check_value(name: &str, payload: &mut Payload, namespace: &AuthorizedNamespace) -> Result<(), Status> {
    let predefined = namespace.custom_attribute(name).is_none() && !is_settable(name);
    let Some(kind) = namespace.attribute(name).filter(|_| !predefined) else {
        return Err(invalid(format!("{name} attribute can't be set in SearchAttributes")));
    };
    let value = decode_value(payload, kind).map_err(|_| invalid_value(name, kind, payload))?;
    if holds_nul(&value) {
        return Err(invalid(format!("search attribute {name} must not contain a NUL byte")));
    }
    payload.metadata.insert(TYPE_KEY.to_owned(), kind.name().into());
    Ok(())
}

fn invalid_value(name: &str, kind: AttributeKind, payload: &Payload) -> Status {
    let value = match serde_json::from_slice(&payload.data) {
        Ok(Value::String(text)) => text,
        Ok(value) => value.to_string(),
        Err(_) => format!("{} bytes that are not JSON", payload.data.len()),
    };
    invalid(format!("invalid value for search attribute {name} of type {}: {value}", kind.name()))
}

/// PostgreSQL cannot store it, not even escaped in JSON.
fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        _ => false,
    }
}
