//! The gRPC side: Temporal's two services, health and reflection on one port.

use std::time::Duration;

use anyhow::Context;
use perdure_frontend::{Frontend, health::Health, layers, operator::Operator};
use perdure_proto::{DESCRIPTORS, api::operatorservice::operator_service_server::OperatorServiceServer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{
    codec::CompressionEncoding,
    transport::{Server, server::TcpIncoming},
};
use tower::ServiceBuilder;

/// A connection that does not answer a ping is dead, and its parked polls with it.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(15);

/// Calls that a client may give up before they were taken up. A worker that stops gives up all its polls at once; the default of
/// 20 would close its connection.
const RESETS_MAX: usize = 10_000;
/// Calls of one connection at a time. Workers park many polls on one.
const STREAMS_MAX: u32 = 10_000;

/// HTTP/2 windows: a history page or a large payload should not wait for window updates.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// Serves until `stop`, then lets the calls in flight end.
pub(crate) async fn serve(
    frontend: Frontend,
    health: Health,
    listener: TcpListener,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let operator = OperatorServiceServer::new(Operator::new(&frontend)).accept_compressed(CompressionEncoding::Gzip);
    // The older v1alpha would decode all descriptors once more, 6 MB, for tools that know v1 as well.
    let reflection = tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(DESCRIPTORS);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder()
        .layer(ServiceBuilder::new().map_response(layers::correct))
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .max_concurrent_streams(STREAMS_MAX)
        .http2_max_pending_accept_reset_streams(Some(RESETS_MAX))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .add_service(
            frontend
                .into_service()
                // Answers go out as they are: compressing each small one would cost more than the network saves.
                .accept_compressed(CompressionEncoding::Gzip),
        )
        .add_service(operator)
        .add_service(health.service())
        .add_service(reflection.build_v1().context("reflection")?)
        .serve_with_incoming_shutdown(incoming, stop.cancelled_owned())
        .await
        .context("the gRPC server failed")
}
