//! Filters in PostgreSQL's words. Search attributes are looked up by containment (`@>`), which the GIN index answers.

use std::convert::Infallible;

use serde_json::{Value as Json, json};
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use crate::{
    sql::dialect::{Dialect, Scope},
    visibility::{AttributeKind, Value},
};

impl Dialect for Postgres {
    /// Its statistics say what few rows pass.
    type Narrow = Infallible;

    const NO_INDEX: &'static str = "";
    const EXPLAIN: &'static str = "EXPLAIN ";
    const RUN_ID_TEXT: &'static str = "(run_id::text COLLATE \"C\")";
    const ROOT_RUN_ID: &'static str = "coalesce(root_run_id, run_id::text COLLATE \"C\")";
    const UNDIVIDED: &'static str = "(search_values IS NULL OR NOT search_values ? 'TemporalNamespaceDivision')";
    const DIVIDED: &'static str = "(search_values ? 'TemporalNamespaceDivision')";

    fn push_narrow(_: &mut QueryBuilder<Self>, narrow: &Infallible, _: Scope) {
        match *narrow {}
    }

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

    fn push_attribute_starts_with(sql: &mut QueryBuilder<Self>, name: &str, prefix: &str) {
        Self::push_attribute(sql, name, AttributeKind::Keyword);
        sql.push(" ^@ ").push_bind(prefix.to_owned());
    }

    fn push_attribute(sql: &mut QueryBuilder<Self>, name: &str, kind: AttributeKind) {
        let (before, after) = match kind {
            AttributeKind::Text | AttributeKind::Keyword | AttributeKind::KeywordList => {
                ("(search_values ->> ", ") COLLATE \"C\"")
            }
            AttributeKind::Int | AttributeKind::Double | AttributeKind::Datetime => {
                ("(search_values -> ", ")::numeric")
            }
            AttributeKind::Bool => ("(search_values -> ", ")::boolean"),
        };
        sql.push("(CASE WHEN jsonb_typeof(search_values -> ").push_bind(name.to_owned());
        sql.push(format_args!(") IN ({}) THEN {before}", json_types(kind))).push_bind(name.to_owned());
        sql.push(format_args!("{after} END)"));
    }

    fn push_attribute_in(sql: &mut QueryBuilder<Self>, name: &str, kind: AttributeKind, values: &[Value]) {
        let mut patterns: Vec<Json> = values.iter().map(|value| json!({ name: value.to_json() })).collect();
        if kind == AttributeKind::KeywordList {
            patterns.extend(values.iter().map(|value| json!({ name: [value.to_json()] })));
        }
        sql.push("search_values @> ANY(").push_bind(patterns).push(")");
    }

    fn push_list_end(sql: &mut QueryBuilder<Self>, name: &str, greatest: bool) {
        sql.push(if greatest { "(SELECT max(" } else { "(SELECT min(" });
        sql.push("(item #>> '{}') COLLATE \"C\") FROM jsonb_path_query(search_values -> ").push_bind(name.to_owned());
        sql.push(", '$[*] ? (@.type() == \"string\")') AS item)");
    }

    fn push_presence(sql: &mut QueryBuilder<Self>, name: &str, kind: AttributeKind, present: bool) {
        // The planner knows how seldom a key is there (`?`), and takes any other expression for one that seldom has a value.
        sql.push(if present { "(search_values ? " } else { "(search_values IS NULL OR NOT search_values ? " });
        sql.push_bind(name.to_owned()).push(if present { " AND " } else { " OR NOT " });
        sql.push("jsonb_typeof(search_values -> ").push_bind(name.to_owned());
        sql.push(format_args!(") IN ({}))", json_types(kind)));
    }

    fn push_has_word(sql: &mut QueryBuilder<Self>, name: &str, words: Vec<String>) {
        sql.push("(string_to_array(translate(lower(");
        Self::push_attribute(sql, name, AttributeKind::Text);
        sql.push(r"), E'\t\n\r', '   '), ' ') && ").push_bind(words).push(")");
    }
}

/// What `jsonb_typeof` says of the attribute's values.
fn json_types(kind: AttributeKind) -> &'static str {
    match kind {
        AttributeKind::Text | AttributeKind::Keyword => "'string'",
        AttributeKind::KeywordList => "'string', 'array'",
        AttributeKind::Int | AttributeKind::Double | AttributeKind::Datetime => "'number'",
        AttributeKind::Bool => "'boolean'",
    }
}

fn as_double(value: &Value) -> Option<f64> {
    match value {
        Value::Int(value) => Some(*value as f64),
        Value::Double(value) => Some(*value),
        Value::Bool(_) | Value::Text(_) => None,
    }
}
