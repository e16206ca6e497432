//! Filters in SQLite's words. Search attributes are read with its JSON functions; names are compared as values, never put
//! into JSON paths.

use serde_json::Value as Json;
use sqlx::{QueryBuilder, Sqlite, types::Json as AsJson};
use uuid::Uuid;

use super::narrow::Narrow;
use crate::{
    sql::dialect::{Dialect, Scope},
    visibility::{AttributeKind, Value},
};

macro_rules! run_id_text {
    () => {
        "lower(substr(hex(run_id), 1, 8) || '-' || substr(hex(run_id), 9, 4) || '-' || \
         substr(hex(run_id), 13, 4) || '-' || substr(hex(run_id), 17, 4) || '-' || substr(hex(run_id), 21))"
    };
}

impl Dialect for Sqlite {
    type Narrow = Narrow;

    const NO_INDEX: &'static str = "+";
    const EXPLAIN: &'static str = "EXPLAIN QUERY PLAN ";
    const RUN_ID_TEXT: &'static str = run_id_text!();
    const ROOT_RUN_ID: &'static str = concat!("coalesce(root_run_id, ", run_id_text!(), ")");
    const UNDIVIDED: &'static str = "(search_values ->> 'TemporalNamespaceDivision') IS NULL";
    const DIVIDED: &'static str = "(search_values ->> 'TemporalNamespaceDivision') IS NOT NULL";

    fn push_narrow(sql: &mut QueryBuilder<Self>, narrow: &Narrow, scope: Scope) {
        sql.push("run_id IN (SELECT run_id");
        narrow.push_rows(sql, scope);
        sql.push(")");
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
        sql.push(" IN (SELECT value FROM json_each(").push_bind(json_list(&values)).push("))");
    }

    fn push_attribute_starts_with(sql: &mut QueryBuilder<Self>, name: &str, prefix: &str) {
        sql.push("substr(");
        Self::push_attribute(sql, name, AttributeKind::Keyword);
        sql.push(", 1, length(").push_bind(prefix.to_owned()).push(")) = ").push_bind(prefix.to_owned());
    }

    fn push_attribute(sql: &mut QueryBuilder<Self>, name: &str, kind: AttributeKind) {
        sql.push("(SELECT value FROM json_each(search_values) WHERE key = ").push_bind(name.to_owned());
        sql.push(format_args!(" AND type IN ({}))", json_types(kind)));
    }

    fn push_attribute_in(sql: &mut QueryBuilder<Self>, name: &str, kind: AttributeKind, values: &[Value]) {
        if kind == AttributeKind::KeywordList {
            sql.push("EXISTS (SELECT 1 FROM ").push(LIST_ITEMS).push_bind(name.to_owned()).push(" AND item.value");
            Self::push_one_of(sql, values.to_vec());
            sql.push(")");
        } else {
            Self::push_attribute(sql, name, kind);
            Self::push_one_of(sql, values.to_vec());
        }
    }

    fn push_list_end(sql: &mut QueryBuilder<Self>, name: &str, greatest: bool) {
        sql.push(if greatest { "(SELECT max(" } else { "(SELECT min(" });
        sql.push("item.value) FROM ").push(LIST_ITEMS).push_bind(name.to_owned()).push(")");
    }

    fn push_presence(sql: &mut QueryBuilder<Self>, name: &str, kind: AttributeKind, present: bool) {
        sql.push(if present { "" } else { "NOT " });
        sql.push("EXISTS (SELECT 1 FROM json_each(search_values) WHERE key = ").push_bind(name.to_owned());
        sql.push(format_args!(" AND type IN ({}))", json_types(kind)));
    }

    fn push_has_word(sql: &mut QueryBuilder<Self>, name: &str, words: Vec<String>) {
        sql.push("EXISTS (SELECT 1 FROM json_each(").push_bind(AsJson(words)).push(") AS word WHERE instr(' ' || ");
        sql.push("replace(replace(replace(lower(");
        Self::push_attribute(sql, name, AttributeKind::Text);
        sql.push("), char(9), ' '), char(10), ' '), char(13), ' ') || ' ', ' ' || word.value || ' ') > 0)");
    }
}

/// The texts in a list, before its name.
const LIST_ITEMS: &str = "json_each(search_values) AS list, \
    json_each(CASE list.type WHEN 'array' THEN list.value ELSE json_array(list.value) END) AS item \
    WHERE list.type IN ('array', 'text') AND item.type = 'text' AND list.key = ";

/// What JSON functions say of the attribute's values.
fn json_types(kind: AttributeKind) -> &'static str {
    match kind {
        AttributeKind::Text | AttributeKind::Keyword => "'text'",
        AttributeKind::KeywordList => "'text', 'array'",
        AttributeKind::Int | AttributeKind::Double | AttributeKind::Datetime => "'integer', 'real'",
        AttributeKind::Bool => "'true', 'false'",
    }
}

pub(super) fn json_list(values: &[Value]) -> AsJson<Vec<Json>> {
    AsJson(values.iter().map(Value::to_json).collect())
}
