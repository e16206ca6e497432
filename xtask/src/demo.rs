//! `cargo xtask demo`: real workflows, written with Temporal's Python SDK, on a server with a database file.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::process::{command, interrupted, run_interruptible};
use crate::server::{self, Server};
use crate::workspace::Workspace;
use crate::{ports, python};

/// Temporal's own ports, which clients try when they are told nothing.
const GRPC_PORT: u16 = 7233;
const HTTP_PORT: u16 = 8233;

/// Builds, starts a server on a fresh file, runs the examples. Leaves the server up until Ctrl-C, unless `exit`.
pub async fn run(workspace: &Workspace, exit: bool) -> Result<()> {
    server::build(workspace).await?;
    let python = python::prepare(workspace)?;

    let (grpc_port, http_port) = (port(GRPC_PORT)?, port(HTTP_PORT)?);
    let mut server = Server::start(workspace, "demo", (grpc_port, http_port), &[]).await?;
    let result = run_examples(workspace, &server, python).await;
    if result.is_ok() && !exit {
        announce(&server);
        tokio::select! {
            interrupted = interrupted() => interrupted?,
            status = server.ended() => bail!("the server ended with {}; see {}", status?, server.log.display()),
        }
    }
    server.stop().await?;
    result
}

async fn run_examples(workspace: &Workspace, server: &Server, python: PathBuf) -> Result<()> {
    println!("running the examples on 127.0.0.1:{}", server.grpc_port);
    let mut runner = command(&python, &workspace.examples());
    runner.args(["-m", "runner", "--address", &format!("127.0.0.1:{}", server.grpc_port)]);
    run_interruptible(runner).await.with_context(|| format!("the server's log is {}", server.log.display()))?;
    println!("\nasking for its health");
    let mut health = command(&python, &workspace.examples());
    health.args(["-m", "health_check", "--address", &format!("127.0.0.1:{}", server.grpc_port)]);
    health.args(["--http", &format!("http://127.0.0.1:{}", server.http_port), "--perdure"]).arg(workspace.server());
    run_interruptible(health).await?;
    println!("\nwhat becomes of closed workflows");
    let mut retention = command(python, &workspace.examples());
    retention.args(["-m", "retention", "--address", &format!("127.0.0.1:{}", server.grpc_port), "--perdure"]);
    retention.arg(workspace.server());
    run_interruptible(retention).await
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

fn announce(server: &Server) {
    println!();
    println!("The server stays up. Ctrl-C ends it.");
    println!("  gRPC      127.0.0.1:{}  (namespace default)", server.grpc_port);
    println!("  health    http://127.0.0.1:{}/health", server.http_port);
    println!("  database  {}", server.database.display());
    println!("  log       {}", server.log.display());
    println!("A history: temporal workflow show --address 127.0.0.1:{} --workflow-id ID", server.grpc_port);
}
