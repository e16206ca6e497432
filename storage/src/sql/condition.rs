//! Conditions as SQL. All values of clients are bound.

use perdure_engine::Archetype;
use sqlx::QueryBuilder;

use super::{
    dialect::{Dialect, Scope},
    ids,
};
use crate::{
    filter::{Condition, Test, words},
    visibility::{AttributeKind, DIVISION, Field, Value},
};

/// The left side of a test.
pub(crate) enum Operand<'a> {
    Column(&'static str),
    Attribute(&'a str, AttributeKind),
}

impl Operand<'_> {
    pub(crate) fn push<D: Dialect>(&self, sql: &mut QueryBuilder<D>) {
        match self {
            Self::Column(column) => {
                sql.push(column);
            }
            Self::Attribute(name, kind) => D::push_attribute(sql, name, *kind),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Text,
    Number,
    Bool,
}

pub(crate) fn push_condition<D: Dialect>(sql: &mut QueryBuilder<D>, condition: &Condition, scope: Scope) {
    match condition {
        Condition::All(conditions) => push_joined(sql, conditions, scope, " AND ", "TRUE"),
        Condition::Any(conditions) => push_joined(sql, conditions, scope, " OR ", "FALSE"),
        Condition::Test { field: Field::Attribute { name, kind }, test, negated } => {
            push_attribute_test(sql, name, *kind, test, *negated);
        }
        Condition::Test { field, test, negated } => push_column_test(sql, field, test, *negated, scope),
        Condition::IsNull(field) => push_presence(sql, field, false, scope),
        Condition::IsNotNull(field) => push_presence(sql, field, true, scope),
    }
}

/// `namespace_id = … AND archetype = …`
pub(crate) fn push_scope<D: Dialect>(sql: &mut QueryBuilder<D>, scope: Scope) {
    sql.push("namespace_id = ");
    D::bind_uuid(sql, scope.namespace_id);
    // A number in the text: partial indexes are by it.
    sql.push(format_args!(" AND archetype = {}", scope.archetype.number()));
    if scope.archetype != Archetype::Workflow {
        sql.push(" AND archetype <> 0");
    }
}

/// As a balanced tree: SQLite refuses expressions deeper than 1,000.
fn push_joined<D: Dialect>(
    sql: &mut QueryBuilder<D>,
    conditions: &[Condition],
    scope: Scope,
    operator: &str,
    empty: &str,
) {
    match conditions {
        [] => {
            sql.push(empty);
        }
        [condition] => push_condition(sql, condition, scope),
        _ => {
            let (left, right) = conditions.split_at(conditions.len() / 2);
            sql.push("(");
            push_joined(sql, left, scope, operator, empty);
            sql.push(operator);
            push_joined(sql, right, scope, operator, empty);
            sql.push(")");
        }
    }
}

/// NULL where the field has no value.
pub(super) fn column<D: Dialect>(field: &Field) -> (&'static str, Type) {
    match field {
        Field::WorkflowId => ("workflow_id", Type::Text),
        Field::RunId => (D::RUN_ID_TEXT, Type::Text),
        Field::WorkflowType => ("workflow_type", Type::Text),
        Field::TaskQueue => ("task_queue", Type::Text),
        Field::Status => ("status", Type::Number),
        Field::StartTime => ("start_time", Type::Number),
        Field::ExecutionTime => ("execution_time", Type::Number),
        Field::CloseTime => ("NULLIF(close_time, 9223372036854775807)", Type::Number),
        Field::ExecutionDuration => ("(NULLIF(close_time, 9223372036854775807) - execution_time)", Type::Number),
        Field::HistoryLength => ("history_length", Type::Number),
        Field::HistorySizeBytes => ("history_size_bytes", Type::Number),
        Field::StateTransitionCount => ("state_transition_count", Type::Number),
        Field::ParentWorkflowId => ("parent_workflow_id", Type::Text),
        Field::ParentRunId => ("parent_run_id", Type::Text),
        Field::RootWorkflowId => ("coalesce(root_workflow_id, workflow_id)", Type::Text),
        Field::RootRunId => (D::ROOT_RUN_ID, Type::Text),
        Field::Attribute { kind, .. } => ("NULL", type_of(*kind)),
    }
}

fn type_of(kind: AttributeKind) -> Type {
    match kind {
        AttributeKind::Text | AttributeKind::Keyword | AttributeKind::KeywordList => Type::Text,
        AttributeKind::Int | AttributeKind::Double | AttributeKind::Datetime => Type::Number,
        AttributeKind::Bool => Type::Bool,
    }
}

/// Values of another type are not in any order with the column's: such a test matches nothing, negated or not.
fn fits(value: &Value, column_type: Type) -> bool {
    match value {
        Value::Int(_) => column_type == Type::Number,
        Value::Double(value) => column_type == Type::Number && !value.is_nan(),
        Value::Bool(_) => column_type == Type::Bool,
        Value::Text(_) => column_type == Type::Text,
    }
}

/// Many tests say more than they ask, and have an index with that.
fn push_column_test<D: Dialect>(sql: &mut QueryBuilder<D>, field: &Field, test: &Test, negated: bool, scope: Scope) {
    let (text, column_type) = column::<D>(field);
    let plain = Operand::Column(text);
    match field {
        Field::RunId => ids::push_run_id_test(sql, test, negated),
        Field::CloseTime => {
            let scope = Scope { is_bounded: scope.is_bounded || bounds_above(test, negated), ..scope };
            sql.push("(").push(scope.no_index::<D>()).push("close_time < 9223372036854775807 AND ");
            push_test(sql, &Operand::Column("close_time"), column_type, test, negated);
            sql.push(")");
        }
        Field::Status if !negated => push_status_test(sql, test, scope),
        Field::StartTime => {
            sql.push("(");
            push_test(sql, &plain, column_type, test, negated);
            // A run does not close before it starts.
            if let Some(earliest) = earliest(test, negated) {
                sql.push(" AND close_time >= ");
                D::bind(sql, Value::Int(earliest));
            }
            sql.push(")");
        }
        Field::RootWorkflowId if !negated && matches!(test, Test::Equals(Value::Text(_)) | Test::In(_)) => {
            // Only children have a root that is not themselves. SQLite looks for an index for each side by itself.
            sql.push("((");
            push_scope(sql, scope);
            sql.push(" AND ");
            push_test(sql, &Operand::Column("root_workflow_id"), column_type, test, false);
            sql.push(") OR (");
            push_scope(sql, scope);
            sql.push(" AND root_workflow_id IS NULL AND ");
            push_test(sql, &Operand::Column("workflow_id"), column_type, test, false);
            sql.push("))");
        }
        _ => push_test(sql, &plain, column_type, test, negated),
    }
}

/// The time before which no value passes.
fn earliest(test: &Test, negated: bool) -> Option<i64> {
    match (test, negated) {
        (Test::Equals(Value::Int(time)) | Test::Between(Value::Int(time), _), false)
        | (Test::Less(Value::Int(time)) | Test::LessOrEqual(Value::Int(time)), true) => Some(*time),
        _ => None,
    }
}

/// Whether some time is greater than all that pass.
fn bounds_above(test: &Test, negated: bool) -> bool {
    match test {
        Test::Equals(_) | Test::In(_) | Test::Less(_) | Test::LessOrEqual(_) | Test::Between(..) => !negated,
        Test::StartsWith(_) => false,
    }
}

/// The status says whether a run is open, with which the index of the default order starts; and all but the most usual ones are
/// in an index of their own.
fn push_status_test<D: Dialect>(sql: &mut QueryBuilder<D>, test: &Test, scope: Scope) {
    /// `WorkflowExecutionStatus` of open runs: Running, Paused. All others are closed.
    const OPEN_STATUSES: [i64; 2] = [1, 8];
    let asked = match test {
        Test::Equals(value) => std::slice::from_ref(value),
        Test::In(values) => values,
        _ => &[],
    };
    let statuses: Vec<i64> =
        asked.iter().filter_map(|value| if let Value::Int(status) = value { Some(*status) } else { None }).collect();
    let is_open = |status: &i64| OPEN_STATUSES.contains(status);
    sql.push("(");
    push_test(sql, &Operand::Column("status"), Type::Number, test, false);
    if let (Some(least), Some(greatest), true) =
        (statuses.iter().min(), statuses.iter().max(), statuses.len() == asked.len())
    {
        if statuses.iter().all(is_open) {
            sql.push(" AND close_time = 9223372036854775807");
        } else if !statuses.iter().any(is_open) {
            sql.push(" AND ").push(scope.no_index::<D>()).push("close_time < 9223372036854775807");
        }
        if *least > 2 {
            sql.push(" AND status > 2");
        }
        // An index in the order of the list can look at bounds, but not at a set.
        if least < greatest {
            sql.push(format_args!(" AND status >= {least} AND status <= {greatest}"));
        }
    }
    sql.push(")");
}

fn push_attribute_test<D: Dialect>(
    sql: &mut QueryBuilder<D>,
    name: &str,
    kind: AttributeKind,
    test: &Test,
    negated: bool,
) {
    let fitting = |values: &[Value]| values.iter().filter(|value| fits(value, type_of(kind))).cloned().collect();
    let equal_to: Option<Vec<Value>> = match test {
        Test::Equals(value) => Some(fitting(std::slice::from_ref(value))),
        Test::In(values) => Some(fitting(values)),
        _ => None,
    };
    match (kind, equal_to.as_deref()) {
        (_, Some([])) => {
            sql.push("FALSE");
        }
        (AttributeKind::Text, Some(values)) => {
            let texts = values.iter().filter_map(|value| if let Value::Text(text) = value { Some(text) } else { None });
            sql.push("(");
            if negated {
                D::push_attribute(sql, name, kind);
                sql.push(" IS NOT NULL AND NOT ");
            }
            D::push_has_word(sql, name, texts.flat_map(|text| words(text)).collect());
            sql.push(")");
        }
        (AttributeKind::KeywordList, Some(values)) if negated => {
            sql.push("(");
            D::push_presence(sql, name, kind, true);
            sql.push(" AND NOT ");
            D::push_attribute_in(sql, name, kind, values);
            sql.push(")");
        }
        (_, Some(values)) if !negated => D::push_attribute_in(sql, name, kind, values),
        (AttributeKind::Text | AttributeKind::KeywordList, _) => {
            sql.push("FALSE");
        }
        _ => push_test(sql, &Operand::Attribute(name, kind), type_of(kind), test, negated),
    }
}

fn push_presence<D: Dialect>(sql: &mut QueryBuilder<D>, field: &Field, present: bool, scope: Scope) {
    match field {
        Field::Attribute { name, kind: AttributeKind::Keyword } if name == DIVISION => {
            sql.push(if present { D::DIVIDED } else { D::UNDIVIDED });
        }
        Field::Attribute { name, kind } => D::push_presence(sql, name, *kind, present),
        Field::CloseTime => {
            sql.push(if present { scope.no_index::<D>() } else { "" });
            sql.push(if present { "close_time < 9223372036854775807" } else { "close_time = 9223372036854775807" });
        }
        _ => {
            sql.push(column::<D>(field).0);
            sql.push(if present { " IS NOT NULL" } else { " IS NULL" });
        }
    }
}

/// A test of a scalar: NULL, which does not match, where there is no value.
pub(super) fn push_test<D: Dialect>(
    sql: &mut QueryBuilder<D>,
    operand: &Operand<'_>,
    operand_type: Type,
    test: &Test,
    negated: bool,
) {
    let fits = |value: &Value| fits(value, operand_type);
    // Comparisons have opposites, which indexes know; NOT they do not.
    let operator = match (test, negated) {
        (Test::Equals(_), false) => " = ",
        (Test::Equals(_), true) => " <> ",
        (Test::Less(_), false) => " < ",
        (Test::Less(_), true) => " >= ",
        (Test::LessOrEqual(_), false) => " <= ",
        (Test::LessOrEqual(_), true) => " > ",
        _ => "",
    };
    sql.push(if negated && operator.is_empty() { "NOT (" } else { "(" });
    match test {
        Test::Equals(value) | Test::Less(value) | Test::LessOrEqual(value) if fits(value) => {
            push_comparison(sql, operand, operator, value);
        }
        Test::Between(low, high) if fits(low) && fits(high) => {
            push_comparison(sql, operand, " BETWEEN ", low);
            sql.push(" AND ");
            D::bind(sql, high.clone());
        }
        Test::In(values) if values.iter().any(fits) => {
            operand.push(sql);
            D::push_one_of(sql, values.iter().filter(|value| fits(value)).cloned().collect());
        }
        Test::StartsWith(prefix) if operand_type == Type::Text => push_starts_with(sql, operand, prefix),
        _ => {
            sql.push("NULL");
        }
    }
    sql.push(")");
}

/// Of a column as a range, which an index can answer where the database knows whether that is worth it.
fn push_starts_with<D: Dialect>(sql: &mut QueryBuilder<D>, operand: &Operand<'_>, prefix: &str) {
    if let Operand::Attribute(name, _) = operand {
        return D::push_attribute_starts_with(sql, name, prefix);
    }
    sql.push(D::NO_INDEX);
    push_comparison(sql, operand, " >= ", &Value::Text(prefix.to_owned()));
    if let Some(end) = ids::after_prefix(prefix) {
        sql.push(" AND ").push(D::NO_INDEX);
        push_comparison(sql, operand, " < ", &Value::Text(end));
    }
}

fn push_comparison<D: Dialect>(sql: &mut QueryBuilder<D>, operand: &Operand<'_>, operator: &str, value: &Value) {
    operand.push(sql);
    sql.push(operator);
    D::bind(sql, value.clone());
}
