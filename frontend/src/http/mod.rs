//! The HTTP side: health for containers and load balancers.

use std::{sync::Arc, time::Duration};

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use perdure_storage::Store;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::cluster::SERVER_VERSION;

/// A store that needs longer than this is as good as down. Shorter than the time-outs of common probes.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct HealthState {
    store: Arc<dyn Store>,
    stopping: CancellationToken,
}

/// Routes: `GET /health` (and `/healthz`). After `stopping` is cancelled the server says that it is not healthy.
pub fn router(store: Arc<dyn Store>, stopping: CancellationToken) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/healthz", get(health))
        .with_state(HealthState { store, stopping })
}

/// 200 only while the store answers and the server takes work; the reason of a failure is in the server's log.
async fn health(State(state): State<HealthState>) -> (StatusCode, Json<Value>) {
    let (code, status) = if state.stopping.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping")
    } else {
        match timeout(PING_TIMEOUT, state.store.ping()).await {
            Ok(Ok(())) => (StatusCode::OK, "ok"),
            Ok(Err(error)) => {
                tracing::warn!(%error, "health: the store does not answer");
                (StatusCode::SERVICE_UNAVAILABLE, "store unavailable")
            }
            Err(_) => {
                tracing::warn!(timeout = ?PING_TIMEOUT, "health: the store does not answer in time");
                (StatusCode::SERVICE_UNAVAILABLE, "store unavailable")
            }
        }
    };
    (code, Json(json!({"status": status, "version": SERVER_VERSION})))
}
