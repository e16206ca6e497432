//! Where the server is, who asks, and how answers are printed: the options of all commands that talk to a server.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use tonic::{
    metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use crate::{
    duration::parse_duration,
    key_value::KeyValue,
    output::{Format, TimeFormat},
};

/// A server that does not take the connection within this time is not there: a probe must not hang.
const CONNECT: Duration = Duration::from_secs(10);

/// The address when neither a flag nor the environment names one.
const ADDRESS: &str = "127.0.0.1:7233";

/// Options of all commands that talk to a server.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connection and output")]
pub struct Options {
    /// The server's gRPC address, `host:port` [default: 127.0.0.1:7233]
    #[arg(long, env = "TEMPORAL_ADDRESS", global = true)]
    address: Option<String>,
    /// The namespace to work in [default: default]
    #[arg(long, short, env = "TEMPORAL_NAMESPACE", global = true)]
    namespace: Option<String>,
    /// A key that the server knows you by; turns TLS on.
    #[arg(long, env = "TEMPORAL_API_KEY", hide_env_values = true, global = true)]
    api_key: Option<String>,
    /// A header of all requests, `KEY=VALUE`; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", global = true)]
    grpc_meta: Vec<KeyValue>,
    /// Talk TLS. Any other TLS flag turns it on too; `--tls=false` turns it off.
    #[arg(long, env = "TEMPORAL_TLS", num_args = 0..=1, require_equals = true, default_missing_value = "true", global = true)]
    tls: Option<bool>,
    /// PEM file with the client's certificate, for mTLS.
    #[arg(long, env = "TEMPORAL_TLS_CLIENT_CERT_PATH", value_name = "FILE", global = true)]
    tls_cert_path: Option<PathBuf>,
    /// The same as text instead of a file.
    #[arg(
        long,
        env = "TEMPORAL_TLS_CLIENT_CERT_DATA",
        hide_env_values = true,
        value_name = "PEM",
        allow_hyphen_values = true,
        conflicts_with = "tls_cert_path",
        global = true
    )]
    tls_cert_data: Option<String>,
    /// PEM file with the client's private key, for mTLS.
    #[arg(long, env = "TEMPORAL_TLS_CLIENT_KEY_PATH", value_name = "FILE", global = true)]
    tls_key_path: Option<PathBuf>,
    /// The same as text instead of a file.
    #[arg(
        long,
        env = "TEMPORAL_TLS_CLIENT_KEY_DATA",
        hide_env_values = true,
        value_name = "PEM",
        allow_hyphen_values = true,
        conflicts_with = "tls_key_path",
        global = true
    )]
    tls_key_data: Option<String>,
    /// PEM file with the authority that signed the server's certificate; without it those of this machine count.
    #[arg(long, env = "TEMPORAL_TLS_SERVER_CA_CERT_PATH", value_name = "FILE", global = true)]
    tls_ca_path: Option<PathBuf>,
    /// The same as text instead of a file.
    #[arg(
        long,
        env = "TEMPORAL_TLS_SERVER_CA_CERT_DATA",
        hide_env_values = true,
        value_name = "PEM",
        allow_hyphen_values = true,
        conflicts_with = "tls_ca_path",
        global = true
    )]
    tls_ca_data: Option<String>,
    /// The name that the server's certificate must have, where it is not the address.
    #[arg(long, env = "TEMPORAL_TLS_SERVER_NAME", value_name = "NAME", global = true)]
    tls_server_name: Option<String>,
    /// Refused: a connection that anybody can answer is not safe. Name the authority or the server instead.
    #[arg(long, env = "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION", global = true)]
    tls_disable_host_verification: bool,
    /// Who asks, as histories show it [default: perdure-cli:USER@HOST]
    #[arg(long, global = true)]
    identity: Option<String>,
    /// The host that requests name, where a proxy leads to servers by it; else that of the address.
    #[arg(long, env = "TEMPORAL_CLIENT_AUTHORITY", value_name = "HOST", global = true)]
    client_authority: Option<String>,
    /// Give up if there is no connection after this time; 0s: never [default: 10s]
    #[arg(long, value_parser = parse_duration, value_name = "DURATION", global = true)]
    client_connect_timeout: Option<Duration>,
    /// Give up after this time, like 30s or 5m.
    #[arg(long, value_parser = parse_duration, value_name = "DURATION", global = true)]
    pub(crate) command_timeout: Option<Duration>,
    /// How answers are printed.
    #[arg(long, short, value_enum, default_value_t = Format::Text, global = true)]
    pub(crate) output: Format,
    /// How times are printed, except in JSON.
    #[arg(long, value_enum, default_value_t = TimeFormat::Relative, global = true)]
    pub(crate) time_format: TimeFormat,
    /// Print payloads in JSON as they are on the wire, in base64.
    #[arg(long, global = true)]
    pub(crate) no_json_shorthand_payloads: bool,
    /// Accepted for compatibility: nothing is coloured.
    #[arg(long, value_parser = ["auto", "never"], hide = true, global = true)]
    color: Option<String>,
    /// Accepted for compatibility: commands write no log.
    #[arg(long, hide = true, global = true)]
    log_level: Option<String>,
    /// Accepted for compatibility: commands write no log.
    #[arg(long, hide = true, global = true)]
    log_format: Option<String>,
}

/// PEM, in a file or as it is.
enum Pem<'a> {
    File(&'a PathBuf),
    Text(&'a str),
}

impl<'a> Pem<'a> {
    fn given(file: &'a Option<PathBuf>, text: &'a Option<String>) -> Option<Self> {
        let text = text.as_deref().filter(|text| !text.is_empty()).map(Self::Text);
        text.or(file.as_ref().map(Self::File))
    }

    fn read(self) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::File(file) => std::fs::read(file).with_context(|| format!("cannot read {}", file.display())),
            Self::Text(text) => Ok(text.as_bytes().to_vec()),
        }
    }
}

impl Options {
    pub(crate) fn address(&self) -> String {
        // The second name is the one of Temporal's older tools and of its container images.
        let address = self.address.clone().or_else(|| environment("TEMPORAL_CLI_ADDRESS"));
        address.unwrap_or_else(|| ADDRESS.to_owned())
    }

    /// The namespace that was named, if any.
    pub(crate) fn named_namespace(&self) -> Option<String> {
        self.namespace.clone().or_else(|| environment("TEMPORAL_CLI_NAMESPACE"))
    }

    pub(crate) fn identity(&self) -> String {
        let here = || format!("perdure-cli:{}@{}", user(), host());
        self.identity.clone().unwrap_or_else(here)
    }

    /// Whether a key or a certificate is shown.
    pub(crate) fn shows_who(&self) -> bool {
        self.api_key.is_some() || self.certificate().is_some()
    }

    /// The headers of each request.
    pub(crate) fn metadata(&self) -> anyhow::Result<MetadataMap> {
        let mut headers = MetadataMap::new();
        for KeyValue { key, value } in &self.grpc_meta {
            let bad = || format!("--grpc-meta {key}={value} cannot be a header");
            let name = MetadataKey::<Ascii>::from_bytes(key.to_lowercase().as_bytes()).with_context(bad)?;
            headers.insert(name, MetadataValue::try_from(value).with_context(bad)?);
        }
        if let Some(key) = &self.api_key {
            let value = MetadataValue::try_from(format!("Bearer {key}")).context("--api-key cannot be in a header")?;
            headers.insert("authorization", value);
        }
        Ok(headers)
    }

    pub(crate) async fn channel(&self) -> anyhow::Result<Channel> {
        let (address, tls) = (self.address(), self.tls()?);
        let scheme = if tls.is_some() { "https" } else { "http" };
        let uri = if address.contains("://") { address.clone() } else { format!("{scheme}://{address}") };
        let mut endpoint = Endpoint::from_shared(uri).with_context(|| format!("{address:?} is not an address"))?;
        // Zero is for ever.
        let patience = self.client_connect_timeout.unwrap_or(CONNECT);
        if !patience.is_zero() {
            endpoint = endpoint.connect_timeout(patience);
        }
        if let Some(authority) = &self.client_authority {
            let origin = format!("{scheme}://{authority}").parse();
            endpoint = endpoint.origin(origin.with_context(|| format!("--client-authority {authority}: no host"))?);
        }
        if let Some(tls) = tls {
            endpoint = endpoint.tls_config(tls).context("the TLS flags do not fit together")?;
        }
        endpoint.connect().await.map_err(|error| {
            anyhow!("no server answers at {address} ({}): is it running, and is the address right?", root(&error))
        })
    }

    fn certificate(&self) -> Option<Pem<'_>> {
        Pem::given(&self.tls_cert_path, &self.tls_cert_data)
    }

    fn tls(&self) -> anyhow::Result<Option<ClientTlsConfig>> {
        let certificate = self.certificate();
        let key = Pem::given(&self.tls_key_path, &self.tls_key_data);
        let authority = Pem::given(&self.tls_ca_path, &self.tls_ca_data);
        let files = [&certificate, &key, &authority];
        let asked = self.api_key.is_some() || self.tls_server_name.is_some() || files.iter().any(|file| file.is_some());
        if self.tls_disable_host_verification {
            bail!(
                "the server's certificate is always checked: name its authority with --tls-ca-path, or the name that is in it with --tls-server-name"
            );
        }
        if !self.tls.unwrap_or(asked) {
            return Ok(None);
        }
        let mut tls = ClientTlsConfig::new();
        tls = match authority {
            Some(authority) => tls.ca_certificate(Certificate::from_pem(authority.read()?)),
            None => tls.with_native_roots(),
        };
        if let Some(name) = &self.tls_server_name {
            tls = tls.domain_name(name);
        }
        match (certificate, key) {
            (Some(certificate), Some(key)) => {
                Ok(Some(tls.identity(Identity::from_pem(certificate.read()?, key.read()?))))
            }
            (None, None) => Ok(Some(tls)),
            _ => bail!("--tls-cert-path and --tls-key-path belong together: give both"),
        }
    }
}

/// The name of who runs the command.
pub(crate) fn user() -> String {
    environment("USER").or_else(|| environment("LOGNAME")).unwrap_or_else(|| "unknown".to_owned())
}

/// The name of this machine.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "unknown".to_owned(),
        name => name.to_owned(),
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The innermost cause, which is the one that a person can act on.
fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
