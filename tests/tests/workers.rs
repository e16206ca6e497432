//! What workers say about themselves, over the wire: kept per namespace, listed, counted and described.

use anyhow::Result;
use bytes::Bytes;
use perdure_proto::api::{
    enums::WorkerStatus,
    worker::{WorkerHeartbeat, WorkerHostInfo},
    workflowservice::{
        CountWorkersRequest, DescribeNamespaceRequest, DescribeWorkerRequest, ListWorkersRequest, ListWorkersResponse,
        RecordWorkerHeartbeatRequest, RegisterNamespaceRequest, ShutdownWorkerRequest,
        workflow_service_client::WorkflowServiceClient,
    },
};
use perdure_tests::{Database, Server};
use prost_types::Duration;
use tonic::{Code, transport::Channel};

type Client = WorkflowServiceClient<Channel>;

fn namespace() -> String {
    "default".to_owned()
}

fn heartbeat(key: &str, task_queue: &str) -> WorkerHeartbeat {
    WorkerHeartbeat {
        worker_instance_key: key.to_owned(),
        host_info: Some(WorkerHostInfo { host_name: "host".into(), process_id: "7".into(), ..Default::default() }),
        task_queue: task_queue.to_owned(),
        status: WorkerStatus::Running.into(),
        total_sticky_cache_hit: 5,
        ..Default::default()
    }
}

async fn record(client: &mut Client, worker_heartbeat: Vec<WorkerHeartbeat>) -> Result<()> {
    let request = RecordWorkerHeartbeatRequest { namespace: namespace(), worker_heartbeat, ..Default::default() };
    client.record_worker_heartbeat(request).await?;
    Ok(())
}

fn list(query: &str) -> ListWorkersRequest {
    ListWorkersRequest { namespace: namespace(), query: query.to_owned(), ..Default::default() }
}

fn keys(page: &ListWorkersResponse) -> Vec<&str> {
    page.workers.iter().map(|worker| worker.worker_instance_key.as_str()).collect()
}

async fn started(name: &str) -> Result<(Server, Client)> {
    let server = Server::start(name, Database::SqliteMemory).await?;
    let mut client = Client::new(server.channel().await?);
    let workflow_execution_retention_period = Some(Duration { seconds: 86_400, nanos: 0 });
    let second = RegisterNamespaceRequest {
        namespace: "second".into(),
        workflow_execution_retention_period,
        ..Default::default()
    };
    client.register_namespace(second).await?;
    let workers = [("c", "orders"), ("a", "orders"), ("b", "mails"), ("s", "temporal-sys-per-ns-tq")];
    record(&mut client, workers.map(|(key, queue)| heartbeat(key, queue)).to_vec()).await?;
    Ok((server, client))
}

#[tokio::test]
async fn heartbeats_are_listed_counted_and_described() -> Result<()> {
    let (_server, mut client) = started("workers_listed").await?;
    let described =
        client.describe_namespace(DescribeNamespaceRequest { namespace: namespace(), ..Default::default() }).await?;
    let capabilities = described.into_inner().namespace_info.and_then(|info| info.capabilities).unwrap_or_default();
    assert!(capabilities.worker_heartbeats);

    let all = client.list_workers(list("")).await?.into_inner();
    assert_eq!(keys(&all), ["a", "b", "c"]);
    assert_eq!((all.workers[0].host_name.as_str(), all.workers[0].process_id.as_str()), ("host", "7"));
    assert_eq!(all.workers_info[0].worker_heartbeat, Some(heartbeat("a", "orders")));
    let with_system = ListWorkersRequest { include_system_workers: true, ..list("") };
    assert_eq!(keys(&client.list_workers(with_system).await?.into_inner()), ["a", "b", "c", "s"]);
    let queried = list("TaskQueue = 'orders' AND WorkerStatus = \"Running\"");
    assert_eq!(keys(&client.list_workers(queried).await?.into_inner()), ["a", "c"]);
    let elsewhere = ListWorkersRequest { namespace: "second".into(), ..list("") };
    assert!(client.list_workers(elsewhere).await?.into_inner().workers.is_empty());

    let count = |query: &str| CountWorkersRequest { namespace: namespace(), query: query.into(), ..Default::default() };
    assert_eq!(client.count_workers(count("")).await?.into_inner().count, 3);
    assert_eq!(client.count_workers(count("TaskQueue STARTS_WITH 'm'")).await?.into_inner().count, 1);

    let b = DescribeWorkerRequest { namespace: namespace(), worker_instance_key: "b".into() };
    let found = client.describe_worker(b).await?.into_inner().worker_info.unwrap_or_default();
    assert_eq!(found.worker_heartbeat, Some(heartbeat("b", "mails")));
    Ok(())
}

#[tokio::test]
async fn the_last_heartbeat_comes_with_the_shutdown() -> Result<()> {
    let (_server, mut client) = started("workers_shutdown").await?;
    let status = WorkerStatus::ShuttingDown.into();
    let last = Some(WorkerHeartbeat { status, ..heartbeat("a", "orders") });
    let shutdown = ShutdownWorkerRequest { namespace: namespace(), worker_heartbeat: last, ..Default::default() };
    client.shutdown_worker(shutdown).await?;
    let page = client.list_workers(list("Status = 'ShuttingDown'")).await?.into_inner();
    assert_eq!(keys(&page), ["a"]);
    let gone = WorkerHeartbeat { status: WorkerStatus::Shutdown.into(), ..heartbeat("a", "orders") };
    record(&mut client, vec![gone]).await?;
    let page = client.list_workers(list("")).await?.into_inner();
    assert_eq!(keys(&page), ["b", "c"]);
    Ok(())
}

#[tokio::test]
async fn pages_continue_their_own_list() -> Result<()> {
    let (_server, mut client) = started("workers_pages").await?;
    let first = ListWorkersRequest { page_size: 2, ..list("") };
    let page = client.list_workers(first.clone()).await?.into_inner();
    assert_eq!(keys(&page), ["a", "b"]);
    let token = page.next_page_token;
    // One that comes before the position does not shift the next page.
    record(&mut client, vec![heartbeat("aa", "orders")]).await?;
    let second = ListWorkersRequest { next_page_token: token.clone(), ..first };
    let page = client.list_workers(second.clone()).await?.into_inner();
    assert_eq!((keys(&page), page.next_page_token.is_empty()), (vec!["c"], true));

    let cases = [
        ListWorkersRequest { next_page_token: Bytes::from_static(b"garbage"), ..second.clone() },
        ListWorkersRequest { namespace: "second".into(), ..second.clone() },
        ListWorkersRequest { query: "TaskQueue = 'orders'".into(), ..second.clone() },
        ListWorkersRequest { include_system_workers: true, ..second },
    ];
    for request in cases {
        let status = client.list_workers(request).await.expect_err("the token is not of this list");
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "invalid next_page_token"));
    }
    Ok(())
}

#[tokio::test]
async fn bad_requests_are_refused() -> Result<()> {
    let (_server, mut client) = started("workers_refused").await?;
    let bogus = "unknown or unsupported worker heartbeat search field: Bogus";
    let status = client.list_workers(list("Bogus = 'a'")).await.expect_err("no such field");
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, bogus));
    let count = CountWorkersRequest { namespace: namespace(), query: "TaskQueue =".into(), ..Default::default() };
    let status = client.count_workers(count).await.expect_err("the query does not end");
    let message = "malformed query: syntax error at position 39";
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, message));
    let nobody = DescribeWorkerRequest { namespace: namespace(), worker_instance_key: "nobody".into() };
    let status = client.describe_worker(nobody).await.expect_err("no such worker");
    assert_eq!((status.code(), status.message()), (Code::NotFound, "Worker nobody not found"));

    let unnamed = client.record_worker_heartbeat(RecordWorkerHeartbeatRequest::default()).await;
    let status = unnamed.expect_err("no namespace");
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "Namespace is empty."));
    let unknown = ListWorkersRequest { namespace: "nope".into(), ..list("") };
    let status = client.list_workers(unknown).await.expect_err("no such namespace");
    assert_eq!((status.code(), status.message()), (Code::NotFound, "Namespace nope is not found."));
    Ok(())
}
