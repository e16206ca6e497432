//! A server, and workers that are played by hand.

use std::time::Duration;

use anyhow::{Context, Result};
use perdure_proto::api::{
    command::{
        Command, CompleteWorkflowExecutionCommandAttributes, RequestCancelNexusOperationCommandAttributes,
        ScheduleNexusOperationCommandAttributes, command::Attributes,
    },
    common::{
        Callback, Link, Payload, Payloads, WorkflowExecution, WorkflowType,
        callback::{Nexus, Variant as CallbackVariant},
    },
    enums::{CommandType, EventType},
    history::{HistoryEvent, history_event::Attributes as Event},
    nexus::{
        EndpointSpec, EndpointTarget, Response, StartOperationRequest, StartOperationResponse,
        endpoint_target::{External, Variant as TargetVariant, Worker},
        request, response, start_operation_response as start,
    },
    operatorservice::{CreateNexusEndpointRequest, operator_service_client::OperatorServiceClient},
    taskqueue::TaskQueue,
    workflowservice::{
        GetWorkflowExecutionHistoryRequest, PollNexusTaskQueueRequest, PollNexusTaskQueueResponse,
        PollWorkflowTaskQueueRequest, RespondNexusTaskCompletedRequest, RespondWorkflowTaskCompletedRequest,
        StartWorkflowExecutionRequest, StartWorkflowExecutionResponse, workflow_service_client::WorkflowServiceClient,
    },
};
use perdure_tests::{Database, Server};
use tonic::transport::Channel;

/// Each case on both databases.
macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {
        $(mod $case {
            use perdure_tests::Database;

            #[tokio::test]
            async fn sqlite() -> anyhow::Result<()> {
                let name = concat!("nexus_", stringify!($case), "_sqlite");
                super::$case(name, Database::fresh_sqlite_file(name)?).await
            }

            #[tokio::test]
            async fn postgres() -> anyhow::Result<()> {
                super::$case(concat!("nexus_", stringify!($case), "_postgres"), Database::fresh_postgres("nexus").await?).await
            }
        })+
    };
}

pub(crate) const ENDPOINT: &str = "endpoint";
pub(crate) const CALLERS: &str = "callers";
pub(crate) const HANDLERS: &str = "handlers";
/// Longer than any machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) client: WorkflowServiceClient<Channel>,
    pub(crate) operator: OperatorServiceClient<Channel>,
}

pub(crate) fn json(text: &str) -> Payload {
    Payload {
        metadata: [("encoding".to_owned(), "json/plain".into())].into(),
        data: text.to_owned().into(),
        ..Default::default()
    }
}

pub(crate) fn worker_target(task_queue: &str) -> TargetVariant {
    TargetVariant::Worker(Worker { namespace: "default".into(), task_queue: task_queue.into() })
}

pub(crate) fn external_target(url: String) -> TargetVariant {
    TargetVariant::External(External { url })
}

/// The handler's workflow tells this callback how it ended.
pub(crate) fn callback(request: &StartOperationRequest) -> Callback {
    let nexus = Nexus { url: request.callback.clone(), header: request.callback_header.clone() };
    Callback { variant: Some(CallbackVariant::Nexus(nexus)), ..Default::default() }
}

impl World {
    pub(crate) async fn new(name: &str, database: Database, limits: &[&str]) -> Result<Self> {
        let server = Server::start_with(name, database, limits).await?;
        let client = WorkflowServiceClient::new(server.channel().await?);
        let operator = OperatorServiceClient::new(server.channel().await?);
        Ok(Self { server, client, operator })
    }

    /// Kills the server and starts it again.
    pub(crate) async fn crash(&mut self) -> Result<()> {
        self.server.kill9()?;
        self.server.restart().await?;
        self.client = WorkflowServiceClient::new(self.server.channel().await?);
        self.operator = OperatorServiceClient::new(self.server.channel().await?);
        Ok(())
    }

    pub(crate) async fn endpoint(&mut self, name: &str, target: TargetVariant) -> Result<String> {
        let target = Some(EndpointTarget { variant: Some(target) });
        let spec = Some(EndpointSpec { name: name.into(), target, ..Default::default() });
        let created = self.operator.create_nexus_endpoint(CreateNexusEndpointRequest { spec }).await?;
        Ok(created.into_inner().endpoint.context("an endpoint")?.id)
    }

    pub(crate) async fn start(
        &mut self,
        workflow_id: &str,
        queue: &str,
        more: StartWorkflowExecutionRequest,
    ) -> Result<StartWorkflowExecutionResponse> {
        let request = StartWorkflowExecutionRequest {
            namespace: "default".into(),
            workflow_id: workflow_id.into(),
            workflow_type: Some(WorkflowType { name: "type".into() }),
            task_queue: Some(TaskQueue { name: queue.into(), ..Default::default() }),
            request_id: if more.request_id.is_empty() { format!("start {workflow_id}") } else { more.request_id },
            ..more
        };
        Ok(self.client.start_workflow_execution(request).await?.into_inner())
    }

    /// Completes the next workflow task of a queue with these commands.
    pub(crate) async fn workflow_task(&mut self, queue: &str, commands: Vec<Command>) -> Result<()> {
        let task_queue = Some(TaskQueue { name: queue.into(), ..Default::default() });
        let poll = PollWorkflowTaskQueueRequest { namespace: "default".into(), task_queue, ..Default::default() };
        let task = self.client.poll_workflow_task_queue(timed(poll)).await?.into_inner();
        anyhow::ensure!(!task.task_token.is_empty(), "no workflow task in {queue}");
        let request =
            RespondWorkflowTaskCompletedRequest { task_token: task.task_token, commands, ..Default::default() };
        self.client.respond_workflow_task_completed(request).await?;
        Ok(())
    }

    pub(crate) async fn nexus_task(&mut self, queue: &str) -> Result<PollNexusTaskQueueResponse> {
        let task_queue = Some(TaskQueue { name: queue.into(), ..Default::default() });
        let poll = PollNexusTaskQueueRequest { namespace: "default".into(), task_queue, ..Default::default() };
        let task = self.client.poll_nexus_task_queue(timed(poll)).await?.into_inner();
        anyhow::ensure!(!task.task_token.is_empty(), "no Nexus task in {queue}");
        Ok(task)
    }

    pub(crate) async fn answer(
        &mut self,
        task: &PollNexusTaskQueueResponse,
        variant: response::Variant,
    ) -> Result<(), tonic::Status> {
        let response = Some(Response { variant: Some(variant) });
        let task_token = task.task_token.clone();
        let request = RespondNexusTaskCompletedRequest { task_token, response, ..Default::default() };
        self.client.respond_nexus_task_completed(request).await.map(|_| ())
    }

    pub(crate) async fn history(&mut self, workflow_id: &str) -> Result<Vec<HistoryEvent>> {
        let execution = Some(WorkflowExecution { workflow_id: workflow_id.into(), run_id: String::new() });
        let request =
            GetWorkflowExecutionHistoryRequest { namespace: "default".into(), execution, ..Default::default() };
        let history = self.client.get_workflow_execution_history(request).await?.into_inner().history;
        Ok(history.context("a history")?.events()?)
    }

    /// Waits for an event of a type and returns it.
    pub(crate) async fn event(&mut self, workflow_id: &str, kind: EventType) -> Result<HistoryEvent> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let events = self.history(workflow_id).await?;
            if let Some(event) = events.iter().find(|event| event.event_type() == kind) {
                return Ok(event.clone());
            }
            let types: Vec<_> = events.iter().map(HistoryEvent::event_type).collect();
            anyhow::ensure!(tokio::time::Instant::now() < deadline, "{workflow_id} has no {kind:?}: {types:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn timed<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(PATIENCE);
    request
}

/// The start that a task asks for.
pub(crate) fn start_request(task: &PollNexusTaskQueueResponse) -> Result<StartOperationRequest> {
    match task.request.clone().context("a request")?.variant {
        Some(request::Variant::StartOperation(start)) => Ok(start),
        other => anyhow::bail!("{other:?}"),
    }
}

pub(crate) fn sync(payload: Payload) -> response::Variant {
    let done = start::Sync { payload: Some(payload), links: Vec::new() };
    response::Variant::StartOperation(StartOperationResponse { variant: Some(start::Variant::SyncSuccess(done)) })
}

pub(crate) fn started(token: &str, links: Vec<perdure_proto::api::nexus::Link>) -> response::Variant {
    let started = start::Async { operation_token: token.into(), links, ..Default::default() };
    response::Variant::StartOperation(StartOperationResponse { variant: Some(start::Variant::AsyncSuccess(started)) })
}

pub(crate) fn schedule(endpoint: &str) -> Command {
    let attributes = ScheduleNexusOperationCommandAttributes {
        endpoint: endpoint.into(),
        service: "service".into(),
        operation: "operation".into(),
        input: Some(json("\"in\"")),
        nexus_header: [("key".to_owned(), "value".to_owned())].into(),
        ..Default::default()
    };
    command(CommandType::ScheduleNexusOperation, Attributes::ScheduleNexusOperationCommandAttributes(attributes))
}

pub(crate) fn request_cancel(scheduled_event_id: i64) -> Command {
    let attributes = RequestCancelNexusOperationCommandAttributes { scheduled_event_id };
    command(
        CommandType::RequestCancelNexusOperation,
        Attributes::RequestCancelNexusOperationCommandAttributes(attributes),
    )
}

pub(crate) fn complete(result: Payload) -> Command {
    let result = Some(Payloads { payloads: vec![result] });
    let attributes = CompleteWorkflowExecutionCommandAttributes { result };
    command(CommandType::CompleteWorkflowExecution, Attributes::CompleteWorkflowExecutionCommandAttributes(attributes))
}

fn command(kind: CommandType, attributes: Attributes) -> Command {
    Command { command_type: kind.into(), attributes: Some(attributes), ..Default::default() }
}

/// The run that a link names.
pub(crate) fn linked_workflow(link: &Link) -> &str {
    match &link.variant {
        Some(perdure_proto::api::common::link::Variant::WorkflowEvent(event)) => &event.workflow_id,
        _ => "",
    }
}

pub(crate) fn result(event: &HistoryEvent) -> Option<&Payload> {
    match &event.attributes {
        Some(Event::NexusOperationCompletedEventAttributes(end)) => end.result.as_ref(),
        _ => None,
    }
}
