//! The worker: polls the three queues, runs each task as it comes, and polls again at once.
//!
//! Like an SDK it gives the server a sticky queue, keeps each run's progress in memory, and so reads only the new events of
//! a sticky task.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use parking_lot::Mutex;
use perdure_proto::api::{
    common::WorkflowExecution,
    enums::TaskQueueKind,
    taskqueue::{StickyExecutionAttributes, TaskQueue},
    workflowservice::{
        PollActivityTaskQueueRequest, PollActivityTaskQueueResponse, PollWorkflowTaskQueueRequest,
        PollWorkflowTaskQueueResponse, RespondActivityTaskCompletedRequest, RespondWorkflowTaskCompletedRequest,
        RespondWorkflowTaskCompletedResponse, ShutdownWorkerRequest,
    },
};
use tokio::{sync::oneshot, task::JoinSet, time::sleep};
use tonic::Code;
use uuid::Uuid;

use crate::{
    client::{Client, LONG_POLL, SHORT},
    history,
    scenario::{Plan, Progress, is_closing, seconds},
};

/// How long the server waits for this worker before it gives a task to any other.
const STICKY_SECONDS: i64 = 5;
/// A poll that cannot succeed must not spin.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(500);

pub(crate) struct Worker {
    shared: Arc<Shared>,
    polls: JoinSet<()>,
}

struct Shared {
    client: Client,
    plan: Plan,
    sticky_queue: String,
    instance_key: String,
    runs: Mutex<HashMap<String, Progress>>,
    /// Who waits for this worker's last answer of a workflow, by workflow id.
    waiters: Mutex<HashMap<String, oneshot::Sender<()>>>,
    errors: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl Worker {
    pub(crate) fn start(client: Client, plan: Plan, pollers: u32) -> Self {
        let shared = Arc::new(Shared {
            client,
            sticky_queue: format!("{}-sticky", plan.task_queue),
            plan,
            instance_key: Uuid::new_v4().to_string(),
            runs: Mutex::default(),
            waiters: Mutex::default(),
            errors: AtomicU64::new(0),
            last_error: Mutex::default(),
        });
        let mut polls = JoinSet::new();
        for _ in 0..pollers {
            for queue in [shared.normal_queue(), shared.sticky_queue()] {
                let poll = move |shared: Arc<Shared>| shared.poll_workflow_task(queue.clone());
                polls.spawn(keep_polling(shared.clone(), poll, Shared::run_workflow_task));
            }
            polls.spawn(keep_polling(shared.clone(), Shared::poll_activity_task, Shared::run_activity));
        }
        Self { shared, polls }
    }

    /// Resolves when this worker's completing answer for the workflow was accepted.
    pub(crate) fn closed(&self, workflow_id: &str) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.shared.waiters.lock().insert(workflow_id.to_owned(), sender);
        receiver
    }

    /// Tasks that could not be done, and the last reason.
    pub(crate) fn errors(&self) -> (u64, Option<String>) {
        (self.shared.errors.load(Ordering::Relaxed), self.shared.last_error.lock().clone())
    }

    /// Ends the polls and says good-bye, as SDKs do. A server that does not know the call is none the worse for it.
    pub(crate) async fn stop(mut self) {
        let shared = &self.shared;
        let request = ShutdownWorkerRequest {
            namespace: shared.client.namespace.to_string(),
            sticky_task_queue: shared.sticky_queue.clone(),
            identity: shared.client.identity.to_string(),
            reason: "the measurement is over".into(),
            worker_instance_key: shared.instance_key.clone(),
            task_queue: shared.plan.task_queue.clone(),
            ..Default::default()
        };
        let goodbye =
            shared.client.call(request, SHORT, |mut stub, request| async move { stub.shutdown_worker(request).await });
        if let Err(status) = goodbye.await {
            shared.note_error(&anyhow::Error::new(status).context("ShutdownWorker failed"));
        }
        self.polls.shutdown().await;
    }
}

/// Polls for ever, and runs what comes while it polls again.
async fn keep_polling<Poll, Task, Run>(
    shared: Arc<Shared>,
    poll: impl Fn(Arc<Shared>) -> Poll,
    run: impl Fn(Arc<Shared>, Task) -> Run,
) where
    Poll: Future<Output = Result<Option<Task>>>,
    Run: Future<Output = ()> + Send + 'static,
{
    loop {
        match poll(shared.clone()).await {
            Ok(Some(task)) => drop(tokio::spawn(run(shared.clone(), task))),
            Ok(None) => {}
            Err(error) => {
                shared.note_error(&error);
                sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }
}

// === impl Shared ===

impl Shared {
    fn normal_queue(&self) -> TaskQueue {
        TaskQueue { name: self.plan.task_queue.clone(), kind: TaskQueueKind::Normal.into(), ..Default::default() }
    }

    fn sticky_queue(&self) -> TaskQueue {
        TaskQueue {
            name: self.sticky_queue.clone(),
            kind: TaskQueueKind::Sticky.into(),
            normal_name: self.plan.task_queue.clone(),
        }
    }

    /// None: nothing came in time.
    async fn poll_workflow_task(self: Arc<Self>, queue: TaskQueue) -> Result<Option<PollWorkflowTaskQueueResponse>> {
        let request = PollWorkflowTaskQueueRequest {
            namespace: self.client.namespace.to_string(),
            task_queue: Some(queue),
            identity: self.client.identity.to_string(),
            worker_instance_key: self.instance_key.clone(),
            ..Default::default()
        };
        let poll = self
            .client
            .call(request, LONG_POLL, |mut stub, request| async move { stub.poll_workflow_task_queue(request).await });
        let task = poll.await.context("PollWorkflowTaskQueue failed")?;
        Ok((!task.task_token.is_empty()).then_some(task))
    }

    /// None: nothing came in time.
    async fn poll_activity_task(self: Arc<Self>) -> Result<Option<PollActivityTaskQueueResponse>> {
        let request = PollActivityTaskQueueRequest {
            namespace: self.client.namespace.to_string(),
            task_queue: Some(self.normal_queue()),
            identity: self.client.identity.to_string(),
            worker_instance_key: self.instance_key.clone(),
            ..Default::default()
        };
        let poll = self
            .client
            .call(request, LONG_POLL, |mut stub, request| async move { stub.poll_activity_task_queue(request).await });
        let task = poll.await.context("PollActivityTaskQueue failed")?;
        Ok((!task.task_token.is_empty()).then_some(task))
    }

    async fn run_workflow_task(self: Arc<Self>, task: PollWorkflowTaskQueueResponse) {
        let mut next = Some(task);
        while let Some(task) = next.take() {
            match self.try_workflow_task(task).await {
                Ok(response) => {
                    for activity in response.activity_tasks {
                        tokio::spawn(self.clone().run_activity(activity));
                    }
                    next = response.workflow_task.filter(|task| !task.task_token.is_empty());
                }
                Err(error) => self.note_error(&error),
            }
        }
    }

    async fn try_workflow_task(
        &self,
        task: PollWorkflowTaskQueueResponse,
    ) -> Result<RespondWorkflowTaskCompletedResponse> {
        let execution = task.workflow_execution.context("a workflow task without its workflow")?;
        let mut events = task.history.unwrap_or_default().events()?;
        history::more_events(&self.client, &execution, task.next_page_token, &mut events).await?;
        let progress = self.progress(&execution, events).await?;
        let commands = self.plan.decide(&progress);
        let closing = commands.iter().any(is_closing);
        let request = RespondWorkflowTaskCompletedRequest {
            task_token: task.task_token,
            commands,
            identity: self.client.identity.to_string(),
            sticky_attributes: Some(StickyExecutionAttributes {
                worker_task_queue: Some(self.sticky_queue()),
                schedule_to_start_timeout: Some(seconds(STICKY_SECONDS)),
            }),
            return_new_workflow_task: true,
            namespace: self.client.namespace.to_string(),
            resource_id: execution.workflow_id.clone(),
            worker_instance_key: self.instance_key.clone(),
            ..Default::default()
        };
        let response = self.client.call(request, SHORT, |mut stub, request| async move {
            stub.respond_workflow_task_completed(request).await
        });
        let response = response.await.context("RespondWorkflowTaskCompleted failed")?;
        if closing {
            self.runs.lock().remove(&execution.run_id);
            if let Some(waiter) = self.waiters.lock().remove(&execution.workflow_id) {
                // The driver may have given up on it.
                waiter.send(()).ok();
            }
        }
        Ok(response)
    }

    /// The run's progress with the new events, from memory where the events are only the new ones.
    async fn progress(
        &self,
        execution: &WorkflowExecution,
        mut events: Vec<perdure_proto::api::history::HistoryEvent>,
    ) -> Result<Progress> {
        let mut progress = Progress::default();
        if events.first().is_none_or(|event| event.event_id != 1) {
            match self.runs.lock().get(&execution.run_id).cloned() {
                Some(known) => progress = known,
                None => events = Vec::new(),
            }
            if events.is_empty() {
                progress = Progress::default();
                events = history::all_events(&self.client, execution).await?;
            }
        }
        events.iter().for_each(|event| progress.apply(event));
        self.runs.lock().insert(execution.run_id.clone(), progress.clone());
        Ok(progress)
    }

    async fn run_activity(self: Arc<Self>, task: PollActivityTaskQueueResponse) {
        let request = RespondActivityTaskCompletedRequest {
            task_token: task.task_token,
            result: Some(self.plan.payload.clone()),
            identity: self.client.identity.to_string(),
            namespace: self.client.namespace.to_string(),
            resource_id: task.workflow_execution.map(|execution| execution.workflow_id).unwrap_or_default(),
            ..Default::default()
        };
        let response = self.client.call(request, SHORT, |mut stub, request| async move {
            stub.respond_activity_task_completed(request).await
        });
        match response.await {
            Ok(_) => {}
            // A retry of an answer that had arrived.
            Err(status) if status.code() == Code::NotFound => {}
            Err(status) => self.note_error(&anyhow::Error::new(status).context("RespondActivityTaskCompleted failed")),
        }
    }

    fn note_error(&self, error: &anyhow::Error) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        *self.last_error.lock() = Some(format!("{error:#}"));
    }
}
