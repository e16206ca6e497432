//! What PostgreSQL and SQLite have in common: texts of statements, rows, filters as SQL.

pub(crate) mod condition;
pub(crate) mod dialect;
pub(crate) mod errors;
pub(crate) mod ids;
pub(crate) mod list;
mod order;
mod parts;
pub(crate) mod rows;
pub(crate) mod statements;
