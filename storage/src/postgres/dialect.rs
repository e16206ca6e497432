//! Filters in PostgreSQL's words. Search attributes are looked up by containment (`@>`), which the GIN index answers.

use serde_json::{Value as Json, json};
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use crate::{
    sql::condition::{Dialect, Operand},
    visibility::{AttributeKind, Value},
};

impl Dialect for Postgres {
    const RUN_ID_TEXT: &'static str = "(run_id::text COLLATE \"C\")";

    fn bind(sql: &mut QueryBuilder<Self>, value: Value) {
        match value {
            Value::Int(value) => sql.push_bind(value),
            Value::Double(value) => sql.push_bind(value),
            Value::Bool(value) => sql.push_bind(value),
            Value::Text(value) => sql.push_bind(value),
        };
    }

    fn bind_uuid(sql: &mut QueryBuilder<Self>, id: Uuid) {
        sql.push_bind(id);
    }

    fn push_one_of(sql: &mut QueryBuilder<Self>, values: Vec<Value>) {
        let ints = values.iter().map(|value| if let Value::Int(value) = value { Some(*value) } else { None });
        let bools = values.iter().map(|value| if let Value::Bool(value) = value { Some(*value) } else { None });
        let texts = values.iter().map(|value| if let Value::Text(value) = value { Some(value.clone()) } else { None });
        sql.push(" = ANY(");
        match values.first() {
            Some(Value::Text(_)) => sql.push_bind(texts.collect::<Option<Vec<_>>>()),
            Some(Value::Bool(_)) => sql.push_bind(bools.collect::<Option<Vec<_>>>()),
            Some(Value::Int(_)) if ints.clone().all(|value| value.is_some()) => {
                sql.push_bind(ints.collect::<Option<Vec<_>>>())
            }
            Some(_) => sql.push_bind(values.iter().filter_map(as_double).collect::<Vec<_>>()),
            None => sql.push("'{}'"),
        };
        sql.push(")");
    }

    fn push_starts_with(sql: &mut QueryBuilder<Self>, operand: &Operand<'_>, prefix: &str) {
        operand.push(sql);
        sql.push(" ^@ ");
        sql.push_bind(prefix.to_owned());
    }

    fn push_attribute(sql: &mut QueryBuilder<Self>, name: &str, kind: AttributeKind) {
        let (json_type, before, after) = match kind {
            AttributeKind::Text | AttributeKind::Keyword | AttributeKind::KeywordList => {
                ("string", "(search_values ->> ", ") COLLATE \"C\"")
            }
            AttributeKind::Int | AttributeKind::Double | AttributeKind::Datetime => {
                ("number", "(search_values -> ", ")::numeric")
            }
            AttributeKind::Bool => ("boolean", "(search_values -> ", ")::boolean"),
        };
        sql.push("(CASE WHEN jsonb_typeof(search_values -> ").push_bind(name.to_owned());
        sql.push(format_args!(") = '{json_type}' THEN {before}")).push_bind(name.to_owned());
        sql.push(format_args!("{after} END)"));
    }

    fn push_attribute_in(sql: &mut QueryBuilder<Self>, name: &str, kind: AttributeKind, values: &[Value]) {
        let mut patterns: Vec<Json> = values.iter().map(|value| json!({ name: value.to_json() })).collect();
        if kind == AttributeKind::KeywordList {
            patterns.extend(values.iter().map(|value| json!({ name: [value.to_json()] })));
        }
        sql.push("search_values @> ANY(").push_bind(patterns).push(")");
    }

    fn push_list_present(sql: &mut QueryBuilder<Self>, name: &str) {
        sql.push("coalesce(jsonb_typeof(search_values -> ").push_bind(name.to_owned());
        sql.push(") IN ('array', 'string'), FALSE)");
    }

    fn push_has_word(sql: &mut QueryBuilder<Self>, name: &str, words: Vec<String>) {
        sql.push("(string_to_array(translate(lower(");
        Self::push_attribute(sql, name, AttributeKind::Text);
        sql.push(r"), E'\t\n\r', '   '), ' ') && ").push_bind(words).push(")");
    }
}

fn as_double(value: &Value) -> Option<f64> {
    match value {
        Value::Int(value) => Some(*value as f64),
        Value::Double(value) => Some(*value),
        Value::Bool(_) | Value::Text(_) => None,
    }
}
