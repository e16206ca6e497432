//! Nexus over HTTP, as a server: starts and cancels of operations whose handlers are workers here, and the ends of operations
//! whose handlers are elsewhere.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use perdure_engine::{NexusCompletion, NexusResult, NexusStartOutcome};
use perdure_history::{
    CompleteError,
    nexus::{self, CALLBACK_TOKEN, Envelope, OPERATION_TOKEN, RequestError, failure, links, payload, wire},
};
use perdure_matching::Receipt;
use perdure_proto::{
    api::{
        enums::NexusHandlerErrorRetryBehavior as RetryBehavior,
        failure::{Failure, failure::FailureInfo},
        nexus::{CancelOperationRequest, StartOperationRequest},
    },
    perdure::persistence::v1::{NexusWorkerTarget, nexus_endpoint::Target},
};
use serde_json::json;

use crate::{Frontend, limits::FrontendLimits};

/// How long a request waits for a worker where its caller names no time, and at most.
const LONGEST: Duration = Duration::from_secs(60);
const STATE: &str = "nexus-operation-state";
const START_TIME: &str = "nexus-operation-start-time";
const RETRYABLE: &str = "nexus-request-retryable";
const FAILURE_SUPPORT: &str = "temporal-nexus-failure-support";
/// Headers that are for this server, not for the handler.
const NOT_FOR_HANDLERS: [&str; 7] =
    ["content-", "nexus-callback-", "authorization", "nexus-request-id", "nexus-link", FAILURE_SUPPORT, "host"];

/// Refuses until the server has come up. Cheap to clone.
#[derive(Clone, Default)]
pub struct NexusHttp(Arc<OnceLock<Frontend>>);

impl NexusHttp {
    /// From now on requests are served.
    pub fn open(&self, frontend: Frontend) {
        // A second frontend would be a second server.
        let _ = self.0.set(frontend);
    }

    fn frontend(&self) -> Result<&Frontend, Refusal> {
        self.0.get().ok_or_else(|| Refusal::new("UNAVAILABLE", "the server is starting"))
    }
}

pub(super) fn routes(nexus: NexusHttp) -> Router {
    const BY_ENDPOINT: &str = "/nexus/endpoints/{endpoint}/services/{service}/{operation}";
    const BY_QUEUE: &str = "/namespaces/{namespace}/task-queues/{queue}/nexus-services/{service}/{operation}";
    Router::new()
        .route("/nexus/callback", post(complete))
        .route("/namespaces/{namespace}/nexus/callback", post(complete))
        .route(BY_ENDPOINT, post(start_by_endpoint))
        .route(&format!("{BY_ENDPOINT}/cancel"), post(cancel_by_endpoint))
        .route(BY_QUEUE, post(start_by_queue))
        .route(&format!("{BY_QUEUE}/cancel"), post(cancel_by_queue))
        .with_state(nexus)
}

/// A handler error for the caller. `whole`: the caller reads failures as a whole, not only their cause.
struct Refusal {
    failure: Box<Failure>,
    whole: bool,
}

impl Refusal {
    fn new(kind: &str, message: &str) -> Self {
        RequestError::handler(kind, message).into()
    }
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        Self { failure: error.failure, whole: false }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut header = HeaderMap::new();
        let kind = match &self.failure.failure_info {
            Some(FailureInfo::NexusHandlerFailureInfo(info)) => {
                let told = match info.retry_behavior() {
                    RetryBehavior::Retryable => Some("true"),
                    RetryBehavior::NonRetryable => Some("false"),
                    RetryBehavior::Unspecified => None,
                };
                if let Some(told) = told {
                    header.insert(HeaderName::from_static(RETRYABLE), HeaderValue::from_static(told));
                }
                info.r#type.as_str()
            }
            _ => "INTERNAL",
        };
        let status = wire::status_of(kind);
        let shown = match &self.failure.cause {
            Some(cause) if !self.whole => cause,
            _ => &self.failure,
        };
        (status, header, json_failure(shown)).into_response()
    }
}

fn json_failure(failure: &Failure) -> ([(HeaderName, &'static str); 1], String) {
    let body = failure::to_nexus(failure).map(|failure| wire::failure_to_json(&failure));
    let body = body.unwrap_or_else(|_| json!({"message": failure.message}));
    ([(CONTENT_TYPE, "application/json")], body.to_string())
}

fn text<'a>(header: &'a HeaderMap, name: &str) -> &'a str {
    header.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

// === Ends of operations ===

async fn complete(State(nexus): State<NexusHttp>, header: HeaderMap, body: Bytes) -> Result<StatusCode, Refusal> {
    let bad = |message: &str| Refusal::new("BAD_REQUEST", message);
    let token = text(&header, OPERATION_TOKEN).to_owned();
    let frontend = nexus.frontend()?;
    // Whose it is only the callback's token tells, which history opens.
    let limits = frontend.namespaces.limits();
    let (length, limit) = (token.len(), limits.nexus_token);
    if length > limit {
        return Err(bad(&format!("operation token length exceeds allowed limit ({length}/{limit})")));
    }
    let start_time = match text(&header, START_TIME) {
        "" => 0,
        time => wire::parse_http_date(time).ok_or_else(|| bad("failed to parse operation start time header"))?,
    };
    let completion = NexusCompletion {
        scheduled_event_id: 0,
        request_id: String::new(),
        operation_token: token,
        start_time,
        links: links::from_nexus(&wire::links_of(&header)),
        result: result(&header, body, &limits)?,
    };
    match frontend.history.complete_nexus(text(&header, CALLBACK_TOKEN), completion).await {
        Ok(()) => Ok(StatusCode::OK),
        Err(error @ CompleteError::BadToken) => Err(bad(&error.to_string())),
        Err(error @ CompleteError::NotFound(_)) => Err(Refusal::new("NOT_FOUND", &error.to_string())),
        Err(error @ CompleteError::Unavailable) => Err(Refusal::new("UNAVAILABLE", &error.to_string())),
    }
}

fn result(header: &HeaderMap, body: Bytes, limits: &FrontendLimits) -> Result<NexusResult, Refusal> {
    let bad = |message: &str| Refusal::new("BAD_REQUEST", message);
    let state = text(header, STATE);
    if state == "succeeded" {
        let result = payload::of_content(&wire::content_header(header), body);
        let result = result.ok_or_else(|| bad("invalid result content"))?;
        if prost::Message::encoded_len(&result) as i64 > limits.runs.blob_size {
            return Err(bad("result exceeds size limit"));
        }
        return Ok(NexusResult::Succeeded(Some(result)));
    }
    if state != "failed" && state != "canceled" {
        return Err(bad(&format!("invalid request operation state: {state:?}")));
    }
    let told = wire::failure_of_body(header, &body).ok_or_else(|| bad("failed to decode Failure from request body"))?;
    let told = failure::to_temporal(wire::unwrap(told)).map_err(|_| bad("invalid failure content"))?;
    Ok(if state == "failed" { NexusResult::Failed(Box::new(told)) } else { NexusResult::Canceled(Box::new(told)) })
}

// === Starts and cancels ===

type Parameters = Query<BTreeMap<String, String>>;
type ByQueue = Path<(String, String, String, String)>;

async fn start_by_endpoint(
    State(nexus): State<NexusHttp>,
    Path((endpoint, service, operation)): Path<(String, String, String)>,
    Query(query): Parameters,
    header: HeaderMap,
    body: Bytes,
) -> Response {
    let target = nexus.frontend().and_then(|frontend| by_endpoint(frontend, &endpoint));
    start(&nexus, target, Asked { service, operation, query, header }, body).await
}

async fn start_by_queue(
    State(nexus): State<NexusHttp>,
    Path((namespace, queue, service, operation)): ByQueue,
    Query(query): Parameters,
    header: HeaderMap,
    body: Bytes,
) -> Response {
    let target = nexus.frontend().and_then(|frontend| by_queue(frontend, &namespace, queue));
    start(&nexus, target, Asked { service, operation, query, header }, body).await
}

async fn cancel_by_endpoint(
    State(nexus): State<NexusHttp>,
    Path((endpoint, service, operation)): Path<(String, String, String)>,
    Query(query): Parameters,
    header: HeaderMap,
) -> Response {
    let target = nexus.frontend().and_then(|frontend| by_endpoint(frontend, &endpoint));
    cancel(&nexus, target, Asked { service, operation, query, header }).await
}

async fn cancel_by_queue(
    State(nexus): State<NexusHttp>,
    Path((namespace, queue, service, operation)): ByQueue,
    Query(query): Parameters,
    header: HeaderMap,
) -> Response {
    let target = nexus.frontend().and_then(|frontend| by_queue(frontend, &namespace, queue));
    cancel(&nexus, target, Asked { service, operation, query, header }).await
}

/// The workers that are asked, and the endpoint's name, if it has one.
type Workers = (NexusWorkerTarget, String);

fn by_endpoint(frontend: &Frontend, id: &str) -> Result<Workers, Refusal> {
    let found = frontend.nexus_endpoints.by_id(id);
    let endpoint = found.ok_or_else(|| Refusal::new("NOT_FOUND", "nexus endpoint not found"))?;
    match &endpoint.target {
        Some(Target::Worker(target)) => Ok((target.clone(), endpoint.name.clone())),
        _ => Err(Refusal::new("NOT_FOUND", "the endpoint's target is no worker")),
    }
}

fn by_queue(frontend: &Frontend, namespace: &str, task_queue: String) -> Result<Workers, Refusal> {
    let found = frontend.namespaces.resolve(namespace);
    let found = found.map_err(|_| Refusal::new("NOT_FOUND", &format!("namespace not found: {namespace:?}")))?;
    Ok((NexusWorkerTarget { namespace_id: found.id().to_string(), task_queue }, String::new()))
}

struct Asked {
    service: String,
    operation: String,
    query: BTreeMap<String, String>,
    header: HeaderMap,
}

impl Asked {
    /// `limits`: of the workers' namespace.
    fn envelope(&self, endpoint: String, limits: &FrontendLimits) -> Result<Envelope, Refusal> {
        let timeout = match text(&self.header, "request-timeout") {
            "" => LONGEST,
            time => nexus::duration(time)
                .ok_or_else(|| Refusal::new("BAD_REQUEST", "invalid request timeout header"))?
                .min(LONGEST),
        };
        let named = self.header.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let for_handler = named.filter(|(name, _)| !NOT_FOR_HANDLERS.iter().any(|prefix| name.starts_with(prefix)));
        let header = for_handler.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let margin = Duration::from_nanos(limits.runs.nexus_dispatch_margin.try_into().unwrap_or(0));
        let whole_failures = self.reads_whole_failures();
        Ok(Envelope { endpoint, whole_failures, header, scheduled_time: SystemTime::now().into(), timeout, margin })
    }

    fn reads_whole_failures(&self) -> bool {
        text(&self.header, FAILURE_SUPPORT) == "true"
    }

    /// For a caller that wants failures as a whole, or not.
    fn refuse(&self, refusal: Refusal) -> Response {
        Refusal { whole: self.reads_whole_failures(), ..refusal }.into_response()
    }
}

async fn start(nexus: &NexusHttp, target: Result<Workers, Refusal>, asked: Asked, body: Bytes) -> Response {
    match try_start(nexus, target, &asked, body).await {
        Ok(outcome) => started(outcome, &asked),
        Err(refusal) => asked.refuse(refusal),
    }
}

async fn try_start(
    nexus: &NexusHttp,
    target: Result<Workers, Refusal>,
    asked: &Asked,
    body: Bytes,
) -> Result<NexusStartOutcome, Refusal> {
    let (target, endpoint) = target?;
    let frontend = nexus.frontend()?;
    let input = payload::of_content(&wire::content_header(&asked.header), body);
    let input = input.ok_or_else(|| Refusal::new("BAD_REQUEST", "invalid input"))?;
    let limits = limits_of(frontend, &target);
    if prost::Message::encoded_len(&input) as i64 > limits.runs.blob_size {
        return Err(Refusal::new("BAD_REQUEST", "input exceeds size limit"));
    }
    let request = StartOperationRequest {
        service: asked.service.clone(),
        operation: asked.operation.clone(),
        request_id: text(&asked.header, "nexus-request-id").to_owned(),
        callback: asked.query.get("callback").cloned().unwrap_or_default(),
        payload: Some(input),
        callback_header: wire::prefixed(&asked.header, "nexus-callback-"),
        links: wire::links_of(&asked.header),
    };
    let mut receipt = None;
    let envelope = asked.envelope(endpoint, &limits)?;
    let outcome = nexus::start(&frontend.matching, &target, envelope, request, &mut receipt).await;
    passed_on(receipt);
    Ok(outcome?)
}

/// Of the workers' namespace.
fn limits_of(frontend: &Frontend, target: &NexusWorkerTarget) -> Arc<FrontendLimits> {
    frontend.namespaces.limits_of(target.namespace_id.parse().unwrap_or_default())
}

/// Who asked is outside: the answer goes on to them, and nothing of it is kept here.
fn passed_on(receipt: Option<Receipt>) {
    if let Some(receipt) = receipt {
        receipt.confirm();
    }
}

fn started(outcome: NexusStartOutcome, asked: &Asked) -> Response {
    match outcome {
        NexusStartOutcome::Completed { result, links } => {
            let (content, body) = payload::to_content(&result.unwrap_or_default());
            let mut header = with_links(&links);
            for (name, value) in content {
                let name = HeaderName::try_from(format!("content-{name}"));
                if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
                    header.insert(name, value);
                }
            }
            (StatusCode::OK, header, body).into_response()
        }
        NexusStartOutcome::Async { operation_token, links } => {
            let info = json!({"token": operation_token, "id": operation_token, "state": "running"});
            (StatusCode::CREATED, with_links(&links), axum::Json(info)).into_response()
        }
        NexusStartOutcome::Failed { failure } => unsuccessful("failed", &failure),
        NexusStartOutcome::Canceled { failure } => unsuccessful("canceled", &failure),
        // Workers answer with none of these.
        NexusStartOutcome::HandlerError { failure, .. } => asked.refuse(Refusal { failure, whole: false }),
        NexusStartOutcome::TimedOut(_) => asked.refuse(Refusal::new("UPSTREAM_TIMEOUT", "upstream timeout")),
    }
}

fn unsuccessful(state: &'static str, failure: &Failure) -> Response {
    (StatusCode::FAILED_DEPENDENCY, [(HeaderName::from_static(STATE), state)], json_failure(failure)).into_response()
}

fn with_links(links: &[perdure_proto::api::common::Link]) -> HeaderMap {
    let links: Vec<_> = links.iter().filter_map(links::to_nexus).collect();
    let mut header = HeaderMap::new();
    wire::put_links(&mut header, &links);
    header
}

async fn cancel(nexus: &NexusHttp, target: Result<Workers, Refusal>, asked: Asked) -> Response {
    match try_cancel(nexus, target, &asked).await {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(refusal) => asked.refuse(refusal),
    }
}

async fn try_cancel(nexus: &NexusHttp, target: Result<Workers, Refusal>, asked: &Asked) -> Result<(), Refusal> {
    let (target, endpoint) = target?;
    let token = match text(&asked.header, OPERATION_TOKEN) {
        "" => asked.query.get("token").cloned().unwrap_or_default(),
        token => token.to_owned(),
    };
    if token.is_empty() {
        return Err(Refusal::new("BAD_REQUEST", "missing operation token"));
    }
    let request = CancelOperationRequest {
        service: asked.service.clone(),
        operation: asked.operation.clone(),
        operation_id: token.clone(),
        operation_token: token,
    };
    let frontend = nexus.frontend()?;
    let mut receipt = None;
    let envelope = asked.envelope(endpoint, &limits_of(frontend, &target))?;
    let answer = nexus::cancel(&frontend.matching, &target, envelope, request, &mut receipt).await;
    passed_on(receipt);
    Ok(answer?)
}
