//! `perdure ui`: what Temporal's web UI asks of its own server, in front of a Perdure that runs elsewhere. It takes the
//! environment of Temporal's UI image. There is no web UI of our own yet; `/` says what there is.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use axum::{Json, Router, extract::State, http::StatusCode, response::Html, routing::get};
use clap::Args;
use perdure_frontend::http::{self, JsonApi, Services, UiSettings};
use serde_json::{Value, json};
use tonic::{
    Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tower::{ServiceExt, service_fn};

use crate::{logging, settings::Log, signals, web};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Shorter than the time-outs of common probes.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);
/// The service whose health stands for the server's.
const SERVICE: &str = "temporal.api.workflowservice.v1.WorkflowService";

const PAGE: &str = include_str!("ui.html");

/// Serve the HTTP API that Temporal's web UI uses, for a server that runs elsewhere.
#[derive(Args, Debug)]
pub(crate) struct Ui {
    /// gRPC address of the server, `host:port`.
    #[arg(long, env = "TEMPORAL_ADDRESS", default_value = "127.0.0.1:7233")]
    address: String,
    /// Address to listen on.
    #[arg(long, env = "BIND_ON_IP", default_value = "127.0.0.1")]
    ip: String,
    /// Port to listen on.
    #[arg(long, env = "TEMPORAL_UI_PORT", default_value_t = 8080)]
    port: u16,
    /// Origins of pages that may call from a browser, with commas between them; `*` is any.
    #[arg(long, env = "TEMPORAL_CORS_ORIGINS", value_delimiter = ',', default_value = "http://localhost:8080")]
    cors_origins: Vec<String>,
    /// The namespace that is shown first.
    #[arg(long, env = "TEMPORAL_DEFAULT_NAMESPACE", default_value = "default")]
    default_namespace: String,
    /// URL of a server that browsers ask to decode payloads.
    #[arg(long, env = "TEMPORAL_CODEC_ENDPOINT", default_value = "")]
    codec_endpoint: String,
    /// PEM: who signed the server's certificate; turns TLS on.
    #[arg(long, env = "TEMPORAL_TLS_CA", value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// PEM: certificate for a server that asks for one.
    #[arg(long, env = "TEMPORAL_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// PEM: its private key.
    #[arg(long, env = "TEMPORAL_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The name in the server's certificate, where it is not that of the address; turns TLS on.
    #[arg(long, env = "TEMPORAL_TLS_SERVER_NAME", value_name = "NAME")]
    tls_server_name: Option<String>,
    /// Log what is at least this important.
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    log_level: String,
}

impl Ui {
    /// Serves until a signal stops it, whether or not the server can be reached.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        logging::start(&Log { level: self.log_level.clone(), ..Log::default() })?;
        let stop = signals::listen()?;
        let channel = self.channel()?;
        let api = JsonApi::default();
        api.open(services(channel.clone()));
        let address = web::resolve(&self.ip, self.port).await?;
        if !address.ip().is_loopback() {
            tracing::warn!(%address, server = self.address, "whoever reaches this address reaches the server through it");
        }
        let listener = web::bind(address).await?;
        println!(
            "perdure {} serves the web UI's API on http://{address}, for {}",
            env!("CARGO_PKG_VERSION"),
            self.address
        );
        let router = router(channel, api, self.settings());
        axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await.context("HTTP failed")
    }

    fn settings(self) -> UiSettings {
        UiSettings {
            default_namespace: self.default_namespace,
            codec_endpoint: self.codec_endpoint,
            disable_news_fetch: true,
            cors_origins: self.cors_origins,
        }
    }

    /// Connects with the first call, and again after each loss.
    fn channel(&self) -> anyhow::Result<Channel> {
        let tls = self.tls()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        if self.address.contains("://") {
            bail!("TEMPORAL_ADDRESS={}: host:port is needed, without a scheme", self.address);
        }
        let endpoint = Endpoint::from_shared(format!("{scheme}://{}", self.address));
        let mut endpoint = endpoint.with_context(|| format!("{:?} is not an address", self.address))?;
        endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT);
        if let Some(tls) = tls {
            endpoint = endpoint.tls_config(tls).context("the certificates cannot be used")?;
        }
        Ok(endpoint.connect_lazy())
    }

    fn tls(&self) -> anyhow::Result<Option<ClientTlsConfig>> {
        let read = |file: &PathBuf| std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()));
        let files = [&self.tls_ca, &self.tls_cert, &self.tls_key];
        if files.iter().all(|file| file.is_none()) && self.tls_server_name.is_none() {
            return Ok(None);
        }
        let mut tls = match &self.tls_ca {
            Some(ca) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        if let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) {
            tls = tls.identity(Identity::from_pem(read(cert)?, read(key)?));
        }
        if let Some(name) = &self.tls_server_name {
            tls = tls.domain_name(name);
        }
        Ok(Some(tls))
    }
}

/// A server that cannot be reached answers UNAVAILABLE.
fn services(channel: Channel) -> Services {
    Services::new(service_fn(move |request| {
        let call = channel.clone().oneshot(request);
        async move {
            Ok(call.await.unwrap_or_else(|error| {
                tracing::warn!(error = &error as &dyn std::error::Error, "the server does not answer");
                Status::unavailable("the server does not answer").into_http()
            }))
        }
    }))
}

fn router(channel: Channel, api: JsonApi, settings: UiSettings) -> Router {
    let health = Router::new().route("/health", get(health)).with_state(channel);
    // As Temporal's UI image has it: that this process answers.
    let live = get(|| async { Json(json!({"status": "OK"})) });
    let page = Router::new().route("/", get(|| async { Html(PAGE) })).route("/healthz", live);
    http::for_ui(api, settings, None).merge(health).merge(page)
}

/// Whether the server behind takes work.
async fn health(State(channel): State<Channel>) -> (StatusCode, Json<Value>) {
    let request = HealthCheckRequest { service: SERVICE.to_owned() };
    let mut client = HealthClient::new(channel);
    let answer = tokio::time::timeout(HEALTH_TIMEOUT, client.check(request)).await;
    match answer {
        Ok(Ok(answer)) if answer.get_ref().status() == ServingStatus::Serving => {
            (StatusCode::OK, Json(json!({"status": "ok"})))
        }
        _ => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": "the server does not serve"}))),
    }
}
