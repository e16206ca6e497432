//! The HTTP side: health for containers and load balancers, Nexus, the HTTP/JSON API, and what Temporal's web UI asks.

mod guard;
mod json;
mod nexus;
mod ui;

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use serde_json::{Value, json};

pub use guard::Guard;
pub use json::{JsonApi, Services};
pub use nexus::NexusHttp;
pub use ui::{UiSettings, routes as for_ui};

use crate::{
    cluster::SERVER_VERSION,
    health::{Health, Phase},
};

/// `GET /health` (and `/healthz`): whether this server takes work. `GET /livez`: whether the process answers, which is all
/// that a liveness probe may ask of a server that waits for its database or for a lease. The rest is Nexus.
pub fn router(health: Health, nexus: NexusHttp) -> Router {
    probes(health).merge(nexus::routes(nexus))
}

/// Health alone.
pub fn probes(health: Health) -> Router {
    Router::new()
        .route("/health", get(ready))
        .route("/healthz", get(ready))
        .route("/livez", get(|| async { answer(StatusCode::OK, "ok") }))
        .with_state(health)
}

/// [`router`], and the HTTP/JSON API where there is one; then what Temporal's web UI asks for, in its own form. All behind the guard.
pub fn whole(
    health: Health,
    nexus: NexusHttp,
    api: JsonApi,
    programs: bool,
    ui: Option<UiSettings>,
    guard: Guard,
) -> Router {
    let mut router = router(health, nexus);
    if programs {
        router = router.merge(json::routes(api.clone()));
    }
    router = guard::guarded(router, guard.clone());
    match ui {
        Some(settings) => router.merge(ui::routes(api, settings, Some(guard))),
        None => router,
    }
}

/// 200 only while the server serves and its store answers; the reason of a failure is in the server's log.
async fn ready(State(health): State<Health>) -> (StatusCode, Json<Value>) {
    match health.phase() {
        Phase::Starting => answer(StatusCode::SERVICE_UNAVAILABLE, "starting"),
        Phase::Stopping => answer(StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        Phase::Serving => match health.check_store().await {
            Ok(()) => answer(StatusCode::OK, "ok"),
            Err(error) => {
                tracing::warn!(error, "health: the store does not answer");
                answer(StatusCode::SERVICE_UNAVAILABLE, "store unavailable")
            }
        },
    }
}

fn answer(code: StatusCode, status: &str) -> (StatusCode, Json<Value>) {
    (code, Json(json!({"status": status, "version": SERVER_VERSION})))
}
