//! Nexus over HTTP, as a client: requests to handlers that are outside services, and calls of callbacks.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use perdure_engine::{NexusCompletion, NexusResult, NexusStartOutcome};
use perdure_proto::api::{
    enums::NexusHandlerErrorRetryBehavior as RetryBehavior,
    failure::{Failure, failure::FailureInfo},
    nexus::{CancelOperationRequest, Link, StartOperationRequest},
};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};

use super::{Envelope, OPERATION_TOKEN, RequestError, failure, links, payload, wire};

/// Longest answer of a handler, in bytes.
const ANSWER_LIMIT: usize = 4 * 1024 * 1024;
const JSON: &str = "application/json";
/// The handler may answer with whole failures.
const FAILURE_SUPPORT: &str = "temporal-nexus-failure-support";

/// Cheap to clone; connections are kept and shared.
#[derive(Clone)]
pub struct HttpClient(Arc<Lazy>);

struct Lazy {
    roots: RootCertStore,
    client: OnceLock<Client<HttpsConnector<HttpConnector>, Full<Bytes>>>,
}

impl Lazy {
    fn client(&self) -> &Client<HttpsConnector<HttpConnector>, Full<Bytes>> {
        self.client.get_or_init(|| {
            let system = rustls_native_certs::load_native_certs();
            for error in &system.errors {
                tracing::debug!(%error, "some of the system's certificates cannot be read");
            }
            let mut roots = self.roots.clone();
            roots.add_parsable_certificates(system.certs);
            let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
            let builder = HttpsConnectorBuilder::new().with_tls_config(config);
            let connector = builder.https_or_http().enable_http1().build();
            Client::builder(TokioExecutor::new()).build(connector)
        })
    }
}

struct Answer {
    status: StatusCode,
    header: HeaderMap,
    body: Bytes,
}

impl HttpClient {
    /// Trusts these roots, and what the system trusts (or `SSL_CERT_FILE`), which the first call reads: most servers make none.
    /// Where both are nothing, `https` is refused as of an unknown issuer.
    pub fn new(roots: RootCertStore) -> Self {
        Self(Arc::new(Lazy { roots, client: OnceLock::new() }))
    }

    async fn post(&self, url: &str, header: HeaderMap, body: Bytes, timeout: Duration) -> Result<Answer, RequestError> {
        let url: Uri = url.parse().map_err(|error| RequestError::call(format!("invalid URL: {error}"), true))?;
        let mut request = Request::post(url)
            .body(Full::new(body))
            .map_err(|error| RequestError::call(format!("the request cannot be made: {error}"), true))?;
        *request.headers_mut() = header;
        let call = async {
            let response = self.0.client().request(request).await.map_err(|error| unreachable_handler(&error))?;
            let (head, body) = response.into_parts();
            match Limited::new(body, ANSWER_LIMIT).collect().await {
                Ok(body) => Ok(Answer { status: head.status, header: head.headers, body: body.to_bytes() }),
                Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                    Err(RequestError::call("http: response body too large", false))
                }
                Err(error) => Err(unreachable_handler(&*error)),
            }
        };
        match tokio::time::timeout(timeout, call).await {
            Ok(answer) => answer,
            Err(_) => Err(RequestError::call("request timed out", true)),
        }
    }

    /// `callback`: the whole URL.
    pub(crate) async fn start(
        &self,
        base: &str,
        envelope: Envelope,
        request: StartOperationRequest,
    ) -> Result<NexusStartOutcome, RequestError> {
        let mut url = operation_url(base, &request.service, &request.operation);
        if !request.callback.is_empty() {
            let _ = write!(url, "?callback={}", links::escape_all(&request.callback));
        }
        let mut header = headers(&envelope);
        put(&mut header, "nexus-request-id", &request.request_id);
        put(&mut header, FAILURE_SUPPORT, "true");
        for (name, value) in &request.callback_header {
            put(&mut header, &format!("nexus-callback-{name}"), value);
        }
        let (content, body) = payload::to_content(&payload::or_null(request.payload));
        put_content(&mut header, &content);
        wire::put_links(&mut header, &request.links);
        let answer = self.post(&url, header, body, envelope.timeout).await?;
        started(answer)
    }

    pub(crate) async fn cancel(
        &self,
        base: &str,
        envelope: Envelope,
        request: CancelOperationRequest,
    ) -> Result<(), RequestError> {
        let url = format!("{}/cancel", operation_url(base, &request.service, &request.operation));
        let mut header = headers(&envelope);
        put(&mut header, OPERATION_TOKEN, &request.operation_token);
        put(&mut header, FAILURE_SUPPORT, "true");
        let answer = self.post(&url, header, Bytes::new(), envelope.timeout).await?;
        if answer.status == StatusCode::ACCEPTED { Ok(()) } else { Err(handler_error(&answer)) }
    }

    /// Tells a callback how its operation ended.
    pub(crate) async fn complete(
        &self,
        url: &str,
        extra: &BTreeMap<String, String>,
        completion: &NexusCompletion,
        timeout: Duration,
    ) -> Result<(), RequestError> {
        let mut header = HeaderMap::new();
        for (name, value) in extra {
            put(&mut header, name, value);
        }
        let (state, body) = match &completion.result {
            NexusResult::Succeeded(result) => {
                let (content, body) = payload::to_content(&payload::or_null(result.clone()));
                put_content(&mut header, &content);
                ("succeeded", body)
            }
            NexusResult::Failed(failure) => ("failed", failure_body(&mut header, failure)?),
            NexusResult::Canceled(failure) => ("canceled", failure_body(&mut header, failure)?),
        };
        put(&mut header, "nexus-operation-state", state);
        put(&mut header, "nexus-operation-start-time", &wire::http_date(completion.start_time));
        let links: Vec<Link> = completion.links.iter().filter_map(links::to_nexus).collect();
        wire::put_links(&mut header, &links);
        let answer = self.post(url, header, body, timeout).await?;
        if answer.status.is_success() { Ok(()) } else { Err(handler_error(&answer)) }
    }
}

fn unreachable_handler(error: &(dyn std::error::Error + 'static)) -> RequestError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    RequestError::call(text, true)
}

fn operation_url(base: &str, service: &str, operation: &str) -> String {
    format!("{}/{}/{}", base.trim_end_matches('/'), links::escape_all(service), links::escape_all(operation))
}

fn headers(envelope: &Envelope) -> HeaderMap {
    let mut header = HeaderMap::new();
    for (name, value) in &envelope.header {
        put(&mut header, name, value);
    }
    put(&mut header, "request-timeout", &format!("{}ms", envelope.timeout.as_millis()));
    put(&mut header, "user-agent", concat!("perdure/", env!("CARGO_PKG_VERSION")));
    header
}

/// A name or value that HTTP cannot carry is left out.
fn put(header: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        header.insert(name, value);
    }
}

fn put_content(header: &mut HeaderMap, content: &BTreeMap<String, String>) {
    for (name, value) in content {
        put(header, &format!("content-{name}"), value);
    }
}

fn failure_body(header: &mut HeaderMap, failure: &Failure) -> Result<Bytes, RequestError> {
    put(header, CONTENT_TYPE.as_str(), JSON);
    Ok(wire::failure_to_json(&failure::to_nexus(failure)?).to_string().into())
}

fn started(answer: Answer) -> Result<NexusStartOutcome, RequestError> {
    let links = || links::from_nexus(&wire::links_of(&answer.header));
    match answer.status {
        StatusCode::OK => {
            let content = wire::content_header(&answer.header);
            let result = payload::of_content(&content, answer.body.clone());
            let result = result.ok_or_else(|| RequestError::call("the result cannot be read", true))?;
            Ok(NexusStartOutcome::Completed { result: Some(result), links: links() })
        }
        StatusCode::CREATED => {
            let info: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
            let token = info["token"].as_str().or(info["id"].as_str()).unwrap_or_default();
            if info["state"] != json!("running") {
                return Err(RequestError::call(
                    format!("invalid operation state in response info: {}", info["state"]),
                    true,
                ));
            }
            if token.is_empty() {
                return Err(RequestError::call("empty operation token in response", true));
            }
            Ok(NexusStartOutcome::Async { operation_token: token.to_owned(), links: links() })
        }
        StatusCode::FAILED_DEPENDENCY => unsuccessful(&answer),
        _ => Err(handler_error(&answer)),
    }
}

fn unsuccessful(answer: &Answer) -> Result<NexusStartOutcome, RequestError> {
    let failure = wire::failure_of_body(&answer.header, &answer.body)
        .ok_or_else(|| RequestError::call("the failure of the operation cannot be read", true))?;
    let state = answer.header.get("nexus-operation-state").and_then(|state| state.to_str().ok());
    let failure = Box::new(failure::to_temporal(wire::unwrap(failure))?);
    match (state, &failure.failure_info) {
        (Some("canceled"), _) | (None, Some(FailureInfo::CanceledFailureInfo(_))) => {
            Ok(NexusStartOutcome::Canceled { failure })
        }
        (Some("failed") | None, _) => Ok(NexusStartOutcome::Failed { failure }),
        (Some(other), _) => Err(RequestError::call(format!("invalid operation state header: {other:?}"), true)),
    }
}

/// What an answer that is no success says: a handler error, as its body or its status tell.
fn handler_error(answer: &Answer) -> RequestError {
    let told = wire::failure_of_body(&answer.header, &answer.body);
    let told = told.and_then(|failure| failure::to_temporal(failure).ok());
    if let Some(failure @ Failure { failure_info: Some(FailureInfo::NexusHandlerFailureInfo(_)), .. }) = told {
        return RequestError::of(failure);
    }
    let Some(kind) = wire::error_type(answer.status) else {
        let message = told.map(|failure| format!(": {}", failure.message)).unwrap_or_default();
        return RequestError::call(format!("unexpected response status: {:?}{message}", answer.status.as_str()), true);
    };
    let retry = match answer.header.get("nexus-request-retryable").map(HeaderValue::as_bytes) {
        Some(b"true") => RetryBehavior::Retryable,
        Some(b"false") => RetryBehavior::NonRetryable,
        _ => RetryBehavior::Unspecified,
    };
    let cause = told.map(Box::new);
    RequestError::of(Failure { cause, ..failure::handler_error(kind, "", retry) })
}
