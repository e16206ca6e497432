//! Search attributes that a client sets: known to the namespace, of the right type, not too large.

use perdure_engine::validate;
use perdure_proto::api::common::{Payload, SearchAttributes};
use perdure_storage::{
    search_values::{TYPE_KEY, decode_value},
    visibility::AttributeKind,
};
use serde_json::Value;
use tonic::Status;

use crate::{
    namespaces::{AuthorizedNamespace, is_settable, is_system},
    status::invalid,
};

/// Of a start: names, types and sizes. Notes each value's type as [`check_types`] does.
pub(crate) fn check(attributes: &mut SearchAttributes, namespace: &AuthorizedNamespace) -> Result<(), Status> {
    let limits = &namespace.limits().runs;
    check_names(attributes, namespace)?;
    validate::search_attribute_names(attributes, limits).map_err(invalid)?;
    check_values(attributes, namespace)?;
    validate::search_attribute_sizes(attributes, limits).map_err(invalid)?;
    note_types(attributes, namespace);
    Ok(())
}

/// Of a command: what the engine cannot know. Notes each value's type in its payload, as clients get it back and as lists
/// read it.
pub(crate) fn check_types(attributes: &mut SearchAttributes, namespace: &AuthorizedNamespace) -> Result<(), Status> {
    check_names(attributes, namespace)?;
    check_values(attributes, namespace)?;
    note_types(attributes, namespace);
    Ok(())
}

fn check_names(attributes: &SearchAttributes, namespace: &AuthorizedNamespace) -> Result<(), Status> {
    let unknown = |name: &&String| !is_system(name) && namespace.attribute(name).is_none();
    match attributes.indexed_fields.keys().find(unknown) {
        Some(name) => {
            let namespace = namespace.name();
            Err(invalid(format!("Namespace {namespace} has no mapping defined for search attribute {name}")))
        }
        None => Ok(()),
    }
}

/// Of a history that another server has written, where the server's own attributes may be set too.
pub(crate) fn check_imported(attributes: &mut SearchAttributes, namespace: &AuthorizedNamespace) -> Result<(), Status> {
    check_names(attributes, namespace)?;
    for (name, payload) in &attributes.indexed_fields {
        if let Some(kind) = namespace.attribute(name) {
            check_value(name, kind, payload)?;
        }
    }
    let limits = &namespace.limits().runs;
    validate::search_attribute_names(attributes, limits).map_err(invalid)?;
    validate::search_attribute_sizes(attributes, limits).map_err(invalid)?;
    note_types(attributes, namespace);
    Ok(())
}

/// System attributes are left to the engine, which refuses them.
fn check_values(attributes: &SearchAttributes, namespace: &AuthorizedNamespace) -> Result<(), Status> {
    for (name, payload) in attributes.indexed_fields.iter().filter(|(name, _)| !is_system(name)) {
        let custom = namespace.custom_attribute(name);
        let Some(kind) = custom.or_else(|| namespace.attribute(name).filter(|_| is_settable(name))) else {
            return Err(invalid(format!("{name} attribute can't be set in SearchAttributes")));
        };
        check_value(name, kind, payload)?;
    }
    Ok(())
}

fn check_value(name: &str, kind: AttributeKind, payload: &Payload) -> Result<(), Status> {
    let value = decode_value(payload, kind).map_err(|_| invalid_value(name, kind, payload))?;
    if holds_nul(&value) {
        return Err(invalid(format!("search attribute {name} must not contain a NUL byte")));
    }
    Ok(())
}

fn note_types(attributes: &mut SearchAttributes, namespace: &AuthorizedNamespace) {
    for (name, payload) in &mut attributes.indexed_fields {
        if let Some(kind) = namespace.attribute(name).filter(|&kind| !is_read_alike(payload, kind)) {
            payload.metadata.insert(TYPE_KEY.to_owned(), kind.name().into());
        }
    }
}

/// The client has named a type, and under it the value is what it is under the attribute's own: `Keyword` for a Text. Then it
/// gets back the type that it named, which SDKs compare.
fn is_read_alike(payload: &Payload, kind: AttributeKind) -> bool {
    let same = |named| named == kind || decode_value(payload, named) == decode_value(payload, kind);
    AttributeKind::of_payload(payload).is_some_and(same)
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
