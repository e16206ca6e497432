//! PostgreSQL.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use perdure_proto::perdure::persistence::v1::Namespace;
use prost::Message;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use uuid::Uuid;

use super::{
    Facts, Inspect, JOURNAL, LeaseFact, MIGRATIONS, PostgresFacts, RUN, RUNS_AFTER, RunFilter, Schema, TABLES, TIMED,
    TableFact, bounded_count, median, rows_of,
};
use crate::{
    error::StoreError,
    lease::LeaseRow,
    postgres::{self, PostgresConfig},
    sql::{
        rows::{self, JournalRecord, LeaseRecord, RunRecord},
        statements,
    },
    store::StoredRun,
};

/// Somebody waits at a terminal.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Why a database cannot be reached, as far as the answer tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectProblem {
    /// Nobody answers, or not in time.
    Unreachable,
    Password,
    /// It answers, and has no such database.
    NoDatabase,
    /// It has no connection left.
    Full,
    Tls,
    /// The settings themselves are wrong.
    Settings,
    /// The settings name no database.
    NotSet,
    Other,
}

pub struct PostgresInspector {
    connection: PgConnection,
}

impl PostgresInspector {
    pub async fn connect(config: &PostgresConfig) -> Result<Self, (ConnectProblem, String)> {
        let options = config.options().map_err(|error| (ConnectProblem::Settings, error.to_string()))?;
        let options = options.application_name("perdure admin").disable_statement_logging();
        match tokio::time::timeout(CONNECT_MAX, PgConnection::connect_with(&options)).await {
            Ok(Ok(connection)) => Ok(Self { connection }),
            Ok(Err(error)) => Err((problem(&error), error.to_string())),
            Err(_) => Err((ConnectProblem::Unreachable, format!("no answer within {} s", CONNECT_MAX.as_secs()))),
        }
    }
}

fn problem(error: &sqlx::Error) -> ConnectProblem {
    match error {
        sqlx::Error::Database(error) => match error.code().as_deref() {
            Some("28P01" | "28000") => ConnectProblem::Password,
            Some("3D000") => ConnectProblem::NoDatabase,
            Some("53300") => ConnectProblem::Full,
            _ => ConnectProblem::Other,
        },
        sqlx::Error::Io(error) if error.kind() != std::io::ErrorKind::InvalidData => ConnectProblem::Unreachable,
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) => ConnectProblem::Tls,
        sqlx::Error::Configuration(_) => ConnectProblem::Settings,
        _ => ConnectProblem::Other,
    }
}

/// Creates the database where it is missing, and brings its schema up to date. Several may do so at once: they wait for each
/// other.
pub async fn migrate(config: &PostgresConfig) -> Result<(), StoreError> {
    postgres::set_up(config).await?.close().await?;
    Ok(())
}

const FACTS: &str = "SELECT current_setting('server_version'), current_setting('server_version_num')::integer,
    pg_database_size(current_database()), (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint,
    pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean,
    current_setting('fsync')::boolean, current_setting('synchronous_commit'),
    current_setting('full_page_writes')::boolean, current_setting('server_encoding')";

/// $1 owner: whether a session holds the lock that says that it lives. Reads only, so that nobody meets a lock of ours.
const CONNECTED: &str = "SELECT EXISTS (
    SELECT 1 FROM pg_locks, (SELECT hashtextextended($1, 0) AS hash) AS wanted
    WHERE locktype = 'advisory' AND objsubid = 1
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND classid::bigint = ((hash >> 32) & 4294967295) AND objid::bigint = (hash & 4294967295))";

/// $1 table. -1 where nobody has counted yet.
const TABLE: &str = "SELECT reltuples::bigint, pg_total_relation_size(oid) FROM pg_class WHERE oid = to_regclass($1)";

#[async_trait]
impl Inspect for PostgresInspector {
    async fn schema(&mut self) -> Result<Schema, StoreError> {
        let there: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
            .fetch_one(&mut self.connection)
            .await?;
        let rows = if there { sqlx::query_as(MIGRATIONS).fetch_all(&mut self.connection).await? } else { Vec::new() };
        Ok(Schema::new(rows, &postgres::MIGRATIONS))
    }

    async fn facts(&mut self) -> Result<Facts, StoreError> {
        type Row = (String, i32, i64, i64, i64, i64, bool, bool, String, bool, String);
        let row: Row = sqlx::query_as(FACTS).fetch_one(&mut self.connection).await?;
        let (product, version, bytes, clock, connections, max_connections, read_only, fsync, commit, pages, encoding) =
            row;
        Ok(Facts {
            product: format!("PostgreSQL {product}"),
            bytes,
            clock: Some(clock),
            postgres: Some(PostgresFacts {
                version,
                connections,
                max_connections,
                read_only,
                fsync,
                synchronous_commit: commit,
                full_page_writes: pages,
                encoding,
            }),
        })
    }

    async fn tables(&mut self) -> Result<Vec<TableFact>, StoreError> {
        let mut tables = Vec::new();
        for name in TABLES {
            let found: Option<(i64, i64)> =
                sqlx::query_as(TABLE).bind(name).fetch_optional(&mut self.connection).await?;
            let Some((estimate, bytes)) = found else { continue };
            // The name is one of a constant list.
            let count = sqlx::query_scalar(AssertSqlSafe(bounded_count(name)));
            let counted = count.fetch_one(&mut self.connection).await?;
            tables.push(TableFact { name, rows: rows_of(counted, Some(estimate)), bytes: Some(bytes) });
        }
        Ok(tables)
    }

    async fn leases(&mut self) -> Result<Vec<LeaseFact>, StoreError> {
        let query = sqlx::query_as::<_, LeaseRecord>(statements::LEASES);
        let rows: Vec<LeaseRow> = rows::convert(query.fetch_all(&mut self.connection).await?);
        let mut leases = Vec::with_capacity(rows.len());
        for row in rows {
            let connected = match row.owner.as_str() {
                "" => None,
                owner => Some(sqlx::query_scalar(CONNECTED).bind(owner).fetch_one(&mut self.connection).await?),
            };
            leases.push(LeaseFact::new(row, connected));
        }
        Ok(leases)
    }

    async fn namespaces(&mut self) -> Result<Vec<Namespace>, StoreError> {
        let rows: Vec<(Vec<u8>,)> = sqlx::query_as(statements::NAMESPACES).fetch_all(&mut self.connection).await?;
        rows.into_iter().map(|(data,)| Ok(Namespace::decode(data.as_slice())?)).collect()
    }

    /// A message in the log that nobody reads, flushed like any commit.
    async fn commit_time(&mut self) -> Result<Duration, StoreError> {
        let mut times = Vec::with_capacity(TIMED);
        for _ in 0..TIMED {
            let start = Instant::now();
            sqlx::query("SELECT pg_logical_emit_message(true, 'perdure', 'doctor')")
                .execute(&mut self.connection)
                .await?;
            times.push(start.elapsed());
        }
        Ok(median(times))
    }

    async fn runs_after(&mut self, filter: &RunFilter, after: Uuid, limit: usize) -> Result<Vec<Uuid>, StoreError> {
        let query = sqlx::query_scalar(RUNS_AFTER).bind(after).bind(filter.namespace_id).bind(&filter.workflow_id);
        Ok(query.bind(rows::limit(limit)).fetch_all(&mut self.connection).await?)
    }

    async fn read_run(&mut self, run_id: Uuid) -> Result<Option<StoredRun>, StoreError> {
        let mut transaction = self.connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let run = sqlx::query_as::<_, RunRecord>(RUN).bind(run_id).fetch_optional(&mut *transaction).await?;
        let journal = sqlx::query_as::<_, JournalRecord>(JOURNAL).bind(run_id).fetch_all(&mut *transaction).await?;
        transaction.rollback().await?;
        Ok(run.map(|run| run.into_run(rows::convert(journal))))
    }
}
