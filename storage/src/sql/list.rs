//! Lists and counts.

use perdure_engine::{Archetype, Nanos};
use sqlx::QueryBuilder;
use uuid::Uuid;

use super::{
    condition::{Dialect, push_condition},
    rows::{VISIBILITY_COLUMNS, limit},
};
use crate::{
    filter::Condition,
    visibility::{ListQuery, Position, Value},
};

pub(crate) fn list<D: Dialect>(query: &ListQuery) -> QueryBuilder<D> {
    let mut sql = QueryBuilder::new("SELECT ");
    sql.push(VISIBILITY_COLUMNS);
    push_selection(&mut sql, query);
    if let Some(after) = &query.after {
        sql.push(" AND (close_time, start_time, run_id) < ");
        push_position(&mut sql, after);
    }
    sql.push(" ORDER BY close_time DESC, start_time DESC, run_id DESC LIMIT ");
    D::bind(&mut sql, Value::Int(limit(query.page_size)));
    sql
}

pub(crate) fn count<D: Dialect>(query: &ListQuery) -> QueryBuilder<D> {
    let mut sql = QueryBuilder::new("SELECT count(*)");
    push_selection(&mut sql, query);
    sql
}

pub(crate) fn count_by_status<D: Dialect>(query: &ListQuery) -> QueryBuilder<D> {
    let mut sql = QueryBuilder::new("SELECT status, count(*) AS count");
    push_selection(&mut sql, query);
    sql.push(" GROUP BY status ORDER BY status");
    sql
}

/// In the order of the same index as a list, from its other end.
pub(crate) fn expired<D: Dialect>(
    namespace_id: Uuid,
    archetype: Archetype,
    closed_before: Nanos,
    after: Option<Position>,
    page_size: usize,
) -> QueryBuilder<D> {
    let mut sql = QueryBuilder::new("SELECT workflow_id, close_time, start_time, run_id");
    push_kind(&mut sql, namespace_id, archetype);
    if closed_before < Nanos::MAX {
        sql.push(" AND close_time < ");
        D::bind(&mut sql, Value::Int(closed_before));
    }
    if let Some(after) = &after {
        sql.push(" AND (close_time, start_time, run_id) > ");
        push_position(&mut sql, after);
    }
    sql.push(" ORDER BY close_time, start_time, run_id LIMIT ");
    D::bind(&mut sql, Value::Int(limit(page_size)));
    sql
}

fn push_position<D: Dialect>(sql: &mut QueryBuilder<D>, position: &Position) {
    sql.push("(");
    D::bind(sql, Value::Int(position.close_time));
    sql.push(", ");
    D::bind(sql, Value::Int(position.start_time));
    sql.push(", ");
    D::bind_uuid(sql, position.run_id);
    sql.push(")");
}

fn push_kind<D: Dialect>(sql: &mut QueryBuilder<D>, namespace_id: Uuid, archetype: Archetype) {
    sql.push(" FROM visibility WHERE namespace_id = ");
    D::bind_uuid(sql, namespace_id);
    // A number in the text: partial indexes are by it.
    sql.push(format_args!(" AND archetype = {}", archetype.number()));
    if archetype != Archetype::Workflow {
        sql.push(" AND archetype <> 0");
    }
}

fn push_selection<D: Dialect>(sql: &mut QueryBuilder<D>, query: &ListQuery) {
    push_kind(sql, query.namespace_id, query.archetype);
    if let Some(filter) = &query.filter {
        sql.push(" AND ");
        push_condition(sql, &Condition::new(filter));
    }
}
