//! A server process for one test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sqlx::postgres::PgConnectOptions;
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use xtask::{ports, process};

use crate::{Database, folders};

/// How long a server may take to become healthy, to end, and to answer one question about its health.
const START_MAX: Duration = Duration::from_secs(30);
const STOP_MAX: Duration = Duration::from_secs(30);
const ANSWER_MAX: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(10);

/// Between the look for a free port and the server's listening another process may take the port.
const START_ATTEMPTS: usize = 3;

/// A running `perdure` on 127.0.0.1. Dropping it kills it.
pub struct Server {
    child: Child,
    database: Database,
    configuration: Configuration,
    ports: Ports,
    log: PathBuf,
}

#[derive(Clone, Default)]
struct Configuration {
    /// Of Temporal's dynamic configuration, as `KEY=VALUE`.
    values: Vec<String>,
    /// The same as a file.
    file: Option<PathBuf>,
    /// More of the command line. With some of them only the port of the metrics answers in plain text.
    flags: Vec<String>,
    environment: Vec<(String, String)>,
}

#[derive(Clone, Copy)]
struct Ports {
    grpc: u16,
    http: u16,
    ui: u16,
    metrics: u16,
}

/// A command that runs the server's binary, without arguments yet.
pub fn perdure() -> Result<Command> {
    match std::env::var_os("PERDURE_TEST_SERVER") {
        Some(binary) => command(PathBuf::from(binary)),
        None => command(folders::profile()?.join("perdure")),
    }
}

/// The same of the load driver.
pub fn perdure_load() -> Result<Command> {
    command(folders::profile()?.join("perdure-load"))
}

fn command(binary: PathBuf) -> Result<Command> {
    if !binary.exists() {
        bail!("there is no {}: run `cargo xtask test`, or `cargo build` first", binary.display());
    }
    let mut command = Command::new(binary);
    // What the tester's shell has set for a server of their own is not meant for this one.
    command.stdin(Stdio::null()).env_clear().envs(std::env::vars_os().filter(|(name, _)| name == "PATH"));
    Ok(command)
}

impl Server {
    /// Starts a server and returns when it is healthy. Its log is `test-logs/NAME.log`.
    pub async fn start(name: &str, database: Database) -> Result<Server> {
        Server::start_with(name, database, &[]).await
    }

    /// The same with other limits, each as `KEY=VALUE`: on SQLite only.
    pub async fn start_with(name: &str, database: Database, limits: &[&str]) -> Result<Server> {
        let values = limits.iter().map(|limit| (*limit).to_owned()).collect();
        Server::start_as(name, database, Configuration { values, ..Default::default() }).await
    }

    /// The same with a file of the dynamic configuration.
    pub async fn start_configured(name: &str, database: Database, file: &Path) -> Result<Server> {
        Server::start_as(name, database, Configuration { file: Some(file.to_owned()), ..Default::default() }).await
    }

    /// The same with more flags and variables.
    pub async fn start_set(
        name: &str,
        database: Database,
        flags: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Server> {
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Server::start_as(name, database, Configuration { flags, environment, ..Default::default() }).await
    }

    async fn start_as(name: &str, database: Database, configuration: Configuration) -> Result<Server> {
        let log = folders::log(name)?;
        let mut failure = None;
        for _ in 0..START_ATTEMPTS {
            let [grpc, http, ui, metrics] = [ports::free()?, ports::free()?, ports::free()?, ports::free()?];
            let ports = Ports { grpc, http, ui, metrics };
            let child = spawn(&database, &configuration, ports, File::create(&log)?)?;
            let (database, configuration, log) = (database.clone(), configuration.clone(), log.clone());
            let mut server = Server { child, database, configuration, ports, log };
            match server.wait_until_healthy().await {
                Ok(()) => return Ok(server),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.context("no attempt was made")?)
    }

    /// `HOST:PORT` of the gRPC API.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.grpc)
    }

    pub fn grpc_port(&self) -> u16 {
        self.ports.grpc
    }

    pub fn http_port(&self) -> u16 {
        self.ports.http
    }

    /// Of what web UIs ask.
    pub fn ui_port(&self) -> u16 {
        self.ports.ui
    }

    /// Of Prometheus, and of probes.
    pub fn metrics_port(&self) -> u16 {
        self.ports.metrics
    }

    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    pub fn database(&self) -> &Database {
        &self.database
    }

    /// A connection for the generated clients.
    pub async fn channel(&self) -> Result<Channel> {
        Ok(Endpoint::from_shared(format!("http://{}", self.address()))?.connect().await?)
    }

    /// Ends the process without a chance to write anything (SIGKILL).
    pub fn kill9(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks the process to end (SIGTERM) and returns how it did.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        process::terminate(self.child.id())?;
        let deadline = Instant::now() + STOP_MAX;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("the server does not stop; see {}", self.log.display());
            }
            sleep(POLL).await;
        }
    }

    /// Starts the server again after [`Server::kill9`] or [`Server::stop`]: same database, same ports, same log.
    pub async fn restart(&mut self) -> Result<()> {
        let log = File::options().append(true).open(&self.log)?;
        self.child = spawn(&self.database, &self.configuration, self.ports, log)?;
        self.wait_until_healthy().await
    }

    /// What the server has written so far.
    pub fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(&self.log)?)
    }

    /// Fails where the log tells of a panic.
    pub fn panics(&self) -> Result<()> {
        let log = self.log()?;
        let line = log.lines().find(|line| line.contains("panicked"));
        line.map_or(Ok(()), |line| bail!("{line}; see {}", self.log.display()))
    }

    /// Fails where the log tells of an error, or of a warning other than that nobody is authenticated and that callers send
    /// what is large.
    pub fn complaints(&self) -> Result<()> {
        let log = self.log()?;
        let is_complaint = |line: &&str| {
            let expected = ["clients are not authenticated", " is above limit."];
            line.contains("ERROR") || line.contains("WARN") && !expected.iter().any(|text| line.contains(text))
        };
        let line = log.lines().find(is_complaint);
        line.map_or(Ok(()), |line| bail!("{line}; see {}", self.log.display()))
    }

    /// The bytes of memory that the process holds now.
    pub fn resident_bytes(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }

    async fn wait_until_healthy(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_MAX;
        while !self.is_healthy().await {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}: {}", std::fs::read_to_string(&self.log)?);
            }
            if Instant::now() > deadline {
                bail!("the server is not healthy after {START_MAX:?}; see {}", self.log.display());
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    async fn is_healthy(&self) -> bool {
        if !(self.configuration.flags.is_empty() && self.configuration.environment.is_empty()) {
            return matches!(xtask::http::get(self.ports.metrics, "/health").await, Ok((200, _)));
        }
        let Ok(channel) = self.channel().await else { return false };
        // What the SDKs ask for when they connect.
        let service = "temporal.api.workflowservice.v1.WorkflowService".to_owned();
        let mut client = HealthClient::new(channel);
        // A server that still opens its database listens already, and does not answer yet.
        let answer = timeout(ANSWER_MAX, client.check(HealthCheckRequest { service })).await;
        matches!(answer, Ok(Ok(answer)) if answer.get_ref().status() == ServingStatus::Serving)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails only where the process has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn spawn(database: &Database, configuration: &Configuration, ports: Ports, log: File) -> Result<Child> {
    let mut command = perdure()?;
    let level = std::env::var("PERDURE_TEST_LOG").unwrap_or_else(|_| "warn".to_owned());
    match database {
        Database::SqliteMemory => start_dev(&mut command, ports, &level, None),
        Database::SqliteFile(file) => start_dev(&mut command, ports, &level, Some(file)),
        Database::Postgres(options) => start(&mut command, ports, &level, options),
    }
    configuration.values.iter().for_each(|value| {
        command.args(["--dynamic-config-value", value]);
    });
    command.args(&configuration.flags).envs(configuration.environment.iter().cloned());
    command.envs(configuration.file.iter().map(|file| ("DYNAMIC_CONFIG_FILE_PATH", file)));
    command.stdout(log.try_clone()?).stderr(log);
    command.spawn().context("cannot start perdure")
}

fn start_dev(command: &mut Command, ports: Ports, level: &str, file: Option<&Path>) {
    command.args(["server", "start-dev", "--ip", "127.0.0.1", "--log-level", level]);
    command.args(["--port", &ports.grpc.to_string(), "--http-port", &ports.http.to_string()]);
    command.args(["--ui-port", &ports.ui.to_string(), "--metrics-port", &ports.metrics.to_string()]);
    if let Some(file) = file {
        command.arg("--db-filename").arg(file);
    }
}

fn start(command: &mut Command, ports: Ports, level: &str, options: &PgConnectOptions) {
    command.args(["server", "start"]);
    command.env("DB", "postgresql");
    command.env("POSTGRES_SEEDS", options.get_host());
    command.env("DB_PORT", options.get_port().to_string());
    command.env("POSTGRES_USER", options.get_username());
    command.env("POSTGRES_PWD", "");
    command.env("DBNAME", options.get_database().unwrap_or("postgres"));
    command.env("BIND_ON_IP", "127.0.0.1");
    command.env("FRONTEND_GRPC_PORT", ports.grpc.to_string());
    command.env("FRONTEND_HTTP_PORT", ports.http.to_string());
    command.env("FRONTEND_UI_PORT", ports.ui.to_string());
    command.env("PROMETHEUS_ENDPOINT", format!("127.0.0.1:{}", ports.metrics));
    command.env("LOG_LEVEL", level);
}
