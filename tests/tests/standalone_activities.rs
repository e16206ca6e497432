//! Activities of their own over gRPC, on both databases: what they go through survives `kill -9`.

use anyhow::{Context, Result};
use perdure_proto::api::{
    activity::{ActivityExecutionInfo, activity_execution_outcome::Value},
    common::{ActivityType, Payload, Payloads, RetryPolicy},
    enums::{ActivityExecutionStatus as Status, PendingActivityState},
    failure::{ApplicationFailureInfo, Failure, failure::FailureInfo},
    taskqueue::TaskQueue,
    workflowservice::{
        CountActivityExecutionsRequest, DeleteActivityExecutionRequest, DescribeActivityExecutionRequest,
        DescribeActivityExecutionResponse, ListActivityExecutionsRequest, PauseActivityExecutionRequest,
        PollActivityExecutionRequest, PollActivityTaskQueueRequest, PollActivityTaskQueueResponse,
        RecordActivityTaskHeartbeatRequest, RequestCancelActivityExecutionRequest,
        RespondActivityTaskCanceledByIdRequest, RespondActivityTaskCompletedRequest, RespondActivityTaskFailedRequest,
        StartActivityExecutionRequest, StartActivityExecutionResponse, TerminateActivityExecutionRequest,
        UnpauseActivityExecutionRequest, workflow_service_client::WorkflowServiceClient,
    },
};
use perdure_tests::{Database, Server};
use prost_types::Duration;
use tonic::{Code, transport::Channel};

type Client = WorkflowServiceClient<Channel>;

fn namespace() -> String {
    "default".to_owned()
}

fn queue() -> Option<TaskQueue> {
    Some(TaskQueue { name: "q".into(), ..Default::default() })
}

fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

fn payloads(text: &str) -> Option<Payloads> {
    let payload = Payload { data: text.to_owned().into(), ..Default::default() };
    Some(Payloads { payloads: vec![payload] })
}

fn request(activity_id: &str, request_id: &str) -> StartActivityExecutionRequest {
    StartActivityExecutionRequest {
        namespace: namespace(),
        activity_id: activity_id.into(),
        request_id: request_id.into(),
        activity_type: Some(ActivityType { name: "t".into() }),
        task_queue: queue(),
        start_to_close_timeout: seconds(600),
        retry_policy: Some(RetryPolicy { initial_interval: seconds(1), maximum_attempts: 2, ..Default::default() }),
        input: payloads("in"),
        ..Default::default()
    }
}

async fn start(client: &mut Client, activity_id: &str) -> Result<StartActivityExecutionResponse> {
    Ok(client.start_activity_execution(request(activity_id, activity_id)).await?.into_inner())
}

async fn describe(client: &mut Client, activity_id: &str) -> Result<DescribeActivityExecutionResponse> {
    let request = DescribeActivityExecutionRequest {
        namespace: namespace(),
        activity_id: activity_id.into(),
        include_input: true,
        include_outcome: true,
        ..Default::default()
    };
    Ok(client.describe_activity_execution(request).await?.into_inner())
}

async fn info(client: &mut Client, activity_id: &str) -> Result<ActivityExecutionInfo> {
    describe(client, activity_id).await?.info.context("info")
}

async fn take(client: &mut Client) -> Result<PollActivityTaskQueueResponse> {
    let request = PollActivityTaskQueueRequest {
        namespace: namespace(),
        task_queue: queue(),
        identity: "worker".into(),
        ..Default::default()
    };
    Ok(client.poll_activity_task_queue(request).await?.into_inner())
}

async fn complete(client: &mut Client, task: &PollActivityTaskQueueResponse, result: &str) -> Result<()> {
    let request = RespondActivityTaskCompletedRequest {
        task_token: task.task_token.clone(),
        namespace: namespace(),
        result: payloads(result),
        ..Default::default()
    };
    client.respond_activity_task_completed(request).await?;
    Ok(())
}

async fn outcome(client: &mut Client, activity_id: &str) -> Result<Value> {
    let request =
        PollActivityExecutionRequest { namespace: namespace(), activity_id: activity_id.into(), run_id: String::new() };
    let answer = client.poll_activity_execution(request).await?.into_inner();
    answer.outcome.and_then(|outcome| outcome.value).context("an outcome")
}

async fn listed(client: &mut Client, query: &str) -> Result<Vec<(String, Status)>> {
    let request = ListActivityExecutionsRequest { namespace: namespace(), query: query.into(), ..Default::default() };
    let found = client.list_activity_executions(request).await?.into_inner().executions;
    Ok(found.into_iter().map(|info| (info.activity_id.clone(), info.status())).collect())
}

/// Another process on the same database.
async fn crash(server: &mut Server) -> Result<Client> {
    server.kill9()?;
    server.restart().await?;
    Ok(Client::new(server.channel().await?))
}

#[tokio::test]
async fn all_of_it_survives_on_sqlite() -> Result<()> {
    let name = "standalone_activities_sqlite";
    survives(Server::start(name, Database::fresh_sqlite_file(name)?).await?).await
}

#[tokio::test]
async fn all_of_it_survives_on_postgres() -> Result<()> {
    let name = "standalone_activities_postgres";
    survives(Server::start(name, Database::fresh_postgres("standalone").await?).await?).await
}

async fn survives(mut server: Server) -> Result<()> {
    let mut client = Client::new(server.channel().await?);
    let started = start(&mut client, "a").await?;
    assert!(started.started);

    // The start is known, its request too, and the task is handed out again.
    let mut client = crash(&mut server).await?;
    let again = start(&mut client, "a").await?;
    assert_eq!((again.run_id, again.started), (started.run_id.clone(), false));
    let conflict = client.start_activity_execution(request("a", "other")).await.unwrap_err();
    assert_eq!((conflict.code(), conflict.message()), (Code::AlreadyExists, "activity execution already started"));
    let task = take(&mut client).await?;
    assert_eq!((task.activity_run_id.as_str(), task.attempt), (started.run_id.as_str(), 1));
    assert_eq!(task.workflow_execution, Some(Default::default()));
    let heartbeat = RecordActivityTaskHeartbeatRequest {
        task_token: task.task_token.clone(),
        namespace: namespace(),
        details: payloads("half"),
        ..Default::default()
    };
    client.record_activity_task_heartbeat(heartbeat).await?;

    // The attempt goes on, and its failure is remembered.
    let mut client = crash(&mut server).await?;
    let shown = info(&mut client, "a").await?;
    assert_eq!(shown.run_state(), PendingActivityState::Started);
    assert_eq!((shown.heartbeat_details, shown.total_heartbeat_count), (payloads("half"), 1));
    let info_of_failure = ApplicationFailureInfo { r#type: "T".into(), ..Default::default() };
    let failure = Failure {
        message: "boom".into(),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(info_of_failure)),
        ..Default::default()
    };
    let failed = RespondActivityTaskFailedRequest {
        task_token: task.task_token.clone(),
        namespace: namespace(),
        failure: Some(failure.clone()),
        ..Default::default()
    };
    client.respond_activity_task_failed(failed).await?;

    // The second attempt comes by itself when its time has come.
    let mut client = crash(&mut server).await?;
    assert_eq!(info(&mut client, "a").await?.last_failure, Some(failure));
    let task = take(&mut client).await?;
    assert_eq!((task.attempt, &task.heartbeat_details), (2, &payloads("half")));
    complete(&mut client, &task, "out").await?;

    // The outcome stays, and a second answer finds nothing.
    let mut client = crash(&mut server).await?;
    assert_eq!(outcome(&mut client, "a").await?, Value::Result(payloads("out").unwrap_or_default()));
    let described = describe(&mut client, "a").await?;
    assert_eq!((described.input, described.run_id), (payloads("in"), started.run_id));
    assert_eq!(described.info.context("info")?.status(), Status::Completed);
    let late = complete(&mut client, &task, "late").await.unwrap_err();
    assert_eq!(late.downcast::<tonic::Status>()?.message(), "activity not found for ID: a");
    deletion_survives(&mut server).await
}

/// One that is closed, and one that is open.
async fn deletion_survives(server: &mut Server) -> Result<()> {
    let mut client = Client::new(server.channel().await?);
    start(&mut client, "b").await?;
    for activity_id in ["a", "b"] {
        let request = DeleteActivityExecutionRequest {
            namespace: namespace(),
            activity_id: activity_id.into(),
            run_id: String::new(),
        };
        client.delete_activity_execution(request.clone()).await?;
        assert_eq!(client.delete_activity_execution(request).await.unwrap_err().code(), Code::NotFound);
    }
    assert!(listed(&mut client, "").await?.is_empty());
    let mut client = crash(server).await?;
    assert!(listed(&mut client, "").await?.is_empty());
    // The same request id: nothing is known of the first one any more.
    assert!(start(&mut client, "a").await?.started);
    Ok(())
}

#[tokio::test]
async fn clients_and_operators() -> Result<()> {
    let server = Server::start("standalone_activities_control", Database::SqliteMemory).await?;
    let mut client = Client::new(server.channel().await?);
    for activity_id in ["canceled", "terminated", "paused"] {
        start(&mut client, activity_id).await?;
    }
    let pause =
        PauseActivityExecutionRequest { namespace: namespace(), activity_id: "paused".into(), ..Default::default() };
    client.pause_activity_execution(pause).await?;
    let terminate = TerminateActivityExecutionRequest {
        namespace: namespace(),
        activity_id: "terminated".into(),
        reason: "because".into(),
        ..Default::default()
    };
    client.terminate_activity_execution(terminate).await?;
    let task = take(&mut client).await?;
    assert_eq!(task.activity_id, "canceled", "the others are not on offer");
    let cancel = RequestCancelActivityExecutionRequest {
        namespace: namespace(),
        activity_id: "canceled".into(),
        ..Default::default()
    };
    client.request_cancel_activity_execution(cancel).await?;
    let heartbeat = RecordActivityTaskHeartbeatRequest {
        task_token: task.task_token,
        namespace: namespace(),
        ..Default::default()
    };
    assert!(client.record_activity_task_heartbeat(heartbeat).await?.into_inner().cancel_requested);
    let canceled = RespondActivityTaskCanceledByIdRequest {
        namespace: namespace(),
        activity_id: "canceled".into(),
        ..Default::default()
    };
    client.respond_activity_task_canceled_by_id(canceled).await?;

    let of = |id: &str, status| vec![(id.to_owned(), status)];
    assert_eq!(listed(&mut client, "ExecutionStatus = 'Paused'").await?, of("paused", Status::Paused));
    let query = "ActivityType = 't' AND ExecutionStatus IN ('Canceled', 'Failed')";
    assert_eq!(listed(&mut client, query).await?, of("canceled", Status::Canceled));
    assert_eq!(listed(&mut client, "ActivityId = 'terminated'").await?, of("terminated", Status::Terminated));
    let count = CountActivityExecutionsRequest { namespace: namespace(), query: "GROUP BY ExecutionStatus".into() };
    let counted = client.count_activity_executions(count).await?.into_inner();
    assert_eq!((counted.count, counted.groups.len()), (3, 3));

    let unpause =
        UnpauseActivityExecutionRequest { namespace: namespace(), activity_id: "paused".into(), ..Default::default() };
    client.unpause_activity_execution(unpause).await?;
    let task = take(&mut client).await?;
    complete(&mut client, &task, "out").await?;
    assert_eq!(listed(&mut client, "ActivityId = 'paused'").await?, of("paused", Status::Completed));
    Ok(())
}

/// A describe with a token waits until there is something new.
#[tokio::test]
async fn changes_are_waited_for() -> Result<()> {
    let server = Server::start("standalone_activities_waits", Database::SqliteMemory).await?;
    let mut client = Client::new(server.channel().await?);
    let started = start(&mut client, "a").await?;
    let seen = describe(&mut client, "a").await?;
    let request = DescribeActivityExecutionRequest {
        namespace: namespace(),
        activity_id: "a".into(),
        run_id: started.run_id,
        long_poll_token: seen.long_poll_token,
        ..Default::default()
    };
    let mut other = client.clone();
    let waits = tokio::spawn(async move { other.describe_activity_execution(request).await });
    take(&mut client).await?;
    let changed = waits.await??.into_inner().info.context("info")?;
    assert_eq!((changed.run_state(), changed.state_transition_count), (PendingActivityState::Started, 2));
    Ok(())
}
