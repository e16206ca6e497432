//! Conditions evaluated on a row: the memory store's query planner, and the yardstick for the SQL of the others.

use std::cmp::Ordering;

use serde_json::Value as Json;

use super::{Condition, Test, words};
use crate::visibility::{AttributeKind, Field, Value, VisibilityRow};

pub(crate) fn matches(condition: &Condition, row: &VisibilityRow) -> bool {
    match condition {
        Condition::All(conditions) => conditions.iter().all(|condition| matches(condition, row)),
        Condition::Any(conditions) => conditions.iter().any(|condition| matches(condition, row)),
        Condition::Test { field, test, negated } => {
            stored(field, row).is_some_and(|stored| stored.passes(test) == Some(!negated))
        }
        Condition::IsNull(field) => stored(field, row).is_none(),
        Condition::IsNotNull(field) => stored(field, row).is_some(),
    }
}

/// The value of a field in a row.
pub(super) enum Stored {
    One(Value),
    List(Vec<String>),
    Words(Vec<String>),
}

impl Stored {
    /// None where the test says nothing about a value of this type: neither it nor its opposite matches.
    fn passes(&self, test: &Test) -> Option<bool> {
        match test {
            Test::Equals(value) => self.equals(value),
            Test::In(values) => values.iter().filter_map(|value| self.equals(value)).reduce(|one, other| one || other),
            Test::Less(value) => self.order(value).map(Ordering::is_lt),
            Test::LessOrEqual(value) => self.order(value).map(Ordering::is_le),
            Test::Between(low, high) => {
                let (low, high) = (self.order(low)?, self.order(high)?);
                Some(low.is_ge() && high.is_le())
            }
            Test::StartsWith(prefix) => match self {
                Self::One(Value::Text(text)) => Some(text.starts_with(prefix)),
                _ => None,
            },
        }
    }

    fn equals(&self, value: &Value) -> Option<bool> {
        match (self, value) {
            (Self::Words(stored), Value::Text(asked)) => Some(words(asked).iter().any(|word| stored.contains(word))),
            (Self::List(stored), Value::Text(asked)) => Some(stored.contains(asked)),
            _ => self.order(value).map(Ordering::is_eq),
        }
    }

    fn order(&self, value: &Value) -> Option<Ordering> {
        match self {
            Self::One(stored) => order(stored, value),
            Self::List(_) | Self::Words(_) => None,
        }
    }
}

/// None where the types have no order.
pub(super) fn order(stored: &Value, asked: &Value) -> Option<Ordering> {
    match (stored, asked) {
        (Value::Int(stored), Value::Int(asked)) => Some(stored.cmp(asked)),
        (Value::Double(stored), Value::Double(asked)) => stored.partial_cmp(asked),
        (Value::Double(stored), Value::Int(asked)) => stored.partial_cmp(&(*asked as f64)),
        (Value::Int(stored), Value::Double(asked)) => (*stored as f64).partial_cmp(asked),
        (Value::Bool(stored), Value::Bool(asked)) => Some(stored.cmp(asked)),
        (Value::Text(stored), Value::Text(asked)) => Some(stored.cmp(asked)),
        _ => None,
    }
}

pub(super) fn stored(field: &Field, row: &VisibilityRow) -> Option<Stored> {
    let text = |text: &str| Some(Value::Text(text.to_owned()));
    let optional_text = |text: &Option<String>| text.clone().map(Value::Text);
    let value = match field {
        Field::WorkflowId => text(&row.workflow_id),
        Field::RunId => text(&row.run_id.to_string()),
        Field::WorkflowType => text(&row.workflow_type),
        Field::TaskQueue => text(&row.task_queue),
        Field::Status => Some(Value::Int(row.status.into())),
        Field::StartTime => Some(Value::Int(row.start_time)),
        Field::ExecutionTime => Some(Value::Int(row.execution_time)),
        Field::CloseTime => row.close_time.map(Value::Int),
        Field::ExecutionDuration => row.close_time.map(|close_time| Value::Int(close_time - row.execution_time)),
        Field::HistoryLength => row.history_length.map(Value::Int),
        Field::HistorySizeBytes => row.history_size_bytes.map(Value::Int),
        Field::StateTransitionCount => row.state_transition_count.map(Value::Int),
        Field::ParentWorkflowId => optional_text(&row.parent_workflow_id),
        Field::ParentRunId => optional_text(&row.parent_run_id),
        Field::RootWorkflowId => text(&row.root_workflow_id),
        Field::RootRunId => text(&row.root_run_id),
        Field::Attribute { name, kind } => return attribute(row.search_values.get(name)?, *kind),
    };
    value.map(Stored::One)
}

/// A stored value of another type than the attribute has now counts as missing.
pub(super) fn attribute(json: &Json, kind: AttributeKind) -> Option<Stored> {
    match (kind, json) {
        (AttributeKind::Text, Json::String(text)) => Some(Stored::Words(words(text))),
        (AttributeKind::KeywordList, Json::String(text)) => Some(Stored::List(vec![text.clone()])),
        (AttributeKind::KeywordList, Json::Array(list)) => {
            Some(Stored::List(list.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()))
        }
        (AttributeKind::Keyword, Json::String(text)) => Some(Stored::One(Value::Text(text.clone()))),
        (AttributeKind::Bool, Json::Bool(value)) => Some(Stored::One(Value::Bool(*value))),
        (AttributeKind::Int | AttributeKind::Datetime | AttributeKind::Double, Json::Number(number)) => {
            let value = number.as_i64().map(Value::Int).or_else(|| number.as_f64().map(Value::Double));
            value.map(Stored::One)
        }
        _ => None,
    }
}
