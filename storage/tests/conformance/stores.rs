//! A fresh store of each kind, and its end.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use perdure_storage::{MemoryStore, PostgresConfig, PostgresStore, SqliteStore, Store};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

pub(crate) async fn on_memory(case: impl AsyncFnOnce(&dyn Store)) {
    case(&MemoryStore::new()).await;
}

pub(crate) async fn on_sqlite_memory(case: impl AsyncFnOnce(&dyn Store)) {
    case(&SqliteStore::open(None).await.unwrap()).await;
}

pub(crate) async fn on_sqlite_file(case: impl AsyncFnOnce(&dyn Store)) {
    let directory = TestDirectory::new();
    case(&SqliteStore::open(Some(&directory.database())).await.unwrap()).await;
}

pub(crate) async fn on_postgres(case: impl AsyncFnOnce(&dyn Store)) {
    let database = TestDatabase::new();
    case(&database.connect().await).await;
    database.drop().await;
}

/// Removed at the end.
pub(crate) struct TestDirectory(PathBuf);

impl TestDirectory {
    pub(crate) fn new() -> Self {
        let path = env::temp_dir().join(format!("perdure-storage-{}", Uuid::now_v7()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("perdure.db")
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TestDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.path());
    }
}

/// A database that does not exist until a store connects. A test that fails leaves it for inspection.
pub(crate) struct TestDatabase {
    server: String,
    name: String,
}

impl TestDatabase {
    pub(crate) fn new() -> Self {
        let server = env::var("PERDURE_TEST_POSTGRES").expect(
            "PERDURE_TEST_POSTGRES is not set: run `cargo xtask test`, which starts a server, or name one, as in \
             postgres://postgres@127.0.0.1:5432/postgres",
        );
        Self { server, name: format!("perdure_test_{}", Uuid::now_v7().simple()) }
    }

    pub(crate) async fn connect(&self) -> PostgresStore {
        let (server, _) = self.server.rsplit_once('/').unwrap();
        let config =
            PostgresConfig { max_connections: 6, ..PostgresConfig::from_url(format!("{server}/{}", self.name)) };
        PostgresStore::connect(config).await.unwrap()
    }

    /// Ends all sessions in the database, as a restart of the server does.
    pub(crate) async fn cut_connections(&self) {
        self.administer(format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
            self.name
        ))
        .await;
    }

    pub(crate) async fn drop(self) {
        self.administer(format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }

    async fn administer(&self, statement: String) {
        let mut connection = PgConnection::connect(&self.server).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    }
}
