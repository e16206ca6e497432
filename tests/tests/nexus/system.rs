//! The endpoint whose operations the server itself handles: a workflow signals another one, which is started if need be.

use anyhow::{Context, Result};
use perdure_proto::api::{
    command::{Command, ScheduleNexusOperationCommandAttributes, command::Attributes},
    common::{Link, Payload, WorkflowType},
    enums::{CommandType, EventType, WorkflowIdReusePolicy},
    history::{HistoryEvent, history_event::Attributes as Event},
    taskqueue::TaskQueue,
    workflowservice::{
        SignalWithStartWorkflowExecutionRequest, SignalWithStartWorkflowExecutionResponse,
        StartWorkflowExecutionRequest,
    },
};
use perdure_tests::Database;
use prost::Message;
use tonic::{Code, Status};

use crate::world::{CALLERS, HANDLERS, World, complete, json, linked_workflow, result};

const REQUEST: &str = "temporal.api.workflowservice.v1.SignalWithStartWorkflowExecutionRequest";

/// As the Python SDK writes it.
fn asked() -> SignalWithStartWorkflowExecutionRequest {
    SignalWithStartWorkflowExecutionRequest {
        namespace: "default".into(),
        workflow_id: "target".into(),
        workflow_type: Some(WorkflowType { name: "type".into() }),
        task_queue: Some(TaskQueue { name: HANDLERS.into(), ..Default::default() }),
        signal_name: "signal".into(),
        ..Default::default()
    }
}

fn payload(encoding: &'static str, data: Vec<u8>) -> Payload {
    let metadata = [("encoding", encoding), ("messageType", REQUEST)];
    Payload {
        metadata: metadata.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect(),
        data: data.into(),
        ..Default::default()
    }
}

fn operation(request: &SignalWithStartWorkflowExecutionRequest) -> ScheduleNexusOperationCommandAttributes {
    ScheduleNexusOperationCommandAttributes {
        endpoint: "__temporal_system".into(),
        service: "temporal.api.workflowservice.v1.WorkflowService".into(),
        operation: "SignalWithStartWorkflowExecution".into(),
        input: Some(payload("binary/protobuf", request.encode_to_vec())),
        ..Default::default()
    }
}

fn schedule(attributes: ScheduleNexusOperationCommandAttributes) -> Command {
    Command {
        command_type: CommandType::ScheduleNexusOperation.into(),
        attributes: Some(Attributes::ScheduleNexusOperationCommandAttributes(attributes)),
        ..Default::default()
    }
}

/// The answer that the operation scheduled last got, and the events it left.
async fn answer(
    world: &mut World,
    caller: &str,
) -> Result<(SignalWithStartWorkflowExecutionResponse, HistoryEvent, HistoryEvent)> {
    let completed = world.event(caller, EventType::NexusOperationCompleted).await?;
    let scheduled = world.event(caller, EventType::NexusOperationScheduled).await?;
    let payload = result(&completed).context("a result")?;
    assert_eq!(payload.metadata.keys().map(String::as_str).collect::<Vec<_>>(), ["encoding", "messageType"]);
    assert_eq!(payload.metadata["encoding"], "binary/protobuf");
    Ok((SignalWithStartWorkflowExecutionResponse::decode(payload.data.clone())?, scheduled, completed))
}

async fn count(world: &mut World, workflow_id: &str, kind: EventType) -> Result<usize> {
    let events = world.history(workflow_id).await?;
    Ok(events.iter().filter(|event| event.event_type() == kind).count())
}

async fn signals_and_starts(name: &str, database: Database) -> Result<()> {
    let mut world = World::new(name, database, &[]).await?;
    world.start("first", CALLERS, StartWorkflowExecutionRequest::default()).await?;
    world.workflow_task(CALLERS, vec![schedule(operation(&asked()))]).await?;
    let (response, scheduled, completed) = answer(&mut world, "first").await?;
    assert!(response.started);
    assert_eq!(completed.links.iter().map(linked_workflow).collect::<Vec<_>>(), ["target"]);
    let started = world.event("target", EventType::WorkflowExecutionStarted).await?;
    let signaled = world.event("target", EventType::WorkflowExecutionSignaled).await?;
    for event in [&started, &signaled] {
        assert_eq!(event.links.iter().map(linked_workflow).collect::<Vec<_>>(), ["first"], "{event:?}");
    }
    match (&started.attributes, &scheduled.attributes) {
        (
            Some(Event::WorkflowExecutionStartedEventAttributes(started)),
            Some(Event::NexusOperationScheduledEventAttributes(scheduled)),
        ) => {
            assert_eq!(started.original_execution_run_id, response.run_id);
            assert_eq!((scheduled.endpoint.as_str(), scheduled.endpoint_id.as_str()), ("__temporal_system", ""));
        }
        other => panic!("{other:?}"),
    }
    world.workflow_task(CALLERS, vec![complete(json("1"))]).await?;

    world.crash().await?;
    // It runs now: the second caller, who names no namespace and speaks JSON, only signals it.
    world.start("second", CALLERS, StartWorkflowExecutionRequest::default()).await?;
    let text = r#"{"workflowId": "target", "workflowType": {"name": "type"}, "taskQueue": {"name": "handlers"},
        "signalName": "again"}"#;
    let input = Some(payload("json/protobuf", text.into()));
    let command = ScheduleNexusOperationCommandAttributes { input, ..operation(&asked()) };
    world.workflow_task(CALLERS, vec![schedule(command)]).await?;
    let (again, ..) = answer(&mut world, "second").await?;
    assert_eq!((again.started, &again.run_id), (false, &response.run_id));
    assert_eq!(count(&mut world, "target", EventType::WorkflowExecutionSignaled).await?, 2);
    world.server.panics()
}

/// What may become possible, or impossible, later is the operation's affair; the workflow hears of it.
async fn fails_where_the_start_is_refused(name: &str, database: Database) -> Result<()> {
    let mut world = World::new(name, database, &[]).await?;
    world.start("target", HANDLERS, StartWorkflowExecutionRequest::default()).await?;
    world.workflow_task(HANDLERS, vec![complete(json("1"))]).await?;
    world.start("caller", CALLERS, StartWorkflowExecutionRequest::default()).await?;
    let workflow_id_reuse_policy = WorkflowIdReusePolicy::RejectDuplicate.into();
    let request = SignalWithStartWorkflowExecutionRequest { workflow_id_reuse_policy, ..asked() };
    world.workflow_task(CALLERS, vec![schedule(operation(&request))]).await?;
    let failed = world.event("caller", EventType::NexusOperationFailed).await?;
    let Some(Event::NexusOperationFailedEventAttributes(failed)) = failed.attributes else { panic!("{failed:?}") };
    let cause = failed.failure.and_then(|failure| failure.cause).context("a cause")?;
    assert!(cause.message.starts_with("AlreadyExists: "), "{}", cause.message);
    assert_eq!(count(&mut world, "caller", EventType::NexusOperationCompleted).await?, 0);
    Ok(())
}

async fn refuses_what_can_never_succeed(name: &str, database: Database) -> Result<()> {
    let mut world = World::new(name, database, &[]).await?;
    let with = |change: fn(&mut SignalWithStartWorkflowExecutionRequest)| {
        let mut request = asked();
        change(&mut request);
        operation(&request)
    };
    let plain = || operation(&asked());
    let nexus_header = [("key".to_owned(), "value".to_owned())].into();
    let cases = [
        (
            ScheduleNexusOperationCommandAttributes { nexus_header, ..plain() },
            "ScheduleNexusOperationCommandAttributes.NexusHeader must be empty when using __temporal_system endpoint",
        ),
        (ScheduleNexusOperationCommandAttributes { service: "other".into(), ..plain() }, "service \"other\" not found"),
        (
            ScheduleNexusOperationCommandAttributes { operation: "StartWorkflowExecution".into(), ..plain() },
            "operation \"StartWorkflowExecution\" not found",
        ),
        (ScheduleNexusOperationCommandAttributes { input: None, ..plain() }, "Request is empty"),
        (
            ScheduleNexusOperationCommandAttributes { input: Some(json("{}")), ..plain() },
            "failed to decode input payload: its encoding is neither binary/protobuf nor json/protobuf",
        ),
        (
            ScheduleNexusOperationCommandAttributes {
                input: Some(payload("binary/protobuf", b"\x0a\x05".to_vec())),
                ..plain()
            },
            "failed to decode input payload: ",
        ),
        (
            with(|request| request.namespace = "other".into()),
            "Namespace in request \"other\" does not match namespace in context \"default\"",
        ),
        (with(|request| request.request_id = "mine".into()), "RequestID should not be set on the request"),
        (with(|request| request.links = vec![Link::default()]), "Links should not be set on the request"),
        (with(|request| request.workflow_id.clear()), "WorkflowId is not set on request."),
        (with(|request| request.signal_name.clear()), "signal not set"),
    ];
    for (case, (attributes, text)) in cases.into_iter().enumerate() {
        let (caller, queue) = (format!("caller-{case}"), format!("callers-{case}"));
        world.start(&caller, &queue, StartWorkflowExecutionRequest::default()).await?;
        let refused = world.workflow_task(&queue, vec![schedule(attributes)]).await.expect_err(text);
        let status = refused.downcast_ref::<Status>().context("a status")?;
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        let expected = format!("BadScheduleNexusOperationAttributes: {text}");
        assert!(status.message().starts_with(&expected), "{} is not {expected}", status.message());
        world.event(&caller, EventType::WorkflowTaskFailed).await?;
        assert_eq!(count(&mut world, &caller, EventType::NexusOperationScheduled).await?, 0);
    }
    assert!(world.history("target").await.is_err(), "nothing was started");
    world.server.panics()
}

on_both!(signals_and_starts, fails_where_the_start_is_refused, refuses_what_can_never_succeed);
