//! Calls about what there is not: other clusters, archives, the namespace of Temporal's own workflows, partitions.

use anyhow::Result;
use perdure_proto::api::{
    operatorservice as operator,
    taskqueue::TaskQueue,
    workflowservice::{self as api, workflow_service_client::WorkflowServiceClient},
};
use perdure_tests::{Database, Server};
use prost_types::Duration;
use tonic::Code;

use crate::table::{Row, check};

const REMOVE: &str = "temporal.api.operatorservice.v1.OperatorService/RemoveRemoteCluster";
const UPSERT: &str = "temporal.api.operatorservice.v1.OperatorService/AddOrUpdateRemoteCluster";

fn namespace() -> String {
    "default".to_owned()
}

fn partition(name: &str) -> api::DescribeTaskQueueRequest {
    let task_queue = Some(TaskQueue { name: name.to_owned(), ..Default::default() });
    api::DescribeTaskQueueRequest { namespace: namespace(), task_queue, ..Default::default() }
}

#[tokio::test]
async fn what_there_is_not() -> Result<()> {
    let server = Server::start("bad_inputs_cluster", Database::SqliteMemory).await?;
    let remove = |name: &str| operator::RemoveRemoteClusterRequest { cluster_name: name.to_owned() };
    let unknown = "The cluster to be deleted cannot be found in clusters cache.";
    let own = "Unable to delete cluster info with error: Cannot delete current cluster metadata.";
    let alone = "Remote clusters are not supported: this server does not replicate to others";
    let archived = |namespace: String| api::ListArchivedWorkflowExecutionsRequest { namespace, ..Default::default() };
    let system = api::RegisterNamespaceRequest {
        namespace: "temporal-system".to_owned(),
        workflow_execution_retention_period: Some(Duration { seconds: 86_400, nanos: 0 }),
        ..Default::default()
    };
    let rows = vec![
        Row::new(REMOVE, &remove("other"), Code::NotFound, unknown),
        Row::new(REMOVE, &remove(""), Code::NotFound, unknown),
        Row::new(REMOVE, &remove("active"), Code::FailedPrecondition, own),
        Row::new(UPSERT, &operator::AddOrUpdateRemoteClusterRequest::default(), Code::Unimplemented, alone),
        Row::invalid(
            "ListArchivedWorkflowExecutions",
            &archived(namespace()),
            "Cluster is not configured for visibility archival.",
        ),
        Row::new(
            "ListArchivedWorkflowExecutions",
            &archived("none".to_owned()),
            Code::NotFound,
            "Namespace none is not found.",
        )
        .with_detail("NamespaceNotFoundFailure"),
        Row::new("RegisterNamespace", &system, Code::AlreadyExists, "Namespace \"temporal-system\" already exists")
            .with_detail("NamespaceAlreadyExistsFailure"),
        Row::invalid("DescribeTaskQueue", &partition("/_sys/q"), "invalid task queue partition name /_sys/q"),
        Row::invalid("DescribeTaskQueue", &partition("/_sys/q/x"), "invalid task queue partition name /_sys/q/x"),
    ];
    check(&server, rows).await?;
    // The CLI asks for other partitions than the one that there is.
    let mut client = WorkflowServiceClient::new(server.channel().await?);
    let described = client.describe_task_queue(partition("/_sys/q/1")).await?.into_inner();
    assert_eq!(described.pollers, []);
    let info = client.get_system_info(api::GetSystemInfoRequest {}).await?.into_inner();
    assert!(info.capabilities.is_some_and(|capabilities| capabilities.supports_schedules));
    Ok(())
}
