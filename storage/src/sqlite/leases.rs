//! Leases. The file's lock keeps other processes out; what is left to do is to fence this one's former owners.

use std::time::Duration;

use sqlx::{Connection, SqliteConnection};

use crate::{
    error::StoreError,
    lease::{LeaseRow, check_free, equal_ranges, lost, nanos, now},
    sql::{
        rows::{self, LeaseRecord, slot_to_sql},
        statements,
    },
    store::Lease,
};

/// $1 owner, $2 first slot, $3 epoch, $4 expiry.
const RENEW: &str = "UPDATE leases SET expires_at = $4 WHERE owner = $1 AND first_slot = $2 AND epoch = $3";

/// $1 owner, $2 first slot, $3 epoch. The epoch grows: what the owner still has under way must not follow.
const RELEASE: &str = "UPDATE leases SET epoch = epoch + 1, owner = '', expires_at = 0
     WHERE owner = $1 AND first_slot = $2 AND epoch = $3";

pub(super) async fn acquire(
    connection: &mut SqliteConnection,
    owner: &str,
    ranges: u16,
    ttl: Duration,
) -> Result<Vec<Lease>, StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let stored = stored(&mut transaction).await?;
    let now = now();
    check_free(&stored, owner, now)?;
    if stored.is_empty() {
        for slots in equal_ranges(ranges) {
            let query = sqlx::query(statements::INSERT_LEASE);
            let query = query.bind(slot_to_sql(slots.start)).bind(slot_to_sql(slots.end));
            query.execute(&mut *transaction).await?;
        }
    }
    let take = sqlx::query(statements::TAKE_LEASES).bind(owner).bind(now.saturating_add(nanos(ttl)));
    take.execute(&mut *transaction).await?;
    let taken = self::stored(&mut transaction).await?;
    transaction.commit().await?;
    Ok(taken.into_iter().map(|row| row.lease).collect())
}

pub(super) async fn renew(
    connection: &mut SqliteConnection,
    owner: &str,
    leases: &[Lease],
    ttl: Duration,
) -> Result<(), StoreError> {
    let expires_at = now().saturating_add(nanos(ttl));
    for lease in leases {
        let query = sqlx::query(RENEW).bind(owner).bind(slot_to_sql(lease.first_slot));
        let query = query.bind(lease.epoch).bind(expires_at);
        if query.execute(&mut *connection).await?.rows_affected() == 0 {
            return Err(lost(&stored(connection).await?, lease.first_slot));
        }
    }
    Ok(())
}

pub(super) async fn release(
    connection: &mut SqliteConnection,
    owner: &str,
    leases: &[Lease],
) -> Result<(), StoreError> {
    for lease in leases {
        let query = sqlx::query(RELEASE).bind(owner).bind(slot_to_sql(lease.first_slot));
        query.bind(lease.epoch).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn stored(connection: &mut SqliteConnection) -> Result<Vec<LeaseRow>, StoreError> {
    let rows = sqlx::query_as::<_, LeaseRecord>(statements::LEASES).fetch_all(connection).await?;
    Ok(rows::convert(rows))
}
