//! Backlogs: one table, which the database does not log.

use super::connections::Connections;
use crate::{
    backlog::{BacklogId, BacklogOrder, BacklogRow},
    error::StoreError,
    sql::{rows::BacklogRecord, statements},
};

const INSERT: &str = "INSERT INTO backlogs (backlog_id, level, pass, sequence, task)
     SELECT $1, * FROM unnest($2::smallint[], $3::bigint[], $4::bigint[], $5::bytea[]) ON CONFLICT DO NOTHING";

pub(super) async fn add(connections: &Connections, backlog: BacklogId, rows: &[BacklogRow]) -> Result<(), StoreError> {
    let column = |of: fn(&BacklogRow) -> i64| rows.iter().map(of).collect::<Vec<_>>();
    let levels: Vec<i16> = rows.iter().map(|row| row.order.level).collect();
    let tasks: Vec<&[u8]> = rows.iter().map(|row| row.task.as_slice()).collect();
    let query = sqlx::query(INSERT).bind(backlog).bind(levels);
    let query = query.bind(column(|row| row.order.pass)).bind(column(|row| row.order.sequence)).bind(tasks);
    connections.execute(query).await?;
    Ok(())
}

pub(super) async fn read(
    connections: &Connections,
    backlog: BacklogId,
    after: Option<BacklogOrder>,
    limit: usize,
) -> Result<Vec<BacklogRow>, StoreError> {
    let after = after.unwrap_or(BacklogOrder::FIRST);
    let query = sqlx::query_as(statements::READ_BACKLOG).bind(backlog).bind(after.level).bind(after.pass);
    let query = query.bind(after.sequence).bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let records: Vec<BacklogRecord> = connections.fetch_all(query).await?;
    Ok(records.into_iter().map(BacklogRow::from).collect())
}

pub(super) async fn trim(connections: &Connections, backlog: BacklogId, last: BacklogOrder) -> Result<(), StoreError> {
    let query =
        sqlx::query(statements::TRIM_BACKLOG).bind(backlog).bind(last.level).bind(last.pass).bind(last.sequence);
    connections.execute(query).await?;
    Ok(())
}
