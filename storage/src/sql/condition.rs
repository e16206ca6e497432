//! Conditions as SQL. All values of clients are bound.

use sqlx::{Database, QueryBuilder};
use uuid::Uuid;

use crate::{
    filter::{Condition, Test, words},
    visibility::{AttributeKind, Field, OPEN, Value},
};

/// Where the SQL of the databases differs.
pub(crate) trait Dialect: Database {
    /// Text of a run id as clients write it.
    const RUN_ID_TEXT: &'static str;

    fn bind(sql: &mut QueryBuilder<Self>, value: Value);

    fn bind_uuid(sql: &mut QueryBuilder<Self>, id: Uuid);

    /// ` = one of the values`, after an expression. All values are of one type.
    fn push_one_of(sql: &mut QueryBuilder<Self>, values: Vec<Value>);

    /// ` starts with`, around an expression.
    fn push_starts_with(sql: &mut QueryBuilder<Self>, operand: &Operand<'_>, prefix: &str);

    /// The value of a search attribute; NULL where there is none of this type. Not for lists.
    fn push_attribute(sql: &mut QueryBuilder<Self>, name: &str, kind: AttributeKind);

    /// A search attribute has one of these values, by an index where there is one; false where it is missing.
    fn push_attribute_in(sql: &mut QueryBuilder<Self>, name: &str, kind: AttributeKind, values: &[Value]);

    fn push_list_present(sql: &mut QueryBuilder<Self>, name: &str);

    /// The text in the attribute has one of these words; NULL or false where it is missing.
    fn push_has_word(sql: &mut QueryBuilder<Self>, name: &str, words: Vec<String>);
}

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
enum Type {
    Text,
    Number,
    Bool,
}

pub(crate) fn push_condition<D: Dialect>(sql: &mut QueryBuilder<D>, condition: &Condition) {
    match condition {
        Condition::All(conditions) => push_joined(sql, conditions, " AND ", "TRUE"),
        Condition::Any(conditions) => push_joined(sql, conditions, " OR ", "FALSE"),
        Condition::Test { field: Field::Attribute { name, kind }, test, negated } => {
            push_attribute_test(sql, name, *kind, test, *negated);
        }
        Condition::Test { field: Field::RunId, test, negated } => push_run_id_test(sql, test, *negated),
        Condition::Test { field, test, negated } => {
            let (column, column_type) = column::<D>(field);
            let selects_status = *field == Field::Status && !negated;
            match test {
                Test::Equals(Value::Int(status)) if selects_status => push_status(sql, *status),
                _ => push_test(sql, &Operand::Column(column), column_type, test, *negated),
            }
        }
        Condition::IsNull(field) => push_presence(sql, field, false),
        Condition::IsNotNull(field) => push_presence(sql, field, true),
    }
}

/// As a balanced tree: SQLite refuses expressions deeper than 1,000.
fn push_joined<D: Dialect>(sql: &mut QueryBuilder<D>, conditions: &[Condition], operator: &str, empty: &str) {
    match conditions {
        [] => {
            sql.push(empty);
        }
        [condition] => push_condition(sql, condition),
        _ => {
            let (left, right) = conditions.split_at(conditions.len() / 2);
            sql.push("(");
            push_joined(sql, left, operator, empty);
            sql.push(operator);
            push_joined(sql, right, operator, empty);
            sql.push(")");
        }
    }
}

/// NULL where the field has no value.
fn column<D: Dialect>(field: &Field) -> (&'static str, Type) {
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
        Field::RootWorkflowId => ("root_workflow_id", Type::Text),
        Field::RootRunId => ("root_run_id", Type::Text),
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

/// The status says whether a run is open, and the index of the default order starts with that.
fn push_status<D: Dialect>(sql: &mut QueryBuilder<D>, status: i64) {
    /// `WorkflowExecutionStatus` of open runs: Running, Paused. All others are closed.
    const OPEN_STATUSES: [i64; 2] = [1, 8];
    sql.push("(status = ");
    D::bind(sql, Value::Int(status));
    sql.push(if OPEN_STATUSES.contains(&status) { " AND close_time = " } else { " AND close_time < " });
    D::bind(sql, Value::Int(OPEN));
    sql.push(")");
}

/// Compares ids as ids where that is possible, for the index.
fn push_run_id_test<D: Dialect>(sql: &mut QueryBuilder<D>, test: &Test, negated: bool) {
    let id = match test {
        Test::Equals(Value::Text(text)) => Uuid::try_parse(text).ok().filter(|id| id.to_string() == *text),
        _ => None,
    };
    match id {
        Some(id) => {
            sql.push(if negated { "run_id <> " } else { "run_id = " });
            D::bind_uuid(sql, id);
        }
        None => push_test(sql, &Operand::Column(D::RUN_ID_TEXT), Type::Text, test, negated),
    }
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
            D::push_list_present(sql, name);
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

fn push_presence<D: Dialect>(sql: &mut QueryBuilder<D>, field: &Field, present: bool) {
    match field {
        Field::Attribute { name, kind: AttributeKind::KeywordList } => {
            sql.push(if present { "" } else { "NOT " });
            D::push_list_present(sql, name);
        }
        Field::Attribute { name, kind } => {
            D::push_attribute(sql, name, *kind);
            sql.push(if present { " IS NOT NULL" } else { " IS NULL" });
        }
        _ => {
            sql.push(column::<D>(field).0);
            sql.push(if present { " IS NOT NULL" } else { " IS NULL" });
        }
    }
}

/// A test of a scalar: NULL, which does not match, where there is no value.
fn push_test<D: Dialect>(
    sql: &mut QueryBuilder<D>,
    operand: &Operand<'_>,
    operand_type: Type,
    test: &Test,
    negated: bool,
) {
    let fits = |value: &Value| fits(value, operand_type);
    sql.push(if negated { "NOT (" } else { "(" });
    match test {
        Test::Equals(value) if fits(value) => push_comparison(sql, operand, " = ", value),
        Test::Less(value) if fits(value) => push_comparison(sql, operand, " < ", value),
        Test::LessOrEqual(value) if fits(value) => push_comparison(sql, operand, " <= ", value),
        Test::Between(low, high) if fits(low) && fits(high) => {
            push_comparison(sql, operand, " BETWEEN ", low);
            sql.push(" AND ");
            D::bind(sql, high.clone());
        }
        Test::In(values) if values.iter().any(fits) => {
            operand.push(sql);
            D::push_one_of(sql, values.iter().filter(|value| fits(value)).cloned().collect());
        }
        Test::StartsWith(prefix) if operand_type == Type::Text => D::push_starts_with(sql, operand, prefix),
        _ => {
            sql.push("NULL");
        }
    }
    sql.push(")");
}

fn push_comparison<D: Dialect>(sql: &mut QueryBuilder<D>, operand: &Operand<'_>, operator: &str, value: &Value) {
    operand.push(sql);
    sql.push(operator);
    D::bind(sql, value.clone());
}
