//! Who may connect, and how: TLS, API keys, the metrics' address. The same by flags, environment and YAML.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use clap::Args;
use serde::{Deserialize, Serialize};

/// Where Prometheus looks for metrics unless told otherwise.
pub(crate) const METRICS_PORT: u16 = 9090;

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TlsSettings {
    /// PEM: the server's certificate, and after it those between it and its root. None: no TLS.
    pub(crate) cert: Option<PathBuf>,
    /// PEM: its private key, without a passphrase.
    pub(crate) key: Option<PathBuf>,
    /// PEM: who signs clients' certificates. Where there is one, clients must have a certificate.
    pub(crate) client_ca: Vec<PathBuf>,
    /// False: clients may come without a certificate although `client_ca` is set.
    pub(crate) require_client_cert: Option<bool>,
    /// The HTTP side speaks TLS too, and asks for the same certificates.
    pub(crate) http: bool,
    /// How often to look whether the files have changed, as `10s`; `0s`: never.
    pub(crate) refresh_interval: String,
    /// PEM: roots that calls to Nexus handlers and callbacks trust beside those of the system.
    pub(crate) outgoing_ca: Option<PathBuf>,
}

/// TLS to PostgreSQL. Files are PEM.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StoreTls {
    /// Only with TLS. False: as `sslmode` of the URL says; without one, where the database offers it.
    pub(crate) enabled: bool,
    /// Who signs the database's certificate.
    pub(crate) ca: Option<PathBuf>,
    /// Certificate and key for a database that asks for one.
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    /// The database's certificate must be of the host that was named.
    pub(crate) verify_host: bool,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AuthSettings {
    /// SHA-256 of the API keys that are let in, in hex. None of them, and no file: no key is needed.
    pub(crate) api_key_hashes: Vec<String>,
    /// The same, one a line, read again when the file changes; `#` begins a comment.
    pub(crate) api_keys_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MetricsSettings {
    /// `HOST:PORT` of `/metrics`; port 0 takes a free one, `off` means none. None: port 9090 of the gRPC address, if it is free.
    pub(crate) endpoint: Option<String>,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self {
            cert: None,
            key: None,
            client_ca: Vec::new(),
            require_client_cert: None,
            http: false,
            refresh_interval: "10s".to_owned(),
            outgoing_ca: None,
        }
    }
}

impl TlsSettings {
    /// The paths of certificate and key. None: no TLS.
    pub(crate) fn identity(&self) -> anyhow::Result<Option<(&PathBuf, &PathBuf)>> {
        match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => Ok(Some((cert, key))),
            (Some(_), None) => bail!("tls.cert without tls.key: name the file of the certificate's private key"),
            (None, Some(_)) => bail!("tls.key without tls.cert: name the file of the certificate"),
            (None, None) if !self.client_ca.is_empty() || self.requires_client_cert() || self.http => {
                bail!("clients' certificates, or HTTP over TLS, without tls.cert and tls.key: name the files of both")
            }
            (None, None) => Ok(None),
        }
    }

    pub(crate) fn requires_client_cert(&self) -> bool {
        self.require_client_cert.unwrap_or(!self.client_ca.is_empty())
    }

    /// None: never.
    pub(crate) fn refresh(&self) -> anyhow::Result<Option<Duration>> {
        let interval = perdure_cli::parse_duration(&self.refresh_interval)
            .map_err(|error| anyhow::anyhow!("{error}"))
            .with_context(|| format!("tls.refresh_interval {:?}", self.refresh_interval))?;
        Ok((!interval.is_zero()).then_some(interval))
    }
}

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Security")]
pub(crate) struct SecurityFlags {
    /// PEM file of the server's certificate, and of those up to its root: gRPC speaks TLS.
    #[arg(long, value_name = "FILE")]
    tls_server_cert: Option<PathBuf>,
    /// PEM file of its private key.
    #[arg(long, value_name = "FILE")]
    tls_server_key: Option<PathBuf>,
    /// PEM file of who signs clients' certificates: clients must have one. May be repeated.
    #[arg(long, value_name = "FILE")]
    tls_client_ca: Vec<PathBuf>,
    /// The HTTP side speaks TLS too.
    #[arg(long)]
    tls_http: bool,
    /// PEM file of roots that calls to Nexus handlers and callbacks trust beside the system's.
    #[arg(long, value_name = "FILE")]
    tls_outgoing_ca: Option<PathBuf>,
    /// SHA-256, in hex, of an API key: clients must have one of them. May be repeated.
    #[arg(long, value_name = "HEX")]
    api_key_hash: Vec<String>,
    /// File of such hashes, one a line.
    #[arg(long, value_name = "FILE")]
    api_keys_file: Option<PathBuf>,
}

impl SecurityFlags {
    /// A flag that was given wins.
    pub(crate) fn apply(self, tls: &mut TlsSettings, auth: &mut AuthSettings) {
        let Self {
            tls_server_cert,
            tls_server_key,
            tls_client_ca,
            tls_http,
            tls_outgoing_ca,
            api_key_hash,
            api_keys_file,
        } = self;
        tls.cert = tls_server_cert.or(tls.cert.take());
        tls.key = tls_server_key.or(tls.key.take());
        tls.outgoing_ca = tls_outgoing_ca.or(tls.outgoing_ca.take());
        tls.http |= tls_http;
        if !tls_client_ca.is_empty() {
            tls.client_ca = tls_client_ca;
        }
        auth.api_keys_file = api_keys_file.or(auth.api_keys_file.take());
        if !api_key_hash.is_empty() {
            auth.api_key_hashes = api_key_hash;
        }
    }
}
