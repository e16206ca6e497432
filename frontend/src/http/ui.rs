//! `/api/v1` as Temporal's web UI wants it from its own server: the API in canonical JSON, the UI's settings, and histories
//! as one array. A browser may call from the pages of this server, or from origins that are named in the settings.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use futures::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use subtle::ConstantTimeEq;
use tower_http::cors::{AllowOrigin, CorsLayer};
use uuid::Uuid;

use super::{
    Guard,
    guard::guarded,
    json::{HistoryPages, JsonApi, Surface},
};

/// The release of Temporal's UI server whose routes these are. The UI chooses its routes by it.
pub(super) const UI_VERSION: &str = "2.53.3";

const CSRF_COOKIE: &str = "_csrf";
const CSRF_HEADER: &str = "x-csrf-token";
/// Longest token of a cookie that is sent back to its browser.
const CSRF_LENGTH: usize = 64;

/// What the UI asks about this server, and who may ask.
#[derive(Clone, Debug, Default)]
pub struct UiSettings {
    /// Shown first; empty: `default`.
    pub default_namespace: String,
    /// URL of a server that the browser asks to decode payloads; empty: none.
    pub codec_endpoint: String,
    /// Do not look for news on the internet.
    pub disable_news_fetch: bool,
    /// Origins of other pages that may call, as `http://localhost:8080`; `*` is any.
    pub cors_origins: Vec<String>,
}

#[derive(Clone)]
struct Ui {
    api: JsonApi,
    settings: Arc<UiSettings>,
}

/// What the UI asks of its server, whichever services are behind `api`.
pub fn routes(api: JsonApi, settings: UiSettings, guard: Option<Guard>) -> Router {
    let cors = cors(settings.cors_origins.clone());
    let ui = Ui { api, settings: Arc::new(settings) };
    let router = Router::new()
        .route("/api/v1/settings", get(show_settings))
        .route("/api/v1/namespaces/{namespace}/workflows/{workflow}/run/{run}/history.json", get(history))
        .route("/api/v1/{*path}", any(call))
        .route_layer(middleware::from_fn(protect))
        .with_state(ui);
    let router = match guard {
        Some(guard) => guarded(router, guard),
        None => router,
    };
    // Outermost: browsers ask beforehand without a key, and a page is to learn why it was refused.
    router.layer(cors)
}

/// What browsers are told of pages of other origins.
fn cors(origins: Vec<String>) -> CorsLayer {
    let is_named = move |origin: &HeaderValue, _: &_| origins.iter().any(|one| one == "*" || one == origin);
    let headers =
        ["origin", "content-type", "accept", CSRF_HEADER, "authorization", "authorization-extras", "caller-type"];
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(is_named))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers(headers.map(HeaderName::from_static))
}

async fn call(State(ui): State<Ui>, request: Request) -> Response {
    ui.api.serve(Surface::Ui, request).await
}

/// Each `Disabled` would hide a part of the UI; nothing that it shows is switched off here.
async fn show_settings(State(ui): State<Ui>) -> Json<Value> {
    let settings = &ui.settings;
    Json(json!({
        "Auth": {"Enabled": false, "Options": null, "RedirectToProvider": false},
        "DefaultNamespace": settings.default_namespace,
        "ShowTemporalSystemNamespace": false,
        "NavCollapsedByDefault": false,
        "FeedbackURL": "",
        "DisableNewsFetch": settings.disable_news_fetch,
        "Codec": {
            "Endpoint": settings.codec_endpoint,
            "PassAccessToken": false,
            "IncludeCredentials": false,
            "DefaultErrorMessage": "",
            "DefaultErrorLink": "",
        },
        "Version": UI_VERSION,
        "DisableWriteActions": false,
        "WorkflowTerminateDisabled": false,
        "WorkflowCancelDisabled": false,
        "WorkflowSignalDisabled": false,
        "WorkflowUpdateDisabled": false,
        "WorkflowResetDisabled": false,
        "WorkflowPauseDisabled": false,
        "BatchActionsDisabled": false,
        "StartWorkflowDisabled": false,
        "HideWorkflowQueryErrors": false,
        "RefreshWorkflowCountsDisabled": false,
        "ActivityCommandsDisabled": false,
    }))
}

/// All events of a run as one JSON array, page by page. An error on a later page cuts the answer off.
async fn history(
    State(ui): State<Ui>,
    Path((namespace, workflow, run)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let pages = HistoryPages::open(ui.api, &headers, [&namespace, &workflow, &run]).await;
    let (first, pages) = match pages {
        Ok(opened) => opened,
        Err(response) => return response,
    };
    let rest = stream::try_unfold(pages, |pages| async move {
        let Some(mut pages) = pages else { return Ok(None) };
        match pages.next().await {
            Ok(Some(text)) => Ok(Some((text, Some(pages)))),
            Ok(None) => Ok(Some(("]".to_owned(), None))),
            Err(status) => Err(std::io::Error::other(status.message().to_owned())),
        }
    });
    let first = stream::once(async move { Ok(format!("[{first}")) });
    Body::from_stream(futures::StreamExt::chain(first, rest)).into_response()
}

/// What a browser is told around each answer, and refuses where another site could be behind the request.
async fn protect(request: Request, next: Next) -> Response {
    let mut response = checked(request, next).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    response
}

/// A page of this server knows the cookie and repeats it in a header; a page of another site can send it, but not read it. A
/// request with credentials of its own is not made by a browser's habit of sending cookies.
async fn checked(request: Request, next: Next) -> Response {
    let headers = request.headers();
    if headers.contains_key(header::AUTHORIZATION) {
        return canonical(next.run(request).await);
    }
    let token = csrf_token(headers);
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let refuse = |code: StatusCode, message: &str| (code, Json(json!({"message": message}))).into_response();
        let Some(told) = headers.get(CSRF_HEADER) else {
            return refuse(StatusCode::BAD_REQUEST, "missing csrf token in request header");
        };
        let same = |token: &String| bool::from(token.as_bytes().ct_eq(told.as_bytes()));
        if !token.as_ref().is_some_and(same) {
            return refuse(StatusCode::FORBIDDEN, "invalid csrf token");
        }
    }
    let token = token.unwrap_or_else(|| Uuid::new_v4().simple().to_string());
    let cookie = format!("{CSRF_COOKIE}={token}; Path=/; Max-Age=86400; SameSite=Strict");
    let mut response = canonical(next.run(request).await);
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
        response.headers_mut().append(header::VARY, HeaderValue::from_static("Cookie"));
    }
    response
}

/// The UI's server knows one media type.
fn canonical(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The token of the cookie, if it looks like one of ours.
fn csrf_token(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    let token = pairs.filter(|(name, _)| *name == CSRF_COOKIE).map(|(_, token)| token).next()?;
    let is_ours = (1..=CSRF_LENGTH).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_ours.then(|| token.to_owned())
}
