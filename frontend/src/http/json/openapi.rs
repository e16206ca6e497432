//! The API as OpenAPI documents, in version 3 and in version 2 ("Swagger"). Made from the descriptors when asked for: that is
//! seldom, and the documents are large.

use std::collections::{BTreeMap, BTreeSet};

use axum::response::{IntoResponse, Response};
use http::{Method, header::CONTENT_TYPE};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::schema::{Route, SCHEMA};
use crate::cluster::SERVER_VERSION;

/// Messages within messages that query parameters can reach.
const QUERY_DEPTH: usize = 3;

/// YAML is a superset of JSON.
pub(super) fn version_3() -> Response {
    respond("application/vnd.oai.openapi;version=3.0", &Document::new(Version::Three).finish())
}

pub(super) fn version_2() -> Response {
    respond("application/vnd.oai.openapi+json;version=2.0", &Document::new(Version::Two).finish())
}

fn respond(media_type: &'static str, document: &Value) -> Response {
    ([(CONTENT_TYPE, media_type)], format!("{document:#}")).into_response()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Two,
    Three,
}

struct Document {
    version: Version,
    paths: BTreeMap<String, Map<String, Value>>,
    schemas: BTreeMap<String, Value>,
    operation_ids: BTreeSet<String>,
}

impl Document {
    fn new(version: Version) -> Self {
        let (paths, schemas, operation_ids) = Default::default();
        let mut document = Self { version, paths, schemas, operation_ids };
        for route in &SCHEMA.routes {
            let operation = document.operation(route);
            let methods = document.paths.entry(route.path.clone()).or_default();
            methods.insert(route.method.as_str().to_lowercase(), operation);
        }
        document
    }

    fn finish(self) -> Value {
        let info = json!({"title": "Temporal's API, served by Perdure", "version": SERVER_VERSION});
        let (paths, schemas) = (self.paths, self.schemas);
        match self.version {
            Version::Two => json!({
                "swagger": "2.0", "info": info, "consumes": ["application/json"], "produces": ["application/json"],
                "paths": paths, "definitions": schemas,
            }),
            Version::Three => {
                json!({"openapi": "3.0.3", "info": info, "paths": paths, "components": {"schemas": schemas}})
            }
        }
    }

    fn operation(&mut self, route: &Route) -> Value {
        let (input, output) = (route.rpc.input(), route.rpc.output());
        let mut parameters: Vec<_> =
            route.template.fields().map(|name| self.parameter("path", name, json!({"type": "string"}))).collect();
        if route.body != "*" {
            let in_path: Vec<_> = route.template.fields().collect();
            self.query("", "", &input, &in_path, &mut parameters);
        }
        let mut operation = json!({
            "tags": [route.rpc.parent_service().name()],
            "operationId": self.operation_id(route.rpc.name()),
            "responses": {"200": self.answer("OK", &output), "default": self.answer("An error.", &SCHEMA.status)},
        });
        if matches!(route.method, Method::POST | Method::PUT | Method::PATCH) && !route.body.is_empty() {
            let schema = match input.get_field_by_name(&route.body) {
                Some(field) => self.field(&field),
                None => self.message(&input),
            };
            match self.version {
                Version::Two => {
                    parameters.push(json!({"name": "body", "in": "body", "required": true, "schema": schema}));
                }
                Version::Three => {
                    operation["requestBody"] = json!({"required": true, "content": content(schema)});
                }
            }
        }
        operation["parameters"] = Value::Array(parameters);
        operation
    }

    fn operation_id(&mut self, name: &str) -> String {
        let numbered = (2..).map(|number| format!("{name}{number}"));
        let id = std::iter::once(name.to_owned()).chain(numbered).find(|id| !self.operation_ids.contains(id));
        let id = id.unwrap_or_default();
        self.operation_ids.insert(id.clone());
        id
    }

    fn answer(&mut self, description: &str, message: &MessageDescriptor) -> Value {
        let schema = self.message(message);
        match self.version {
            Version::Two => json!({"description": description, "schema": schema}),
            Version::Three => json!({"description": description, "content": content(schema)}),
        }
    }

    fn parameter(&self, place: &str, name: &str, schema: Value) -> Value {
        let mut parameter = json!({"name": name, "in": place, "required": place == "path"});
        match (self.version, schema) {
            (Version::Two, Value::Object(schema)) => {
                parameter.as_object_mut().into_iter().for_each(|parameter| parameter.extend(schema.clone()));
                if parameter["type"] == "array" {
                    parameter["collectionFormat"] = "multi".into();
                }
            }
            (_, schema) => parameter["schema"] = schema,
        }
        parameter
    }

    /// The fields that are not in the path, with their names in JSON. `names` and `path` lead to the message.
    fn query(
        &self,
        names: &str,
        path: &str,
        message: &MessageDescriptor,
        in_path: &[&str],
        parameters: &mut Vec<Value>,
    ) {
        for field in message.fields() {
            let (name, path) = (format!("{names}{}", field.json_name()), format!("{path}{}", field.name()));
            if in_path.contains(&path.as_str()) || field.is_map() {
                continue;
            }
            match field.kind() {
                Kind::Message(inner) if well_known(&inner).is_none() => {
                    if !field.is_list() && path.split('.').count() < QUERY_DEPTH {
                        self.query(&format!("{name}."), &format!("{path}."), &inner, in_path, parameters);
                    }
                }
                kind => parameters.push(self.parameter("query", &name, listed(&field, scalar(&kind)))),
            }
        }
    }

    /// A reference to the schema of a message, which is added where it is new.
    fn message(&mut self, message: &MessageDescriptor) -> Value {
        if let Some(schema) = well_known(message) {
            return schema;
        }
        let name = message.full_name();
        if !self.schemas.contains_key(name) {
            // Before its fields: types contain themselves.
            self.schemas.insert(name.to_owned(), Value::Null);
            let fields = message.fields().map(|field| (field.json_name().to_owned(), self.field(&field)));
            let properties: Map<String, Value> = fields.collect();
            self.schemas.insert(name.to_owned(), json!({"type": "object", "properties": properties}));
        }
        let place = if self.version == Version::Two { "definitions" } else { "components/schemas" };
        json!({"$ref": format!("#/{place}/{name}")})
    }

    fn field(&mut self, field: &FieldDescriptor) -> Value {
        match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                let value = self.field(&entry.map_entry_value_field());
                json!({"type": "object", "additionalProperties": value})
            }
            Kind::Message(message) => listed(field, self.message(&message)),
            kind => listed(field, scalar(&kind)),
        }
    }
}

fn content(schema: Value) -> Value {
    json!({"application/json": {"schema": schema}})
}

fn listed(field: &FieldDescriptor, schema: Value) -> Value {
    if field.is_list() { json!({"type": "array", "items": schema}) } else { schema }
}

/// Messages whose JSON is not an object of their fields.
fn well_known(message: &MessageDescriptor) -> Option<Value> {
    Some(match message.full_name() {
        "temporal.api.common.v1.Payload" => {
            json!({"description": "Any JSON, or {metadata, data} with values in base64."})
        }
        "temporal.api.common.v1.Payloads" => json!({"type": "array", "items": {}}),
        "google.protobuf.Timestamp" => json!({"type": "string", "format": "date-time"}),
        "google.protobuf.Duration" => json!({"type": "string", "pattern": "^-?[0-9]+(\\.[0-9]{1,9})?s$"}),
        "google.protobuf.FieldMask" => json!({"type": "string", "format": "field-mask"}),
        "google.protobuf.BoolValue" => json!({"type": "boolean"}),
        "google.protobuf.Any" => json!({
            "type": "object", "properties": {"@type": {"type": "string"}}, "additionalProperties": true,
        }),
        name if name.starts_with("google.protobuf.") => json!({}),
        _ => return None,
    })
}

fn scalar(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 | Kind::Uint32 | Kind::Fixed32 => {
            json!({"type": "integer", "format": "int32"})
        }
        // Numbers in JavaScript end at 2^53.
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => json!({"type": "string", "format": "int64"}),
        Kind::Uint64 | Kind::Fixed64 => json!({"type": "string", "format": "uint64"}),
        Kind::Float => json!({"type": "number", "format": "float"}),
        Kind::Double => json!({"type": "number", "format": "double"}),
        Kind::Bytes => json!({"type": "string", "format": "byte"}),
        Kind::Enum(values) => {
            let names: Vec<_> = values.values().map(|value| value.name().to_owned()).collect();
            json!({"type": "string", "enum": names})
        }
        Kind::String => json!({"type": "string"}),
        Kind::Message(message) => well_known(message).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All references of a document.
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn both_versions_describe_every_route() {
        for (version, schemas) in [(Version::Two, "/definitions"), (Version::Three, "/components/schemas")] {
            let document = Document::new(version).finish();
            for route in &SCHEMA.routes {
                let operation = &document["paths"][&route.path][route.method.as_str().to_lowercase()];
                let in_path = operation["parameters"].as_array().into_iter().flatten();
                let in_path = in_path.filter(|parameter| parameter["in"] == "path").count();
                assert_eq!(in_path, route.template.fields().count(), "{}", route.path);
                assert!(operation["responses"]["200"].is_object(), "{}", route.path);
            }
            let mut found = BTreeSet::new();
            references(&document, &mut found);
            assert!(!found.is_empty());
            for reference in found {
                assert!(document.pointer(&reference[1..]).is_some_and(Value::is_object), "{reference} in {schemas}");
            }
        }
    }

    #[test]
    fn parameters_and_bodies() {
        let document = Document::new(Version::Three).finish();
        let history = &document["paths"]["/namespaces/{namespace}/workflows/{execution.workflow_id}/history"]["get"];
        let names: Vec<_> = history["parameters"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        let expected = [
            "namespace",
            "execution.workflow_id",
            "execution.runId",
            "maximumPageSize",
            "nextPageToken",
            "waitNewEvent",
            "historyEventFilterType",
            "skipArchival",
        ];
        assert_eq!(names, expected);
        let start = &document["paths"]["/namespaces/{namespace}/workflows/{workflow_id}"]["post"];
        let name = "temporal.api.workflowservice.v1.StartWorkflowExecutionRequest";
        let schema = &start["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(schema["$ref"], format!("#/components/schemas/{name}"));
        let fields = &document["components"]["schemas"][name]["properties"];
        assert_eq!(fields["workflowRunTimeout"]["type"], "string");
        assert_eq!(fields["input"]["type"], "array");
        assert_eq!(fields["requestEagerExecution"]["type"], "boolean");
    }
}
