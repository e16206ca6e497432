//! SQLite files.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use perdure_proto::perdure::persistence::v1::Namespace;
use prost::Message;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use uuid::Uuid;

use super::{
    Facts, Inspect, JOURNAL, LeaseFact, MIGRATIONS, RUN, RUNS_AFTER, RunFilter, Schema, TABLES, TIMED, TableFact,
    bounded_count, median, rows_of,
};
use crate::{
    error::StoreError,
    lease::LeaseRow,
    sql::{
        rows::{self, JournalRecord, LeaseRecord, RunRecord},
        statements,
    },
    sqlite,
    store::StoredRun,
};

/// How long a migration waits for another one of the same file.
const TURN_MAX: Duration = Duration::from_secs(10);
const TURN_POLL: Duration = Duration::from_millis(50);

pub struct SqliteInspector {
    connection: SqliteConnection,
    path: PathBuf,
}

impl SqliteInspector {
    /// `NotFound` where there is no such file.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.is_file() {
            return Err(StoreError::NotFound);
        }
        let connection = SqliteConnection::connect_with(&sqlite::options(Some(path)).read_only(true)).await?;
        Ok(Self { connection, path: path.to_owned() })
    }
}

/// Creates the file where it is missing, and brings its schema up to date. `Unavailable` if a server has the file open: it has
/// done so already.
pub async fn migrate(path: &Path) -> Result<(), StoreError> {
    let give_up = Instant::now() + TURN_MAX;
    loop {
        match sqlite::set_up(Some(path)).await {
            Err(StoreError::Unavailable(_)) if Instant::now() < give_up => tokio::time::sleep(TURN_POLL).await,
            result => return Ok(result?.0.close().await?),
        }
    }
}

#[async_trait]
impl Inspect for SqliteInspector {
    async fn schema(&mut self) -> Result<Schema, StoreError> {
        let there: Option<i64> = sqlx::query_scalar("SELECT 1 FROM sqlite_master WHERE name = '_sqlx_migrations'")
            .fetch_optional(&mut self.connection)
            .await?;
        let rows = match there {
            Some(_) => sqlx::query_as(MIGRATIONS).fetch_all(&mut self.connection).await?,
            None => Vec::new(),
        };
        Ok(Schema::new(rows, &sqlite::MIGRATIONS))
    }

    async fn facts(&mut self) -> Result<Facts, StoreError> {
        let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut self.connection).await?;
        let mut bytes = 0;
        for suffix in ["", "-wal"] {
            let mut name = self.path.as_os_str().to_owned();
            name.push(suffix);
            bytes += std::fs::metadata(name).map_or(0, |file| i64::try_from(file.len()).unwrap_or(i64::MAX));
        }
        Ok(Facts { product: format!("SQLite {version}"), bytes, clock: None, postgres: None })
    }

    async fn tables(&mut self) -> Result<Vec<TableFact>, StoreError> {
        let mut tables = Vec::new();
        for name in TABLES {
            let there: Option<i64> =
                sqlx::query_scalar("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1")
                    .bind(name)
                    .fetch_optional(&mut self.connection)
                    .await?;
            if there.is_none() {
                continue;
            }
            // The name is one of a constant list.
            let count = sqlx::query_scalar(AssertSqlSafe(bounded_count(name)));
            let counted = count.fetch_one(&mut self.connection).await?;
            tables.push(TableFact { name, rows: rows_of(counted, None), bytes: None });
        }
        Ok(tables)
    }

    /// Whoever has the file's lock has the leases too.
    async fn leases(&mut self) -> Result<Vec<LeaseFact>, StoreError> {
        let query = sqlx::query_as::<_, LeaseRecord>(statements::LEASES);
        let rows: Vec<LeaseRow> = rows::convert(query.fetch_all(&mut self.connection).await?);
        let open = sqlite::is_open(&self.path);
        let fact = |row: LeaseRow| {
            let connected = (!row.owner.is_empty()).then_some(open).flatten();
            LeaseFact::new(row, connected)
        };
        Ok(rows.into_iter().map(fact).collect())
    }

    async fn namespaces(&mut self) -> Result<Vec<Namespace>, StoreError> {
        let rows: Vec<(Vec<u8>,)> = sqlx::query_as(statements::NAMESPACES).fetch_all(&mut self.connection).await?;
        rows.into_iter().map(|(data,)| Ok(Namespace::decode(data.as_slice())?)).collect()
    }

    /// Of a page in a file beside the database: the server is the only writer of the database itself.
    async fn commit_time(&mut self) -> Result<Duration, StoreError> {
        let path = self.path.with_extension(format!("doctor-{}", std::process::id()));
        let timed = tokio::task::spawn_blocking(move || {
            let times = timed_writes(&path);
            std::fs::remove_file(&path).and(times)
        });
        let times = timed.await.map_err(|panic| StoreError::Unavailable(Box::new(panic)))?;
        times.map(median).map_err(|error| StoreError::Unavailable(Box::new(error)))
    }

    async fn runs_after(&mut self, filter: &RunFilter, after: Uuid, limit: usize) -> Result<Vec<Uuid>, StoreError> {
        let query = sqlx::query_scalar(RUNS_AFTER).bind(after).bind(filter.namespace_id).bind(&filter.workflow_id);
        Ok(query.bind(rows::limit(limit)).fetch_all(&mut self.connection).await?)
    }

    async fn read_run(&mut self, run_id: Uuid) -> Result<Option<StoredRun>, StoreError> {
        let mut transaction = self.connection.begin().await?;
        let run = sqlx::query_as::<_, RunRecord>(RUN).bind(run_id).fetch_optional(&mut *transaction).await?;
        let journal = sqlx::query_as::<_, JournalRecord>(JOURNAL).bind(run_id).fetch_all(&mut *transaction).await?;
        transaction.rollback().await?;
        Ok(run.map(|run| run.into_run(rows::convert(journal))))
    }
}

fn timed_writes(path: &Path) -> std::io::Result<Vec<Duration>> {
    let mut file = File::create(path)?;
    let page = [0_u8; 4096];
    let timed = |_| {
        let start = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        Ok(start.elapsed())
    };
    (0..TIMED).map(timed).collect()
}
