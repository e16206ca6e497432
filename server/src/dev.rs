//! `perdure server start-dev`: the flags of `temporal server start-dev`, which SDKs' test environments pass too.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{anyhow, bail};
use clap::Args;
use serde_json::Value;

use crate::dynamic_config::{self, Given};
use crate::settings::{
    Listen, Log, LogFormat, MetricsSettings, SecurityFlags, Settings, StoreKind, StoreSettings, UiFlags,
};

/// Between the ports of gRPC and of HTTP, where the latter is not given.
const HTTP_PORT_OFFSET: u16 = 1_000;

/// Somebody waits at a keyboard.
const STOP_GRACE_SECONDS: u64 = 2;

#[derive(Args, Clone, Debug)]
pub(crate) struct StartDev {
    /// SQLite file that keeps the state; without it, state ends with the process.
    #[arg(long, short = 'f')]
    db_filename: Option<PathBuf>,
    /// Namespaces to create beside `default`. May be repeated.
    #[arg(long, short)]
    namespace: Vec<String>,
    /// Port of the gRPC API.
    #[arg(long, short, default_value_t = 7233)]
    port: u16,
    /// Port of the HTTP/JSON API; 0: no such port.
    #[arg(long, default_value_t = 0)]
    http_port: u16,
    /// Port of Prometheus' /metrics; a free one, which is printed, if not given.
    #[arg(long, default_value_t = 0)]
    metrics_port: u16,
    /// Port of what web UIs ask (/api/v1), of /health and of Nexus; the gRPC port + 1000 if not given.
    #[arg(long)]
    ui_port: Option<u16>,
    /// No port for web UIs.
    #[arg(long)]
    headless: bool,
    /// Address of the gRPC API.
    #[arg(long, default_value = "localhost")]
    ip: String,
    /// Address of the port for web UIs; that of the gRPC API if not given.
    #[arg(long)]
    ui_ip: Option<String>,
    /// Accepted for compatibility.
    #[arg(long)]
    ui_public_path: Option<String>,
    /// Accepted for compatibility.
    #[arg(long)]
    ui_asset_path: Option<String>,
    #[command(flatten)]
    ui: UiFlags,
    /// Accepted for compatibility.
    #[arg(long)]
    sqlite_pragma: Vec<String>,
    /// A file in the format of Temporal's dynamic configuration, which may change while the server runs.
    #[arg(long, value_name = "FILE", env = "DYNAMIC_CONFIG_FILE_PATH")]
    dynamic_config_file: Option<PathBuf>,
    /// A key of the dynamic configuration and its value in JSON, as `limit.maxIDLength=255`. May be repeated; wins over
    /// the file. Keys without effect here are told.
    #[arg(long, value_name = "KEY=JSON")]
    dynamic_config_value: Vec<String>,
    /// Log what is at least this important: debug, info, warn, error, never.
    #[arg(long, default_value = "warn")]
    log_level: String,
    /// Form of logs.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// Accepted for compatibility.
    #[arg(long)]
    log_config: bool,
    /// Search attribute of all namespaces that are created, as `Name=Keyword`. May be repeated.
    #[arg(long, value_name = "NAME=TYPE")]
    search_attribute: Vec<String>,
    #[command(flatten)]
    security: SecurityFlags,
}

impl StartDev {
    /// The settings, and one notice of the flags that have no effect.
    pub(crate) fn settings(self) -> anyhow::Result<(Settings, Vec<String>)> {
        let ui_port = match (self.headless, self.ui_port) {
            (true, _) => 0,
            (false, Some(port)) => port,
            (false, None) => match self.port.checked_add(HTTP_PORT_OFFSET) {
                Some(port) => port,
                None => {
                    bail!("--port {} leaves no port for HTTP {HTTP_PORT_OFFSET} above it: give --ui-port", self.port)
                }
            },
        };
        let (limits, ignored_keys) = limits(&self.dynamic_config_value)?;
        let notices = self.without_effect(ignored_keys);
        let metrics = MetricsSettings { endpoint: Some(format!("{}:{}", self.ip, self.metrics_port)) };
        let mut settings = Settings {
            metrics,
            store: StoreSettings { kind: StoreKind::Sqlite, path: self.db_filename, ..StoreSettings::default() },
            listen: Listen {
                ip: self.ip,
                grpc_port: self.port,
                http_port: self.http_port,
                ui_ip: self.ui_ip,
                ui_port,
                ..Listen::default()
            },
            log: Log { level: self.log_level, format: self.log_format },
            namespaces: [vec!["default".to_owned()], self.namespace].concat(),
            search_attributes: pairs("--search-attribute", &self.search_attribute)?,
            dynamic_config: self.dynamic_config_file.filter(|path| !path.as_os_str().is_empty()),
            limits,
            stop_grace_seconds: STOP_GRACE_SECONDS,
            ..Settings::default()
        };
        self.ui.apply(&mut settings.ui);
        self.security.apply(&mut settings.tls, &mut settings.auth);
        Ok((settings, notices))
    }

    fn without_effect(&self, ignored_keys: Vec<String>) -> Vec<String> {
        let flags = [
            ("--ui-public-path", self.ui_public_path.is_some()),
            ("--ui-asset-path", self.ui_asset_path.is_some()),
            ("--sqlite-pragma", !self.sqlite_pragma.is_empty()),
            ("--log-config", self.log_config),
        ];
        let flags = flags.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag.to_owned());
        let keys = ignored_keys.into_iter().map(|key| format!("--dynamic-config-value {key}"));
        let ignored: Vec<_> = flags.chain(keys).collect();
        if ignored.is_empty() {
            Vec::new()
        } else {
            vec![format!("these flags have no effect: {}", ignored.join(", "))]
        }
    }
}

/// The values that set a limit, and the keys of the others.
fn limits(values: &[String]) -> anyhow::Result<(BTreeMap<String, Value>, Vec<String>)> {
    let mut limits = BTreeMap::new();
    let mut ignored = Vec::new();
    for (key, value) in pairs("--dynamic-config-value", values)? {
        match dynamic_config::given(&key, &value).map_err(|error| anyhow!("--dynamic-config-value {error}"))? {
            Given::Acts(value) => {
                limits.insert(key, value);
            }
            Given::WithoutEffect(Some(why)) => ignored.push(format!("{key} ({why})")),
            Given::WithoutEffect(None) => ignored.push(key),
        }
    }
    Ok((limits, ignored))
}

fn pairs(flag: &str, values: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let mut pairs = BTreeMap::new();
    for pair in values {
        match pair.split_once('=') {
            Some((key, value)) if !key.is_empty() => pairs.insert(key.to_owned(), value.to_owned()),
            _ => bail!("{flag} {pair}: NAME=VALUE is needed"),
        };
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Args as CommandLine, Command, ServerCommand};

    fn settings(flags: &[&str]) -> anyhow::Result<(Settings, Vec<String>)> {
        let line = ["perdure", "server", "start-dev"].iter().chain(flags);
        match CommandLine::try_parse_from(line)?.command {
            Command::Server(ServerCommand::StartDev(dev)) => dev.settings(),
            other => bail!("{other:?}"),
        }
    }

    #[test]
    fn defaults() {
        let (settings, notices) = settings(&[]).unwrap();
        assert_eq!(settings.store.kind, StoreKind::Sqlite);
        assert_eq!(settings.store.path, None);
        let listen = Listen { ip: "localhost".to_owned(), http_port: 0, ui_port: 8233, ..Listen::default() };
        assert_eq!(settings.listen, listen);
        assert_eq!(settings.namespaces, ["default"]);
        assert_eq!(notices, Vec::<String>::new());
    }

    #[test]
    fn flags_of_an_sdks_test_environment() {
        let (settings, notices) = settings(&[
            "--port",
            "4000",
            "--namespace",
            "test",
            "--ip",
            "127.0.0.1",
            "--log-format",
            "pretty",
            "--log-level",
            "warn",
            "--dynamic-config-value",
            "frontend.enableServerVersionCheck=false",
            "--dynamic-config-value",
            "limit.historyCount.suggestContinueAsNew=50",
            "--headless",
            "--search-attribute",
            "Tag=Keyword",
            "--db-filename",
            "/tmp/x.db",
        ])
        .unwrap();
        assert_eq!((settings.listen.http_port, settings.listen.ui_port), (0, 0));
        assert_eq!(settings.namespaces, ["default", "test"]);
        assert_eq!(settings.store.path, Some("/tmp/x.db".into()));
        assert_eq!(
            settings.limits,
            BTreeMap::from([("limit.historyCount.suggestContinueAsNew".to_owned(), Value::from(50))])
        );
        assert_eq!(settings.search_attributes, BTreeMap::from([("Tag".to_owned(), "Keyword".to_owned())]));
        let expected = "these flags have no effect: --dynamic-config-value frontend.enableServerVersionCheck (nobody is \
                        asked for newer versions)";
        assert_eq!(notices, [expected]);
    }

    #[test]
    fn ports_and_what_web_uis_are_told() {
        let ports = |flags: &[&str]| {
            let listen = settings(flags).unwrap().0.listen;
            (listen.http_port, listen.ui_port)
        };
        assert_eq!(ports(&["--port", "4000", "--http-port", "4001"]), (4001, 5000));
        assert_eq!(ports(&["--http-port", "4001", "--headless", "--ui-port", "4002"]), (4001, 0));
        let flags = ["--ui-codec-endpoint", "http://codec:8081", "--ui-disable-news-fetch", "--ui-ip", "127.0.0.2"];
        let (settings, notices) = settings(&flags).unwrap();
        assert_eq!(
            (settings.ui.codec_endpoint.as_deref(), settings.ui.disable_news_fetch),
            (Some("http://codec:8081"), true)
        );
        assert_eq!((settings.listen.http(), settings.listen.ui()), (("localhost", 0), ("127.0.0.2", 8233)));
        assert_eq!(notices, Vec::<String>::new());
    }

    #[test]
    fn errors() {
        let no_port = settings(&["--port", "65000"]).unwrap_err();
        assert!(no_port.to_string().contains("give --ui-port"), "{no_port}");
        let no_value = settings(&["--search-attribute", "Tag"]).unwrap_err();
        assert_eq!(no_value.to_string(), "--search-attribute Tag: NAME=VALUE is needed");
    }
}
