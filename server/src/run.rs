//! Wires the rooms together, serves, and takes everything down again in order.

use std::{collections::BTreeMap, future::Future, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, anyhow, bail};
use perdure_frontend::{
    Frontend,
    cluster::{Cluster, SERVER_VERSION},
    deployments::Deployments,
    health::Health,
    http::{self, NexusHttp},
    list::Lists,
    namespaces::Namespaces,
    quotas::Quotas,
    task_queue_config::TaskQueueConfigs,
    workers::Workers,
};
use perdure_history::{History, HistoryConfig, NexusConfig, NexusEndpoints, SystemClock, nexus::http::HttpClient};
use perdure_matching::{Matching, MatchingLimits};
use perdure_proto::{api::enums::IndexedValueType, token::Sealer};
use perdure_storage::visibility::AttributeKind;
use tokio::{
    net::{TcpListener, lookup_host},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    grpc,
    limits::{self, AllLimits},
    settings::Settings,
    signals,
    store::{self, Opened},
};

/// Runs a server until a signal stops it.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let stop = signals::listen()?;
    let health = Health::new().await;
    let nexus_http = NexusHttp::default();
    let http = serve_http(&settings, &health, nexus_http.clone(), stop.clone()).await?;
    let Some(opened) = unless_stopped(&stop, store::open(&settings.store)).await.transpose()? else { return Ok(()) };
    let limits = read_limits(&settings)?;
    let matching = Matching::new(MatchingLimits::default());
    let nexus = nexus_config(&settings, &opened)?;
    // Before history, which asks which versions there are.
    let deployments = Deployments::open(opened.store.clone(), matching.clone(), limits.runs.clone()).await?;
    let opening = open_history(&settings, &opened, &matching, &limits, &nexus);
    let Some(history) = unless_stopped(&stop, opening).await.transpose()? else { return Ok(()) };

    let opening = open_frontend(&settings, &opened, history.clone(), matching, deployments, limits, nexus);
    let served = serve(&settings, &opened, opening, &nexus_http, &health, &stop).await;
    // Also after an error: whoever comes next need not wait for the leases to expire.
    history.shutdown().await;
    if let Some(http) = http {
        http.abort();
    }
    served?;
    tracing::info!("stopped");
    Ok(())
}

/// Serves gRPC until the server is asked to stop and the calls in flight have ended, or had their time.
async fn serve(
    settings: &Settings,
    opened: &Opened,
    opening: impl Future<Output = anyhow::Result<Frontend>>,
    nexus_http: &NexusHttp,
    health: &Health,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let frontend = opening.await?;
    let matching = frontend.matching.clone();
    let address = resolve(&settings.listen.ip, settings.listen.grpc_port).await?;
    let listener = bind(address).await?;
    nexus_http.open(frontend.clone());
    frontend.history.set_batch_runner(Arc::new(frontend.clone()));
    health.serve(opened.store.clone()).await;
    tracing::info!(%address, store = opened.name, version = SERVER_VERSION, "serving");
    println!("perdure {} serves Temporal's API on {address}", env!("CARGO_PKG_VERSION"));

    let mut served = tokio::spawn(grpc::serve(frontend, health.clone(), listener, stop.clone()));
    tokio::select! {
        () = stop.cancelled() => {}
        ended = &mut served => return ended.context("the gRPC side ended by itself")?,
    }
    health.stop().await;
    matching.drain();
    let grace = Duration::from_secs(settings.stop_grace_seconds);
    match timeout(grace, &mut served).await {
        Ok(served) => served.context("the gRPC side ended badly")?,
        Err(_) => {
            tracing::warn!(?grace, "calls were still in flight: they are cut off");
            served.abort();
            Ok(())
        }
    }
}

/// None if the server was asked to stop first.
async fn unless_stopped<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        () = stop.cancelled() => None,
    }
}

fn read_limits(settings: &Settings) -> anyhow::Result<AllLimits> {
    let mut limits = AllLimits::default();
    if let Some(path) = &settings.dynamic_config {
        limits::read_file(&mut limits, path)?;
    }
    for (key, value) in &settings.limits {
        if !limits::set(&mut limits, key, value) {
            bail!("limits: {key} = {value:?}: there is no such limit, or it cannot have this value");
        }
    }
    Ok(limits)
}

async fn open_history(
    settings: &Settings,
    opened: &Opened,
    matching: &Matching,
    limits: &AllLimits,
    nexus: &NexusConfig,
) -> anyhow::Result<History> {
    let config = HistoryConfig {
        store: opened.store.clone(),
        matching: matching.clone(),
        clock: Arc::new(SystemClock::default()),
        limits: limits.runs.clone(),
        nexus: nexus.clone(),
        owner: owner(),
        ranges: opened.ranges,
        cached_runs: settings.cached_runs,
    };
    History::open(config).await.map_err(|error| anyhow!("{error}")).context("the leases of the database cannot be had")
}

fn nexus_config(settings: &Settings, opened: &Opened) -> anyhow::Result<NexusConfig> {
    let key = opened.metadata.token_key.as_ref();
    let key: [u8; 32] = key.try_into().map_err(|_| anyhow!("the database's token key is damaged"))?;
    let listen = &settings.listen;
    let own = || format!("http://{}:{}", listen.http_ip.as_deref().unwrap_or(&listen.ip), listen.http_port);
    Ok(NexusConfig {
        endpoints: NexusEndpoints::new(opened.store.clone()),
        sealer: Sealer::new(key),
        http: HttpClient::new(),
        callback_base: (listen.http_port != 0).then(|| listen.http_url.clone().unwrap_or_else(own)),
    })
}

/// Names this process in the database: no two may have the same name, nor one after a restart its old one.
fn owner() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "localhost".to_owned());
    format!("{host}/{}/{}", std::process::id(), uuid::Uuid::new_v4().simple())
}

async fn open_frontend(
    settings: &Settings,
    opened: &Opened,
    history: History,
    matching: Matching,
    deployments: Deployments,
    limits: AllLimits,
    nexus: NexusConfig,
) -> anyhow::Result<Frontend> {
    // Until history had its leases another process may have changed some.
    deployments.refresh().await?;
    let metadata = opened.metadata.clone();
    let NexusConfig { endpoints: nexus_endpoints, sealer, .. } = nexus;
    let AllLimits { runs: limits, frontend, callback_addresses } = limits;
    let quotas = Quotas::new(frontend);
    let cluster_name = metadata.cluster_name.clone();
    let namespaces = Namespaces::open(opened.store.clone(), limits.clone(), quotas.clone(), cluster_name).await?;
    let retention = perdure_cli::parse_duration(&settings.namespace_retention)
        .map_err(|error| anyhow!("namespace_retention: {error}"))?;
    let attributes = search_attributes(&settings.search_attributes)?;
    for name in &settings.namespaces {
        let ensured = namespaces.ensure(name, retention, &attributes).await;
        ensured.map_err(|status| anyhow!("namespace {name}: {}", status.message()))?;
    }
    let lists = Lists::new(opened.store.clone(), sealer.clone());
    let cluster = Cluster { metadata, store: opened.name };
    let workers = Workers::default();
    let task_queues = TaskQueueConfigs::open(opened.store.clone(), matching.clone()).await?;
    Ok(Frontend {
        history,
        matching,
        namespaces,
        nexus_endpoints,
        callback_addresses,
        lists,
        workers,
        deployments,
        task_queues,
        cluster,
        sealer,
        limits,
        quotas,
    })
}

fn search_attributes(named: &BTreeMap<String, String>) -> anyhow::Result<BTreeMap<String, IndexedValueType>> {
    let known = |(name, kind): (&String, &String)| match AttributeKind::from_name(kind) {
        Some(kind) => Ok((name.clone(), kind.to_indexed())),
        None => bail!(
            "search attribute {name}={kind}: the type is one of Text, Keyword, Int, Double, Bool, Datetime, KeywordList"
        ),
    };
    named.iter().map(known).collect()
}

async fn serve_http(
    settings: &Settings,
    health: &Health,
    nexus: NexusHttp,
    stop: CancellationToken,
) -> anyhow::Result<Option<tokio::task::JoinHandle<()>>> {
    if settings.listen.http_port == 0 {
        return Ok(None);
    }
    let ip = settings.listen.http_ip.as_deref().unwrap_or(&settings.listen.ip);
    let address = resolve(ip, settings.listen.http_port).await?;
    let listener = bind(address).await?;
    tracing::info!(%address, "HTTP: /health, Nexus");
    let router = http::router(health.clone(), nexus);
    Ok(Some(tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the HTTP side ended");
            stop.cancel();
        }
    })))
}

/// IPv4 where a name has both, as clients that say `localhost` try it first or only.
async fn resolve(host: &str, port: u16) -> anyhow::Result<SocketAddr> {
    let found = lookup_host((host, port)).await.with_context(|| format!("{host:?} is no address to listen on"))?;
    let mut addresses: Vec<_> = found.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let address = addresses.first().copied().with_context(|| format!("{host:?} has no address to listen on"))?;
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "clients are not authenticated: let only a trusted network reach this address");
    }
    Ok(address)
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}: does another server run there? Choose another port"))
}
