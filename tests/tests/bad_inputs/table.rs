//! Rows of bad input, and the client that sends them: it sends bytes, so a row may be what no generated client would send.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use perdure_proto::google::rpc;
use perdure_tests::{
    Server,
    raw::{Options, RETRIED, Raw},
};
use prost::Message;
use tonic::{Code, Status};

const DETAILS: &str = "type.googleapis.com/temporal.api.errordetails.v1.";

/// A call that must be refused.
pub(crate) struct Row {
    /// Of the service for workflows, or with the name of another service: `service/method`.
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
    let client = Raw::new(server.channel().await?);
    for row in rows {
        let named = format!("{}: {}", row.method, row.message);
        let service = if row.method.contains('/') { "" } else { "temporal.api.workflowservice.v1.WorkflowService/" };
        let method = format!("{service}{}", row.method);
        let options = Options { deadline: Some(row.timeout), ..Options::default() };
        let status = match client.call(&method, row.body.clone().into(), options).await {
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
