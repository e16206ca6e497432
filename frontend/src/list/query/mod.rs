//! Temporal's list filters: text -> tokens -> expression -> checked [`Filter`].
//!
//! The texts of errors are Temporal's (server 1.32.1), because people search for them.

mod check;
mod lexer;
mod parser;
mod values;

pub(super) use values::status_name;

use perdure_storage::visibility::Filter;
use tonic::Status;

use crate::{namespaces::AuthorizedNamespace, status};

/// Longest filter, in bytes.
const LENGTH_MAX: usize = 64 * 1024;

/// A checked filter and what is asked of the rows that pass it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Query {
    pub(super) filter: Filter,
    /// GROUP BY ExecutionStatus, the only field that can be grouped by.
    pub(super) group_by_status: bool,
}

/// Why a filter was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("invalid query: {0}")]
struct QueryError(String);

impl QueryError {
    fn malformed(what: impl std::fmt::Display) -> Self {
        Self(format!("malformed SQL query: {what}"))
    }

    fn not_supported(what: impl std::fmt::Display) -> Self {
        Self(format!("operation is not supported: {what}"))
    }

    fn invalid(what: impl std::fmt::Display) -> Self {
        Self(format!("invalid expression: {what}"))
    }
}

/// Reads the filter of a request; INVALID_ARGUMENT says what is wrong with it.
pub(super) fn read(text: &str, namespace: &AuthorizedNamespace) -> Result<Query, Status> {
    if text.len() > LENGTH_MAX {
        return Err(status::invalid(format!("invalid query: longer than {LENGTH_MAX} bytes")));
    }
    let checked = parser::parse(text).and_then(|query| check::check(query, namespace));
    checked.map_err(|error| status::invalid(error.to_string()))
}

#[cfg(test)]
mod tests;
