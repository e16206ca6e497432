//! What the requests aim at: namespaces, a run that is open, tokens of tasks that workers have.

use anyhow::{Context, Result};
use bytes::Bytes;
use perdure_proto::api::{
    command::{Command, ScheduleActivityTaskCommandAttributes, command::Attributes},
    common::{ActivityType, WorkflowExecution, WorkflowType},
    enums::CommandType,
    taskqueue::TaskQueue,
    workflowservice::{
        PollActivityTaskQueueRequest, PollWorkflowTaskQueueRequest, RegisterNamespaceRequest,
        RespondWorkflowTaskCompletedRequest, SignalWorkflowExecutionRequest, StartWorkflowExecutionRequest,
        TerminateWorkflowExecutionRequest, workflow_service_client::WorkflowServiceClient,
    },
};
use prost_types::Duration;
use tokio::time::timeout;
use tonic::{Request, transport::Channel};

const FUZZED: &str = "fuzz";
const OTHER: &str = "fuzz-other";
/// What calls on namespaces themselves name: they may end it.
pub(crate) const PREY: &str = "fuzz-prey";
/// The queue that the random requests know; they take tasks from it.
const QUEUE: &str = "fuzz-queue";
/// The shortest deadline that a poll may have, and some more.
const POLL_MAX: std::time::Duration = std::time::Duration::from_secs(5);
/// A task that a random request has taken does not come.
const TAKE_MAX: std::time::Duration = std::time::Duration::from_millis(500);
/// So often a normal workflow's task is asked for, on a machine that may be busy.
const NORMAL_POLLS: usize = 60;
/// The last so many tokens are used.
const TOKENS: usize = 12;

/// What random requests may name.
#[derive(Clone, Default)]
pub(crate) struct Known {
    pub(crate) namespace: String,
    pub(crate) other: String,
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
    pub(crate) tokens: Vec<Bytes>,
}

pub(crate) struct World {
    client: WorkflowServiceClient<Channel>,
    pub(crate) known: Known,
    count: usize,
}

impl World {
    pub(crate) async fn new(channel: Channel) -> Result<Self> {
        let mut client = WorkflowServiceClient::new(channel);
        for namespace in [FUZZED, OTHER, PREY] {
            let workflow_execution_retention_period = Some(Duration { seconds: 86_400, nanos: 0 });
            let namespace = namespace.to_owned();
            let request =
                RegisterNamespaceRequest { namespace, workflow_execution_retention_period, ..Default::default() };
            client.register_namespace(request).await?;
        }
        let known = Known { namespace: FUZZED.into(), other: OTHER.into(), ..Known::default() };
        Ok(Self { client, known, count: 0 })
    }

    /// A new run whose tasks are taken, in one of the namespaces. What was random before may take its tasks: then there are
    /// fewer tokens.
    pub(crate) async fn renew(&mut self) -> Result<()> {
        self.count += 1;
        let namespace = if self.count.is_multiple_of(3) { OTHER } else { FUZZED };
        let workflow_id = format!("fuzz-{}", self.count);
        let started = self.client.start_workflow_execution(start(namespace, &workflow_id, QUEUE)).await?.into_inner();
        if let Some(token) = self.take_workflow_task(namespace, QUEUE).await {
            self.remember(token.clone());
            let attributes = ScheduleActivityTaskCommandAttributes {
                activity_id: "activity".into(),
                activity_type: Some(ActivityType { name: "t".into() }),
                task_queue: Some(queue(QUEUE)),
                start_to_close_timeout: Some(Duration { seconds: 60, nanos: 0 }),
                ..Default::default()
            };
            let attributes = Attributes::ScheduleActivityTaskCommandAttributes(attributes);
            // A random request may have ended the task.
            self.complete(namespace, token, CommandType::ScheduleActivityTask, Some(attributes)).await.ok();
            if let Some(token) = self.take_activity(namespace).await {
                self.remember(token);
            }
            let execution = WorkflowExecution { workflow_id: workflow_id.clone(), run_id: String::new() };
            let signal = SignalWorkflowExecutionRequest {
                namespace: namespace.into(),
                workflow_execution: Some(execution),
                signal_name: "s".into(),
                ..Default::default()
            };
            self.client.signal_workflow_execution(signal).await.ok();
            if let Some(token) = self.take_workflow_task(namespace, QUEUE).await {
                self.remember(token);
            }
        }
        if namespace == FUZZED {
            (self.known.workflow_id, self.known.run_id) = (workflow_id, started.run_id);
        }
        Ok(())
    }

    fn remember(&mut self, token: Bytes) {
        self.known.tokens.push(token);
        if self.known.tokens.len() > TOKENS {
            self.known.tokens.remove(0);
        }
    }

    async fn take_workflow_task(&mut self, namespace: &str, queue_name: &str) -> Option<Bytes> {
        let mut request = Request::new(PollWorkflowTaskQueueRequest {
            namespace: namespace.into(),
            task_queue: Some(queue(queue_name)),
            ..Default::default()
        });
        request.set_timeout(POLL_MAX);
        let task = timeout(TAKE_MAX, self.client.poll_workflow_task_queue(request)).await.ok();
        task.and_then(Result::ok).map(|task| task.into_inner().task_token).filter(some)
    }

    async fn take_activity(&mut self, namespace: &str) -> Option<Bytes> {
        let mut request = Request::new(PollActivityTaskQueueRequest {
            namespace: namespace.into(),
            task_queue: Some(queue(QUEUE)),
            ..Default::default()
        });
        request.set_timeout(POLL_MAX);
        let task = timeout(TAKE_MAX, self.client.poll_activity_task_queue(request)).await.ok();
        task.and_then(Result::ok).map(|task| task.into_inner().task_token).filter(some)
    }

    async fn complete(
        &mut self,
        namespace: &str,
        task_token: Bytes,
        command_type: CommandType,
        attributes: Option<Attributes>,
    ) -> Result<()> {
        let command = Command { command_type: command_type.into(), attributes, ..Default::default() };
        let request = RespondWorkflowTaskCompletedRequest {
            namespace: namespace.into(),
            task_token,
            commands: vec![command],
            ..Default::default()
        };
        self.client.respond_workflow_task_completed(request).await?;
        Ok(())
    }

    /// A workflow in a namespace that no random request names runs from its start to its end.
    pub(crate) async fn normal_workflow(&mut self) -> Result<()> {
        let (namespace, queue) = ("default", "normal-queue");
        let workflow_id = format!("normal-{}", uuid::Uuid::new_v4());
        self.client.start_workflow_execution(start(namespace, &workflow_id, queue)).await?;
        let mut token = None;
        let mut polls = 0;
        while token.is_none() && polls < NORMAL_POLLS {
            token = self.take_workflow_task(namespace, queue).await;
            polls += 1;
        }
        let token = token.context("no workflow task arrives")?;
        let attributes = Attributes::CompleteWorkflowExecutionCommandAttributes(Default::default());
        self.complete(namespace, token, CommandType::CompleteWorkflowExecution, Some(attributes)).await?;
        let execution = Some(WorkflowExecution { workflow_id, run_id: String::new() });
        let terminate = TerminateWorkflowExecutionRequest {
            namespace: namespace.into(),
            workflow_execution: execution,
            ..Default::default()
        };
        let closed = self.client.terminate_workflow_execution(terminate).await;
        anyhow::ensure!(closed.is_err_and(|status| status.code() == tonic::Code::NotFound), "it has not ended");
        Ok(())
    }
}

fn some(token: &Bytes) -> bool {
    !token.is_empty()
}

fn queue(name: &str) -> TaskQueue {
    TaskQueue { name: name.into(), ..Default::default() }
}

fn start(namespace: &str, workflow_id: &str, queue_name: &str) -> StartWorkflowExecutionRequest {
    StartWorkflowExecutionRequest {
        namespace: namespace.into(),
        workflow_id: workflow_id.into(),
        workflow_type: Some(WorkflowType { name: "t".into() }),
        task_queue: Some(queue(queue_name)),
        request_id: uuid::Uuid::new_v4().to_string(),
        ..Default::default()
    }
}
