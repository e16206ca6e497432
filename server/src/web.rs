//! The listeners of HTTP: that of clients, and that of Prometheus and of probes.

use std::net::SocketAddr;

use anyhow::Context;
use axum::Router;
use perdure_frontend::{
    api_keys::ApiKeys,
    health::Health,
    http::{self, Guard, JsonApi, NexusHttp},
};
use tokio::{
    net::{TcpListener, lookup_host},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    settings::Settings,
    tls::{Acceptor, Incoming},
};

/// What answers on the HTTP side, apart from health. All refuse until the server has come up.
#[derive(Clone, Default)]
pub(crate) struct Answering {
    pub(crate) nexus: NexusHttp,
    pub(crate) api: JsonApi,
}

/// The HTTP side: the port of the API and that of the web UI, either of which may be off, or both the same.
pub(crate) async fn serve(
    settings: &Settings,
    health: &Health,
    answering: &Answering,
    keys: &ApiKeys,
    tls: Option<&Acceptor>,
    stop: &CancellationToken,
) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let (api, ui) = (settings.listen.http(), settings.listen.ui());
    // Address, whether programs are answered, whether the web UI is.
    let both = [(api, true, false), (ui, false, true)];
    let ports = if api == ui { vec![(api, true, true)] } else { both.to_vec() };
    let mut served = Vec::new();
    for ((ip, port), programs, browsers) in ports.into_iter().filter(|((_, port), ..)| *port != 0) {
        let address = resolve(ip, port).await?;
        warn_if_open(settings, address);
        let listener = bind(address).await?;
        tracing::info!(%address, tls = tls.is_some(), api = programs, web_ui = browsers, "HTTP");
        let ui = browsers.then(|| settings.ui.settings(settings.namespaces.first()));
        let Answering { nexus, api } = answering.clone();
        let wants_certificates = settings.tls.requires_client_cert() && tls.is_none();
        let guard = Guard { keys: keys.clone(), wants_certificates };
        let router = http::whole(health.clone(), nexus, api, programs, ui, guard);
        served.push(match tls {
            Some(acceptor) => spawn(Incoming::new(listener, acceptor.clone())?, router, stop.clone()),
            None => spawn(listener, router, stop.clone()),
        });
    }
    Ok(served)
}

fn spawn<L>(listener: L, router: Router, stop: CancellationToken) -> JoinHandle<()>
where
    L: axum::serve::Listener,
    L::Addr: std::fmt::Debug,
{
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the HTTP side ended");
            stop.cancel();
        }
    })
}

/// IPv4 where a name has both, as clients that say `localhost` try it first or only.
pub(crate) async fn resolve(host: &str, port: u16) -> anyhow::Result<SocketAddr> {
    let found = lookup_host((host, port)).await.with_context(|| format!("{host:?} is no address to listen on"))?;
    let mut addresses: Vec<_> = found.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    addresses.first().copied().with_context(|| format!("{host:?} has no address to listen on"))
}

/// Tells an operator whose server takes calls of anybody in a network.
pub(crate) fn warn_if_open(settings: &Settings, address: SocketAddr) {
    let auth = &settings.auth;
    let is_closed =
        settings.tls.requires_client_cert() || !auth.api_key_hashes.is_empty() || auth.api_keys_file.is_some();
    if !address.ip().is_loopback() && !is_closed {
        tracing::warn!(%address, "clients are not authenticated: let only a trusted network reach this address");
    }
}

pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}: does another server run there? Choose another port"))
}
