//! The programs in `examples/` run with Temporal's Python SDK on both databases. The runner's exit code says whether
//! each workflow did what its scenario expects.

use std::path::PathBuf;

use anyhow::{Context, Result};
use perdure_tests::{Database, Server, fresh_folder, perdure, ports, python};
use tokio::sync::Mutex;
use xtask::process;

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

/// What the script has started outlives it, and must not outlive the test.
struct Project(PathBuf);

impl Drop for Project {
    fn drop(&mut self) {
        for name in ["worker", "server"] {
            let file = std::fs::read_to_string(self.0.join(format!("{name}.pid"))).unwrap_or_default();
            let id = file.split_whitespace().next().and_then(|id| id.parse().ok());
            // Where the test has failed; else there is no file any more.
            id.map(process::terminate);
        }
    }
}

#[tokio::test]
async fn the_set_up_script_starts_checks_and_stops() -> Result<()> {
    let project = Project(fresh_folder("set_up")?);
    let folder = project.0.to_str().context("a path in UTF-8")?;
    let perdure = perdure()?;
    let perdure = perdure.get_program().to_str().context("a path in UTF-8")?;
    let (port, http_port) = (ports::free()?.to_string(), ports::free()?.to_string());
    let script = async |command: &str, more: &[&str]| {
        let arguments = [&["-m", "set_up", command, "--folder", folder], more].concat();
        python(&format!("set_up_{command}"), &arguments).await
    };
    script("quickstart", &["--perdure", perdure, "--port", &port, "--http-port", &http_port]).await?;
    script("status", &[]).await?;
    let (address, http) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{http_port}"));
    let health = ["-m", "health_check", "--address", &address, "--http", &http, "--perdure", perdure];
    python("health_check", &health).await?;
    assert!(script("start", &[]).await.is_err(), "it runs already");
    script("stop", &[]).await?;
    for check in [script("status", &[]).await, python("health_check", &health).await] {
        assert!(check.is_err(), "nothing runs any more");
    }
    // The database is still there, and the settings.
    script("start", &[]).await?;
    assert!(script("status", &[]).await.is_err(), "there is no worker");
    script("stop", &[]).await
}

#[tokio::test]
async fn closed_workflows_are_kept_archived_and_deleted_on_sqlite() -> Result<()> {
    retention("retention_sqlite", Database::fresh_sqlite_file("retention_sqlite")?).await
}

#[tokio::test]
async fn closed_workflows_are_kept_archived_and_deleted_on_postgres() -> Result<()> {
    retention("retention_postgres", Database::fresh_postgres("retention").await?).await
}

async fn retention(name: &str, database: Database) -> Result<()> {
    let server = Server::start(name, database).await?;
    let perdure = perdure()?;
    let perdure = perdure.get_program().to_str().context("a path in UTF-8")?;
    let arguments = ["-m", "retention", "--address", &server.address(), "--perdure", perdure];
    python(&format!("{name}_example"), &arguments).await
}

/// One at a time: the scenarios have time-outs of seconds that fire on purpose, and must not fire because of each other.
static TURN: Mutex<()> = Mutex::const_new(());

async fn run(name: &str, database: Database, mode: &[&str]) -> Result<()> {
    let _turn = TURN.lock().await;
    let server = Server::start(name, database).await?;
    let address = server.address();
    python(&format!("{name}_runner"), &[&["-m", "runner", "--address", &address], mode].concat()).await
}
