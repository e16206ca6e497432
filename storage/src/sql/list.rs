//! Lists and counts.

use perdure_engine::{Archetype, Nanos};
use sqlx::QueryBuilder;
use uuid::Uuid;

use super::{
    condition::{Dialect, Scope, push_condition, push_scope},
    order::{push_after, push_order_by},
    rows::{VISIBILITY_COLUMNS, limit},
};
use crate::{
    filter::Condition,
    visibility::{GroupBy, ListQuery, Position, Value},
};

/// The database looks at no other rows than those that `narrow` allows, which say more of the query than its filter does to it.
pub(crate) fn list<D: Dialect>(query: &ListQuery, narrow: Option<&D::Narrow>) -> QueryBuilder<D> {
    let mut sql = QueryBuilder::new("");
    push_list(&mut sql, query, narrow);
    sql
}

/// Answers the plan of a list instead of its rows.
pub(crate) fn explain<D: Dialect>(query: &ListQuery, narrow: Option<&D::Narrow>) -> QueryBuilder<D> {
    let mut sql = QueryBuilder::new(D::EXPLAIN);
    push_list(&mut sql, query, narrow);
    sql
}

fn push_list<D: Dialect>(sql: &mut QueryBuilder<D>, query: &ListQuery, narrow: Option<&D::Narrow>) {
    sql.push("SELECT ").push(VISIBILITY_COLUMNS);
    push_selection(sql, query, narrow);
    if let Some(after) = &query.after {
        push_after(sql, &query.order, after);
    }
    push_order_by(sql, &query.order);
    push_limit(sql, query.page_size);
}

pub(crate) fn count<D: Dialect>(query: &ListQuery, narrow: Option<&D::Narrow>) -> QueryBuilder<D> {
    let mut sql = QueryBuilder::new("SELECT count(*)");
    push_selection(&mut sql, query, narrow);
    sql
}

/// Answers values, a number for statuses and texts for others, with their counts.
pub(crate) fn count_by<D: Dialect>(
    query: &ListQuery,
    narrow: Option<&D::Narrow>,
    by: GroupBy,
    limit: usize,
) -> QueryBuilder<D> {
    let column = match by {
        GroupBy::Status => "status",
        GroupBy::WorkflowType => "workflow_type",
        GroupBy::TaskQueue => "task_queue",
    };
    let mut sql = QueryBuilder::new("SELECT ");
    sql.push(column).push(", count(*)");
    push_selection(&mut sql, query, narrow);
    sql.push(format_args!(" GROUP BY {column} ORDER BY {column}"));
    push_limit(&mut sql, limit);
    sql
}

/// In the order of the same index as a list, from its other end. Runs with a division have an index of their own.
pub(crate) fn expired<D: Dialect>(
    namespace_id: Uuid,
    archetype: Archetype,
    closed_before: Nanos,
    after: Option<Position>,
    page_size: usize,
) -> QueryBuilder<D> {
    let mut sql = QueryBuilder::new("SELECT workflow_id, close_time, start_time, run_id FROM (");
    let parts: &[&str] = if archetype == Archetype::Workflow { &[D::UNDIVIDED, D::DIVIDED] } else { &["TRUE"] };
    for (index, part) in parts.iter().enumerate() {
        sql.push(if index > 0 { " UNION ALL " } else { "" });
        sql.push("SELECT * FROM (SELECT workflow_id, close_time, start_time, run_id");
        sql.push(" FROM visibility WHERE ");
        push_scope(&mut sql, Scope { namespace_id, archetype });
        sql.push(" AND ").push(part);
        if closed_before < Nanos::MAX {
            sql.push(" AND close_time < ");
            D::bind(&mut sql, Value::Int(closed_before));
        }
        if let Some(Position { close_time, start_time, run_id }) = after {
            sql.push(" AND (close_time, start_time, run_id) > (");
            D::bind(&mut sql, Value::Int(close_time));
            sql.push(", ");
            D::bind(&mut sql, Value::Int(start_time));
            sql.push(", ");
            D::bind_uuid(&mut sql, run_id);
            sql.push(")");
        }
        sql.push(" ORDER BY close_time, start_time, run_id");
        push_limit(&mut sql, page_size);
        sql.push(format_args!(") AS part{index}"));
    }
    sql.push(") AS expired ORDER BY close_time, start_time, run_id");
    push_limit(&mut sql, page_size);
    sql
}

fn push_limit<D: Dialect>(sql: &mut QueryBuilder<D>, rows: usize) {
    sql.push(" LIMIT ");
    D::bind(sql, Value::Int(limit(rows)));
}

fn push_selection<D: Dialect>(sql: &mut QueryBuilder<D>, query: &ListQuery, narrow: Option<&D::Narrow>) {
    let scope = Scope { namespace_id: query.namespace_id, archetype: query.archetype };
    sql.push(" FROM visibility WHERE ");
    push_scope(sql, scope);
    if let Some(narrow) = narrow {
        sql.push(" AND ");
        D::push_narrow(sql, narrow, scope);
    }
    if let Some(filter) = &query.filter {
        sql.push(" AND ");
        push_condition(sql, &Condition::new(filter), scope);
    }
}
