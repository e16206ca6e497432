//! Leases, by the server's clock.

use std::time::Duration;

use sqlx::{Connection, PgConnection, Postgres, postgres::PgArguments};

use super::{
    connections::{Connections, answer},
    presence::{self, Presence},
};
use crate::{
    error::StoreError,
    lease::{LeaseRow, equal_ranges, lost, nanos},
    sql::{
        rows::{self, LeaseRecord, slot_to_sql},
        statements,
    },
    store::Lease,
};

const NOW: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint";

/// $1 owner, $2 first slots, $3 epochs, $4 nanoseconds from now.
const RENEW: &str = "UPDATE leases
     SET expires_at = (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint + $4
     FROM unnest($2::smallint[], $3::bigint[]) AS ours(first_slot, epoch)
     WHERE leases.owner = $1 AND leases.first_slot = ours.first_slot AND leases.epoch = ours.epoch";

/// The epoch grows: what the owner still has under way must not follow.
const RELEASE: &str = "UPDATE leases SET epoch = leases.epoch + 1, owner = '', expires_at = 0
     FROM unnest($2::smallint[], $3::bigint[]) AS ours(first_slot, epoch)
     WHERE leases.owner = $1 AND leases.first_slot = ours.first_slot AND leases.epoch = ours.epoch";

pub(super) async fn acquire(
    connections: &Connections,
    presence: &Presence,
    owner: &str,
    ranges: u16,
    ttl: Duration,
) -> Result<Vec<Lease>, StoreError> {
    let mut connection = connections.get().await?;
    let result = answer(take(&mut connection, presence, owner, ranges, ttl)).await;
    connection.finish(result)?
}

/// The outer error is the database's.
async fn take(
    connection: &mut PgConnection,
    presence: &Presence,
    owner: &str,
    ranges: u16,
    ttl: Duration,
) -> Result<Result<Vec<Lease>, StoreError>, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    // One taker at a time, also while there are no rows to lock. Commits, which read, go on.
    sqlx::query("LOCK TABLE leases IN SHARE ROW EXCLUSIVE MODE").execute(&mut *transaction).await?;
    let held = stored(&mut transaction).await?;
    let now: i64 = sqlx::query_scalar(NOW).fetch_one(&mut *transaction).await?;
    for row in held.iter().filter(|row| row.is_held_from(owner, now)) {
        if !presence::is_gone(&mut transaction, &row.owner).await? {
            transaction.rollback().await?;
            return Ok(Err(row.held_error()));
        }
    }
    // Before anybody can read that this owner has the leases.
    presence.enter(owner).await?;
    if held.is_empty() {
        for slots in equal_ranges(ranges) {
            let insert = sqlx::query(statements::INSERT_LEASE).bind(slot_to_sql(slots.start));
            insert.bind(slot_to_sql(slots.end)).execute(&mut *transaction).await?;
        }
    }
    // Waits for commits that hold the rows.
    let expires_at = now.saturating_add(nanos(ttl));
    sqlx::query(statements::TAKE_LEASES).bind(owner).bind(expires_at).execute(&mut *transaction).await?;
    let taken = stored(&mut transaction).await?;
    transaction.commit().await?;
    Ok(Ok(taken.into_iter().map(|row| row.lease).collect()))
}

pub(super) async fn renew(
    connections: &Connections,
    presence: &Presence,
    owner: &str,
    leases: &[Lease],
    ttl: Duration,
) -> Result<(), StoreError> {
    let renewed = update(connections, sqlx::query(RENEW), owner, leases, Some(nanos(ttl))).await?;
    if renewed == leases.len() as u64 {
        return Ok(presence.enter(owner).await?);
    }
    let rows: Vec<LeaseRow> =
        rows::convert(connections.fetch_all(sqlx::query_as::<_, LeaseRecord>(statements::LEASES)).await?);
    let is_ours = |lease: &&Lease| rows.iter().any(|row| row.owner == owner && row.lease == **lease);
    match leases.iter().find(|lease| !is_ours(lease)) {
        Some(lease) => Err(lost(&rows, lease.first_slot)),
        None => Ok(()),
    }
}

pub(super) async fn release(connections: &Connections, owner: &str, leases: &[Lease]) -> Result<(), StoreError> {
    update(connections, sqlx::query(RELEASE), owner, leases, None).await?;
    Ok(())
}

type Query = sqlx::query::Query<'static, Postgres, PgArguments>;

/// How many rows were still ours.
async fn update(
    connections: &Connections,
    query: Query,
    owner: &str,
    leases: &[Lease],
    ttl: Option<i64>,
) -> Result<u64, StoreError> {
    let mut query = query
        .bind(owner.to_owned())
        .bind(leases.iter().map(|lease| slot_to_sql(lease.first_slot)).collect::<Vec<_>>())
        .bind(leases.iter().map(|lease| lease.epoch).collect::<Vec<_>>());
    if let Some(ttl) = ttl {
        query = query.bind(ttl);
    }
    Ok(connections.execute(query).await?)
}

async fn stored(connection: &mut PgConnection) -> Result<Vec<LeaseRow>, sqlx::Error> {
    Ok(rows::convert(sqlx::query_as::<_, LeaseRecord>(statements::LEASES).fetch_all(connection).await?))
}
