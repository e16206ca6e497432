//! Opening a database, and bringing its schema up to date.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions},
    os::unix::fs::MetadataExt,
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

pub(crate) static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations/sqlite");

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
        let (mut writer, lock) = set_up(path).await?;
        // Whoever held leases is gone: it would hold the file's lock.
        sqlx::query("UPDATE leases SET expires_at = 0").execute(&mut writer).await?;
        let mut readers = Vec::new();
        if path.is_some() {
            for _ in 0..READERS {
                readers.push(Mutex::new(SqliteConnection::connect_with(&options(path).read_only(true)).await?));
            }
        }
        let path = path.map(Path::to_path_buf);
        Ok(Self { writer: Mutex::new(writer), path, readers, turn: 0.into(), _lock: lock })
    }
}

/// A connection to a file that has the schema of this version, and the lock that keeps others out of it.
pub(crate) async fn set_up(path: Option<&Path>) -> Result<(SqliteConnection, Option<File>), StoreError> {
    let lock = path.map(lock).transpose()?;
    let mut writer = SqliteConnection::connect_with(&options(path)).await?;
    MIGRATIONS.run(&mut writer).await?;
    Ok((writer, lock))
}

/// Whether a process has the file open as its server. Read from the system's list of locks: a try to lock it would keep a
/// server out that starts just now. None: the list cannot be read.
pub(crate) fn is_open(path: &Path) -> Option<bool> {
    let Ok(file) = std::fs::metadata(lock_name(path)) else { return Some(false) };
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let inode = format!(":{}", file.ino());
    let is_ours = |line: &str| {
        let mut words = line.split_whitespace().filter(|word| *word != "->").skip(1);
        words.next() == Some("FLOCK") && words.nth(3).is_some_and(|place| place.ends_with(&inode))
    };
    Some(locks.lines().any(is_ours))
}

fn lock_name(path: &Path) -> OsString {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name
}

pub(crate) fn options(path: Option<&Path>) -> SqliteConnectOptions {
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
    let name = lock_name(path);
    let locked = OpenOptions::new().create(true).append(true).open(&name).and_then(|file| match file.try_lock() {
        Ok(()) => Ok(file),
        Err(error) => Err(error.into()),
    });
    locked.map_err(|source| {
        StoreError::Unavailable(Box::new(LockError { path: name.to_string_lossy().into_owned(), source }))
    })
}
