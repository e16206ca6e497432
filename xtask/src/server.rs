//! A server for a command: the demo's, and that of a suite.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};

use crate::http;
use crate::process::{self, command, run_interruptible};
use crate::workspace::{Workspace, cargo};

const START_MAX: Duration = Duration::from_secs(20);
const STOP_MAX: Duration = Duration::from_secs(20);

/// Builds the server.
pub async fn build(workspace: &Workspace) -> Result<()> {
    println!("building the server");
    let mut build = command(cargo(), &workspace.root);
    build.args(["build", "--package", "perdure-server"]);
    run_interruptible(build).await
}

/// A server for development on 127.0.0.1; it ends with this value.
pub struct Server {
    child: Child,
    pub grpc_port: u16,
    pub http_port: u16,
    pub database: PathBuf,
    pub log: PathBuf,
}

impl Server {
    /// On a fresh file in the folder `name` of the target folder, with ports for gRPC and HTTP, and more arguments.
    pub async fn start(workspace: &Workspace, name: &str, ports: (u16, u16), arguments: &[String]) -> Result<Server> {
        let folder = workspace.target.join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        let (database, log) = (folder.join("perdure.db"), folder.join("server.log"));
        let (grpc_port, http_port) = ports;

        let mut perdure = command(workspace.server(), &folder);
        perdure.args(["server", "start-dev", "--ip", "127.0.0.1", "--log-level", "warn"]);
        perdure.args(["--port", &grpc_port.to_string(), "--ui-port", &http_port.to_string()]);
        perdure.arg("--db-filename").arg(&database).args(arguments);
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

    /// Returns when the process has ended by itself.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait().await?)
    }

    pub async fn stop(mut self) -> Result<()> {
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
