//! DeleteWorkflowExecution, on both databases.

use anyhow::Result;
use perdure_proto::api::{
    common::{WorkflowExecution, WorkflowType},
    taskqueue::TaskQueue,
    workflowservice::{
        DeleteWorkflowExecutionRequest, DescribeWorkflowExecutionRequest, GetWorkflowExecutionHistoryRequest,
        ListWorkflowExecutionsRequest, StartWorkflowExecutionRequest, TerminateWorkflowExecutionRequest,
        workflow_service_client::WorkflowServiceClient,
    },
};
use perdure_tests::{Database, Server};
use tonic::{Code, transport::Channel};

type Client = WorkflowServiceClient<Channel>;

fn execution(workflow_id: &str, run_id: &str) -> Option<WorkflowExecution> {
    Some(WorkflowExecution { workflow_id: workflow_id.into(), run_id: run_id.into() })
}

async fn start(client: &mut Client, workflow_id: &str) -> Result<String> {
    let request = StartWorkflowExecutionRequest {
        namespace: "default".into(),
        workflow_id: workflow_id.into(),
        workflow_type: Some(WorkflowType { name: "t".into() }),
        task_queue: Some(TaskQueue { name: "q".into(), ..Default::default() }),
        ..Default::default()
    };
    Ok(client.start_workflow_execution(request).await?.into_inner().run_id)
}

async fn terminate(client: &mut Client, workflow_id: &str) -> Result<()> {
    let request = TerminateWorkflowExecutionRequest {
        namespace: "default".into(),
        workflow_execution: execution(workflow_id, ""),
        ..Default::default()
    };
    client.terminate_workflow_execution(request).await?;
    Ok(())
}

async fn delete(client: &mut Client, workflow_id: &str, run_id: &str) -> Result<(), tonic::Status> {
    let request = DeleteWorkflowExecutionRequest {
        namespace: "default".into(),
        workflow_execution: execution(workflow_id, run_id),
    };
    client.delete_workflow_execution(request).await.map(|_| ())
}

/// What describe and the history say of a run.
async fn is_there(client: &mut Client, workflow_id: &str, run_id: &str) -> Result<bool> {
    let describe =
        DescribeWorkflowExecutionRequest { namespace: "default".into(), execution: execution(workflow_id, run_id) };
    let read = GetWorkflowExecutionHistoryRequest {
        namespace: "default".into(),
        execution: execution(workflow_id, run_id),
        ..Default::default()
    };
    let described = client.describe_workflow_execution(describe).await.map(|_| ());
    let read = client.get_workflow_execution_history(read).await.map(|_| ());
    match (described, read) {
        (Ok(()), Ok(())) => Ok(true),
        (Err(one), Err(other)) => {
            assert_eq!((one.code(), other.code()), (Code::NotFound, Code::NotFound));
            Ok(false)
        }
        mixed => anyhow::bail!("{mixed:?}"),
    }
}

async fn listed(client: &mut Client) -> Result<Vec<String>> {
    let request = ListWorkflowExecutionsRequest { namespace: "default".into(), ..Default::default() };
    let found = client.list_workflow_executions(request).await?.into_inner().executions;
    let mut ids: Vec<String> =
        found.into_iter().filter_map(|info| info.execution).map(|execution| execution.workflow_id).collect();
    ids.sort();
    Ok(ids)
}

#[tokio::test]
async fn deletions_on_sqlite() -> Result<()> {
    let name = "deletions_sqlite";
    deletions(Server::start(name, Database::fresh_sqlite_file(name)?).await?).await
}

#[tokio::test]
async fn deletions_on_postgres() -> Result<()> {
    deletions(Server::start("deletions_postgres", Database::fresh_postgres("deletions").await?).await?).await
}

async fn deletions(mut server: Server) -> Result<()> {
    let mut client = Client::new(server.channel().await?);
    let unknown = delete(&mut client, "unknown", "").await.unwrap_err();
    assert_eq!((unknown.code(), unknown.message()), (Code::NotFound, "workflow not found for ID: unknown"));

    start(&mut client, "open").await?;
    start(&mut client, "closed").await?;
    terminate(&mut client, "closed").await?;
    let first = start(&mut client, "twice").await?;
    terminate(&mut client, "twice").await?;
    let second = start(&mut client, "twice").await?;
    start(&mut client, "stays").await?;

    delete(&mut client, "open", "").await?;
    delete(&mut client, "closed", "").await?;
    // An earlier run takes nothing of the current one along.
    delete(&mut client, "twice", &first).await?;
    for _ in 0..2 {
        assert!(!is_there(&mut client, "open", "").await?);
        assert!(!is_there(&mut client, "closed", "").await?);
        assert!(!is_there(&mut client, "twice", &first).await?);
        assert!(is_there(&mut client, "twice", "").await? && is_there(&mut client, "twice", &second).await?);
        assert_eq!(listed(&mut client).await?, ["stays", "twice"]);
        assert_eq!(delete(&mut client, "open", "").await.unwrap_err().code(), Code::NotFound);
        server.kill9()?;
        server.restart().await?;
        client = Client::new(server.channel().await?);
    }

    // The id is free at once.
    delete(&mut client, "stays", "").await?;
    start(&mut client, "stays").await?;
    assert!(is_there(&mut client, "stays", "").await?);
    assert_eq!(listed(&mut client).await?, ["stays", "twice"]);
    Ok(())
}
