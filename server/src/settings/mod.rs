//! The settings of a server: defaults, then a YAML file, then the environment.

mod environment;
mod security;
mod ui;
mod validate;

use std::{collections::BTreeMap, path::Path, path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use figment::{
    Figment,
    providers::{Format, Serialized, Yaml},
};
use serde::{Deserialize, Serialize};

pub(crate) use security::{AuthSettings, METRICS_PORT, MetricsSettings, SecurityFlags, StoreTls, TlsSettings};
pub(crate) use ui::{UiFlags, UserInterface};
pub(crate) use validate::{Findings, validate};

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) store: StoreSettings,
    pub(crate) listen: Listen,
    pub(crate) log: Log,
    pub(crate) tls: TlsSettings,
    pub(crate) auth: AuthSettings,
    pub(crate) metrics: MetricsSettings,
    pub(crate) ui: UserInterface,
    /// Namespaces that are created at start where they do not exist.
    pub(crate) namespaces: Vec<String>,
    /// Retention of those that are created, as `72h`.
    pub(crate) namespace_retention: String,
    /// Search attributes of those namespaces: name to type, as `Keyword`.
    pub(crate) search_attributes: BTreeMap<String, String>,
    /// A file in the format of Temporal's dynamic configuration.
    pub(crate) dynamic_config: Option<PathBuf>,
    /// Values of its keys, which win over the file.
    pub(crate) limits: BTreeMap<String, serde_json::Value>,
    /// Runs that are kept in memory.
    pub(crate) cached_runs: usize,
    /// About how many MiB they may take.
    pub(crate) cached_mib: usize,
    /// Seconds for which a server keeps its database without renewing that. A server that takes over waits so long where PostgreSQL
    /// has not noticed that the former one is gone: its machine has failed, not its process.
    pub(crate) lease_seconds: u64,
    /// Threads that do the server's work. None: one fewer than there are cores, at least one. What the database and the network need
    /// of a small machine is left to them, and a thread that finds little to do costs more to wake than it does.
    pub(crate) worker_threads: Option<usize>,
    /// Seconds that calls in flight have to end when the server stops.
    pub(crate) stop_grace_seconds: u64,
}

#[derive(Clone, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StoreSettings {
    pub(crate) kind: StoreKind,
    /// PostgreSQL: `postgres://user:password@host:port/database`. Wins over the parts below.
    pub(crate) url: Option<String>,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) database: String,
    /// PostgreSQL: TLS on the way to it.
    pub(crate) tls: StoreTls,
    /// PostgreSQL: connections at most.
    pub(crate) max_connections: usize,
    /// SQLite: the database's file. None: in memory.
    pub(crate) path: Option<PathBuf>,
    /// Seconds to wait for a database that does not answer at start.
    pub(crate) wait_seconds: u64,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StoreKind {
    Postgresql,
    Sqlite,
    /// Lost with the process.
    Memory,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Listen {
    /// Address or host name to listen on.
    pub(crate) ip: String,
    pub(crate) grpc_port: u16,
    /// Address of the HTTP/JSON API; None: the same.
    pub(crate) http_ip: Option<String>,
    /// 0: none.
    pub(crate) http_port: u16,
    /// Address of what the web UI asks; None: that of the API.
    pub(crate) ui_ip: Option<String>,
    /// 0: none. May be the port of the API.
    pub(crate) ui_port: u16,
    /// Where other servers reach the HTTP side, as `https://host:port`: outside Nexus handlers call back there. None: its
    /// address and port.
    pub(crate) http_url: Option<String>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, `off`, or a filter per module as `info,perdure_history=debug`.
    pub(crate) level: String,
    pub(crate) format: LogFormat,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    #[value(alias = "pretty")]
    #[serde(alias = "pretty", alias = "console")]
    Text,
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            store: StoreSettings::default(),
            listen: Listen::default(),
            log: Log::default(),
            tls: TlsSettings::default(),
            auth: AuthSettings::default(),
            metrics: MetricsSettings::default(),
            ui: UserInterface::default(),
            namespaces: vec!["default".to_owned()],
            namespace_retention: "72h".to_owned(),
            search_attributes: BTreeMap::new(),
            dynamic_config: None,
            limits: BTreeMap::new(),
            cached_runs: 20_000,
            cached_mib: 256,
            lease_seconds: 15,
            worker_threads: None,
            stop_grace_seconds: 10,
        }
    }
}

impl Settings {
    /// How long the database stays this server's without a word of it. A shorter time than the least would end with each pause of the
    /// database, such as a checkpoint on a slow disk.
    pub(crate) fn lease(&self) -> anyhow::Result<Duration> {
        match self.lease_seconds {
            seconds @ 4..=600 => Ok(Duration::from_secs(seconds)),
            seconds => bail!("lease_seconds: {seconds}: use 4 to 600"),
        }
    }

    pub(crate) fn worker_threads(&self) -> anyhow::Result<usize> {
        match self.worker_threads {
            None => Ok(std::thread::available_parallelism().map_or(1, |cores| (cores.get() - 1).max(1))),
            Some(threads @ 1..=1024) => Ok(threads),
            Some(threads) => bail!("worker_threads: {threads}: use 1 to 1024"),
        }
    }
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            kind: StoreKind::Postgresql,
            url: None,
            host: "localhost".to_owned(),
            port: 5432,
            user: "postgres".to_owned(),
            password: String::new(),
            database: "perdure".to_owned(),
            tls: StoreTls::default(),
            max_connections: 20,
            path: None,
            wait_seconds: 60,
        }
    }
}

/// What a log may show: neither the password nor a URL that may hold one.
impl std::fmt::Display for StoreSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port, user, database, .. } = self;
        match (self.kind, &self.url, &self.path) {
            (StoreKind::Postgresql, Some(_), _) => f.write_str("PostgreSQL by store.url"),
            (StoreKind::Postgresql, None, _) => {
                write!(f, "PostgreSQL at {host}:{port}, user {user}, database {database}")
            }
            (StoreKind::Sqlite, _, Some(path)) => write!(f, "SQLite file {}", path.display()),
            (StoreKind::Sqlite | StoreKind::Memory, ..) => f.write_str("memory"),
        }
    }
}

impl std::fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            ip: "127.0.0.1".to_owned(),
            grpc_port: 7233,
            http_ip: None,
            http_port: 7243,
            ui_ip: None,
            ui_port: 8233,
            http_url: None,
        }
    }
}

impl Listen {
    /// Address and port of the HTTP/JSON API.
    pub(crate) fn http(&self) -> (&str, u16) {
        (self.http_ip.as_deref().unwrap_or(&self.ip), self.http_port)
    }

    /// Address and port of what the web UI asks.
    pub(crate) fn ui(&self) -> (&str, u16) {
        (self.ui_ip.as_deref().unwrap_or(self.http().0), self.ui_port)
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

/// The settings, and what an operator should be told about them.
pub(crate) fn load(
    file: Option<&Path>,
    variables: impl Iterator<Item = (String, String)>,
) -> anyhow::Result<(Settings, Vec<String>)> {
    let environment = environment::read(variables)?;
    let mut figment = Figment::from(Serialized::defaults(Settings::default()));
    if let Some(file) = file {
        if !file.is_file() {
            bail!("there is no settings file {}", file.display());
        }
        figment = figment.merge(Yaml::file(file));
    }
    let figment = figment.merge(Serialized::defaults(environment.settings));
    let settings = figment.extract().context("the settings cannot be read")?;
    Ok((settings, environment.notices))
}

#[cfg(test)]
mod tests;
