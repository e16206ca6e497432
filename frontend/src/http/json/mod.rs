//! Temporal's HTTP/JSON API.
//!
//! Routes, path templates, query parameters and bodies come from the API's descriptors, so an RPC needs no code here. A
//! request becomes the RPC's message and goes through the gRPC services in this process; its answer becomes JSON.

mod call;
mod fields;
mod format;
mod headers;
mod history;
mod openapi;
mod schema;
mod shorthand;
mod template;

use std::sync::{Arc, OnceLock};

use axum::{
    Router,
    body::Body,
    extract::{Query, Request, State},
    response::Response,
    routing::get,
};
use bytes::Bytes;
use http::{HeaderMap, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage};
use serde_json::{Value, json};
use serde_path_to_error::{Deserializer, Track};
use tonic::Status;

pub use call::Services;
pub(super) use history::HistoryPages;

use self::{
    format::Format,
    schema::{Route, SCHEMA, Unrouted},
};
use crate::MAX_REQUEST;

/// Refuses until the server has come up. Cheap to clone.
#[derive(Clone, Default)]
pub struct JsonApi(Arc<OnceLock<Services>>);

/// Who asks. The same routes and RPCs; how JSON is written and what the server hears of the client are different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surface {
    /// Programs: the caller chooses the form of the JSON.
    Api,
    /// Temporal's web UI: always canonical JSON over several lines.
    Ui,
}

type Pairs = Vec<(String, String)>;

impl JsonApi {
    /// From now on requests are served.
    pub fn open(&self, services: Services) {
        // Others would be a second server.
        let _ = self.0.set(services);
    }

    /// Serves one request of the API. All errors are answers.
    pub(super) async fn serve(&self, surface: Surface, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let query = pairs(&parts.uri);
        let (given, wanted) = match surface {
            Surface::Api => Format::of(&parts.headers, query.as_deref().unwrap_or_default()),
            Surface::Ui => (Format::UI, Format::UI),
        };
        let (route, in_path) = match SCHEMA.find(&parts.method, parts.uri.path()) {
            Ok(found) => found,
            Err(unrouted) => return wanted.error(&unrouted.into()),
        };
        let request = async {
            let metadata = headers::metadata(surface, &parts.headers)?;
            let body = read(body).await?;
            let query = query.ok_or_else(|| Status::invalid_argument("the query of the URL cannot be read"))?;
            let message = message(route, given, &body, &query, &in_path).map_err(Status::invalid_argument)?;
            self.call(route, metadata, &message).await
        };
        match request.await {
            Ok(answer) => wanted.answer(&answer, &route.response_body),
            Err(status) => wanted.error(&status),
        }
    }

    async fn call(
        &self,
        route: &Route,
        metadata: HeaderMap,
        request: &DynamicMessage,
    ) -> Result<DynamicMessage, Status> {
        let services = self.0.get().cloned().ok_or_else(|| Status::unavailable("the server is starting"))?;
        call::unary(services, &route.rpc, metadata, request).await
    }
}

/// Every route of the API in both of its forms, and the documents that describe them.
pub(super) fn routes(api: JsonApi) -> Router {
    Router::new()
        .route("/openapi.yaml", get(async || openapi::version_3()))
        .route("/swagger.json", get(async || openapi::version_2()))
        .fallback(async |State(api): State<JsonApi>, request: Request| api.serve(Surface::Api, request).await)
        .with_state(api)
}

impl From<Unrouted> for Status {
    fn from(unrouted: Unrouted) -> Self {
        match unrouted {
            Unrouted::Malformed => Status::invalid_argument("the path of the URL cannot be read"),
            Unrouted::Unknown => Status::not_found("Not Found"),
            Unrouted::OtherMethod => Status::unimplemented("Method Not Allowed"),
        }
    }
}

fn pairs(uri: &Uri) -> Option<Pairs> {
    Query::<Pairs>::try_from_uri(uri).ok().map(|query| query.0)
}

async fn read(body: Body) -> Result<Bytes, Status> {
    match Limited::new(body, MAX_REQUEST).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(Status::invalid_argument(format!("the body is larger than {MAX_REQUEST} bytes")))
        }
        Err(_) => Err(Status::invalid_argument("the body cannot be read")),
    }
}

/// The RPC's request. Errors are texts for the caller.
fn message(
    route: &Route,
    format: Format,
    body: &[u8],
    query: &[(String, String)],
    in_path: &[(&str, String)],
) -> Result<DynamicMessage, String> {
    let descriptor = route.rpc.input();
    let mut message = match (route.body.as_str(), body.trim_ascii()) {
        ("", _) | (_, []) => DynamicMessage::new(descriptor),
        (field, body) => {
            let tree: Value = serde_json::from_slice(body).map_err(|error| format!("the body is no JSON: {error}"))?;
            parse(descriptor, if field == "*" { tree } else { json!({field: tree}) }, format)?
        }
    };
    if route.body != "*" {
        for (name, values) in grouped(query, &message.descriptor()) {
            // What the path says counts.
            if !in_path.iter().any(|(field, _)| *field == name) {
                fields::set(&mut message, &name, &values)?;
            }
        }
    }
    for (field, value) in in_path {
        fields::set(&mut message, field, std::slice::from_ref(value))?;
    }
    Ok(message)
}

fn parse(descriptor: MessageDescriptor, mut tree: Value, format: Format) -> Result<DynamicMessage, String> {
    if !tree.is_object() {
        return Err(format!("the body is no JSON object, which a {} is", descriptor.name()));
    }
    if format.shorthand {
        shorthand::expand(&mut tree, &descriptor, &mut { MAX_REQUEST })?;
    }
    let mut track = Track::new();
    let message = DynamicMessage::deserialize(descriptor, Deserializer::new(tree, &mut track));
    message.map_err(|error| format!("the body is no request: {}: {error}", track.path()))
}

/// All values of a name together, under its name in the `.proto` files, in the order of the query.
fn grouped(query: &[(String, String)], message: &MessageDescriptor) -> Vec<(String, Vec<String>)> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for (name, value) in query {
        let name = fields::canonical(message, name);
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value.clone()),
            None => groups.push((name, vec![value.clone()])),
        }
    }
    groups
}

#[cfg(test)]
mod tests;
