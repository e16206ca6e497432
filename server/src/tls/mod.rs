//! TLS for clients: the server's certificate, and clients' certificates where they are asked for.
//!
//! The files are read at start, where what is wrong with them ends the server, and again whenever they change, where it does
//! not: connections that are there go on, new ones meet the last certificate that was good.

mod certificate;
mod incoming;

use std::{sync::Arc, time::Duration};

use rustls::ServerConfig;
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

pub(crate) use certificate::outgoing_roots;
pub(crate) use incoming::Incoming;

use crate::settings::TlsSettings;

/// What a listener meets its next client with.
#[derive(Clone, Debug)]
pub(crate) struct Acceptor(watch::Receiver<Arc<ServerConfig>>);

impl Acceptor {
    fn config(&self) -> Arc<ServerConfig> {
        self.0.borrow().clone()
    }
}

/// TLS as the settings want it.
pub(crate) struct Tls {
    pub(crate) grpc: Acceptor,
    /// None: HTTP is in plain text.
    pub(crate) http: Option<Acceptor>,
}

/// None: no TLS. Reads the files again every `refresh_interval` until `stop`.
pub(crate) fn open(settings: &TlsSettings, stop: CancellationToken) -> anyhow::Result<Option<Tls>> {
    if settings.identity()?.is_none() {
        return Ok(None);
    }
    let refresh = settings.refresh()?;
    let files = certificate::read(settings)?;
    let config = certificate::server_config(settings, &files)?;
    let (grpc, for_grpc) = watch::channel(for_protocol(&config, b"h2"));
    let (http, for_http) = watch::channel(for_protocol(&config, b"http/1.1"));
    if let Some(interval) = refresh {
        let settings = settings.clone();
        let keep = async move { keep_fresh(&settings, files, interval, [(grpc, b"h2"), (http, b"http/1.1")]).await };
        tokio::spawn(async move { stop.run_until_cancelled(keep).await });
    }
    Ok(Some(Tls { grpc: Acceptor(for_grpc), http: settings.http.then_some(Acceptor(for_http)) }))
}

fn for_protocol(config: &ServerConfig, name: &[u8]) -> Arc<ServerConfig> {
    let mut config = config.clone();
    config.alpn_protocols = vec![name.to_vec()];
    Arc::new(config)
}

/// Reads the files again and again; what is new and good is for the next connections.
async fn keep_fresh(
    settings: &TlsSettings,
    mut seen: certificate::Files,
    interval: Duration,
    listeners: [(watch::Sender<Arc<ServerConfig>>, &[u8]); 2],
) {
    loop {
        sleep(interval).await;
        let files = match certificate::read(settings) {
            Ok(files) if files == seen => continue,
            Ok(files) => files,
            Err(error) => {
                tracing::warn!("the TLS files cannot be read, the last good ones stay in use: {error:#}");
                continue;
            }
        };
        match certificate::server_config(settings, &files) {
            Ok(config) => {
                for (listener, protocol) in &listeners {
                    listener.send_replace(for_protocol(&config, protocol));
                }
                tracing::info!("the TLS files have changed: new connections meet the new certificate");
            }
            Err(error) => {
                tracing::warn!(
                    "the TLS files have changed and are not used, the last good ones stay in use until they are mended: {error:#}"
                );
            }
        }
        seen = files;
    }
}
