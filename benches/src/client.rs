//! A connection to the server, with time-outs and retries like an SDK's.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use perdure_proto::api::workflowservice::{GetSystemInfoRequest, workflow_service_client::WorkflowServiceClient};
use tonic::{Code, Request, Response, Status, transport::Channel};

pub(crate) type Stub = WorkflowServiceClient<Channel>;

/// Deadline of a call that should be answered at once.
pub(crate) const SHORT: Duration = Duration::from_secs(10);
/// Deadline of a long poll: the server answers empty before.
pub(crate) const LONG_POLL: Duration = Duration::from_secs(70);

const ATTEMPTS: u32 = 12;
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub(crate) struct Client {
    stub: Stub,
    address: Arc<str>,
    pub(crate) namespace: Arc<str>,
    pub(crate) identity: Arc<str>,
    attempts: u32,
    retries: Arc<AtomicU64>,
}

impl Client {
    pub(crate) async fn connect(address: &str, namespace: &str) -> Result<Self> {
        let channel = Channel::from_shared(format!("http://{address}"))
            .with_context(|| format!("the address {address} is not host:port"))?
            .connect()
            .await
            .with_context(|| format!("no server answers at {address}"))?;
        Ok(Self {
            stub: WorkflowServiceClient::new(channel),
            address: address.into(),
            namespace: namespace.into(),
            identity: format!("perdure-load@{}", std::process::id()).into(),
            attempts: ATTEMPTS,
            retries: Arc::default(),
        })
    }

    pub(crate) async fn server_version(&self) -> Result<String> {
        let info = self.call(GetSystemInfoRequest {}, SHORT, |mut stub, request| async move {
            stub.get_system_info(request).await
        });
        Ok(info.await.context("GetSystemInfo failed")?.server_version)
    }

    pub(crate) async fn another_connection(&self) -> Result<Self> {
        Self::connect(&self.address, &self.namespace).await
    }

    /// One that gives every call up at its first failure.
    pub(crate) fn without_retries(self) -> Self {
        Self { attempts: 1, ..self }
    }

    /// Calls that failed and were tried again, since the last time this was asked.
    pub(crate) fn take_retries(&self) -> u64 {
        self.retries.swap(0, Ordering::Relaxed)
    }

    /// One call with a deadline; codes that SDKs retry are retried with growing pauses.
    pub(crate) async fn call<Req, Res, F>(
        &self,
        message: Req,
        deadline: Duration,
        call: impl Fn(Stub, Request<Req>) -> F,
    ) -> Result<Res, Status>
    where
        Req: Clone,
        F: Future<Output = Result<Response<Res>, Status>>,
    {
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let mut request = Request::new(message.clone());
            request.set_timeout(deadline);
            match call(self.stub.clone(), request).await {
                Ok(response) => return Ok(response.into_inner()),
                Err(status) if attempt < self.attempts && is_retryable(status.code()) => {
                    self.retries.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(status) => return Err(status),
            }
        }
        Err(Status::internal("not reached: the last attempt returns"))
    }
}

fn is_retryable(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::Internal
            | Code::Unknown
            | Code::OutOfRange
            | Code::DataLoss
            | Code::DeadlineExceeded
            // The server has ended the connection, as Temporal's does with old ones; tonic says the same when it gives up itself.
            | Code::Cancelled
    )
}
