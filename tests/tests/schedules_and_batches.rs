//! Schedules and batch operations over gRPC, on both databases: each time acts once, and each execution is dealt with
//! once, whatever happens to the server meanwhile.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use perdure_proto::api::{
    batch::BatchOperationSignal,
    common::{SearchAttributes, WorkflowExecution, WorkflowType},
    enums::{BatchOperationState, EventType, ScheduleOverlapPolicy},
    operatorservice::{DeleteNamespaceRequest, operator_service_client::OperatorServiceClient},
    schedule::{
        BackfillRequest, IntervalSpec, Schedule, ScheduleAction, SchedulePatch, ScheduleSpec, ScheduleState,
        TriggerImmediatelyRequest, schedule_action::Action,
    },
    taskqueue::TaskQueue,
    workflow::NewWorkflowExecutionInfo,
    workflowservice::{
        CreateScheduleRequest, DeleteScheduleRequest, DescribeBatchOperationRequest, DescribeBatchOperationResponse,
        DescribeNamespaceRequest, DescribeScheduleRequest, DescribeScheduleResponse,
        GetWorkflowExecutionHistoryRequest, ListSchedulesRequest, ListWorkflowExecutionsRequest, PatchScheduleRequest,
        RegisterNamespaceRequest, StartBatchOperationRequest, StartWorkflowExecutionRequest, UpdateScheduleRequest,
        start_batch_operation_request::Operation, workflow_service_client::WorkflowServiceClient,
    },
};
use perdure_tests::{Database, Server};
use prost_types::{Duration as ProtoDuration, Timestamp};
use tonic::{Code, transport::Channel};

type Client = WorkflowServiceClient<Channel>;

/// Longer than any machine needs: what takes so long is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

fn namespace() -> String {
    "default".to_owned()
}

fn hourly(paused: bool) -> Schedule {
    let every = ProtoDuration { seconds: 3600, nanos: 0 };
    let workflow = NewWorkflowExecutionInfo {
        workflow_id: "w".into(),
        workflow_type: Some(WorkflowType { name: "t".into() }),
        task_queue: Some(TaskQueue { name: "q".into(), ..Default::default() }),
        ..Default::default()
    };
    Schedule {
        spec: Some(ScheduleSpec {
            interval: vec![IntervalSpec { interval: Some(every), phase: None }],
            ..Default::default()
        }),
        action: Some(ScheduleAction { action: Some(Action::StartWorkflow(workflow)) }),
        policies: None,
        state: Some(ScheduleState { paused, ..Default::default() }),
    }
}

async fn create(client: &mut Client, id: &str, schedule: Schedule) -> Result<()> {
    let request = CreateScheduleRequest {
        namespace: namespace(),
        schedule_id: id.into(),
        request_id: id.into(),
        schedule: Some(schedule),
        ..Default::default()
    };
    client.create_schedule(request).await?;
    Ok(())
}

async fn patch(client: &mut Client, id: &str, request_id: &str, patch: SchedulePatch) -> Result<()> {
    let request = PatchScheduleRequest {
        namespace: namespace(),
        schedule_id: id.into(),
        request_id: request_id.into(),
        patch: Some(patch),
        ..Default::default()
    };
    client.patch_schedule(request).await?;
    Ok(())
}

async fn describe(client: &mut Client, id: &str) -> Result<DescribeScheduleResponse, tonic::Status> {
    let request = DescribeScheduleRequest { namespace: namespace(), schedule_id: id.into() };
    Ok(client.describe_schedule(request).await?.into_inner())
}

async fn workflow_ids(client: &mut Client) -> Result<Vec<String>> {
    let request = ListWorkflowExecutionsRequest { namespace: namespace(), page_size: 1000, ..Default::default() };
    let found = client.list_workflow_executions(request).await?.into_inner().executions;
    Ok(found.into_iter().filter_map(|info| info.execution).map(|execution| execution.workflow_id).collect())
}

/// Asks until the answer is there.
async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match ask().await {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => {}
            Err(error) if tokio::time::Instant::now() >= deadline => return Err(error).context(what.to_owned()),
            Err(_) => {}
        }
        if tokio::time::Instant::now() >= deadline {
            bail!("{what}: not in {PATIENCE:?}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn times_act_once(name: &str, database: Database) -> Result<()> {
    let mut server = Server::start(name, database).await?;
    let mut client = Client::new(server.channel().await?);
    create(&mut client, "s", hourly(true)).await?;
    // The same request again is no error, another one is.
    create(&mut client, "s", hourly(true)).await?;
    let other = CreateScheduleRequest {
        namespace: namespace(),
        schedule_id: "s".into(),
        request_id: "other".into(),
        ..Default::default()
    };
    assert_eq!(client.create_schedule(other).await.unwrap_err().code(), Code::AlreadyExists);

    // 300 hours are made up for, while the server is killed three times.
    let hours = 300;
    let range = BackfillRequest {
        start_time: Some(Timestamp { seconds: 1_704_067_200, nanos: 0 }),
        end_time: Some(Timestamp { seconds: 1_704_067_200 + (hours - 1) * 3600, nanos: 0 }),
        overlap_policy: ScheduleOverlapPolicy::AllowAll.into(),
    };
    patch(&mut client, "s", "fill", SchedulePatch { backfill_request: vec![range], ..Default::default() }).await?;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(30)).await;
        server.kill9()?;
        server.restart().await?;
    }
    let mut client = Client::new(server.channel().await?);
    let described = until("all actions", async || {
        let described = describe(&mut client, "s").await?;
        Ok((described.info.as_ref().context("info")?.action_count == hours).then_some(described))
    })
    .await?;
    let ids = workflow_ids(&mut client).await?;
    let distinct: BTreeSet<&String> = ids.iter().collect();
    ensure!(ids.len() == hours as usize && distinct.len() == ids.len(), "{} runs of {} ids", ids.len(), distinct.len());
    ensure!(distinct.contains(&"w-2024-01-13T11:00:00Z".to_owned()), "the last hour belongs to the range");
    assert_eq!(described.info.context("info")?.recent_actions.len(), 10);

    // A trigger is answered when what it starts is there.
    let trigger =
        SchedulePatch { trigger_immediately: Some(TriggerImmediatelyRequest::default()), ..Default::default() };
    patch(&mut client, "s", "now", trigger.clone()).await?;
    patch(&mut client, "s", "now", trigger).await?;
    let info = describe(&mut client, "s").await?.info.context("info")?;
    assert_eq!((info.action_count, info.running_workflows.len()), (hours + 1, 1));

    let query = "TemporalSchedulePaused = true AND ScheduleId = 's'".to_owned();
    let list = ListSchedulesRequest { namespace: namespace(), query, ..Default::default() };
    let listed = client.list_schedules(list).await?.into_inner().schedules;
    assert_eq!(listed.iter().map(|entry| entry.schedule_id.as_str()).collect::<Vec<_>>(), ["s"]);
    ensure!(listed[0].info.as_ref().is_some_and(|info| info.paused && info.recent_actions.len() == 5));

    let delete = DeleteScheduleRequest { namespace: namespace(), schedule_id: "s".into(), ..Default::default() };
    client.delete_schedule(delete).await?;
    server.kill9()?;
    server.restart().await?;
    let mut client = Client::new(server.channel().await?);
    assert_eq!(describe(&mut client, "s").await.unwrap_err().code(), Code::NotFound);
    create(&mut client, "s", hourly(true)).await?;
    let update = UpdateScheduleRequest {
        namespace: namespace(),
        schedule_id: "s".into(),
        schedule: Some(hourly(true)),
        search_attributes: Some(SearchAttributes::default()),
        ..Default::default()
    };
    client.update_schedule(update).await?;
    assert_eq!(describe(&mut client, "s").await?.search_attributes, None, "SDKs tell none from empty");
    server.panics()
}

async fn start_workflow(client: &mut Client, namespace: &str, id: &str) -> Result<()> {
    let request = StartWorkflowExecutionRequest {
        namespace: namespace.into(),
        workflow_id: id.into(),
        request_id: id.into(),
        workflow_type: Some(WorkflowType { name: "t".into() }),
        task_queue: Some(TaskQueue { name: "q".into(), ..Default::default() }),
        ..Default::default()
    };
    client.start_workflow_execution(request).await?;
    Ok(())
}

async fn signals(client: &mut Client, id: &str) -> Result<usize> {
    let request = GetWorkflowExecutionHistoryRequest {
        namespace: namespace(),
        execution: Some(WorkflowExecution { workflow_id: id.into(), run_id: String::new() }),
        ..Default::default()
    };
    let history = client.get_workflow_execution_history(request).await?.into_inner().history.unwrap_or_default();
    Ok(history.events()?.iter().filter(|event| event.event_type() == EventType::WorkflowExecutionSignaled).count())
}

async fn job(client: &mut Client, id: &str) -> Result<DescribeBatchOperationResponse> {
    let request = DescribeBatchOperationRequest { namespace: namespace(), job_id: id.into() };
    Ok(client.describe_batch_operation(request).await?.into_inner())
}

async fn executions_are_dealt_with_once(name: &str, database: Database) -> Result<()> {
    let mut server = Server::start(name, database).await?;
    let mut client = Client::new(server.channel().await?);
    for number in 0..60 {
        start_workflow(&mut client, "default", &format!("w{number}")).await?;
    }
    let signal = BatchOperationSignal { signal: "s".into(), ..Default::default() };
    let request = |job: &str, operation| StartBatchOperationRequest {
        namespace: namespace(),
        job_id: job.into(),
        reason: "test".into(),
        visibility_query: "WorkflowType = 't'".into(),
        max_operations_per_second: 100.0,
        operation: Some(operation),
        ..Default::default()
    };
    client.start_batch_operation(request("j", Operation::SignalOperation(signal))).await?;
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.kill9()?;
    server.restart().await?;
    let mut client = Client::new(server.channel().await?);
    let done = until("the batch", async || {
        let job = job(&mut client, "j").await?;
        Ok((job.state() == BatchOperationState::Completed).then_some(job))
    })
    .await?;
    assert_eq!((done.total_operation_count, done.complete_operation_count, done.failure_operation_count), (60, 60, 0));
    for number in 0..60 {
        assert_eq!(signals(&mut client, &format!("w{number}")).await?, 1, "w{number}");
    }
    let again = request("j", Operation::DeletionOperation(Default::default()));
    assert_eq!(client.start_batch_operation(again).await.unwrap_err().code(), Code::AlreadyExists);
    client.start_batch_operation(request("k", Operation::TerminationOperation(Default::default()))).await?;
    let done = until("the second batch", async || {
        let job = job(&mut client, "k").await?;
        Ok((job.state() == BatchOperationState::Completed).then_some(job))
    })
    .await?;
    assert_eq!((done.complete_operation_count, done.failure_operation_count), (60, 0), "none of them twice");
    server.panics()
}

async fn a_namespace_goes(name: &str, database: Database) -> Result<()> {
    let server = Server::start(name, database).await?;
    let mut client = Client::new(server.channel().await?);
    let day = ProtoDuration { seconds: 86_400, nanos: 0 };
    let register = || RegisterNamespaceRequest {
        namespace: "n".into(),
        workflow_execution_retention_period: Some(day),
        ..Default::default()
    };
    client.register_namespace(register()).await?;
    start_workflow(&mut client, "n", "w").await?;
    let mut operator = OperatorServiceClient::new(server.channel().await?);
    let delete = DeleteNamespaceRequest { namespace: "n".into(), ..Default::default() };
    let deleted = operator.delete_namespace(delete.clone()).await?.into_inner().deleted_namespace;
    ensure!(deleted.starts_with("n-deleted-"), "{deleted}");
    assert_eq!(
        start_workflow(&mut client, "n", "w").await.unwrap_err().downcast::<tonic::Status>()?.code(),
        Code::NotFound
    );
    let refused = start_workflow(&mut client, &deleted, "w").await.unwrap_err().downcast::<tonic::Status>()?;
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(operator.delete_namespace(delete).await.unwrap_err().code(), Code::NotFound);
    // Its name is free at once.
    client.register_namespace(register()).await?;
    start_workflow(&mut client, "n", "w").await?;
    let describe = DescribeNamespaceRequest { namespace: "n".into(), ..Default::default() };
    client.describe_namespace(describe).await?;
    server.panics()
}

macro_rules! on_both_databases {
    ($($test:ident: $sqlite:ident, $postgres:ident;)*) => {
        $(
            #[tokio::test]
            async fn $sqlite() -> Result<()> {
                let name = stringify!($sqlite);
                $test(name, Database::fresh_sqlite_file(name)?).await
            }

            #[tokio::test]
            async fn $postgres() -> Result<()> {
                let name = stringify!($postgres);
                $test(name, Database::fresh_postgres(name).await?).await
            }
        )*
    };
}

on_both_databases! {
    times_act_once: times_act_once_on_sqlite, times_act_once_on_postgres;
    executions_are_dealt_with_once: executions_are_dealt_with_once_on_sqlite, executions_are_dealt_with_once_on_postgres;
    a_namespace_goes: a_namespace_goes_on_sqlite, a_namespace_goes_on_postgres;
}
