//! Polls and answers of workers, and messages that are none.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use perdure_proto::api::{
    command::{
        Command, ScheduleActivityTaskCommandAttributes, StartChildWorkflowExecutionCommandAttributes,
        UpsertWorkflowSearchAttributesCommandAttributes, command,
    },
    common::{ActivityType, Payload, SearchAttributes, WorkerVersionCapabilities},
    deployment::WorkerDeploymentOptions,
    enums::{CommandType, WorkerVersioningMode},
    failure::Failure,
    taskqueue::TaskQueue,
    workflowservice::{
        DescribeNamespaceRequest, PollActivityTaskQueueRequest, PollNexusTaskQueueRequest,
        PollWorkflowTaskQueueRequest, RecordActivityTaskHeartbeatByIdRequest, RecordActivityTaskHeartbeatRequest,
        RegisterNamespaceRequest, RespondActivityTaskCanceledByIdRequest, RespondActivityTaskCanceledRequest,
        RespondActivityTaskCompletedByIdRequest, RespondActivityTaskCompletedRequest,
        RespondActivityTaskFailedByIdRequest, RespondActivityTaskFailedRequest, RespondQueryTaskCompletedRequest,
        RespondWorkflowTaskCompletedRequest, RespondWorkflowTaskFailedRequest, ShutdownWorkerRequest,
        workflow_service_client::WorkflowServiceClient,
    },
};
use perdure_tests::{Database, Server};
use prost_types::Duration as ProtoDuration;
use tonic::{Code, codec::CompressionEncoding, transport::Channel};

use crate::{
    starts::{Start, start},
    table::{Row, check},
};

const COMPLETED: &str = "RespondWorkflowTaskCompleted";
const QUEUE: &str = "q";

type Client = WorkflowServiceClient<Channel>;

fn namespace() -> String {
    "default".to_owned()
}

fn queue(name: &str) -> Option<TaskQueue> {
    Some(TaskQueue { name: name.to_owned(), ..Default::default() })
}

fn poll() -> PollWorkflowTaskQueueRequest {
    PollWorkflowTaskQueueRequest { namespace: namespace(), task_queue: queue(QUEUE), ..Default::default() }
}

/// The three kinds of poll with the same queue and identity.
fn polls(task_queue: Option<TaskQueue>, identity: &str, code: Code, message: &str, timeout: Duration) -> Vec<Row> {
    let identity = identity.to_owned();
    let workflow =
        PollWorkflowTaskQueueRequest { task_queue: task_queue.clone(), identity: identity.clone(), ..poll() };
    let activity = PollActivityTaskQueueRequest {
        namespace: namespace(),
        task_queue: task_queue.clone(),
        identity: identity.clone(),
        ..Default::default()
    };
    let nexus = PollNexusTaskQueueRequest { namespace: namespace(), task_queue, identity, ..Default::default() };
    let rows = [
        Row::new("PollWorkflowTaskQueue", &workflow, code, message),
        Row::new("PollActivityTaskQueue", &activity, code, message),
        Row::new("PollNexusTaskQueue", &nexus, code, message),
    ];
    rows.into_iter().map(|row| row.with_timeout(timeout)).collect()
}

#[tokio::test]
async fn polls_are_checked() -> Result<()> {
    let server = Server::start("bad_inputs_polls", Database::SqliteMemory).await?;
    let long = "x".repeat(1001);
    let (usual, invalid) = (Duration::from_secs(10), Code::InvalidArgument);
    let cases = [
        (None, "w", invalid, "taskQueue is not set"),
        (queue(""), "w", invalid, "missing task queue name"),
        (queue(&long), "w", invalid, "taskQueue length exceeds limit"),
        (queue("/_sys/x"), "w", invalid, "task queue name cannot start with reserved prefix /_sys/"),
        (queue(QUEUE), &long, invalid, "Identity length exceeds limit."),
    ];
    for (task_queue, identity, code, message) in cases {
        check(&server, polls(task_queue, identity, code, message, usual)).await?;
    }
    let short = "Context timeout is too short.";
    check(&server, polls(queue(QUEUE), "w", Code::FailedPrecondition, short, Duration::from_secs(1))).await?;
    let versions = |deployment_name: &str, build_id: &str| PollWorkflowTaskQueueRequest {
        deployment_options: Some(WorkerDeploymentOptions {
            deployment_name: deployment_name.to_owned(),
            build_id: build_id.to_owned(),
            worker_versioning_mode: WorkerVersioningMode::Versioned.into(),
        }),
        ..poll()
    };
    let build_id = "b".repeat(256);
    let capabilities = WorkerVersionCapabilities { build_id, use_versioning: true, ..Default::default() };
    let rows = vec![
        Row::invalid("PollWorkflowTaskQueue", &versions("d", ""), "Deployment name and build id must be set together."),
        Row::invalid("PollWorkflowTaskQueue", &versions("d:x", "b"), "worker deployment name cannot contain ':'"),
        Row::invalid("PollWorkflowTaskQueue", &versions("d.x", "b"), "worker deployment name cannot contain '.'"),
        Row::invalid(
            "PollWorkflowTaskQueue",
            &PollWorkflowTaskQueueRequest { worker_version_capabilities: Some(capabilities), ..poll() },
            "Build ID exceeds configured limit.workerBuildIdSize, use a shorter build ID.",
        ),
        Row::invalid("ShutdownWorker", &ShutdownWorkerRequest::default(), "Namespace is empty."),
    ];
    check(&server, rows).await
}

/// Every answer that carries a token, with this one.
fn answers(namespace: &str, token: &[u8], messages: [&str; 3], code: Code) -> Vec<Row> {
    let namespace = || namespace.to_owned();
    let task_token = || Bytes::copy_from_slice(token);
    let [workflow, activity, query] = messages;
    let completed =
        RespondActivityTaskCompletedRequest { namespace: namespace(), task_token: task_token(), ..Default::default() };
    let failed =
        RespondActivityTaskFailedRequest { namespace: namespace(), task_token: task_token(), ..Default::default() };
    let canceled =
        RespondActivityTaskCanceledRequest { namespace: namespace(), task_token: task_token(), ..Default::default() };
    let heartbeat =
        RecordActivityTaskHeartbeatRequest { namespace: namespace(), task_token: task_token(), ..Default::default() };
    let queried =
        RespondQueryTaskCompletedRequest { namespace: namespace(), task_token: task_token(), ..Default::default() };
    let workflow_failed =
        RespondWorkflowTaskFailedRequest { namespace: namespace(), task_token: task_token(), ..Default::default() };
    let workflow_completed =
        RespondWorkflowTaskCompletedRequest { namespace: namespace(), task_token: task_token(), ..Default::default() };
    vec![
        Row::new(COMPLETED, &workflow_completed, code, workflow),
        Row::new("RespondWorkflowTaskFailed", &workflow_failed, code, workflow),
        Row::new("RespondActivityTaskCompleted", &completed, code, activity),
        Row::new("RespondActivityTaskFailed", &failed, code, activity),
        Row::new("RespondActivityTaskCanceled", &canceled, code, activity),
        Row::new("RecordActivityTaskHeartbeat", &heartbeat, code, activity),
        Row::new("RespondQueryTaskCompleted", &queried, code, query),
    ]
}

fn no_namespace(rows: Vec<Row>) -> Vec<Row> {
    rows.into_iter().map(|row| row.with_detail("NamespaceNotFoundFailure")).collect()
}

async fn begin(client: &mut Client, workflow_id: &str) -> Result<Bytes> {
    client.start_workflow_execution(Start { workflow_id: workflow_id.to_owned(), ..start() }).await?;
    Ok(client.poll_workflow_task_queue(poll()).await?.into_inner().task_token)
}

#[tokio::test]
async fn tokens_are_of_this_server_kind_and_namespace() -> Result<()> {
    let server = Server::start("bad_inputs_tokens", Database::SqliteMemory).await?;
    let mut client = Client::new(server.channel().await?);
    let namespace = "second".to_owned();
    let workflow_execution_retention_period = Some(ProtoDuration { seconds: 86_400, nanos: 0 });
    client
        .register_namespace(RegisterNamespaceRequest {
            namespace,
            workflow_execution_retention_period,
            ..Default::default()
        })
        .await?;
    let token = begin(&mut client, "tokens").await?;
    let missing = "Task token not set on request.";
    let garbage = "Error deserializing task token.";
    let elsewhere = "Operation requested with a token from a different namespace.";
    let invalid = Code::InvalidArgument;
    check(&server, answers("default", b"", [missing; 3], invalid)).await?;
    check(&server, answers("", b"", [missing; 3], invalid)).await?;
    check(&server, answers("default", b"\xff\xfegarbage", [garbage; 3], invalid)).await?;
    let text = "Namespace nowhere is not found.";
    check(&server, no_namespace(answers("nowhere", b"\xff\xfegarbage", [text; 3], Code::NotFound))).await?;
    let mut forged = token.to_vec();
    *forged.last_mut().expect("a token has bytes") ^= 1;
    check(&server, answers("default", &forged, [garbage; 3], invalid)).await?;
    let other_kind = [
        "",
        "invalid activityID or activity already timed out or invoking workflow is completed",
        "query task not found, or already expired",
    ];
    check(&server, answers("default", &token, other_kind, Code::NotFound).split_off(2)).await?;
    // One that a server of Temporal's made: a worker that moved here has it.
    let request = DescribeNamespaceRequest { namespace: "default".to_owned(), ..Default::default() };
    let own = client.describe_namespace(request).await?.into_inner().namespace_info.map(|info| info.id);
    let foreign = |id: &str| format!("\n\x24{id}\x12\x01w\x1a\x01r");
    let gone = ["Workflow task not found.", other_kind[1], other_kind[2]];
    let from_temporal = foreign(&own.unwrap_or_default());
    check(&server, answers("default", from_temporal.as_bytes(), gone, Code::NotFound)).await?;
    check(&server, answers("second", from_temporal.as_bytes(), [elsewhere; 3], invalid)).await?;
    let nowhere = "0f000000-0000-4000-8000-000000000000";
    let text = format!("Namespace {nowhere} is not found.");
    check(&server, no_namespace(answers("", foreign(nowhere).as_bytes(), [text.as_str(); 3], Code::NotFound))).await?;
    check(&server, answers("second", &token, [elsewhere; 3], invalid).drain(..2).collect()).await
}

/// A bad command fails the workflow task: the answer says why, and the run goes on.
#[tokio::test]
async fn bad_commands_fail_their_task() -> Result<()> {
    let server = Server::start("bad_inputs_commands", Database::SqliteMemory).await?;
    let mut client = Client::new(server.channel().await?);
    let answer = |task_token: Bytes, attributes: Option<command::Attributes>, kind: CommandType| {
        let commands = vec![Command { command_type: kind.into(), attributes, ..Default::default() }];
        RespondWorkflowTaskCompletedRequest { namespace: namespace(), task_token, commands, ..Default::default() }
    };
    let value = Payload { data: "1".into(), ..Default::default() };
    let search_attributes = Some(SearchAttributes { indexed_fields: [("Nope".to_owned(), value)].into() });
    let upsert = UpsertWorkflowSearchAttributesCommandAttributes { search_attributes };
    let upsert = Some(command::Attributes::UpsertWorkflowSearchAttributesCommandAttributes(upsert));
    let internal = ScheduleActivityTaskCommandAttributes {
        activity_id: "a".into(),
        activity_type: Some(ActivityType { name: "a".into() }),
        task_queue: queue("temporal-sys-per-ns-tq"),
        start_to_close_timeout: Some(ProtoDuration { seconds: 60, nanos: 0 }),
        ..Default::default()
    };
    let internal = Some(command::Attributes::ScheduleActivityTaskCommandAttributes(internal));
    let child = StartChildWorkflowExecutionCommandAttributes { workflow_id: "c\0".into(), ..Default::default() };
    let child = Some(command::Attributes::StartChildWorkflowExecutionCommandAttributes(child));
    let cases = [
        (
            child,
            CommandType::StartChildWorkflowExecution,
            "BadStartChildExecutionAttributes: WorkflowId must not contain a NUL byte.",
        ),
        (
            upsert,
            CommandType::UpsertWorkflowSearchAttributes,
            "BadSearchAttributes: Namespace default has no mapping defined for search attribute Nope",
        ),
        (
            internal,
            CommandType::ScheduleActivityTask,
            "BadScheduleActivityAttributes: cannot use internal per-namespace task queue:temporal-sys-per-ns-tq (in parent \
             component task queue: q)",
        ),
        (
            None,
            CommandType::StartTimer,
            "BadStartTimerAttributes: StartTimerCommandAttributes is not set on StartTimerCommand.",
        ),
    ];
    for (index, (attributes, kind, message)) in cases.into_iter().enumerate() {
        let token = begin(&mut client, &format!("commands-{index}")).await?;
        let request = answer(token, attributes, kind);
        let gone = "Workflow task not found.";
        // The first answer fails the task, so the second comes too late.
        let rows =
            vec![Row::invalid(COMPLETED, &request, message), Row::new(COMPLETED, &request, Code::NotFound, gone)];
        check(&server, rows).await?;
        let again = client.poll_workflow_task_queue(poll()).await?.into_inner();
        assert_eq!(again.attempt, 2, "{message}");
    }
    Ok(())
}

#[tokio::test]
async fn activities_are_named_by_id() -> Result<()> {
    let server = Server::start("bad_inputs_activities", Database::SqliteMemory).await?;
    let mut client = Client::new(server.channel().await?);
    begin(&mut client, "activities").await?;
    let unknown =
        "cannot find pending activity with ActivityID nope, check workflow execution history for more details";
    let cases = [
        ("activities", "", "", Code::InvalidArgument, "ActivityId is not set on request."),
        ("", "", "a", Code::NotFound, "activity not found for ID: a"),
        ("activities", "bad", "a", Code::InvalidArgument, "RunId is not valid UUID."),
        ("nobody", "", "a", Code::NotFound, "workflow not found for ID: nobody"),
        ("activities", "", "nope", Code::NotFound, unknown),
    ];
    for (workflow_id, run_id, activity_id, code, message) in cases {
        let [workflow_id, run_id, activity_id] = [workflow_id, run_id, activity_id].map(str::to_owned);
        macro_rules! named {
            ($request:ident) => {
                $request {
                    namespace: namespace(),
                    workflow_id: workflow_id.clone(),
                    run_id: run_id.clone(),
                    activity_id: activity_id.clone(),
                    ..Default::default()
                }
            };
        }
        let completed = named!(RespondActivityTaskCompletedByIdRequest);
        let failed = named!(RespondActivityTaskFailedByIdRequest);
        let canceled = named!(RespondActivityTaskCanceledByIdRequest);
        let heartbeat = named!(RecordActivityTaskHeartbeatByIdRequest);
        let rows = vec![
            Row::new("RespondActivityTaskCompletedById", &completed, code, message),
            Row::new("RespondActivityTaskFailedById", &failed, code, message),
            Row::new("RespondActivityTaskCanceledById", &canceled, code, message),
            Row::new("RecordActivityTaskHeartbeatById", &heartbeat, code, message),
        ];
        check(&server, rows).await?;
    }
    let plain = RespondActivityTaskFailedByIdRequest {
        namespace: namespace(),
        workflow_id: "activities".into(),
        activity_id: "a".into(),
        failure: Some(Failure { message: "x".into(), ..Default::default() }),
        ..Default::default()
    };
    let message = "Failure must have ApplicationFailureInfo.";
    check(&server, vec![Row::invalid("RespondActivityTaskFailedById", &plain, message)]).await
}

/// SDKs look for these words, and then fail the workflow task instead of sending it again.
#[tokio::test]
async fn a_message_that_is_too_large_when_unpacked() -> Result<()> {
    let server = Server::start("bad_inputs_compressed", Database::SqliteMemory).await?;
    let mut client = Client::new(server.channel().await?).send_compressed(CompressionEncoding::Gzip);
    let large = Start { identity: "x".repeat(4_300_000), ..start() };
    let status = client.start_workflow_execution(large).await.expect_err("too large");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.message(), "grpc: received message after decompression larger than max 4194304");
    let small = Start { workflow_id: "small".to_owned(), identity: "x".repeat(900), ..start() };
    client.start_workflow_execution(small).await?;
    Ok(())
}

/// tonic would answer these with codes that clients try again for ever.
#[tokio::test]
async fn messages_that_cannot_be_read_are_not_sent_again() -> Result<()> {
    let server = Server::start("bad_inputs_messages", Database::SqliteMemory).await?;
    let method = "StartWorkflowExecution";
    let malformed = |reason: &str| format!("grpc: error unmarshalling request: {reason}");
    let large = Start { identity: "x".repeat(4_300_000), ..start() };
    let size = prost::Message::encoded_len(&large);
    let rows = vec![
        Row::new(
            method,
            &large,
            Code::ResourceExhausted,
            format!("grpc: received message larger than max ({size} vs. 4194304)"),
        ),
        // A field that ends behind the message, and a string that is not UTF-8.
        Row::invalid(method, &start(), malformed("StartWorkflowExecutionRequest.namespace: buffer underflow"))
            .with_bytes(&[0x0a, 0xff, 0x01]),
        Row::invalid(
            method,
            &start(),
            malformed("StartWorkflowExecutionRequest.workflow_id: invalid string value: data is not UTF-8 encoded"),
        )
        .with_bytes(&[0x12, 0x02, 0xff, 0xfe]),
    ];
    check(&server, rows).await
}
