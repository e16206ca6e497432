//! The programs in `examples/` run with Temporal's Python SDK on both databases. The runner's exit code says whether
//! each workflow did what its scenario expects.

use anyhow::Result;
use perdure_tests::{Database, Server, python};
use tokio::sync::Mutex;

#[tokio::test]
async fn examples_run_on_sqlite() -> Result<()> {
    run("examples_sqlite", Database::fresh_sqlite_file("examples_sqlite")?, &[]).await
}

#[tokio::test]
async fn examples_run_on_postgres() -> Result<()> {
    run("examples_postgres", Database::fresh_postgres("examples_postgres").await?, &[]).await
}

#[tokio::test]
async fn workflows_outlive_their_worker_on_sqlite() -> Result<()> {
    run("worker_restart_sqlite", Database::fresh_sqlite_file("worker_restart_sqlite")?, &["worker-restart"]).await
}

#[tokio::test]
async fn workflows_outlive_their_worker_on_postgres() -> Result<()> {
    run("worker_restart_postgres", Database::fresh_postgres("worker_restart").await?, &["worker-restart"]).await
}

/// One at a time: the scenarios have time-outs of seconds that fire on purpose, and must not fire because of each other.
static TURN: Mutex<()> = Mutex::const_new(());

async fn run(name: &str, database: Database, mode: &[&str]) -> Result<()> {
    let _turn = TURN.lock().await;
    let server = Server::start(name, database).await?;
    let address = server.address();
    python(&format!("{name}_runner"), &[&["-m", "runner", "--address", &address], mode].concat()).await
}
