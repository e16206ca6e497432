//! Limits that only a whole server shows: the life of connections, batches at a time, and what is logged of large things.

use std::time::Duration;

use anyhow::{Context, Result};
use perdure_proto::api::{
    batch::BatchOperationSignal,
    common::{Payload, Payloads, WorkflowExecution, WorkflowType},
    taskqueue::TaskQueue,
    workflowservice::{
        SignalWorkflowExecutionRequest, StartBatchOperationRequest, StartWorkflowExecutionRequest,
        StopBatchOperationRequest, start_batch_operation_request::Operation,
        workflow_service_client::WorkflowServiceClient,
    },
};
use perdure_tests::{Database, Server};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tonic::{Code, transport::Channel};

type Client = WorkflowServiceClient<Channel>;

/// Long enough for any machine: a wait that ends by it is a failure.
const PATIENCE: Duration = Duration::from_secs(60);
const NAMESPACE: &str = "default";

/// An HTTP/2 client that says nothing more, not even to pings: its greeting, and empty settings.
const SILENT: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Whatever ends the connection, nothing else does so within the test's patience.
#[tokio::test]
async fn connections_end() -> Result<()> {
    let cases = [
        (
            "of_age",
            vec![
                "frontend.keepAliveMaxConnectionAge=1s",
                "frontend.keepAliveMaxConnectionAgeGrace=1s",
                "frontend.keepAliveTime=1h",
            ],
        ),
        ("silent", vec!["frontend.keepAliveTime=1s", "frontend.keepAliveTimeout=1s"]),
    ];
    for (name, limits) in cases {
        let server = Server::start_with(&format!("limits_{name}"), Database::SqliteMemory, &limits).await?;
        let mut connection = TcpStream::connect(server.address()).await?;
        connection.write_all(SILENT).await?;
        let mut said = Vec::new();
        let ended = timeout(PATIENCE, connection.read_to_end(&mut said)).await;
        // With an error or without one.
        drop(ended.with_context(|| format!("{name}: the connection does not end"))?);
        assert!(!said.is_empty(), "{name}: the server has its settings to say");
    }
    Ok(())
}

async fn start(client: &mut Client, workflow_id: &str) -> Result<()> {
    let request = StartWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_id: workflow_id.to_owned(),
        workflow_type: Some(WorkflowType { name: "t".to_owned() }),
        task_queue: Some(TaskQueue { name: "q".to_owned(), ..Default::default() }),
        ..Default::default()
    };
    client.start_workflow_execution(request).await?;
    Ok(())
}

#[tokio::test]
async fn so_many_batches_at_a_time() -> Result<()> {
    let limits = ["frontend.MaxConcurrentBatchOperationPerNamespace=1"];
    let server = Server::start_with("limits_batches", Database::SqliteMemory, &limits).await?;
    let mut client = Client::new(server.channel().await?);
    for number in 0..3 {
        start(&mut client, &format!("w{number}")).await?;
    }
    // One that takes longer than the test.
    let slow = |job: &str| StartBatchOperationRequest {
        namespace: NAMESPACE.to_owned(),
        job_id: job.to_owned(),
        reason: "test".to_owned(),
        visibility_query: "WorkflowType = 't'".to_owned(),
        max_operations_per_second: 0.001,
        operation: Some(Operation::SignalOperation(BatchOperationSignal {
            signal: "s".to_owned(),
            ..Default::default()
        })),
        ..Default::default()
    };
    client.start_batch_operation(slow("first")).await?;
    let refused = client.start_batch_operation(slow("second")).await.unwrap_err();
    let expected = (Code::ResourceExhausted, "Max concurrent batch operations is reached");
    assert_eq!((refused.code(), refused.message()), expected);
    let stop = StopBatchOperationRequest {
        namespace: NAMESPACE.to_owned(),
        job_id: "first".to_owned(),
        reason: "test".to_owned(),
        ..Default::default()
    };
    client.stop_batch_operation(stop).await?;
    client.start_batch_operation(slow("second")).await?;
    Ok(())
}

#[tokio::test]
async fn what_is_large_is_logged() -> Result<()> {
    let limits = ["limit.blobSize.warn=1000", "limit.historyCount.warn=3"];
    let server = Server::start_with("limits_warnings", Database::SqliteMemory, &limits).await?;
    let mut client = Client::new(server.channel().await?);
    start(&mut client, "w").await?;
    for bytes in [10, 2_000, 10] {
        let payload = Payload { data: vec![b'x'; bytes].into(), ..Default::default() };
        let request = SignalWorkflowExecutionRequest {
            namespace: NAMESPACE.to_owned(),
            workflow_execution: Some(WorkflowExecution { workflow_id: "w".to_owned(), run_id: String::new() }),
            signal_name: "s".to_owned(),
            input: Some(Payloads { payloads: vec![payload] }),
            ..Default::default()
        };
        client.signal_workflow_execution(request).await?;
    }
    let log = server.log()?;
    for text in ["a blob is above limit.blobSize.warn", "above limit.historyCount.warn"] {
        let lines: Vec<_> = log.lines().filter(|line| line.contains(text)).collect();
        assert!(matches!(lines[..], [line] if line.contains("\"w\"") && line.contains("\"default\"")), "{text}: {log}");
    }
    Ok(())
}
