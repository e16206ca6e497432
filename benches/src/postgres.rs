//! What a database did, from its own statistics.

use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::{Connection, PgConnection, Row};

/// A PostgreSQL backend that goes idle reports its last transactions only after 10 s, so counters are read after that.
/// The WAL position is exact at once.
pub(crate) const SETTLE: Duration = Duration::from_secs(11);

/// Counters since the database was made. Differences are what was done in between.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counters {
    pub(crate) commits: f64,
    pub(crate) wal_syncs: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Volume {
    pub(crate) wal_bytes: f64,
    pub(crate) database_bytes: f64,
}

pub(crate) struct Database {
    connection: PgConnection,
}

impl Database {
    pub(crate) async fn connect(url: &str) -> Result<Self> {
        let connection = PgConnection::connect(url).await.context("the database of --postgres-url does not answer")?;
        Ok(Self { connection })
    }

    /// After [`SETTLE`] without work.
    pub(crate) async fn counters(&mut self) -> Result<Counters> {
        // Newer versions have moved the WAL's syncs to another view: then they are reported as none.
        const SQL: &str = "SELECT d.xact_commit::float8, coalesce((to_jsonb(w) ->> 'wal_sync')::float8, 0) \
                           FROM pg_stat_database d, pg_stat_wal w WHERE d.datname = current_database()";
        let row = sqlx::query(SQL).fetch_one(&mut self.connection).await.context("statistics cannot be read")?;
        Ok(Counters { commits: row.try_get(0)?, wal_syncs: row.try_get(1)? })
    }

    pub(crate) async fn volume(&mut self) -> Result<Volume> {
        const SQL: &str = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8, \
                           pg_database_size(current_database())::float8";
        let row = sqlx::query(SQL).fetch_one(&mut self.connection).await.context("the WAL position cannot be read")?;
        Ok(Volume { wal_bytes: row.try_get(0)?, database_bytes: row.try_get(1)? })
    }
}
