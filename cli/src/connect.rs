//! Where the server is, and errors in words.

use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use perdure_proto::api::workflowservice::workflow_service_client::WorkflowServiceClient;
use tonic::{
    Code, Request, Status,
    transport::{Channel, Endpoint},
};

/// A command that is not answered within this time has failed: a probe must not hang.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Options of all commands that talk to a server.
#[derive(Args, Clone, Debug)]
pub struct Connection {
    /// The server's gRPC address, `host:port`.
    #[arg(long, env = "TEMPORAL_ADDRESS", default_value = "127.0.0.1:7233", global = true)]
    pub address: String,
}

impl Connection {
    pub(crate) async fn channel(&self) -> anyhow::Result<Channel> {
        let uri = if self.address.contains("://") { self.address.clone() } else { format!("http://{}", self.address) };
        let endpoint = Endpoint::from_shared(uri).with_context(|| format!("{:?} is not an address", self.address))?;
        let endpoint = endpoint.connect_timeout(TIMEOUT).timeout(TIMEOUT);
        endpoint.connect().await.map_err(|error| {
            anyhow!(
                "no server answers at {} ({}): is it running, and is the address right?",
                self.address,
                root(&error)
            )
        })
    }

    pub(crate) async fn workflow_service(&self) -> anyhow::Result<WorkflowServiceClient<Channel>> {
        Ok(WorkflowServiceClient::new(self.channel().await?))
    }

    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(TIMEOUT);
        request
    }

    /// What the server answered instead of doing it.
    pub(crate) fn refused(&self, what: &str, status: &Status) -> anyhow::Error {
        match status.code() {
            Code::DeadlineExceeded | Code::Cancelled => {
                anyhow!("{what}: {} did not answer within {} s", self.address, TIMEOUT.as_secs())
            }
            code => anyhow!("{what}: {} ({code:?})", status.message()),
        }
    }
}

/// The innermost cause, which is the one that a person can act on.
fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
