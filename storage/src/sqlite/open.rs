//! Opening a database, and bringing its schema up to date.

use std::{
    fs::{File, OpenOptions},
    path::Path,
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::sync::Mutex;

use super::SqliteStore;
use crate::error::StoreError;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations/sqlite");

/// Connections that read beside the writer.
const READERS: usize = 3;

#[derive(Debug, thiserror::Error)]
#[error("cannot lock {path}: {source}; is the database open in another process?")]
struct LockError {
    path: String,
    source: std::io::Error,
}

impl SqliteStore {
    /// Opens or creates the file; None: a database in memory, which ends with the store. Sets the schema up or upgrades it.
    /// `Unavailable` if another process has the file open.
    pub async fn open(path: Option<&Path>) -> Result<Self, StoreError> {
        let lock = path.map(lock).transpose()?;
        let mut writer = SqliteConnection::connect_with(&options(path)).await?;
        MIGRATIONS.run(&mut writer).await?;
        // Whoever held leases is gone: it would hold the file's lock.
        sqlx::query("UPDATE leases SET expires_at = 0").execute(&mut writer).await?;
        let mut readers = Vec::new();
        if path.is_some() {
            for _ in 0..READERS {
                readers.push(Mutex::new(SqliteConnection::connect_with(&options(path).read_only(true)).await?));
            }
        }
        Ok(Self { writer: Mutex::new(writer), readers, turn: 0.into(), _lock: lock })
    }
}

fn options(path: Option<&Path>) -> SqliteConnectOptions {
    let options = match path {
        Some(path) => SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // The log is flushed at each commit: what is answered survives a power failure.
            .synchronous(SqliteSynchronous::Full),
        None => SqliteConnectOptions::new().in_memory(true),
    };
    options
        .foreign_keys(false)
        .busy_timeout(Duration::from_secs(5))
        // A commit's statements come in several lengths; see `commit.rs`.
        .statement_cache_capacity(200)
        .disable_statement_logging()
}

/// SQLite's own locks come and go with transactions; this one stays. The system drops it with the process.
fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let locked = OpenOptions::new().create(true).append(true).open(&name).and_then(|file| match file.try_lock() {
        Ok(()) => Ok(file),
        Err(error) => Err(error.into()),
    });
    locked.map_err(|source| {
        StoreError::Unavailable(Box::new(LockError { path: name.to_string_lossy().into_owned(), source }))
    })
}
