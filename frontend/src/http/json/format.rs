//! How a caller wants its JSON, and answers in it.

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use prost_reflect::{DynamicMessage, ReflectMessage, SerializeOptions};
use serde_json::{Value, json};
use tonic::{Code, Status};

use super::{schema::SCHEMA, shorthand};

/// The form of one body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    /// Over several lines.
    pub(super) pretty: bool,
    /// Payloads as plain JSON.
    pub(super) shorthand: bool,
}

/// Media types and what they say. Any other means the first.
const FORMATS: [(&str, Format); 4] = [
    ("application/json", Format { pretty: false, shorthand: true }),
    ("application/json+pretty", Format { pretty: true, shorthand: true }),
    ("application/json+no-payload-shorthand", Format { pretty: false, shorthand: false }),
    ("application/json+pretty+no-payload-shorthand", Format { pretty: true, shorthand: false }),
];

impl Format {
    /// What Temporal's web UI reads.
    pub(super) const UI: Format = Format { pretty: true, shorthand: false };

    /// Of the request's body, and of the answer. The query parameters `pretty` and `noPayloadShorthand` count more than the
    /// header `accept`; without either the answer is like the request.
    pub(super) fn of(headers: &HeaderMap, query: &[(String, String)]) -> (Format, Format) {
        let named = |name: header::HeaderName| {
            let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
            values.filter_map(|value| by_media_type(value.split(';').next().unwrap_or_default())).next()
        };
        let request = named(header::CONTENT_TYPE).unwrap_or(FORMATS[0].1);
        let asked = |name: &str| query.iter().any(|(key, _)| key == name);
        let (pretty, long) = (asked("pretty"), asked("noPayloadShorthand"));
        let answer =
            if pretty || long { Format { pretty, shorthand: !long } } else { named(header::ACCEPT).unwrap_or(request) };
        (request, answer)
    }

    fn media_type(self) -> &'static str {
        FORMATS.iter().find(|(_, format)| *format == self).map_or(FORMATS[0].0, |(name, _)| name)
    }

    /// The answer of an RPC, or one field of it.
    pub(super) fn answer(self, message: &DynamicMessage, field: &str) -> Response {
        match self.tree(message) {
            Ok(mut tree) => {
                let field = message.descriptor().get_field_by_name(field);
                let shown = match field {
                    Some(field) => tree.get_mut(field.json_name()).map(Value::take).unwrap_or_default(),
                    None => tree,
                };
                self.response(StatusCode::OK, &shown)
            }
            Err(error) => {
                tracing::error!(%error, message = message.descriptor().full_name(), "an answer is no JSON");
                self.error(&Status::internal("the answer cannot be shown as JSON"))
            }
        }
    }

    /// `google.rpc.Status` as JSON.
    pub(super) fn error(self, status: &Status) -> Response {
        let short = || json!({"code": i32::from(status.code()), "message": status.message()});
        let tree = match status.details() {
            [] => short(),
            details => DynamicMessage::decode(SCHEMA.status.clone(), details)
                .ok()
                .and_then(|message| self.tree(&message).ok())
                .unwrap_or_else(short),
        };
        self.response(http_status(status.code()), &tree)
    }

    pub(super) fn tree(self, message: &DynamicMessage) -> Result<Value, serde_json::Error> {
        let mut tree = message.serialize_with_options(serde_json::value::Serializer, &SerializeOptions::new())?;
        if self.shorthand {
            shorthand::collapse(&mut tree, &message.descriptor());
        }
        Ok(tree)
    }

    fn response(self, status: StatusCode, tree: &Value) -> Response {
        let text = if self.pretty { format!("{tree:#}") } else { tree.to_string() };
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(self.media_type()));
        response
    }
}

fn by_media_type(name: &str) -> Option<Format> {
    FORMATS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.trim())).map(|(_, format)| *format)
}

/// As in `google/rpc/code.proto`.
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        // 499: the caller went away. Not a registered one, and as good as any, as nobody is there to read it.
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::REQUEST_TIMEOUT),
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
