//! Temporal's list filters: text -> tokens -> expression -> checked [`Filter`].
//!
//! The texts of errors are Temporal's (server 1.32.1), because people search for them.

mod check;
mod lexer;
mod operands;
pub(crate) mod parser;
pub(crate) mod tree;
mod values;

pub(super) use values::status_name;

use parser::ParseError;
use perdure_engine::{Archetype, Nanos};
use perdure_storage::visibility::{Filter, GroupBy, SortKey, Value};
use tonic::Status;

use crate::{namespaces::AuthorizedNamespace, status};

/// Longest filter, in bytes.
pub(crate) const LENGTH_MAX: usize = 64 * 1024;

/// A checked filter and what is asked of the rows that pass it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Query {
    pub(super) filter: Filter,
    /// Only counts look at it.
    pub(super) group_by: Option<GroupBy>,
    /// Only lists look at it; empty: the default order.
    pub(super) order: Vec<SortKey>,
}

/// Why a filter was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("invalid query: {0}")]
struct QueryError(String);

impl QueryError {
    fn not_supported(what: impl std::fmt::Display) -> Self {
        Self(format!("operation is not supported: {what}"))
    }

    fn invalid(what: impl std::fmt::Display) -> Self {
        Self(format!("invalid expression: {what}"))
    }
}

impl From<ParseError> for QueryError {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::Syntax(_) => Self(format!("malformed SQL query: {error}")),
            ParseError::TooDeep => Self::not_supported(error),
        }
    }
}

/// Reads the filter of a list of runs of a kind, some of whose attributes have other names than those of workflows. Relative times
/// count from `now`. INVALID_ARGUMENT says what is wrong.
pub(super) fn read(
    archetype: Archetype,
    text: &str,
    namespace: &AuthorizedNamespace,
    now: Nanos,
) -> Result<Query, Status> {
    if text.len() > LENGTH_MAX {
        return Err(status::invalid(format!("invalid query: longer than {LENGTH_MAX} bytes")));
    }
    let parsed = parser::parse(text).map_err(QueryError::from);
    let checked = parsed.and_then(|query| check::check(query, namespace, archetype, now));
    let checked = checked.map_err(|error| status::invalid(error.to_string()))?;
    if holds_nul(&checked.filter) {
        return Err(status::invalid("invalid query: a value must not contain a NUL byte"));
    }
    Ok(checked)
}

/// PostgreSQL cannot even be asked for such a text, and no row has one.
fn holds_nul(filter: &Filter) -> bool {
    let in_value = |value: &Value| matches!(value, Value::Text(text) if text.contains('\0'));
    match filter {
        Filter::And(terms) | Filter::Or(terms) => terms.iter().any(holds_nul),
        Filter::Not(term) => holds_nul(term),
        Filter::Compare { value, .. } => in_value(value),
        Filter::Between { low, high, .. } => in_value(low) || in_value(high),
        Filter::In { values, .. } => values.iter().any(in_value),
        Filter::StartsWith { prefix, .. } => prefix.contains('\0'),
        Filter::IsNull(_) => false,
    }
}

#[cfg(test)]
mod tests;
