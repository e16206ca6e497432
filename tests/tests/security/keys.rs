//! API keys.

use std::{fs, time::Duration};

use anyhow::{Result, ensure};
use bytes::Bytes;
use perdure_proto::api::workflowservice::{GetSystemInfoRequest, workflow_service_client::WorkflowServiceClient};
use perdure_tests::{
    fresh_folder, http,
    raw::{self, Options, Raw},
};
use tokio::time::{Instant, sleep};
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::client::{Client, flag, serve};

/// SHA-256 of `secret` and of `second`.
pub(crate) const SECRET: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
const SECOND: &str = "16367aacb67a4a017c8da8ab95682ccb390863780f7114dda0a0e0c55644c7c4";
const PATIENCE: Duration = Duration::from_secs(60);

fn with(key: &str) -> Client<'_> {
    Client { key: Some(key), ..Default::default() }
}

#[tokio::test]
async fn only_with_a_key() -> Result<()> {
    let server = serve("security_keys", &["--api-key-hash".to_owned(), SECRET.to_owned()]).await?;
    let denied = Err(Some(Code::PermissionDenied));
    assert_eq!(with("secret").ask(&server).await, Ok(()));
    assert_eq!(with("second").ask(&server).await, denied);
    assert_eq!(Client::default().ask(&server).await, denied);
    let refused = Client::default().ask_on(server.channel().await?).await;
    assert_eq!(refused.map_err(|status| status.message().to_owned()), Err("Request unauthorized.".to_owned()));

    // Not one method more is free than those that SDKs and probes ask first.
    let raw = Raw::new(server.channel().await?);
    for method in raw::methods(&raw::descriptors()?) {
        let name = format!("{}/{}", method.parent_service().full_name(), method.name());
        let expected = if method.name() == "GetSystemInfo" { Code::Ok } else { Code::PermissionDenied };
        let answer = raw.call(&name, Bytes::new(), Options::default()).await;
        assert_eq!(answer.err().map_or(Code::Ok, |status| status.code()), expected, "{name}");
    }
    let channel = server.channel().await?;
    WorkflowServiceClient::new(channel.clone()).get_system_info(GetSystemInfoRequest::default()).await?;
    let health = HealthClient::new(channel).check(HealthCheckRequest::default()).await?.into_inner();
    assert_eq!(health.status(), ServingStatus::Serving);
    assert_eq!(http::get(server.http_port(), "/health").await?.0, 200);
    let (status, body) = http::get(server.http_port(), "/api/v1/namespaces").await?;
    assert_eq!(status, 403);
    assert!(body.contains("Request unauthorized."), "{body}");
    Ok(())
}

#[tokio::test]
async fn a_file_that_changes() -> Result<()> {
    let file = fresh_folder("security_keys_file")?.join("keys");
    fs::write(&file, format!("{SECRET} # of the first job\n"))?;
    let server = serve("security_keys_file", &flag("--api-keys-file", &file)).await?;
    assert_eq!(with("secret").ask(&server).await, Ok(()));
    fs::write(&file, format!("{SECOND}\n"))?;
    let deadline = Instant::now() + PATIENCE;
    while with("second").ask(&server).await.is_err() {
        ensure!(Instant::now() < deadline, "the new key is not let in");
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(with("secret").ask(&server).await, Err(Some(Code::PermissionDenied)));
    Ok(())
}
