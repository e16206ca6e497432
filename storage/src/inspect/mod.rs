//! Looking at a database without being its server: for `perdure db`, `perdure doctor` and `perdure replay check`.
//!
//! Nothing is created, migrated or locked, and a server may be at work meanwhile. Only [`Inspect::commit_time`] writes, to the
//! log of the database, not to a table.

mod postgres;
mod sqlite;

use std::time::Duration;

use async_trait::async_trait;
use perdure_engine::Nanos;
use perdure_proto::perdure::persistence::v1::Namespace;
use uuid::Uuid;

use crate::{error::StoreError, lease::LeaseRow, store::StoredRun};

pub use postgres::{ConnectProblem, PostgresInspector, migrate as migrate_postgres};
pub use sqlite::{SqliteInspector, migrate as migrate_sqlite};

/// Rows that are counted one by one; beyond them a table is only said to have more, or estimated.
pub const COUNTED: i64 = 100_000;

/// Tables, the largest kinds first.
const TABLES: [&str; 10] = [
    "runs",
    "current_runs",
    "journal",
    "visibility",
    "backlogs",
    "task_queue_config",
    "worker_deployments",
    "nexus_endpoints",
    "namespaces",
    "leases",
];

/// Which migrations a database has had, and which this version has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Versions, in order; empty: the schema is not set up.
    pub applied: Vec<i64>,
    /// One that began and did not end.
    pub failed: Option<i64>,
    /// Versions and names, in order.
    pub known: Vec<(i64, String)>,
}

impl Schema {
    fn new(rows: Vec<(i64, bool)>, migrator: &sqlx::migrate::Migrator) -> Self {
        let known = migrator.iter().filter(|migration| !migration.migration_type.is_down_migration());
        Self {
            failed: rows.iter().find(|(_, success)| !success).map(|(version, _)| *version),
            applied: rows.into_iter().filter(|(_, success)| *success).map(|(version, _)| version).collect(),
            known: known.map(|migration| (migration.version, migration.description.to_string())).collect(),
        }
    }

    pub fn pending(&self) -> impl Iterator<Item = &(i64, String)> {
        self.known.iter().filter(|(version, _)| !self.applied.contains(version))
    }

    /// The newest version that the database has and this program does not know.
    pub fn newer(&self) -> Option<i64> {
        let newest = self.known.last().map_or(0, |(version, _)| *version);
        self.applied.last().copied().filter(|version| *version > newest)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    Exactly(i64),
    /// By the statistics of the database.
    About(i64),
    MoreThan(i64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFact {
    pub name: &'static str,
    pub rows: Rows,
    /// With indexes; None: the database does not know.
    pub bytes: Option<i64>,
}

/// Who has a range of slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseFact {
    pub first_slot: u16,
    pub end_slot: u16,
    pub epoch: i64,
    /// Empty: nobody.
    pub owner: String,
    pub expires_at: Nanos,
    /// The owner's process is connected; None: the database does not know.
    pub connected: Option<bool>,
}

impl LeaseFact {
    fn new(row: LeaseRow, connected: Option<bool>) -> Self {
        let LeaseRow { lease, owner, expires_at } = row;
        Self {
            first_slot: lease.first_slot,
            end_slot: lease.end_slot,
            epoch: lease.epoch,
            owner,
            expires_at,
            connected,
        }
    }
}

/// What the database says about itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// `PostgreSQL 15.4`, `SQLite 3.46.0`.
    pub product: String,
    /// Of all its data.
    pub bytes: i64,
    /// The database's clock; None: it has none of its own.
    pub clock: Option<Nanos>,
    pub postgres: Option<PostgresFacts>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PostgresFacts {
    /// `150004`.
    pub version: i32,
    pub connections: i64,
    pub max_connections: i64,
    /// A replica, or set to be read only.
    pub read_only: bool,
    pub fsync: bool,
    pub synchronous_commit: String,
    pub full_page_writes: bool,
    pub encoding: String,
}

/// Runs of one namespace, or of one workflow id in it.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    pub namespace_id: Option<Uuid>,
    pub workflow_id: Option<String>,
}

#[async_trait]
pub trait Inspect: Send {
    async fn schema(&mut self) -> Result<Schema, StoreError>;

    async fn facts(&mut self) -> Result<Facts, StoreError>;

    /// At a bounded cost, however large the tables are. Needs a schema.
    async fn tables(&mut self) -> Result<Vec<TableFact>, StoreError>;

    async fn leases(&mut self) -> Result<Vec<LeaseFact>, StoreError>;

    async fn namespaces(&mut self) -> Result<Vec<Namespace>, StoreError>;

    /// How long a commit takes to be on disk: the median of a few.
    async fn commit_time(&mut self) -> Result<Duration, StoreError>;

    /// Ids in their order after the given one, at most `limit`.
    async fn runs_after(&mut self, filter: &RunFilter, after: Uuid, limit: usize) -> Result<Vec<Uuid>, StoreError>;

    /// As it is at one moment, with all journal rows that are kept.
    async fn read_run(&mut self, run_id: Uuid) -> Result<Option<StoredRun>, StoreError>;
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Commits that are timed.
const TIMED: usize = 9;

const RUNS_AFTER: &str = "SELECT run_id FROM runs
     WHERE run_id > $1 AND ($2 IS NULL OR namespace_id = $2) AND ($3 IS NULL OR workflow_id = $3)
     ORDER BY run_id LIMIT $4";

const RUN: &str =
    "SELECT namespace_id, archetype, workflow_id, wake_at, snapshot_seq, snapshot FROM runs WHERE run_id = $1";

const JOURNAL: &str =
    "SELECT seq, first_event_id, event_count, events, changes FROM journal WHERE run_id = $1 ORDER BY seq";

const MIGRATIONS: &str = "SELECT version, success FROM _sqlx_migrations ORDER BY version";

/// Rows up to one more than are counted.
fn bounded_count(table: &str) -> String {
    format!("SELECT count(*) FROM (SELECT 1 AS one FROM {table} LIMIT {}) AS counted", COUNTED + 1)
}

fn rows_of(counted: i64, estimate: Option<i64>) -> Rows {
    match (counted > COUNTED, estimate.filter(|estimate| *estimate > COUNTED)) {
        (false, _) => Rows::Exactly(counted),
        (true, Some(estimate)) => Rows::About(estimate),
        (true, None) => Rows::MoreThan(COUNTED),
    }
}
