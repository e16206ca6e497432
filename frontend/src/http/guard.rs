//! Who may ask the HTTP side for what: as on the gRPC side, except for probes and for callbacks, which bring a token of their own.

use axum::{
    Json, Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use serde_json::json;
use tonic::Code;

use crate::api_keys::ApiKeys;

#[derive(Clone)]
pub struct Guard {
    pub keys: ApiKeys,
    /// gRPC clients must show a certificate, and this side cannot ask for one: only what is free is served.
    pub wants_certificates: bool,
}

/// The router behind the guard.
pub(super) fn guarded(router: Router, guard: Guard) -> Router {
    router.layer(from_fn_with_state(guard, check))
}

fn is_free(path: &str) -> bool {
    matches!(path, "/health" | "/healthz" | "/livez") || path.ends_with("/nexus/callback")
}

async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    if is_free(request.uri().path()) {
        return next.run(request).await;
    }
    if guard.wants_certificates {
        return refusal("Clients must have certificates, which this port does not ask for: use gRPC, or set tls.http.");
    }
    if !guard.keys.accept(request.headers()) {
        return refusal("Request unauthorized.");
    }
    next.run(request).await
}

/// In the form of Temporal's HTTP API.
fn refusal(message: &str) -> Response {
    let body = json!({"code": i32::from(Code::PermissionDenied), "message": message, "details": []});
    (StatusCode::FORBIDDEN, Json(body)).into_response()
}
