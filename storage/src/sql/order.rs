//! The order of lists, and where a page goes on.

use sqlx::QueryBuilder;

use super::{condition::column, dialect::Dialect};
use crate::visibility::{AttributeKind, Cursor, Field, Position, SortKey, Value};

/// The end of every order; ids differ, so no two rows are equal.
const DEFAULT: [&str; 3] = ["close_time", "start_time", "run_id"];

/// What is left of an order once keys that cannot matter are gone.
struct Sort<'a> {
    keys: &'a [SortKey],
    ties: Vec<&'static str>,
    /// Of the ties.
    descending: bool,
}

fn sort(order: &[SortKey]) -> Sort<'_> {
    let run_id = order.iter().position(|key| key.field == Field::RunId);
    let keys = &order[..run_id.unwrap_or(order.len())];
    let descending = run_id.map(|at| &order[at]).or(order.last()).is_none_or(|key| key.descending);
    // Rows that are alike in a key need not be compared by it again.
    let is_tie = |column: &&str| match *column {
        "close_time" => run_id.is_none() && keys.iter().all(|key| key.field != Field::CloseTime),
        "start_time" => run_id.is_none() && keys.iter().all(|key| key.field != Field::StartTime),
        _ => true,
    };
    let ties = DEFAULT.into_iter().filter(is_tie).collect();
    Sort { keys, ties, descending }
}

pub(super) fn push_order_by<D: Dialect>(sql: &mut QueryBuilder<D>, order: &[SortKey]) {
    let direction = |descending: bool| if descending { " DESC" } else { "" };
    let Sort { keys, ties, descending } = sort(order);
    sql.push(" ORDER BY ");
    for key in keys {
        push_key(sql, key);
        sql.push(direction(key.descending));
        // Where there are no NULLs the clause would only keep indexes from being used.
        sql.push(if is_nullable(&key.field) { " NULLS LAST, " } else { ", " });
    }
    for (index, tie) in ties.iter().enumerate() {
        sql.push(if index > 0 { ", " } else { "" }).push(tie).push(direction(descending));
    }
}

/// ` AND … ` after the row at the cursor.
pub(super) fn push_after<D: Dialect>(sql: &mut QueryBuilder<D>, order: &[SortKey], after: &Cursor) {
    let Sort { keys, ties, descending } = sort(order);
    sql.push(" AND ");
    let values: Option<Vec<&Value>> = after.values.iter().take(keys.len()).map(Option::as_ref).collect();
    let alike = keys.iter().all(|key| key.descending == descending && !is_nullable(&key.field));
    match values.filter(|_| alike) {
        // One comparison of rows, with which an index can start.
        Some(values) => {
            sql.push("(");
            for key in keys {
                push_key(sql, key);
                sql.push(", ");
            }
            push_ties(sql, &ties, descending);
            sql.push("(");
            for value in values {
                D::bind(sql, value.clone());
                sql.push(", ");
            }
            push_tie_values(sql, &ties, &after.position);
        }
        None => push_after_key(sql, keys, &ties, descending, after, 0),
    }
}

/// After the cursor by the keys from the one at `index` on.
fn push_after_key<D: Dialect>(
    sql: &mut QueryBuilder<D>,
    keys: &[SortKey],
    ties: &[&str],
    descending: bool,
    after: &Cursor,
    index: usize,
) {
    let Some(key) = keys.get(index) else {
        sql.push("(");
        push_ties(sql, ties, descending);
        sql.push("(");
        return push_tie_values(sql, ties, &after.position);
    };
    sql.push("(");
    match after.values.get(index).and_then(Option::as_ref) {
        Some(value) => {
            push_key(sql, key);
            sql.push(if key.descending { " < " } else { " > " });
            D::bind(sql, value.clone());
            if is_nullable(&key.field) {
                sql.push(" OR ");
                push_key(sql, key);
                sql.push(" IS NULL");
            }
            sql.push(" OR (");
            push_key(sql, key);
            sql.push(" = ");
            D::bind(sql, value.clone());
        }
        None => {
            sql.push("(");
            push_key(sql, key);
            sql.push(" IS NULL");
        }
    }
    sql.push(" AND ");
    push_after_key(sql, keys, ties, descending, after, index + 1);
    sql.push("))");
}

/// `a, b) < `
fn push_ties<D: Dialect>(sql: &mut QueryBuilder<D>, ties: &[&str], descending: bool) {
    sql.push(ties.join(", ")).push(if descending { ") < " } else { ") > " });
}

/// `1, 2)`
fn push_tie_values<D: Dialect>(sql: &mut QueryBuilder<D>, ties: &[&str], position: &Position) {
    for tie in ties {
        match *tie {
            "close_time" => D::bind(sql, Value::Int(position.close_time)),
            "start_time" => D::bind(sql, Value::Int(position.start_time)),
            _ => D::bind_uuid(sql, position.run_id),
        }
        sql.push(if *tie == "run_id" { ")" } else { ", " });
    }
}

fn push_key<D: Dialect>(sql: &mut QueryBuilder<D>, key: &SortKey) {
    match &key.field {
        Field::CloseTime => {
            sql.push("close_time");
        }
        Field::Attribute { name, kind: AttributeKind::KeywordList } => D::push_list_end(sql, name, key.descending),
        Field::Attribute { name, kind } => D::push_attribute(sql, name, *kind),
        field => {
            sql.push(column::<D>(field).0);
        }
    }
}

fn is_nullable(field: &Field) -> bool {
    use Field::{
        Attribute, CloseTime, ExecutionDuration, ExecutionTime, HistoryLength, HistorySizeBytes, ParentRunId,
        ParentWorkflowId, RootRunId, RootWorkflowId, RunId, StartTime, StateTransitionCount, Status, TaskQueue,
        WorkflowId, WorkflowType,
    };
    match field {
        CloseTime | ExecutionTime | RootRunId | RootWorkflowId | RunId | StartTime | Status | TaskQueue
        | WorkflowId | WorkflowType => false,
        Attribute { .. }
        | ExecutionDuration
        | HistoryLength
        | HistorySizeBytes
        | ParentRunId
        | ParentWorkflowId
        | StateTransitionCount => true,
    }
}
