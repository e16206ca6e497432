//! Backlogs: one table.

use sqlx::{Connection, QueryBuilder, Sqlite, SqliteConnection};

use crate::{
    backlog::{BacklogId, BacklogOrder, BacklogRow},
    error::StoreError,
    sql::{rows::BacklogRecord, statements},
};

const INSERT: &str = "INSERT INTO backlogs (backlog_id, level, pass, sequence, task) ";
/// Rows of one statement: each statement is a way to the connection's thread and back.
const ROWS: usize = 100;

pub(super) async fn add(
    connection: &mut SqliteConnection,
    backlog: BacklogId,
    rows: &[BacklogRow],
) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await?;
    for rows in rows.chunks(ROWS) {
        let mut insert = QueryBuilder::<Sqlite>::new(INSERT);
        insert.push_values(rows, |mut values, row| {
            let BacklogOrder { level, pass, sequence } = row.order;
            values.push_bind(backlog).push_bind(level).push_bind(pass).push_bind(sequence);
            values.push_bind(row.task.as_slice());
        });
        insert.push(" ON CONFLICT DO NOTHING");
        insert.build().execute(&mut *transaction).await?;
    }
    Ok(transaction.commit().await?)
}

pub(super) async fn read(
    connection: &mut SqliteConnection,
    backlog: BacklogId,
    after: Option<BacklogOrder>,
    limit: usize,
) -> Result<Vec<BacklogRow>, StoreError> {
    let after = after.unwrap_or(BacklogOrder::FIRST);
    let query = sqlx::query_as(statements::READ_BACKLOG).bind(backlog).bind(after.level).bind(after.pass);
    let query = query.bind(after.sequence).bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let records: Vec<BacklogRecord> = query.fetch_all(connection).await?;
    Ok(records.into_iter().map(BacklogRow::from).collect())
}

pub(super) async fn trim(
    connection: &mut SqliteConnection,
    backlog: BacklogId,
    last: BacklogOrder,
) -> Result<(), StoreError> {
    let query =
        sqlx::query(statements::TRIM_BACKLOG).bind(backlog).bind(last.level).bind(last.pass).bind(last.sequence);
    query.execute(connection).await?;
    Ok(())
}
