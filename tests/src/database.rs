//! The databases that a server may run on, a fresh one for each test.

use std::path::PathBuf;

use anyhow::{Context, Result};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor};

use crate::fresh_folder;

/// Where a server keeps its state.
#[derive(Clone, Debug)]
pub enum Database {
    /// Lost when the server ends.
    SqliteMemory,
    SqliteFile(PathBuf),
    /// How to connect, database name included.
    Postgres(Box<PgConnectOptions>),
}

impl Database {
    /// A file that does not exist yet. `name` is the test's.
    pub fn fresh_sqlite_file(name: &str) -> Result<Database> {
        let folder = fresh_folder(name)?;
        Ok(Database::SqliteFile(folder.join("perdure.db")))
    }

    /// A new, empty database in the PostgreSQL that `PERDURE_TEST_POSTGRES` names.
    pub async fn fresh_postgres(name: &str) -> Result<Database> {
        let url = std::env::var("PERDURE_TEST_POSTGRES")
            .context("PERDURE_TEST_POSTGRES is not set: run `cargo xtask test`, which starts a PostgreSQL")?;
        let options: PgConnectOptions = url.parse()?;
        let database = format!("{name}_{}", uuid::Uuid::new_v4().simple());
        let mut connection = options.connect().await?;
        connection.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE \"{database}\""))).await?;
        connection.close().await?;
        Ok(Database::Postgres(Box::new(options.database(&database))))
    }
}
