//! Rows of bad input, and the client that sends them: it sends bytes, so a row may be what no generated client would send.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::{Buf, BufMut, Bytes};
use perdure_proto::google::rpc;
use perdure_tests::Server;
use prost::Message;
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    transport::Channel,
};

const DETAILS: &str = "type.googleapis.com/temporal.api.errordetails.v1.";
/// SDKs send a call that ends with one of these again, without end.
const RETRIED: [Code; 6] =
    [Code::Unknown, Code::Internal, Code::Unavailable, Code::Aborted, Code::OutOfRange, Code::DataLoss];

/// A call that must be refused.
pub(crate) struct Row {
    method: &'static str,
    body: Vec<u8>,
    timeout: Duration,
    code: Code,
    message: String,
    detail: Option<&'static str>,
}

impl Row {
    /// The details are those that the code has as a rule.
    pub(crate) fn new(method: &'static str, request: &impl Message, code: Code, message: impl Into<String>) -> Self {
        let detail = match code {
            Code::NotFound => Some("NotFoundFailure"),
            Code::PermissionDenied => Some("PermissionDeniedFailure"),
            Code::AlreadyExists => Some("WorkflowExecutionAlreadyStartedFailure"),
            _ => None,
        };
        let timeout = Duration::from_secs(10);
        Self { method, body: request.encode_to_vec(), timeout, code, message: message.into(), detail }
    }

    /// INVALID_ARGUMENT without details: most rows.
    pub(crate) fn invalid(method: &'static str, request: &impl Message, message: impl Into<String>) -> Self {
        Self::new(method, request, Code::InvalidArgument, message)
    }

    /// Bytes behind the request: what no message type can hold.
    pub(crate) fn with_bytes(mut self, bytes: &[u8]) -> Self {
        self.body.extend_from_slice(bytes);
        self
    }

    pub(crate) fn with_detail(self, detail: &'static str) -> Self {
        Self { detail: Some(detail), ..self }
    }

    pub(crate) fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }
}

/// Sends all rows. Each must be answered with its code, text and detail, and no caller may be led to send it again.
pub(crate) async fn check(server: &Server, rows: Vec<Row>) -> Result<()> {
    let mut client = Raw { grpc: Grpc::new(server.channel().await?) };
    for row in rows {
        let named = format!("{}: {}", row.method, row.message);
        let status = match client.send(&row).await {
            Ok(_) => anyhow::bail!("accepted: {named}"),
            Err(status) => status,
        };
        ensure!(status.code() == row.code, "{named}: {status:?}");
        ensure!(status.message() == row.message, "{named}: {:?}", status.message());
        ensure!(!RETRIED.contains(&status.code()), "{named} would be sent again");
        ensure!(detail(&status)? == row.detail.map(|name| format!("{DETAILS}{name}")), "{named}: {status:?}");
    }
    Ok(())
}

fn detail(status: &Status) -> Result<Option<String>> {
    let details = rpc::Status::decode(status.details()).context("grpc-status-details-bin")?.details;
    Ok(details.into_iter().next().map(|detail| detail.type_url))
}

struct Raw {
    grpc: Grpc<Channel>,
}

impl Raw {
    async fn send(&mut self, row: &Row) -> Result<Bytes, Status> {
        self.grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let path = format!("/temporal.api.workflowservice.v1.WorkflowService/{}", row.method);
        let path = path.parse::<PathAndQuery>().map_err(|error| Status::unavailable(error.to_string()))?;
        let mut request = Request::new(Bytes::from(row.body.clone()));
        request.set_timeout(row.timeout);
        self.grpc.unary(request, path, BytesCodec).await.map(tonic::Response::into_inner)
    }
}

/// A body is the bytes themselves.
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, body: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(body.copy_to_bytes(body.remaining())))
    }
}
