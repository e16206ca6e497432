//! Calls of the gRPC services within the process: the same services, layers and checks that a call from outside meets.

use std::{convert::Infallible, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, Method, Request, Response, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use prost::Message;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use tonic::{Status, body::Body};
use tower::{ServiceExt, util::BoxCloneSyncService};

use crate::{call::parse_timeout, status};

/// What serves the gRPC API, whole: requests are those of gRPC.
pub type Services = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// Before each message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// Calls an RPC. `metadata` is the caller's, with its deadline as `grpc-timeout`.
pub(super) async fn unary(
    services: Services,
    rpc: &MethodDescriptor,
    metadata: HeaderMap,
    request: &DynamicMessage,
) -> Result<DynamicMessage, Status> {
    let timeout = metadata.get("grpc-timeout").and_then(|value| parse_timeout(value.to_str().ok()?));
    let call = answer(services, rpc, metadata, request);
    let bytes = tokio::time::timeout(timeout.unwrap_or(Duration::MAX), call).await;
    let bytes = bytes.map_err(|_| status::deadline_exceeded())??;
    DynamicMessage::decode(rpc.output(), bytes).map_err(|_| Status::internal("the answer cannot be read"))
}

async fn answer(
    services: Services,
    rpc: &MethodDescriptor,
    metadata: HeaderMap,
    request: &DynamicMessage,
) -> Result<Bytes, Status> {
    let unreadable = || Status::internal("the answer cannot be read");
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    let length =
        u32::try_from(request.encoded_len()).map_err(|_| Status::resource_exhausted("the message is too large"))?;
    frame.put_u32(length);
    frame.put_slice(&request.encode_to_vec());
    let mut call = Request::new(Body::new(Full::new(frame.freeze())));
    *call.method_mut() = Method::POST;
    let path = format!("/{}/{}", rpc.parent_service().full_name(), rpc.name());
    *call.uri_mut() = path.parse().map_err(|_| Status::internal("an RPC's name is no path"))?;
    *call.headers_mut() = metadata;
    call.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/grpc"));

    let Ok(response) = services.oneshot(call).await;
    if let Some(status) = failure(response.headers()) {
        return Err(status);
    }
    let body = response.into_body().collect().await?;
    if let Some(status) = body.trailers().and_then(failure) {
        return Err(status);
    }
    let mut bytes = body.to_bytes();
    if bytes.len() < PREFIX {
        return Err(unreadable());
    }
    let message = bytes.split_off(PREFIX);
    Ok(message)
}

fn failure(headers: &HeaderMap) -> Option<Status> {
    Status::from_header_map(headers).filter(|status| status.code() != tonic::Code::Ok)
}
