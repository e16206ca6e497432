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
    /// Whose commits and growth are counted.
    names: Vec<String>,
}

impl Database {
    /// Without `names` the database of the URL is counted.
    pub(crate) async fn connect(url: &str, names: &[String]) -> Result<Self> {
        let mut connection =
            PgConnection::connect(url).await.context("the database of --postgres-url does not answer")?;
        let mut names = names.to_vec();
        if names.is_empty() {
            names.push(sqlx::query("SELECT current_database()::text").fetch_one(&mut connection).await?.try_get(0)?);
        }
        Ok(Self { connection, names })
    }

    /// After [`SETTLE`] without work.
    pub(crate) async fn counters(&mut self) -> Result<Counters> {
        // Newer versions have moved the WAL's syncs to another view: then they are reported as none.
        const SQL: &str = "SELECT (SELECT sum(xact_commit) FROM pg_stat_database WHERE datname = ANY($1))::float8, \
                           coalesce((to_jsonb(w) ->> 'wal_sync')::float8, 0) FROM pg_stat_wal w";
        let row = sqlx::query(SQL).bind(&self.names).fetch_one(&mut self.connection);
        let row = row.await.context("statistics cannot be read")?;
        Ok(Counters { commits: row.try_get(0)?, wal_syncs: row.try_get(1)? })
    }

    pub(crate) async fn volume(&mut self) -> Result<Volume> {
        const SQL: &str = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8, \
                           (SELECT sum(pg_database_size(oid)) FROM pg_database WHERE datname = ANY($1))::float8";
        let row = sqlx::query(SQL).bind(&self.names).fetch_one(&mut self.connection);
        let row = row.await.context("the WAL position cannot be read")?;
        Ok(Volume { wal_bytes: row.try_get(0)?, database_bytes: row.try_get(1)? })
    }
}
