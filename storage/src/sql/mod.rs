//! What PostgreSQL and SQLite have in common: texts of statements, rows, filters as SQL.

pub(crate) mod condition;
pub(crate) mod errors;
pub(crate) mod list;
pub(crate) mod rows;
pub(crate) mod statements;
