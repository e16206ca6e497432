//! Lists and counts.

use perdure_engine::Archetype;
use sqlx::QueryBuilder;

use super::{
    condition::{Dialect, push_condition},
    rows::{VISIBILITY_COLUMNS, limit},
};
use crate::{
    filter::Condition,
    visibility::{ListQuery, Value},
};

pub(crate) fn list<D: Dialect>(query: &ListQuery) -> QueryBuilder<D> {
    let mut sql = QueryBuilder::new("SELECT ");
    sql.push(VISIBILITY_COLUMNS);
    push_selection(&mut sql, query);
    if let Some(after) = &query.after {
        sql.push(" AND (close_time, start_time, run_id) < (");
        D::bind(&mut sql, Value::Int(after.close_time));
        sql.push(", ");
        D::bind(&mut sql, Value::Int(after.start_time));
        sql.push(", ");
        D::bind_uuid(&mut sql, after.run_id);
        sql.push(")");
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

fn push_selection<D: Dialect>(sql: &mut QueryBuilder<D>, query: &ListQuery) {
    sql.push(" FROM visibility WHERE namespace_id = ");
    D::bind_uuid(sql, query.namespace_id);
    // A number in the text: partial indexes are by it.
    sql.push(format_args!(" AND archetype = {}", query.archetype.number()));
    if query.archetype != Archetype::Workflow {
        sql.push(" AND archetype <> 0");
    }
    if let Some(filter) = &query.filter {
        sql.push(" AND ");
        push_condition(sql, &Condition::new(filter));
    }
}
