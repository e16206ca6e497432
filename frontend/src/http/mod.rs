//! The HTTP side: health for containers and load balancers, and Nexus.

mod nexus;

use std::time::Duration;

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use perdure_storage::Store;
use serde_json::{Value, json};
use tokio::time::timeout;

pub use nexus::NexusHttp;

use crate::{
    cluster::SERVER_VERSION,
    health::{Health, Phase},
};

/// A store that needs longer than this is as good as down. Shorter than the time-outs of common probes.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// `GET /health` (and `/healthz`): whether this server takes work. `GET /livez`: whether the process answers, which is all
/// that a liveness probe may ask of a server that waits for its database or for a lease. The rest is Nexus.
pub fn router(health: Health, nexus: NexusHttp) -> Router {
    Router::new()
        .route("/health", get(ready))
        .route("/healthz", get(ready))
        .route("/livez", get(|| async { answer(StatusCode::OK, "ok") }))
        .with_state(health)
        .merge(nexus::routes(nexus))
}

/// 200 only while the server serves and its store answers; the reason of a failure is in the server's log.
async fn ready(State(health): State<Health>) -> (StatusCode, Json<Value>) {
    match (health.phase(), health.store()) {
        (Phase::Serving, Some(store)) => match ping(&**store).await {
            Ok(()) => answer(StatusCode::OK, "ok"),
            Err(error) => {
                tracing::warn!(error, "health: the store does not answer");
                answer(StatusCode::SERVICE_UNAVAILABLE, "store unavailable")
            }
        },
        (Phase::Stopping, _) => answer(StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        (Phase::Starting | Phase::Serving, _) => answer(StatusCode::SERVICE_UNAVAILABLE, "starting"),
    }
}

async fn ping(store: &dyn Store) -> Result<(), String> {
    let answered = timeout(PING_TIMEOUT, store.ping()).await;
    answered.map_err(|_| format!("no answer within {PING_TIMEOUT:?}"))?.map_err(|error| error.to_string())
}

fn answer(code: StatusCode, status: &str) -> (StatusCode, Json<Value>) {
    (code, Json(json!({"status": status, "version": SERVER_VERSION})))
}
