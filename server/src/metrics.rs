//! What Prometheus reads, on a port of its own: in plain text and without keys, as scrapers and probes want it.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyhow::{Context, bail};
use axum::{
    Router,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
    routing::get,
};
use parking_lot::Mutex;
use perdure_frontend::{Frontend, cluster::SERVER_VERSION, health::Health, http};
use perdure_metrics::{Gauges, IntGauge, Registry, definitions};
use tokio::{net::TcpListener, sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    settings::{METRICS_PORT, Settings},
    web,
};

/// At least so long between two counts of the open runs, which ask the database.
const COUNT_PAUSE: Duration = Duration::from_secs(5);
/// As in Prometheus' text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    namespaces: IntGauge,
    open_runs: Gauges,
    /// Once the server serves.
    frontend: OnceLock<Frontend>,
    /// Somebody reads: it is worth while to count the open runs.
    read: Notify,
    /// One scrape at a time: each sets gauges before it shows them.
    scrape: Mutex<()>,
}

impl Metrics {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let registry = Registry::of_process().context("metrics of the process")?;
        registry.counter(&definitions::RESTARTS).inc();
        registry.gauges(&definitions::BUILD_INFORMATION).of(&[SERVER_VERSION]).set(1);
        Ok(Self(Arc::new(Inner {
            namespaces: registry.gauge(&definitions::TOTAL_NAMESPACES),
            open_runs: registry.gauges(&definitions::WORKFLOWS_OPEN),
            registry,
            frontend: OnceLock::new(),
            read: Notify::new(),
            scrape: Mutex::new(()),
        })))
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// From now on what the rooms are like is shown too, and open runs are counted until `stop`.
    pub(crate) fn watch(&self, frontend: Frontend, stop: CancellationToken) {
        let metrics = self.clone();
        tokio::spawn(async move { stop.run_until_cancelled(metrics.keep_counting(frontend.clone())).await });
    }

    async fn keep_counting(&self, frontend: Frontend) {
        // Set once: the server serves once.
        let _ = self.0.frontend.set(frontend.clone());
        loop {
            let mut counts = Vec::new();
            for namespace in frontend.namespaces.all() {
                match frontend.lists.open_workflows(&namespace).await {
                    Ok(count) => counts.push((vec![namespace.id().to_string()], count)),
                    Err(status) => tracing::debug!(%status, "the open runs of a namespace could not be counted"),
                }
            }
            self.0.open_runs.replace(counts);
            sleep(COUNT_PAUSE).await;
            self.0.read.notified().await;
        }
    }

    fn text(&self) -> String {
        self.0.read.notify_one();
        let _scrape = self.0.scrape.lock();
        let mut names = HashMap::new();
        if let Some(frontend) = self.0.frontend.get() {
            frontend.history.refresh_metrics();
            frontend.matching.refresh_metrics();
            names.extend(frontend.namespaces.all().iter().map(|one| (one.id().to_string(), one.name().to_string())));
            self.0.namespaces.set(names.len() as i64);
        }
        self.0.registry.text(&names)
    }
}

/// Serves `/metrics` and the probes' paths until the process ends.
pub(crate) async fn serve(settings: &Settings, metrics: Metrics, health: &Health) -> anyhow::Result<()> {
    let Some(listener) = listen(settings).await? else { return Ok(()) };
    let address = listener.local_addr()?;
    tracing::info!(%address, "metrics: /metrics");
    let router = Router::new().route("/metrics", get(show)).with_state(metrics).merge(http::probes(health.clone()));
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "metrics are no longer served");
        }
    });
    if address.port() != METRICS_PORT {
        println!("perdure shows its metrics at http://{address}/metrics");
    }
    Ok(())
}

/// None: there are to be none, or the port that nobody asked for is taken.
async fn listen(settings: &Settings) -> anyhow::Result<Option<TcpListener>> {
    let Some(endpoint) = settings.metrics.endpoint.as_deref() else {
        let address = web::resolve(&settings.listen.ip, METRICS_PORT).await?;
        return match TcpListener::bind(address).await {
            Ok(listener) => Ok(Some(listener)),
            Err(error) => {
                tracing::warn!(%address, %error, "no metrics: choose another address with PROMETHEUS_ENDPOINT=HOST:PORT, or off");
                Ok(None)
            }
        };
    };
    if endpoint == "off" {
        return Ok(None);
    }
    let (host, port) = match endpoint.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
        Some(("", Ok(port))) => ("0.0.0.0", port),
        Some((host, Ok(port))) => (host.trim_start_matches('[').trim_end_matches(']'), port),
        _ => bail!("metrics.endpoint {endpoint:?}: HOST:PORT is needed, or off"),
    };
    web::bind(web::resolve(host, port).await?).await.map(Some)
}

async fn show(State(metrics): State<Metrics>) -> Response {
    // Thousands of lines take milliseconds.
    match tokio::task::spawn_blocking(move || metrics.text()).await {
        Ok(text) => ([(CONTENT_TYPE, TEXT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be shown");
            axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
