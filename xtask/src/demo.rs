//! `cargo xtask demo`: real workflows, written with Temporal's Python SDK, on a server with a database file.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};

use crate::process::{self, command, interrupted, run_interruptible};
use crate::workspace::{Workspace, cargo};
use crate::{http, ports, python};

/// Temporal's own ports, which clients try when they are told nothing.
const GRPC_PORT: u16 = 7233;
const HTTP_PORT: u16 = 8233;

const START_MAX: Duration = Duration::from_secs(20);
const STOP_MAX: Duration = Duration::from_secs(20);

/// Builds, starts a server on a fresh file, runs the examples. Leaves the server up until Ctrl-C, unless `exit`.
pub async fn run(workspace: &Workspace, exit: bool) -> Result<()> {
    println!("building the server");
    let mut build = command(cargo(), &workspace.root);
    build.args(["build", "--package", "perdure-server"]);
    run_interruptible(build).await?;
    let python = python::prepare(workspace)?;

    let mut server = Server::start(workspace).await?;
    let result = run_examples(workspace, &server, python).await;
    if result.is_ok() && !exit {
        server.announce();
        tokio::select! {
            interrupted = interrupted() => interrupted?,
            status = server.child.wait() => bail!("the server ended with {}; see {}", status?, server.log.display()),
        }
    }
    server.stop().await?;
    result
}

async fn run_examples(workspace: &Workspace, server: &Server, python: PathBuf) -> Result<()> {
    println!("running the examples on 127.0.0.1:{}", server.grpc_port);
    let mut runner = command(python, &workspace.examples());
    runner.args(["-m", "runner", "--address", &format!("127.0.0.1:{}", server.grpc_port)]);
    run_interruptible(runner).await.with_context(|| format!("the server's log is {}", server.log.display()))
}

/// The demo's server; it ends with this value.
struct Server {
    child: Child,
    grpc_port: u16,
    http_port: u16,
    database: PathBuf,
    log: PathBuf,
}

impl Server {
    async fn start(workspace: &Workspace) -> Result<Server> {
        let folder = workspace.target.join("demo");
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        let (database, log) = (folder.join("perdure.db"), folder.join("server.log"));
        let (grpc_port, http_port) = (port(GRPC_PORT)?, port(HTTP_PORT)?);

        let mut perdure = command(workspace.server(), &folder);
        perdure.args(["server", "start-dev", "--ip", "127.0.0.1", "--log-level", "warn"]);
        perdure.args(["--port", &grpc_port.to_string(), "--ui-port", &http_port.to_string()]);
        perdure.arg("--db-filename").arg(&database);
        let output = std::fs::File::create(&log)?;
        perdure.stdout(output.try_clone()?).stderr(output);
        // In a group of its own, so that Ctrl-C reaches it once, through this process, when nothing uses it any more.
        let mut perdure = tokio::process::Command::from(perdure);
        let child = perdure.process_group(0).kill_on_drop(true).spawn().context("cannot start perdure")?;
        let mut server = Server { child, grpc_port, http_port, database, log };
        server.wait_until_healthy().await?;
        Ok(server)
    }

    async fn wait_until_healthy(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_MAX;
        loop {
            if matches!(http::get(self.http_port, "/health").await, Ok((200, _))) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}: {}", std::fs::read_to_string(&self.log)?);
            }
            if Instant::now() > deadline {
                bail!("the server is not healthy after {} s; see {}", START_MAX.as_secs(), self.log.display());
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn announce(&self) {
        println!();
        println!("The server stays up. Ctrl-C ends it.");
        println!("  gRPC      127.0.0.1:{}  (namespace default)", self.grpc_port);
        println!("  health    http://127.0.0.1:{}/health", self.http_port);
        println!("  database  {}", self.database.display());
        println!("  log       {}", self.log.display());
        println!("A history: temporal workflow show --address 127.0.0.1:{} --workflow-id ID", self.grpc_port);
    }

    async fn stop(mut self) -> Result<()> {
        // None where Ctrl-C has ended it already.
        if let Some(process_id) = self.child.id() {
            process::terminate(process_id)?;
        }
        match timeout(STOP_MAX, self.child.wait()).await {
            Ok(status) => status.map(drop).map_err(Into::into),
            Err(_) => bail!("the server does not stop; it is killed"),
        }
    }
}

/// The usual port, or a free one where that is taken.
fn port(usual: u16) -> Result<u16> {
    if ports::is_free(usual) {
        return Ok(usual);
    }
    let port = ports::free()?;
    println!("port {usual} is taken: using {port}");
    Ok(port)
}
