//! Filters in the form that all stores evaluate.
//!
//! SQL's three-valued logic is kept by moving every NOT down to the tests: a test on a missing value is unknown, and neither
//! it nor its negation matches. So a condition needs only "is surely true" of its tests, and stores need no NOT above them.

mod evaluate;
mod sort;

pub(crate) use evaluate::matches;
pub(crate) use sort::{compare, sort_value};

use crate::visibility::{CompareOp, Field, Filter, Value};

/// A filter without NOT.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Test { field: Field, test: Test, negated: bool },
    IsNull(Field),
    IsNotNull(Field),
}

/// A test of a value that is there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    /// KeywordList: contains. Text: has one of the words.
    Equals(Value),
    Less(Value),
    LessOrEqual(Value),
    Between(Value, Value),
    In(Vec<Value>),
    StartsWith(String),
}

impl Condition {
    pub(crate) fn new(filter: &Filter) -> Self {
        Self::build(filter, false)
    }

    fn build(filter: &Filter, negated: bool) -> Self {
        let list = |filters: &[Filter]| filters.iter().map(|filter| Self::build(filter, negated)).collect();
        match (filter, negated) {
            (Filter::And(filters), false) | (Filter::Or(filters), true) => Self::All(list(filters)),
            (Filter::Or(filters), false) | (Filter::And(filters), true) => Self::any(list(filters)),
            (Filter::Not(filter), _) => Self::build(filter, !negated),
            (Filter::Compare { field, op, value }, _) => {
                let (test, inverse) = comparison(*op, value.clone());
                Self::Test { field: field.clone(), test, negated: negated != inverse }
            }
            (Filter::Between { field, low, high }, _) => {
                Self::Test { field: field.clone(), test: Test::Between(low.clone(), high.clone()), negated }
            }
            (Filter::In { field, values }, _) => {
                Self::Test { field: field.clone(), test: Test::In(values.clone()), negated }
            }
            (Filter::StartsWith { field, prefix }, _) => {
                Self::Test { field: field.clone(), test: Test::StartsWith(prefix.clone()), negated }
            }
            (Filter::IsNull(field), false) => Self::IsNull(field.clone()),
            (Filter::IsNull(field), true) => Self::IsNotNull(field.clone()),
        }
    }

    /// `a = 1 OR a = 2` as `a IN (1, 2)`: one test can go by an index in the order of a list, two cannot.
    fn any(conditions: Vec<Self>) -> Self {
        let mut merged: Vec<Self> = Vec::new();
        for condition in conditions {
            let joined = match (equal_to(&condition), merged.last().and_then(equal_to)) {
                (Some((field, values)), Some((last, before))) if field == last => {
                    let test = Test::In(before.iter().chain(values).cloned().collect());
                    Some(Self::Test { field: field.clone(), test, negated: false })
                }
                _ => None,
            };
            if joined.is_some() {
                merged.pop();
            }
            merged.push(joined.unwrap_or(condition));
        }
        match <[Self; 1]>::try_from(merged) {
            Ok([only]) => only,
            Err(conditions) => Self::Any(conditions),
        }
    }
}

/// The values of a test that asks whether a field has one of them.
fn equal_to(condition: &Condition) -> Option<(&Field, &[Value])> {
    match condition {
        Condition::Test { field, test: Test::Equals(value), negated: false } => {
            Some((field, std::slice::from_ref(value)))
        }
        Condition::Test { field, test: Test::In(values), negated: false } => Some((field, values)),
        _ => None,
    }
}

/// The test, and whether the operator is its opposite.
fn comparison(op: CompareOp, value: Value) -> (Test, bool) {
    match op {
        CompareOp::Eq => (Test::Equals(value), false),
        CompareOp::Ne => (Test::Equals(value), true),
        CompareOp::Lt => (Test::Less(value), false),
        CompareOp::Ge => (Test::Less(value), true),
        CompareOp::Le => (Test::LessOrEqual(value), false),
        CompareOp::Gt => (Test::LessOrEqual(value), true),
    }
}

/// Letters that separate the words of a text.
pub(crate) const WORD_SEPARATORS: [char; 4] = [' ', '\t', '\n', '\r'];

/// The words of a text as they are compared. Only ASCII letters lose their case: all stores can do that alike.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.split(WORD_SEPARATORS).filter(|word| !word.is_empty()).map(str::to_ascii_lowercase).collect()
}
