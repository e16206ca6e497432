//! Wires the rooms together, serves, and takes everything down again in order.

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use anyhow::{Context, anyhow, bail};
use perdure_frontend::{
    Frontend,
    cluster::{Cluster, SERVER_VERSION},
    deployments::Deployments,
    health::Health,
    list::Lists,
    namespaces::Namespaces,
    quotas::Quotas,
    requests::Requests,
    task_queue_config::TaskQueueConfigs,
    workers::Workers,
};
use perdure_history::{
    History, HistoryConfig, LiveLimits, NexusConfig, NexusEndpoints, SystemClock, nexus::http::HttpClient,
};
use perdure_matching::Matching;
use perdure_metrics::Registry;
use perdure_proto::{api::enums::IndexedValueType, token::Sealer};
use perdure_storage::visibility::AttributeKind;
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    auth,
    dynamic_config::{self, DynamicConfig},
    grpc,
    metrics::{self, Metrics},
    settings::Settings,
    signals,
    store::{self, Opened},
    tls,
    web::{self, Answering},
};

/// Runs a server until a signal stops it.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let stop = signals::listen()?;
    let health = Health::new().await;
    let answering = Answering::default();
    let metrics = Metrics::new()?;
    metrics::serve(&settings, metrics.clone(), &health).await?;
    let keys = auth::open(&settings.auth, metrics.registry(), stop.clone())?;
    let (grpc_tls, http_tls) = match tls::open(&settings.tls, stop.clone())? {
        Some(tls) => (Some(tls.grpc), tls.http),
        None => (None, None),
    };
    let http = web::serve(&settings, &health, &answering, &keys, http_tls.as_ref(), &stop).await?;
    let (config, limits) = DynamicConfig::open(settings.dynamic_config.as_deref(), &settings.limits).await?;
    let Some(opened) = unless_stopped(&stop, store::open(&settings.store)).await.transpose()? else { return Ok(()) };
    let opened = opened.measured(metrics.registry());
    let matching = Matching::measured(limits.all.matching.clone(), metrics.registry());
    let nexus = nexus_config(&settings, &opened)?;
    let quotas = Quotas::default();
    let frontend_limits = limits.map(|all| all.frontend.clone());
    let cluster_name = opened.metadata.cluster_name.clone();
    let namespaces = Namespaces::open(opened.store.clone(), frontend_limits, quotas.clone(), cluster_name).await?;
    // Before history, which asks which versions there are.
    let deployments = Deployments::open(opened.store.clone(), matching.clone(), namespaces.clone()).await?;
    let runs = LiveLimits::new(limits.map(|all| all.frontend.runs.clone()));
    let targets =
        dynamic_config::Targets { runs: runs.clone(), namespaces: namespaces.clone(), matching: matching.clone() };
    tokio::spawn(dynamic_config::watch(config, targets, stop.clone()));
    let opening = open_history(&settings, &opened, &matching, runs, &nexus, metrics.registry());
    let Some(history) = unless_stopped(&stop, opening).await.transpose()? else { return Ok(()) };

    let requests = Requests::new(metrics.registry());
    let policies = (namespaces, quotas, requests);
    let opening = open_frontend(&settings, &opened, history.clone(), matching, deployments, policies, nexus);
    let opening = async {
        let frontend = opening.await?;
        metrics.watch(frontend.clone(), stop.clone());
        Ok(frontend)
    };
    let door = grpc::Door { keys, tls: grpc_tls, connections: limits.all.connections.clone() };
    let served = serve(&settings, &opened, opening, door, &answering, &health, &stop).await;
    // Also after an error: whoever comes next need not wait for the leases to expire.
    history.shutdown().await;
    http.iter().for_each(JoinHandle::abort);
    served?;
    tracing::info!("stopped");
    Ok(())
}

/// Serves gRPC until the server is asked to stop and the calls in flight have ended, or had their time.
async fn serve(
    settings: &Settings,
    opened: &Opened,
    opening: impl Future<Output = anyhow::Result<Frontend>>,
    door: grpc::Door,
    answering: &Answering,
    health: &Health,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let frontend = opening.await?;
    let matching = frontend.matching.clone();
    let address = web::resolve(&settings.listen.ip, settings.listen.grpc_port).await?;
    web::warn_if_open(settings, address);
    let listener = web::bind(address).await?;
    answering.nexus.open(frontend.clone());
    frontend.history.set_frontend(Arc::new(frontend.clone()));
    health.serve(opened.store.clone()).await;
    let (watched, stopped) = (health.clone(), stop.clone());
    tokio::spawn(async move { stopped.run_until_cancelled(watched.watch()).await });
    tracing::info!(%address, tls = door.tls.is_some(), store = opened.name, version = SERVER_VERSION, "serving");
    println!("perdure {} serves Temporal's API on {address}", env!("CARGO_PKG_VERSION"));

    let services = grpc::services(frontend);
    answering.api.open(grpc::in_process(services.clone(), &door));
    let mut served = tokio::spawn(grpc::serve(services, health.clone(), listener, door, stop.clone()));
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

async fn open_history(
    settings: &Settings,
    opened: &Opened,
    matching: &Matching,
    limits: LiveLimits,
    nexus: &NexusConfig,
    registry: &Registry,
) -> anyhow::Result<History> {
    let config = HistoryConfig {
        store: opened.store.clone(),
        matching: matching.clone(),
        clock: Arc::new(SystemClock::default()),
        limits,
        nexus: nexus.clone(),
        registry: registry.clone(),
        owner: owner(),
        ranges: opened.ranges,
        cached_runs: settings.cached_runs,
        cached_bytes: settings.cached_mib.saturating_mul(1024 * 1024),
        lease: settings.lease()?,
    };
    History::open(config).await.map_err(|error| anyhow!("{error}")).context("the leases of the database cannot be had")
}

fn nexus_config(settings: &Settings, opened: &Opened) -> anyhow::Result<NexusConfig> {
    let key = opened.metadata.token_key.as_ref();
    let key: [u8; 32] = key.try_into().map_err(|_| anyhow!("the database's token key is damaged"))?;
    let listen = &settings.listen;
    let scheme = if settings.tls.http { "https" } else { "http" };
    // Callbacks are heard on either.
    let (ip, port) = if listen.http_port == 0 { listen.ui() } else { listen.http() };
    let own = || format!("{scheme}://{ip}:{port}");
    Ok(NexusConfig {
        endpoints: NexusEndpoints::new(opened.store.clone()),
        sealer: Sealer::new(key),
        http: HttpClient::new(tls::outgoing_roots(&settings.tls)?),
        callback_base: (port != 0).then(|| listen.http_url.clone().unwrap_or_else(own)),
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
    (namespaces, quotas, requests): (Namespaces, Quotas, Requests),
    nexus: NexusConfig,
) -> anyhow::Result<Frontend> {
    // Until history had its leases another process may have changed some.
    namespaces.refresh().await?;
    deployments.refresh().await?;
    let metadata = opened.metadata.clone();
    let NexusConfig { endpoints: nexus_endpoints, sealer, .. } = nexus;
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
        lists,
        workers,
        deployments,
        task_queues,
        cluster,
        sealer,
        quotas,
        requests,
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
