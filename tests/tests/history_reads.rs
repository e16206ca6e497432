//! Reads of histories: pages, long polls, the close event, and tasks that are not stored yet.

use anyhow::{Context, Result};
use bytes::Bytes;
use perdure_proto::api::{
    common::{Payload, Payloads, WorkflowExecution, WorkflowType},
    enums::{EventType, HistoryEventFilterType, WorkflowTaskFailedCause},
    history::HistoryEvent,
    taskqueue::TaskQueue,
    workflowservice::{
        GetWorkflowExecutionHistoryRequest, GetWorkflowExecutionHistoryResponse,
        GetWorkflowExecutionHistoryReverseRequest, PollWorkflowTaskQueueRequest, PollWorkflowTaskQueueResponse,
        RespondWorkflowTaskFailedRequest, SignalWorkflowExecutionRequest, StartWorkflowExecutionRequest,
        TerminateWorkflowExecutionRequest, workflow_service_client::WorkflowServiceClient,
    },
};
use perdure_tests::{Database, Server};
use tonic::{Request, transport::Channel};

/// More batches than one page has at most.
const MANY: usize = 300;
/// With this much in each, the history is too long to be kept in the server's memory as well.
const PAYLOAD: usize = 1_024;

type Client = WorkflowServiceClient<Channel>;
type Read = GetWorkflowExecutionHistoryRequest;

fn namespace() -> String {
    "default".to_owned()
}

fn execution() -> Option<WorkflowExecution> {
    Some(WorkflowExecution { workflow_id: "w".into(), run_id: String::new() })
}

fn queue() -> Option<TaskQueue> {
    Some(TaskQueue { name: "q".into(), ..Default::default() })
}

fn read() -> Read {
    Read { namespace: namespace(), execution: execution(), ..Default::default() }
}

async fn start(server: &Server) -> Result<Client> {
    let mut client = Client::new(server.channel().await?);
    let request = StartWorkflowExecutionRequest {
        namespace: namespace(),
        workflow_id: "w".into(),
        workflow_type: Some(WorkflowType { name: "t".into() }),
        task_queue: queue(),
        ..Default::default()
    };
    client.start_workflow_execution(request).await?;
    Ok(client)
}

async fn signal(client: &mut Client) -> Result<()> {
    let payloads = vec![Payload { data: vec![0; PAYLOAD].into(), ..Default::default() }];
    let request = SignalWorkflowExecutionRequest {
        input: Some(Payloads { payloads }),
        namespace: namespace(),
        workflow_execution: execution(),
        signal_name: "s".into(),
        ..Default::default()
    };
    client.signal_workflow_execution(request).await?;
    Ok(())
}

async fn terminate(client: &mut Client) -> Result<()> {
    let request = TerminateWorkflowExecutionRequest {
        namespace: namespace(),
        workflow_execution: execution(),
        ..Default::default()
    };
    client.terminate_workflow_execution(request).await?;
    Ok(())
}

async fn poll(client: &mut Client) -> Result<PollWorkflowTaskQueueResponse> {
    let request = PollWorkflowTaskQueueRequest { namespace: namespace(), task_queue: queue(), ..Default::default() };
    Ok(client.poll_workflow_task_queue(request).await?.into_inner())
}

async fn page(client: &mut Client, request: impl tonic::IntoRequest<Read>) -> Result<(Vec<HistoryEvent>, Bytes)> {
    let GetWorkflowExecutionHistoryResponse { history, next_page_token, .. } =
        client.get_workflow_execution_history(request).await?.into_inner();
    Ok((history.unwrap_or_default().events()?, next_page_token))
}

fn ids(events: &[HistoryEvent]) -> Vec<i64> {
    events.iter().map(|event| event.event_id).collect()
}

fn types(events: &[HistoryEvent]) -> Vec<EventType> {
    events.iter().map(HistoryEvent::event_type).collect()
}

#[tokio::test]
async fn pages_show_each_event_once_in_both_directions() -> Result<()> {
    let server = Server::start("history_pages", Database::SqliteMemory).await?;
    let mut client = start(&server).await?;
    for _ in 0..9 {
        signal(&mut client).await?;
    }
    terminate(&mut client).await?;
    let all: Vec<_> = (1..=12).collect();
    for size in [1, 4, 0] {
        let (mut forward, mut token) = (Vec::new(), Bytes::new());
        loop {
            let request = Read { maximum_page_size: size, next_page_token: token, ..read() };
            let (events, next) = page(&mut client, request).await?;
            forward.extend(ids(&events));
            token = next;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(forward, all, "pages of {size}");
        let (mut reverse, mut next_page_token) = (Vec::new(), Bytes::new());
        loop {
            let request = GetWorkflowExecutionHistoryReverseRequest {
                namespace: namespace(),
                execution: execution(),
                maximum_page_size: size,
                next_page_token,
            };
            let answer = client.get_workflow_execution_history_reverse(request).await?.into_inner();
            reverse.extend(ids(&answer.history.unwrap_or_default().events()?));
            next_page_token = answer.next_page_token;
            if next_page_token.is_empty() {
                break;
            }
        }
        reverse.reverse();
        assert_eq!(reverse, all, "pages of {size} in reverse");
    }
    Ok(())
}

/// A worker gets the first page with its task and reads on with the token, up to its own Started and no further.
#[tokio::test]
async fn a_worker_pages_through_a_long_history() -> Result<()> {
    let server = Server::start("history_worker_pages", Database::SqliteMemory).await?;
    let mut client = start(&server).await?;
    for _ in 0..MANY {
        signal(&mut client).await?;
    }
    let task = poll(&mut client).await?;
    let mut seen = task.history.unwrap_or_default().events()?;
    assert!(!task.next_page_token.is_empty(), "all {} events on one page", seen.len());
    // Waits for the end of the task, so it is not in the history of this one.
    signal(&mut client).await?;
    let mut token = task.next_page_token;
    while !token.is_empty() {
        let (events, next) = page(&mut client, Read { next_page_token: token, ..read() }).await?;
        seen.extend(events);
        token = next;
    }
    assert_eq!(ids(&seen), (1..=task.started_event_id).collect::<Vec<_>>());
    assert_eq!(seen.last().map(HistoryEvent::event_type), Some(EventType::WorkflowTaskStarted));
    Ok(())
}

#[tokio::test]
async fn a_long_poll_ends_with_the_next_event() -> Result<()> {
    let server = Server::start("history_long_poll", Database::SqliteMemory).await?;
    let mut client = start(&server).await?;
    let (events, token) = page(&mut client, Read { wait_new_event: true, ..read() }).await?;
    assert_eq!(ids(&events), [1, 2]);
    assert!(!token.is_empty(), "an open run has more to come");
    let mut waiting = client.clone();
    let request = Read { wait_new_event: true, next_page_token: token, ..read() };
    let wait = tokio::spawn(async move { page(&mut waiting, request).await });
    signal(&mut client).await?;
    let (events, token) = wait.await??;
    assert_eq!(types(&events), [EventType::WorkflowExecutionSignaled]);
    terminate(&mut client).await?;
    let request = Read { wait_new_event: true, next_page_token: token, ..read() };
    let (events, token) = page(&mut client, request).await?;
    assert_eq!(types(&events), [EventType::WorkflowExecutionTerminated]);
    assert!(token.is_empty(), "a closed run has nothing to wait for");
    Ok(())
}

/// Nothing in time: an empty page before the client's deadline, with a token that goes on.
#[tokio::test]
async fn a_long_poll_that_sees_nothing_can_go_on() -> Result<()> {
    let server = Server::start("history_long_poll_empty", Database::SqliteMemory).await?;
    let mut client = start(&server).await?;
    let (_, token) = page(&mut client, Read { wait_new_event: true, ..read() }).await?;
    let mut request = Request::new(Read { wait_new_event: true, next_page_token: token, ..read() });
    request.set_timeout(std::time::Duration::from_secs(1));
    let (events, token) = page(&mut client, request).await?;
    assert!(events.is_empty());
    signal(&mut client).await?;
    let (events, _) = page(&mut client, Read { wait_new_event: true, next_page_token: token, ..read() }).await?;
    assert_eq!(ids(&events), [3]);
    Ok(())
}

#[tokio::test]
async fn the_close_event_comes_alone() -> Result<()> {
    let server = Server::start("history_close_event", Database::SqliteMemory).await?;
    let mut client = start(&server).await?;
    let filter = HistoryEventFilterType::CloseEvent.into();
    let request = Read { history_event_filter_type: filter, ..read() };
    let (events, token) = page(&mut client, request.clone()).await?;
    assert!(events.is_empty() && token.is_empty(), "an open run has no close event");
    let waiting = Read { wait_new_event: true, ..request.clone() };
    let wait = {
        let mut client = client.clone();
        tokio::spawn(async move { page(&mut client, waiting).await })
    };
    // Other events do not end the wait.
    signal(&mut client).await?;
    terminate(&mut client).await?;
    let closed = [EventType::WorkflowExecutionTerminated];
    let (events, token) = wait.await??;
    assert_eq!(types(&events), closed);
    assert!(token.is_empty());
    let (events, _) = page(&mut client, request).await?;
    assert_eq!(types(&events), closed);
    Ok(())
}

/// The second attempt of a workflow task is not stored. SDKs that read along see it, tools for people do not.
#[tokio::test]
async fn a_task_that_is_not_stored_is_shown_to_sdks() -> Result<()> {
    let server = Server::start("history_transient", Database::SqliteMemory).await?;
    let mut client = start(&server).await?;
    let task_token = poll(&mut client).await?.task_token;
    let cause = WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure.into();
    let failed = RespondWorkflowTaskFailedRequest { namespace: namespace(), task_token, cause, ..Default::default() };
    client.respond_workflow_task_failed(failed).await?;
    let again = poll(&mut client).await?;
    let stored = 4;
    let of_task = ids(&again.history.context("a task has a history")?.events()?);
    assert_eq!((again.attempt, of_task), (2, (1..=again.started_event_id).collect()));
    assert_eq!(again.started_event_id, stored + 2);
    let (events, _) = page(&mut client, read()).await?;
    assert_eq!(ids(&events).len(), 6, "{:?}", types(&events));
    for name in ["temporal-cli", "temporal-ui"] {
        let mut request = Request::new(read());
        request.metadata_mut().insert("client-name", name.parse()?);
        let (events, _) = page(&mut client, request).await?;
        assert_eq!(types(&events).last(), Some(&EventType::WorkflowTaskFailed), "{name}");
    }
    Ok(())
}
