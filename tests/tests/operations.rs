//! What operators do with workflows: pause, unpause, reset with operations; and the limits that they set. On both databases
//! where a database has a say.

use anyhow::Result;
use perdure_proto::api::{
    common::{Priority, WorkflowExecution, WorkflowType},
    enums::{EventType, WorkflowExecutionStatus as Status},
    history::HistoryEvent,
    taskqueue::TaskQueue,
    workflow::{
        PostResetOperation, WorkflowExecutionOptions,
        post_reset_operation::{SignalWorkflow, UpdateWorkflowOptions, Variant},
    },
    workflowservice::{
        CountWorkflowExecutionsRequest, DeleteWorkflowExecutionRequest, DescribeWorkflowExecutionRequest,
        DescribeWorkflowExecutionResponse, GetWorkflowExecutionHistoryRequest, ListWorkflowExecutionsRequest,
        PauseWorkflowExecutionRequest, PollWorkflowTaskQueueRequest, ResetWorkflowExecutionRequest,
        RespondWorkflowTaskCompletedRequest, SignalWorkflowExecutionRequest, StartWorkflowExecutionRequest,
        UnpauseWorkflowExecutionRequest, workflow_service_client::WorkflowServiceClient,
    },
};
use perdure_tests::{Database, Server};
use prost_types::FieldMask;
use tonic::{Code, transport::Channel};

type Client = WorkflowServiceClient<Channel>;

const NAMESPACE: &str = "default";

fn namespace() -> String {
    NAMESPACE.into()
}

fn queue() -> Option<TaskQueue> {
    Some(TaskQueue { name: "q".into(), ..Default::default() })
}

fn execution(workflow_id: &str) -> Option<WorkflowExecution> {
    Some(WorkflowExecution { workflow_id: workflow_id.into(), run_id: String::new() })
}

async fn start(client: &mut Client, workflow_id: &str) -> Result<String> {
    let request = StartWorkflowExecutionRequest {
        namespace: namespace(),
        workflow_id: workflow_id.into(),
        workflow_type: Some(WorkflowType { name: "t".into() }),
        task_queue: queue(),
        ..Default::default()
    };
    Ok(client.start_workflow_execution(request).await?.into_inner().run_id)
}

async fn signal(client: &mut Client, workflow_id: &str) -> Result<(), tonic::Status> {
    let request = SignalWorkflowExecutionRequest {
        namespace: namespace(),
        workflow_execution: execution(workflow_id),
        signal_name: "s".into(),
        ..Default::default()
    };
    client.signal_workflow_execution(request).await.map(|_| ())
}

/// A worker takes the next workflow task and completes it without a command.
async fn complete_task(client: &mut Client) -> Result<()> {
    let poll = PollWorkflowTaskQueueRequest { namespace: namespace(), task_queue: queue(), ..Default::default() };
    let task = client.poll_workflow_task_queue(poll).await?.into_inner();
    let done = RespondWorkflowTaskCompletedRequest {
        namespace: namespace(),
        task_token: task.task_token,
        ..Default::default()
    };
    client.respond_workflow_task_completed(done).await?;
    Ok(())
}

async fn describe(client: &mut Client, workflow_id: &str) -> Result<DescribeWorkflowExecutionResponse> {
    let request = DescribeWorkflowExecutionRequest { namespace: namespace(), execution: execution(workflow_id) };
    Ok(client.describe_workflow_execution(request).await?.into_inner())
}

async fn history(client: &mut Client, workflow_id: &str) -> Result<Vec<HistoryEvent>> {
    let request = GetWorkflowExecutionHistoryRequest {
        namespace: namespace(),
        execution: execution(workflow_id),
        ..Default::default()
    };
    let answer = client.get_workflow_execution_history(request).await?.into_inner();
    Ok(answer.history.map(|history| history.events().expect("events")).unwrap_or_default())
}

async fn listed(client: &mut Client, query: &str) -> Result<usize> {
    let request = ListWorkflowExecutionsRequest { namespace: namespace(), query: query.into(), ..Default::default() };
    Ok(client.list_workflow_executions(request).await?.into_inner().executions.len())
}

#[tokio::test]
async fn pauses_on_sqlite() -> Result<()> {
    let name = "pauses_sqlite";
    pauses(Server::start(name, Database::fresh_sqlite_file(name)?).await?).await
}

#[tokio::test]
async fn pauses_on_postgres() -> Result<()> {
    pauses(Server::start("pauses_postgres", Database::fresh_postgres("pauses").await?).await?).await
}

async fn pauses(mut server: Server) -> Result<()> {
    let mut client = Client::new(server.channel().await?);
    start(&mut client, "w").await?;
    start(&mut client, "other").await?;
    let pause = PauseWorkflowExecutionRequest {
        namespace: namespace(),
        workflow_id: "w".into(),
        identity: "operator".into(),
        reason: "look into it".into(),
        request_id: "r".into(),
        ..Default::default()
    };
    client.pause_workflow_execution(pause.clone()).await?;
    // Also after a crash.
    for _ in 0..2 {
        // The same request again.
        client.pause_workflow_execution(pause.clone()).await?;
        let found = describe(&mut client, "w").await?;
        let info = found.workflow_execution_info.expect("info");
        assert_eq!(info.status(), Status::Paused);
        let paused = found.workflow_extended_info.and_then(|info| info.pause_info).expect("pause info");
        assert_eq!((paused.identity.as_str(), paused.reason.as_str()), ("operator", "look into it"));
        for (query, count) in [
            ("ExecutionStatus = 'Paused'", 1),
            ("ExecutionStatus = 'Running'", 1),
            ("TemporalPauseInfo = 'Workflow:w'", 1),
            ("TemporalPauseInfo = 'Reason:look into it'", 1),
            ("TemporalPauseInfo = 'Workflow:other'", 0),
            ("CloseTime is null", 2),
        ] {
            assert_eq!(listed(&mut client, query).await?, count, "{query}");
        }
        server.kill9()?;
        server.restart().await?;
        client = Client::new(server.channel().await?);
    }
    signal(&mut client, "w").await?;
    // Only the other one's task is there.
    complete_task(&mut client).await?;
    let unpause =
        UnpauseWorkflowExecutionRequest { namespace: namespace(), workflow_id: "w".into(), ..Default::default() };
    client.unpause_workflow_execution(unpause).await?;
    complete_task(&mut client).await?;
    let types: Vec<EventType> = history(&mut client, "w").await?.iter().map(HistoryEvent::event_type).collect();
    assert_eq!(
        types,
        [
            EventType::WorkflowExecutionStarted,
            EventType::WorkflowTaskScheduled,
            EventType::WorkflowTaskFailed,
            EventType::WorkflowExecutionPaused,
            EventType::WorkflowExecutionSignaled,
            EventType::WorkflowExecutionUnpaused,
            EventType::WorkflowTaskScheduled,
            EventType::WorkflowTaskStarted,
            EventType::WorkflowTaskCompleted,
        ]
    );
    assert_eq!(listed(&mut client, "TemporalPauseInfo is not null").await?, 0);
    server.panics()
}

#[tokio::test]
async fn a_reset_with_operations() -> Result<()> {
    let server = Server::start("reset_operations", Database::SqliteMemory).await?;
    let mut client = Client::new(server.channel().await?);
    start(&mut client, "w").await?;
    complete_task(&mut client).await?;
    let priority = Priority { priority_key: 2, ..Default::default() };
    let options = WorkflowExecutionOptions { priority: Some(priority.clone()), ..Default::default() };
    let update_mask = Some(FieldMask { paths: vec!["priority".into()] });
    let operations = [
        Variant::SignalWorkflow(SignalWorkflow { signal_name: "after".into(), ..Default::default() }),
        Variant::UpdateWorkflowOptions(UpdateWorkflowOptions {
            workflow_execution_options: Some(options),
            update_mask,
        }),
    ];
    let reset = ResetWorkflowExecutionRequest {
        namespace: namespace(),
        workflow_execution: execution("w"),
        workflow_task_finish_event_id: 4,
        request_id: "r".into(),
        post_reset_operations: operations.map(|variant| PostResetOperation { variant: Some(variant) }).into(),
        ..Default::default()
    };
    let run_id = client.reset_workflow_execution(reset.clone()).await?.into_inner().run_id;
    let found = describe(&mut client, "w").await?.workflow_execution_info.expect("info");
    assert_eq!((found.execution.expect("ids").run_id, found.priority), (run_id, Some(priority)));
    let types: Vec<EventType> = history(&mut client, "w").await?.iter().map(HistoryEvent::event_type).collect();
    assert_eq!(
        types[3..],
        [
            EventType::WorkflowTaskFailed,
            EventType::WorkflowExecutionSignaled,
            EventType::WorkflowExecutionOptionsUpdated,
            EventType::WorkflowTaskScheduled,
        ]
    );
    let nothing = vec![PostResetOperation { variant: None }];
    let refused =
        ResetWorkflowExecutionRequest { request_id: "s".into(), post_reset_operations: nothing, ..reset.clone() };
    let status = client.reset_workflow_execution(refused).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "unsupported post reset operation: <nil>"));
    server.panics()
}

#[tokio::test]
async fn a_run_over_its_limit_can_be_read_and_deleted() -> Result<()> {
    let limits = ["limit.historyCount.error=10", "history.maximumSignalsPerExecution=100"];
    let server = Server::start_with("over_limit", Database::SqliteMemory, &limits).await?;
    let mut client = Client::new(server.channel().await?);
    start(&mut client, "w").await?;
    for _ in 0..9 {
        signal(&mut client, "w").await?;
    }
    let found = describe(&mut client, "w").await?.workflow_execution_info.expect("info");
    assert_eq!(found.status(), Status::Terminated);
    let events = history(&mut client, "w").await?;
    assert_eq!(events.last().map(HistoryEvent::event_type), Some(EventType::WorkflowExecutionTerminated));
    assert_eq!(signal(&mut client, "w").await.unwrap_err().code(), Code::NotFound);
    let delete = DeleteWorkflowExecutionRequest { namespace: namespace(), workflow_execution: execution("w") };
    client.delete_workflow_execution(delete).await?;
    assert!(describe(&mut client, "w").await.is_err());
    server.panics()
}

#[tokio::test]
async fn quotas_refuse_what_is_too_much() -> Result<()> {
    let limits = ["frontend.namespaceRPS.visibility=1", "frontend.namespaceBurstRatio=1", "frontend.namespaceCount=1"];
    let server = Server::start_with("quotas", Database::SqliteMemory, &limits).await?;
    let mut client = Client::new(server.channel().await?);
    let header = |status: &tonic::Status, name: &str| {
        status.metadata().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let cause = "x-resource-exhausted-cause";
    let count = CountWorkflowExecutionsRequest { namespace: namespace(), ..Default::default() };
    // Within one second the second call at the latest is too much.
    let refused = loop {
        if let Err(status) = client.count_workflow_executions(count.clone()).await {
            break status;
        }
    };
    assert_eq!((refused.code(), refused.message()), (Code::ResourceExhausted, "namespace rate limit exceeded"));
    assert_eq!(header(&refused, cause).as_deref(), Some("RpsLimit"));
    let poll = PollWorkflowTaskQueueRequest { namespace: namespace(), task_queue: queue(), ..Default::default() };
    let mut other = client.clone();
    let parked = tokio::spawn({
        let poll = poll.clone();
        // The other one's tries may have taken its place for a moment.
        async move { while other.poll_workflow_task_queue(poll.clone()).await.is_err() {} }
    });
    let refused = loop {
        // Until the parked poll has arrived this one takes its place, and is given up.
        let tried = client.poll_workflow_task_queue(poll.clone());
        if let Ok(Err(status)) = tokio::time::timeout(std::time::Duration::from_millis(200), tried).await {
            break status;
        }
    };
    let text = "namespace concurrent poller limit exceeded";
    assert_eq!((refused.code(), refused.message()), (Code::ResourceExhausted, text));
    assert_eq!(header(&refused, cause).as_deref(), Some("ConcurrentLimit"));
    parked.abort();
    server.panics()
}
