//! Chains of runs, as clients follow them: the close event that leads to the next run, calls for the whole chain, and queries
//! of a run that has yet to begin.

use anyhow::{Context, Result};
use perdure_proto::api::{
    command::{
        Command, ContinueAsNewWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes, command,
    },
    common::{RetryPolicy, WorkflowExecution, WorkflowType},
    enums::{CommandType, EventType, HistoryEventFilterType, QueryResultType, WorkflowExecutionStatus},
    failure::{ApplicationFailureInfo, Failure, failure::FailureInfo},
    history::{HistoryEvent, history_event::Attributes},
    query::{WorkflowQuery, WorkflowQueryResult},
    taskqueue::TaskQueue,
    workflowservice::{
        DescribeWorkflowExecutionRequest, GetWorkflowExecutionHistoryRequest, PollWorkflowTaskQueueRequest,
        PollWorkflowTaskQueueResponse, QueryWorkflowRequest, RequestCancelWorkflowExecutionRequest,
        RespondQueryTaskCompletedRequest, RespondWorkflowTaskCompletedRequest, StartWorkflowExecutionRequest,
        TerminateWorkflowExecutionRequest, workflow_service_client::WorkflowServiceClient,
    },
};
use perdure_tests::{Database, Server};
use tonic::{Code, Request, transport::Channel};

type Client = WorkflowServiceClient<Channel>;
type Start = StartWorkflowExecutionRequest;
type Completed = RespondWorkflowTaskCompletedRequest;

fn namespace() -> String {
    "default".to_owned()
}

fn queue() -> Option<TaskQueue> {
    Some(TaskQueue { name: "q".into(), ..Default::default() })
}

fn run(run_id: &str) -> Option<WorkflowExecution> {
    Some(WorkflowExecution { workflow_id: "w".into(), run_id: run_id.into() })
}

/// The id of the first run.
async fn start(client: &mut Client, start: Start) -> Result<String> {
    let request = Start {
        namespace: namespace(),
        workflow_id: "w".into(),
        workflow_type: Some(WorkflowType { name: "t".into() }),
        task_queue: queue(),
        ..start
    };
    Ok(client.start_workflow_execution(request).await?.into_inner().run_id)
}

async fn poll(client: &mut Client) -> Result<PollWorkflowTaskQueueResponse> {
    let request = PollWorkflowTaskQueueRequest { namespace: namespace(), task_queue: queue(), ..Default::default() };
    Ok(client.poll_workflow_task_queue(request).await?.into_inner())
}

/// A worker's answer to the next workflow task.
async fn complete(client: &mut Client, completed: Completed) -> Result<()> {
    let task_token = poll(client).await?.task_token;
    client.respond_workflow_task_completed(Completed { namespace: namespace(), task_token, ..completed }).await?;
    Ok(())
}

fn command(kind: CommandType, attributes: command::Attributes) -> Completed {
    let command = Command { command_type: kind.into(), attributes: Some(attributes), ..Default::default() };
    Completed { commands: vec![command], ..Default::default() }
}

fn continue_as_new() -> Completed {
    let attributes = ContinueAsNewWorkflowExecutionCommandAttributes::default();
    let attributes = command::Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(attributes);
    command(CommandType::ContinueAsNewWorkflowExecution, attributes)
}

async fn close_event(client: &mut Client, run_id: &str, features: Option<&'static str>) -> Result<HistoryEvent> {
    let mut request = Request::new(GetWorkflowExecutionHistoryRequest {
        namespace: namespace(),
        execution: run(run_id),
        history_event_filter_type: HistoryEventFilterType::CloseEvent.into(),
        wait_new_event: true,
        ..Default::default()
    });
    if let Some(features) = features {
        request.metadata_mut().insert("supported-features", features.parse()?);
    }
    let history = client.get_workflow_execution_history(request).await?.into_inner().history.unwrap_or_default();
    history.events()?.pop().context("a close event")
}

/// SDKs that do not say that they look for the next run in any event look for it in ContinuedAsNew alone.
#[tokio::test]
async fn whoever_waits_for_a_result_is_led_from_a_failed_attempt_to_the_next() -> Result<()> {
    let server = Server::start("chains_close_event", Database::SqliteMemory).await?;
    let mut client = Client::new(server.channel().await?);
    let policy = RetryPolicy { maximum_attempts: 2, ..Default::default() };
    let first = start(&mut client, Start { retry_policy: Some(policy), ..Default::default() }).await?;
    let info = FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo::default());
    let failure = Failure { message: "once".into(), failure_info: Some(info), ..Default::default() };
    let attributes = FailWorkflowExecutionCommandAttributes { failure: Some(failure.clone()) };
    let attributes = command::Attributes::FailWorkflowExecutionCommandAttributes(attributes);
    complete(&mut client, command(CommandType::FailWorkflowExecution, attributes.clone())).await?;

    let shown = close_event(&mut client, &first, None).await?;
    let stored = close_event(&mut client, &first, Some("other, follows-next-run-id")).await?;
    assert_eq!(shown.event_type(), EventType::WorkflowExecutionContinuedAsNew);
    assert_eq!(stored.event_type(), EventType::WorkflowExecutionFailed);
    assert_eq!((shown.event_id, shown.event_time), (stored.event_id, stored.event_time));
    let (
        Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(shown)),
        Some(Attributes::WorkflowExecutionFailedEventAttributes(stored)),
    ) = (shown.attributes, stored.attributes)
    else {
        panic!("attributes of another event")
    };
    assert!(!stored.new_execution_run_id.is_empty());
    assert_eq!(shown.new_execution_run_id, stored.new_execution_run_id);
    assert_eq!(shown.failure.map(|failure| failure.message), Some("once".to_owned()));

    // The last attempt leads nowhere, and is seen as it is.
    complete(&mut client, command(CommandType::FailWorkflowExecution, attributes)).await?;
    let last = close_event(&mut client, &stored.new_execution_run_id, None).await?;
    assert_eq!(last.event_type(), EventType::WorkflowExecutionFailed);
    Ok(())
}

/// A caller that knows how the chain began need not know where it is: the run that it names may be closed.
#[tokio::test]
async fn cancels_and_terminates_reach_the_open_run_of_the_chain() -> Result<()> {
    let server = Server::start("chains_first_run", Database::SqliteMemory).await?;
    let mut client = Client::new(server.channel().await?);
    let first = start(&mut client, Start::default()).await?;
    complete(&mut client, continue_as_new()).await?;
    let terminate = |first_execution_run_id: &str| TerminateWorkflowExecutionRequest {
        namespace: namespace(),
        workflow_execution: run(&first),
        first_execution_run_id: first_execution_run_id.to_owned(),
        ..Default::default()
    };
    let refused = client.terminate_workflow_execution(terminate("")).await.expect_err("the first run is closed");
    assert_eq!(refused.code(), Code::NotFound);
    let cancel = RequestCancelWorkflowExecutionRequest {
        namespace: namespace(),
        workflow_execution: run(&first),
        first_execution_run_id: first.clone(),
        ..Default::default()
    };
    client.request_cancel_workflow_execution(cancel).await?;
    let request =
        GetWorkflowExecutionHistoryRequest { namespace: namespace(), execution: run(""), ..Default::default() };
    let history = client.get_workflow_execution_history(request).await?.into_inner().history.unwrap_or_default();
    let asked = |event: &HistoryEvent| event.event_type() == EventType::WorkflowExecutionCancelRequested;
    assert!(history.events()?.iter().any(asked));
    client.terminate_workflow_execution(terminate(&first)).await?;
    let request = DescribeWorkflowExecutionRequest { namespace: namespace(), execution: run("") };
    let info = client.describe_workflow_execution(request).await?.into_inner().workflow_execution_info;
    assert_eq!(info.unwrap_or_default().status(), WorkflowExecutionStatus::Terminated);
    Ok(())
}

/// The next run of a chain waits for up to a second. A query that has the time waits with it.
#[tokio::test]
async fn a_query_waits_for_the_first_workflow_task() -> Result<()> {
    let server = Server::start("chains_query", Database::SqliteMemory).await?;
    let mut client = Client::new(server.channel().await?);
    start(&mut client, Start::default()).await?;
    complete(&mut client, continue_as_new()).await?;
    let query = || QueryWorkflowRequest {
        namespace: namespace(),
        execution: run(""),
        query: Some(WorkflowQuery { query_type: "q".into(), ..Default::default() }),
        ..Default::default()
    };
    let asked = {
        let mut client = client.clone();
        tokio::spawn(async move { client.query_workflow(query()).await })
    };
    loop {
        let task = poll(&mut client).await?;
        if task.query.is_some() {
            // It came when that task was over already.
            let answer = RespondQueryTaskCompletedRequest {
                namespace: namespace(),
                task_token: task.task_token,
                completed_type: QueryResultType::Answered.into(),
                ..Default::default()
            };
            client.respond_query_task_completed(answer).await?;
            break;
        }
        let results = task.queries.into_keys().map(|id| {
            let result_type = QueryResultType::Answered.into();
            (id, WorkflowQueryResult { result_type, ..Default::default() })
        });
        let completed = Completed {
            namespace: namespace(),
            task_token: task.task_token,
            query_results: results.collect(),
            ..Default::default()
        };
        let answered = !completed.query_results.is_empty();
        client.respond_workflow_task_completed(completed).await?;
        if answered {
            break;
        }
    }
    asked.await??;
    Ok(())
}

/// One whose caller would have gone by then is refused at once.
#[tokio::test]
async fn a_query_does_not_wait_in_vain() -> Result<()> {
    let server = Server::start("chains_query_late", Database::SqliteMemory).await?;
    let mut client = Client::new(server.channel().await?);
    let workflow_start_delay = Some(prost_types::Duration { seconds: 3_600, nanos: 0 });
    start(&mut client, Start { workflow_start_delay, ..Default::default() }).await?;
    let query = Some(WorkflowQuery { query_type: "q".into(), ..Default::default() });
    let request = QueryWorkflowRequest { namespace: namespace(), execution: run(""), query, ..Default::default() };
    let refused = client.query_workflow(request).await.expect_err("not ready");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(refused.message(), "Workflow task is not scheduled yet.");
    Ok(())
}
