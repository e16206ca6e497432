//! Which of a filter's terms is to be answered first. SQLite chooses an index without knowing how many rows a value has: it would
//! collect and sort a million of them for a page of twenty, or look at a million for three.

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::dialect::json_list;
use crate::{
    error::StoreError,
    filter::{Condition, Test},
    sql::{
        condition::push_scope,
        dialect::{Dialect, Scope},
        ids::after_prefix,
    },
    visibility::{AttributeKind, Field, ListQuery, Value},
};

/// As many rows are sooner looked up than a page is found among all.
const FEW: i64 = 1_000;

/// Search attributes that have no rows in `visibility_values`.
const NOT_KEPT: [&str; 2] = ["BuildIds", "BinaryChecksums"];

/// A term that all rows of a list pass.
pub(crate) enum Narrow {
    /// The search attribute is or has one of the values; perhaps also rows where a value is of another type.
    Attribute {
        name: String,
        values: Vec<Value>,
    },
    Prefix(String),
}

impl Narrow {
    /// The first term that few rows pass.
    pub(super) async fn few(connection: &mut SqliteConnection, query: &ListQuery) -> Result<Option<Self>, StoreError> {
        let scope = Scope { namespace_id: query.namespace_id, archetype: query.archetype, is_bounded: false };
        for term in Self::of(query) {
            let mut sql = QueryBuilder::new("SELECT count(*) FROM (SELECT 1");
            term.push_rows(&mut sql, scope);
            sql.push(" LIMIT ").push_bind(FEW + 1).push(")");
            let (count,): (i64,) = sql.build_query_as().persistent(false).fetch_one(&mut *connection).await?;
            if count <= FEW {
                return Ok(Some(term));
            }
        }
        Ok(None)
    }

    /// For what has to look at all rows anyway: else a term by which not each row's attributes have to be read.
    pub(super) async fn to_count(
        connection: &mut SqliteConnection,
        query: &ListQuery,
    ) -> Result<Option<Self>, StoreError> {
        let few = Self::few(connection, query).await?;
        let any = || Self::of(query).into_iter().find(|term| matches!(term, Self::Attribute { .. }));
        Ok(few.or_else(any))
    }

    fn of(query: &ListQuery) -> Vec<Self> {
        let mut terms = Vec::new();
        if let Some(filter) = &query.filter {
            collect(&Condition::new(filter), &mut terms);
        }
        terms
    }

    /// ` FROM … WHERE …`: the rows that pass, by an index.
    pub(super) fn push_rows(&self, sql: &mut QueryBuilder<Sqlite>, scope: Scope) {
        match self {
            Self::Attribute { name, values } => {
                sql.push(" FROM visibility_values WHERE namespace_id = ");
                Sqlite::bind_uuid(sql, scope.namespace_id);
                sql.push(" AND name = ").push_bind(name.clone());
                sql.push(" AND value IN (SELECT value FROM json_each(").push_bind(json_list(values)).push("))");
            }
            Self::Prefix(prefix) => {
                sql.push(" FROM visibility INDEXED BY visibility_workflow_id WHERE ");
                push_scope(sql, scope);
                sql.push(" AND workflow_id >= ").push_bind(prefix.clone());
                if let Some(end) = after_prefix(prefix) {
                    sql.push(" AND workflow_id < ").push_bind(end);
                }
            }
        }
    }
}

fn collect(condition: &Condition, terms: &mut Vec<Narrow>) {
    match condition {
        Condition::All(conditions) => conditions.iter().for_each(|condition| collect(condition, terms)),
        Condition::Test { field: Field::WorkflowId, test: Test::StartsWith(prefix), negated: false } => {
            terms.push(Narrow::Prefix(prefix.clone()));
        }
        Condition::Test { field: Field::Attribute { name, kind }, test, negated: false }
            if *kind != AttributeKind::Text && !NOT_KEPT.contains(&name.as_str()) =>
        {
            let values = match test {
                Test::Equals(value) => vec![value.clone()],
                Test::In(values) => values.clone(),
                _ => return,
            };
            terms.push(Narrow::Attribute { name: name.clone(), values });
        }
        _ => {}
    }
}
