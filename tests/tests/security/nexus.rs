//! Nexus handlers behind HTTPS.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use perdure_proto::api::{
    enums::NexusOperationWaitStage as Stage,
    nexus::{EndpointSpec, EndpointTarget, endpoint_target},
    operatorservice::{CreateNexusEndpointRequest, operator_service_client::OperatorServiceClient},
    workflowservice::{
        DescribeNexusOperationExecutionRequest, PollNexusOperationExecutionRequest,
        StartNexusOperationExecutionRequest, poll_nexus_operation_execution_response::Outcome,
        workflow_service_client::WorkflowServiceClient,
    },
};
use perdure_tests::{Database, Server, fresh_folder};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    time::{Instant, sleep},
};
use tonic::transport::Channel;

use crate::{
    certificates::{Authority, Identity},
    client::{flag, serve},
    database::acceptor,
};

const ANSWER: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\nConnection: close\r\n\r\n\"out\"";
const PATIENCE: Duration = Duration::from_secs(60);

/// A handler that answers each request at once. Its URL.
async fn handler(identity: &Identity) -> Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("https://localhost:{}/nexus", listener.local_addr()?.port());
    let acceptor = acceptor(identity)?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            // A caller that does not trust the handler goes away.
            tokio::spawn(async move { answer(acceptor.accept(stream).await?).await });
        }
    });
    Ok(url)
}

async fn answer(stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) -> Result<()> {
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse()?,
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    stream.read_exact(&mut vec![0; length]).await?;
    stream.write_all(ANSWER.as_bytes()).await?;
    stream.shutdown().await?;
    Ok(())
}

async fn start_operation(server: &Server, url: String) -> Result<WorkflowServiceClient<Channel>> {
    let channel = server.channel().await?;
    let target = endpoint_target::Variant::External(endpoint_target::External { url });
    let spec = EndpointSpec {
        name: "outside".to_owned(),
        target: Some(EndpointTarget { variant: Some(target) }),
        ..Default::default()
    };
    let endpoint = CreateNexusEndpointRequest { spec: Some(spec) };
    OperatorServiceClient::new(channel.clone()).create_nexus_endpoint(endpoint).await?;
    let mut client = WorkflowServiceClient::new(channel);
    let operation = StartNexusOperationExecutionRequest {
        namespace: "default".to_owned(),
        operation_id: "op".to_owned(),
        request_id: "request".to_owned(),
        endpoint: "outside".to_owned(),
        service: "service".to_owned(),
        operation: "operation".to_owned(),
        ..Default::default()
    };
    client.start_nexus_operation_execution(operation).await?;
    Ok(client)
}

async fn succeeds(server: &Server, url: String) -> Result<()> {
    let mut client = start_operation(server, url).await?;
    let poll = PollNexusOperationExecutionRequest {
        namespace: "default".to_owned(),
        operation_id: "op".to_owned(),
        wait_stage: Stage::Closed.into(),
        ..Default::default()
    };
    let outcome = client.poll_nexus_operation_execution(poll).await?.into_inner().outcome.context("outcome")?;
    let Outcome::Result(result) = outcome else { anyhow::bail!("{outcome:?}") };
    assert_eq!(&result.data[..], b"\"out\"");
    Ok(())
}

#[tokio::test]
async fn a_handler_with_a_private_authority() -> Result<()> {
    let folder = fresh_folder("security_nexus")?;
    let authority = Authority::new(&folder, "authority")?;
    let url = handler(&authority.sign("handler")?).await?;

    let by_setting = serve("security_nexus", &flag("--tls-outgoing-ca", &authority.pem)).await?;
    succeeds(&by_setting, url.clone()).await?;

    let ca = authority.pem.display().to_string();
    let environment = [("SSL_CERT_FILE", ca.as_str())];
    let by_system = Server::start_set("security_nexus_system", Database::SqliteMemory, &[], &environment).await?;
    succeeds(&by_system, url.clone()).await?;

    let strange = Server::start("security_nexus_unknown", Database::SqliteMemory).await?;
    let mut client = start_operation(&strange, url).await?;
    let describe = DescribeNexusOperationExecutionRequest {
        namespace: "default".to_owned(),
        operation_id: "op".to_owned(),
        ..Default::default()
    };
    let deadline = Instant::now() + PATIENCE;
    let failure = loop {
        let described = client.describe_nexus_operation_execution(describe.clone()).await?.into_inner();
        if let Some(failure) = described.info.context("info")?.last_attempt_failure {
            break failure;
        }
        ensure!(Instant::now() < deadline, "no attempt has failed");
        sleep(Duration::from_millis(50)).await;
    };
    let told = format!("{failure:?}");
    assert!(told.contains("UnknownIssuer"), "{told}");
    Ok(())
}
