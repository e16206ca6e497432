//! Calls as bytes: what no generated client would send, and answers as they came.

use std::{sync::LazyLock, time::Duration};

use bytes::{Buf, BufMut, Bytes};
use prost_reflect::{DescriptorPool, MethodDescriptor};
use regex::Regex;
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    metadata::{MetadataKey, MetadataValue},
    transport::Channel,
};

/// SDKs send a call that ends with one of these again, without end.
pub const RETRIED: [Code; 6] =
    [Code::Unknown, Code::Internal, Code::Unavailable, Code::Aborted, Code::OutOfRange, Code::DataLoss];

/// What a text for clients never holds: the words of a database, of Rust, and of the crates below.
pub fn inside(text: &str) -> bool {
    static WORDS: LazyLock<Regex> = LazyLock::new(|| {
        let words =
            r"(?i:\b(sqlx|sqlite|sqlstate|insert into|delete from|postgres|prost|tonic|tokio|hyper|panicked|unwrap)\b)";
        let rust = r"\w::\w|\.rs:\d|\bSome\(|\bNone\b|\bErr\(|\bOk\(";
        Regex::new(&format!("{words}|{rust}")).expect("a constant that the tests use at each run")
    });
    WORDS.is_match(text)
}

/// The server's whole API.
pub fn descriptors() -> anyhow::Result<DescriptorPool> {
    Ok(DescriptorPool::decode(perdure_proto::DESCRIPTORS)?)
}

/// The methods of both services of Temporal's API, in the order of the published files.
pub fn methods(pool: &DescriptorPool) -> Vec<MethodDescriptor> {
    pool.services()
        .filter(|service| service.full_name().starts_with("temporal.api."))
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .collect()
}

/// A client that knows no message.
#[derive(Clone)]
pub struct Raw {
    grpc: Grpc<Channel>,
}

/// What goes with a call.
#[derive(Clone, Default)]
pub struct Options {
    /// None: the call carries no deadline.
    pub deadline: Option<Duration>,
    /// The client goes away after this, without having said so before.
    pub patience: Option<Duration>,
    pub metadata: Vec<(String, String)>,
}

impl Raw {
    pub fn new(channel: Channel) -> Self {
        Self { grpc: Grpc::new(channel).max_decoding_message_size(usize::MAX) }
    }

    /// Calls `SERVICE/METHOD` and returns the answer's bytes. A call that outlives its deadline ends with DEADLINE_EXCEEDED,
    /// whoever notices.
    pub async fn call(&self, method: &str, body: Bytes, options: Options) -> Result<Bytes, Status> {
        let mut grpc = self.grpc.clone();
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let path: PathAndQuery = format!("/{method}").parse().map_err(invalid)?;
        let mut request = Request::new(body);
        for (name, value) in &options.metadata {
            let name = MetadataKey::from_bytes(name.as_bytes()).map_err(invalid)?;
            request.metadata_mut().insert(name, MetadataValue::try_from(value.as_str()).map_err(invalid)?);
        }
        if let Some(deadline) = options.deadline {
            request.set_timeout(deadline);
        }
        let Some(patience) = options.patience.or(options.deadline) else {
            return Ok(grpc.unary(request, path, BytesCodec).await?.into_inner());
        };
        match tokio::time::timeout(patience, grpc.unary(request, path, BytesCodec)).await {
            Ok(Err(status)) if status.message() == "Timeout expired" => Err(expired()),
            Ok(answer) => Ok(answer?.into_inner()),
            Err(_) => Err(expired()),
        }
    }
}

fn invalid(error: impl std::fmt::Display) -> Status {
    Status::failed_precondition(format!("the test cannot send this: {error}"))
}

fn expired() -> Status {
    Status::deadline_exceeded("Deadline Exceeded")
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
