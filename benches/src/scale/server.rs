//! The server that is measured: a process of this command's.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};

use super::NAMESPACE;
use crate::{
    args::{Probes, Scale},
    client::Client,
    process::{self, Usage},
};

/// A server that waits for another one's database is asked so often whether it has it.
const PAUSE: Duration = Duration::from_millis(5);
/// A database of many gigabytes whose server was killed may need time of its own.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) struct Server {
    child: Child,
    pub(super) address: String,
    pub(super) pid: u32,
}

impl Server {
    /// Does not wait until it answers. `settings` are variables of its environment.
    pub(super) fn spawn(scale: &Scale, port: u16, settings: &[(&str, String)]) -> Result<Self> {
        let mut command = Command::new(&scale.server);
        command.args(["server", "start"]).stdout(Stdio::null()).stdin(Stdio::null()).kill_on_drop(true);
        let http = [("FRONTEND_HTTP_PORT", "0"), ("FRONTEND_UI_PORT", "0"), ("PROMETHEUS_ENDPOINT", "off")];
        command.envs(http).env("LOG_LEVEL", "error").env("FRONTEND_GRPC_PORT", port.to_string());
        if scale.is_postgres() {
            command.env("DB", "postgresql").env("DATABASE_URL", &scale.store);
        } else {
            command.env("DB", "sqlite").env("SQLITE_PATH", &scale.store);
        }
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        let child = command.spawn().with_context(|| format!("{} cannot be started", scale.server.display()))?;
        let pid = child.id().context("the server ended at once")?;
        Ok(Self { child, address: format!("127.0.0.1:{port}"), pid })
    }

    /// A connection, once it answers.
    pub(super) async fn client(&mut self) -> Result<Client> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            match Client::connect(&self.address, NAMESPACE).await {
                Ok(client) => {
                    client.server_version().await?;
                    return Ok(client);
                }
                Err(error) if Instant::now() > give_up => return Err(error),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended: {status}");
            }
        }
    }

    /// `kill -9`.
    pub(super) async fn kill(mut self) -> Result<()> {
        self.child.kill().await.context("the server cannot be killed")
    }

    pub(super) fn usage(&self) -> Result<Usage> {
        process::usage(self.pid)
    }

    /// What is watched of it.
    pub(super) fn probes(&self, probes: &Probes, scale: &Scale) -> Probes {
        Probes {
            server_pid: Some(self.pid),
            postgres_pid: probes.postgres_pid,
            postgres_url: scale.is_postgres().then(|| scale.store.clone()),
            postgres_databases: Vec::new(),
            output: probes.output,
        }
    }
}
