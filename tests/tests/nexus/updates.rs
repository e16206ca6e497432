//! Operations that are updates of workflows: the callback hears of the update's end, also after crashes.

use anyhow::{Context, Result};
use perdure_proto::api::{
    command::{Command, ProtocolMessageCommandAttributes, command::Attributes},
    common::{Link, Payloads, WorkflowExecution, link},
    enums::{CallbackState, CommandType, EventType, UpdateWorkflowExecutionLifecycleStage as Stage},
    nexus::StartOperationRequest,
    protocol::Message as ProtocolMessage,
    taskqueue::TaskQueue,
    update::{Acceptance, Input, Meta, Outcome, Request, Response, WaitPolicy, outcome::Value},
    workflowservice::{
        DescribeWorkflowExecutionRequest, PollWorkflowTaskQueueRequest, RespondWorkflowTaskCompletedRequest,
        StartWorkflowExecutionRequest, UpdateWorkflowExecutionRequest,
    },
};
use perdure_tests::Database;
use prost::Message;

use crate::world::{
    CALLERS, ENDPOINT, HANDLERS, World, callback, json, result, schedule, start_request, started, worker_target,
};

const UPDATE: &str = "u";

fn message(kind: &str, body: &impl Message) -> (ProtocolMessage, Command) {
    let id = format!("{UPDATE}/{kind}");
    let type_url = format!("type.googleapis.com/temporal.api.update.v1.{kind}");
    let message = ProtocolMessage {
        id: id.clone(),
        protocol_instance_id: UPDATE.into(),
        body: Some(prost_types::Any { type_url, value: body.encode_to_vec() }),
        ..Default::default()
    };
    let attributes = ProtocolMessageCommandAttributes { message_id: id };
    let command = Command {
        command_type: CommandType::ProtocolMessage.into(),
        attributes: Some(Attributes::ProtocolMessageCommandAttributes(attributes)),
        ..Default::default()
    };
    (message, command)
}

fn acceptance() -> (ProtocolMessage, Command) {
    let accepted_request_message_id = format!("{UPDATE}/request");
    message("Acceptance", &Acceptance { accepted_request_message_id, ..Default::default() })
}

fn response(text: &str) -> (ProtocolMessage, Command) {
    let outcome = Some(Outcome { value: Some(Value::Success(Payloads { payloads: vec![json(text)] })) });
    let meta = Some(Meta { update_id: UPDATE.into(), ..Default::default() });
    message("Response", &Response { meta, outcome })
}

fn update(request: &StartOperationRequest, stage: Stage) -> UpdateWorkflowExecutionRequest {
    let event = link::WorkflowEvent {
        namespace: "default".into(),
        workflow_id: "caller".into(),
        run_id: "run".into(),
        ..Default::default()
    };
    UpdateWorkflowExecutionRequest {
        namespace: "default".into(),
        workflow_execution: Some(WorkflowExecution { workflow_id: "target".into(), ..Default::default() }),
        wait_policy: Some(WaitPolicy { lifecycle_stage: stage.into() }),
        request: Some(Request {
            meta: Some(Meta { update_id: UPDATE.into(), ..Default::default() }),
            input: Some(Input { name: "change".into(), ..Default::default() }),
            request_id: request.request_id.clone(),
            completion_callbacks: vec![callback(request)],
            links: vec![Link { variant: Some(link::Variant::WorkflowEvent(event)) }],
        }),
        ..Default::default()
    }
}

impl World {
    /// Completes the next workflow task of the target with these messages.
    async fn speak(&mut self, spoken: Vec<(ProtocolMessage, Command)>) -> Result<()> {
        let task_queue = Some(TaskQueue { name: "targets".into(), ..Default::default() });
        let poll = PollWorkflowTaskQueueRequest { namespace: "default".into(), task_queue, ..Default::default() };
        let task = self.client.poll_workflow_task_queue(poll).await?.into_inner();
        let (messages, commands) = spoken.into_iter().unzip();
        let task_token = task.task_token;
        let request = RespondWorkflowTaskCompletedRequest { task_token, messages, commands, ..Default::default() };
        self.client.respond_workflow_task_completed(request).await?;
        Ok(())
    }
}

async fn an_update_of_a_workflow(name: &str, database: Database) -> Result<()> {
    let mut world = World::new(name, database, &[]).await?;
    world.endpoint(ENDPOINT, worker_target(HANDLERS)).await?;
    world.start("target", "targets", StartWorkflowExecutionRequest::default()).await?;
    world.speak(Vec::new()).await?;
    for caller in ["caller", "second"] {
        world.start(caller, CALLERS, StartWorkflowExecutionRequest::default()).await?;
        world.workflow_task(CALLERS, vec![schedule(ENDPOINT)]).await?;
    }

    // The first brings the update, the second finds it accepted.
    let task = world.nexus_task(HANDLERS).await?;
    let mut client = world.client.clone();
    let sent = update(&start_request(&task)?, Stage::Accepted);
    let sending = tokio::spawn(async move { client.update_workflow_execution(sent).await });
    world.speak(vec![acceptance()]).await?;
    let accepted = sending.await??.into_inner();
    assert_eq!(accepted.stage(), Stage::Accepted);
    world.answer(&task, started("one", Vec::new())).await?;
    world.crash().await?;
    let task = world.nexus_task(HANDLERS).await?;
    let joined = update(&start_request(&task)?, Stage::Accepted);
    assert_eq!(world.client.update_workflow_execution(joined).await?.into_inner().stage(), Stage::Accepted);
    world.answer(&task, started("two", Vec::new())).await?;
    world.crash().await?;

    let events = world.history("target").await?;
    let of = |kind| events.iter().filter(move |event| event.event_type() == kind);
    assert_eq!(of(EventType::WorkflowExecutionUpdateAccepted).map(|event| event.links.len()).collect::<Vec<_>>(), [1]);
    assert_eq!(of(EventType::WorkflowExecutionOptionsUpdated).count(), 1);

    let execution = Some(WorkflowExecution { workflow_id: "target".into(), ..Default::default() });
    let signal = perdure_proto::api::workflowservice::SignalWorkflowExecutionRequest {
        namespace: "default".into(),
        workflow_execution: execution.clone(),
        signal_name: "go on".into(),
        ..Default::default()
    };
    world.client.signal_workflow_execution(signal).await?;
    world.speak(vec![response("\"changed\"")]).await?;
    world.crash().await?;
    for caller in ["caller", "second"] {
        let end = world.event(caller, EventType::NexusOperationCompleted).await?;
        assert_eq!(result(&end), Some(&json("\"changed\"")), "{caller}");
    }
    let request = DescribeWorkflowExecutionRequest { namespace: "default".into(), execution };
    let callbacks = world.client.describe_workflow_execution(request).await?.into_inner().callbacks;
    assert_eq!(callbacks.len(), 2);
    let trigger = callbacks[0].trigger.clone().context("a trigger")?.variant.context("a variant")?;
    assert!(format!("{trigger:?}").contains(UPDATE), "{trigger:?}");
    let states: Vec<_> = callbacks.iter().map(|callback| callback.state()).collect();
    assert!(states.iter().all(|state| !matches!(state, CallbackState::Standby | CallbackState::Failed)), "{states:?}");
    world.server.panics()
}

on_both!(an_update_of_a_workflow);
