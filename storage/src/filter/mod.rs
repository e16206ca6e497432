//! Filters in the form that all stores evaluate.
//!
//! SQL's three-valued logic is kept by moving every NOT down to the tests: a test on a missing value is unknown, and neither
//! it nor its negation matches. So a condition needs only "is surely true" of its tests, and stores need no NOT above them.

mod evaluate;

pub(crate) use evaluate::matches;

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
            (Filter::Or(filters), false) | (Filter::And(filters), true) => Self::Any(list(filters)),
            (Filter::Not(filter), _) => Self::build(filter, !negated),
            (Filter::Compare { field, op, value }, _) => {
                let (test, inverse) = compare(*op, value.clone());
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
}

/// The test, and whether the operator is its opposite.
fn compare(op: CompareOp, value: Value) -> (Test, bool) {
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
