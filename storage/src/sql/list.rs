//! Lists and counts.

use perdure_engine::{Archetype, Nanos};
use sqlx::QueryBuilder;
use uuid::Uuid;

use super::{
    condition::{push_condition, push_scope},
    dialect::{Dialect, Scope},
    order::{push_after, push_order_by},
    parts::{Part, parts},
    rows::{VISIBILITY_COLUMNS, limit},
};
use crate::{
    filter::Condition,
    visibility::{GroupBy, ListQuery, OPEN, Position, Value},
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
    let page = |sql: &mut QueryBuilder<D>| {
        push_order_by(sql, &query.order);
        push_limit(sql, query.page_size);
    };
    let selection = Selection::new(query, narrow);
    if let [part] = selection.parts[..] {
        sql.push("SELECT ").push(VISIBILITY_COLUMNS);
        selection.push(sql, part);
        return page(sql);
    }
    sql.push("SELECT * FROM (");
    selection.push_parts(sql, VISIBILITY_COLUMNS, page);
    sql.push(") AS list");
    page(sql);
}

pub(crate) fn count<D: Dialect>(query: &ListQuery, narrow: Option<&D::Narrow>) -> QueryBuilder<D> {
    let mut sql = QueryBuilder::new("SELECT count(*) FROM (");
    Selection::new(query, narrow).push_parts(&mut sql, "1", |_| ());
    sql.push(") AS counted");
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
    sql.push(column).push(", count(*) FROM (");
    Selection::new(query, narrow).push_parts(&mut sql, column, |_| ());
    sql.push(format_args!(") AS counted GROUP BY {column} ORDER BY {column}"));
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
        push_scope(&mut sql, Scope { namespace_id, archetype, is_bounded: true });
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

/// The rows of a list or a count.
struct Selection<'a, D: Dialect> {
    query: &'a ListQuery,
    condition: Option<Condition>,
    narrow: Option<&'a D::Narrow>,
    parts: Vec<Part>,
}

impl<'a, D: Dialect> Selection<'a, D> {
    fn new(query: &'a ListQuery, narrow: Option<&'a D::Narrow>) -> Self {
        let condition = query.filter.as_ref().map(Condition::new);
        // The few rows that `narrow` allows need no better way.
        let parts = if narrow.is_some() { vec![Part::Whole] } else { parts(query, condition.as_ref()) };
        Self { query, condition, narrow, parts }
    }

    /// All parts, one behind the other, with `tail` at the end of each.
    fn push_parts(&self, sql: &mut QueryBuilder<D>, columns: &str, tail: impl Fn(&mut QueryBuilder<D>)) {
        for (index, part) in self.parts.iter().enumerate() {
            sql.push(if index > 0 { " UNION ALL " } else { "" });
            sql.push(format_args!("SELECT * FROM (SELECT {columns}"));
            self.push(sql, *part);
            tail(sql);
            sql.push(format_args!(") AS part{index}"));
        }
    }

    /// ` FROM … WHERE …`
    fn push(&self, sql: &mut QueryBuilder<D>, part: Part) {
        let ListQuery { namespace_id, archetype, order, after, .. } = self.query;
        // The part may lie behind it as a whole.
        let after = after.as_ref().filter(|_| !part.is_bounded());
        let among_closed = after.is_some_and(|after| order.is_empty() && after.position.close_time < OPEN);
        let is_bounded = part.is_bounded() || among_closed;
        let scope = Scope { namespace_id: *namespace_id, archetype: *archetype, is_bounded };
        sql.push(" FROM visibility WHERE ");
        push_scope(sql, scope);
        if let Some(narrow) = self.narrow {
            sql.push(" AND ");
            D::push_narrow(sql, narrow, scope);
        }
        if let Some(condition) = &self.condition {
            sql.push(" AND ");
            push_condition(sql, condition, scope);
        }
        part.push(sql);
        if let Some(after) = after {
            push_after(sql, order, after);
        }
    }
}
