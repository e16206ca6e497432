//! The gRPC side: Temporal's two services, our own, health and reflection on one port.

use anyhow::Context;
use perdure_frontend::{
    Frontend, MAX_REQUEST,
    api_keys::ApiKeys,
    health::Health,
    http::Services,
    import::Admin,
    layers::{self, Authorize},
    operator::Operator,
};
use perdure_proto::{
    api::operatorservice::operator_service_server::OperatorServiceServer,
    perdure::admin::v1::admin_service_server::AdminServiceServer,
};
use tokio::net::TcpListener;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::{
    codec::CompressionEncoding,
    service::Routes,
    transport::{Server, server::TcpIncoming},
};
use tower::ServiceBuilder;

use crate::{
    dynamic_config::ConnectionLimits,
    gathered::Gathered,
    reflection::Reflection,
    services::AllServices,
    tls::{Acceptor, Incoming},
};

/// Calls that a client may give up before they were taken up. A worker that stops gives up all its polls at once; the default of
/// 20 would close its connection.
const RESETS_MAX: usize = 10_000;
/// Calls of one connection at a time. Workers park many polls on one.
const STREAMS_MAX: u32 = 10_000;

/// HTTP/2 windows: a history page or a large payload should not wait for window updates.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// A message of an import. One event may be as large as a request that made it.
const IMPORT_MESSAGE: usize = 2 * MAX_REQUEST;

/// Who is let in.
pub(crate) struct Door {
    pub(crate) keys: ApiKeys,
    /// None: plain text.
    pub(crate) tls: Option<Acceptor>,
    pub(crate) connections: ConnectionLimits,
}

/// Temporal's two services and our own, without what lies around them.
pub(crate) fn services(frontend: Frontend) -> AllServices {
    let operator = OperatorServiceServer::new(Operator::new(&frontend)).accept_compressed(CompressionEncoding::Gzip);
    let admin = AdminServiceServer::new(Admin::new(&frontend)).max_decoding_message_size(IMPORT_MESSAGE);
    // Answers go out as they are: compressing each small one would cost more than the network saves.
    let workflow = frontend.into_service().accept_compressed(CompressionEncoding::Gzip);
    AllServices { workflow, others: Routes::new(operator).add_service(admin).prepare() }
}

/// The services for calls from within this process, with the layers that calls from outside go through.
pub(crate) fn in_process(services: AllServices, door: &Door) -> Services {
    let layers = ServiceBuilder::new().layer(Authorize(door.keys.clone())).map_response(layers::correct);
    Services::new(layers.service(services))
}

/// A server whose connections live like this.
fn server(connections: &ConnectionLimits) -> Server {
    let ConnectionLimits { ping_after, ping_timeout, age, age_grace } = *connections;
    // A connection that does not answer a ping is dead, and its parked polls with it.
    let server =
        Server::builder().http2_keepalive_interval(Some(ping_after)).http2_keepalive_timeout(Some(ping_timeout));
    if age.is_zero() { server } else { server.max_connection_age(age).max_connection_age_grace(age_grace) }
}

/// Serves until `stop`, then lets the calls in flight end.
pub(crate) async fn serve(
    mut services: AllServices,
    health: Health,
    listener: TcpListener,
    door: Door,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    services.others = services.others.add_service(health.service()).add_service(Reflection::default()).prepare();
    let server = server(&door.connections)
        .layer(Authorize(door.keys))
        .layer(ServiceBuilder::new().map_response(layers::correct))
        .max_concurrent_streams(STREAMS_MAX)
        .http2_max_pending_accept_reset_streams(Some(RESETS_MAX))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    let stopped = stop.cancelled_owned();
    let served = match door.tls {
        Some(acceptor) => {
            let incoming = Incoming::new(listener, acceptor)?.into_stream().map(|stream| stream.map(Gathered::new));
            server.serve_with_incoming_shutdown(services, incoming, stopped).await
        }
        None => {
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true)).map(|stream| stream.map(Gathered::new));
            server.serve_with_incoming_shutdown(services, incoming, stopped).await
        }
    };
    served.context("the gRPC server failed")
}
