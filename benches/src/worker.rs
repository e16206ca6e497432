//! The worker: polls the three queues, runs each task as it comes, and polls again at once.
//!
//! Like an SDK it gives the server a sticky queue, keeps each run's progress in memory, and so reads only the new events of
//! a sticky task.

mod tasks;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use parking_lot::Mutex;
use perdure_proto::api::{
    common::WorkflowExecution,
    enums::TaskQueueKind,
    taskqueue::TaskQueue,
    workflowservice::{
        PollActivityTaskQueueRequest, PollActivityTaskQueueResponse, PollWorkflowTaskQueueRequest,
        PollWorkflowTaskQueueResponse, ShutdownWorkerRequest,
    },
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::sleep,
};
use uuid::Uuid;

use crate::{
    client::{Client, LONG_POLL, SHORT},
    progress::Progress,
    scenario::Plan,
};

/// A poll that cannot succeed must not spin.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

pub(crate) struct Worker {
    shared: Arc<Shared>,
    polls: JoinSet<()>,
}

/// A workflow task that came. It is told of when it has been answered.
pub(crate) struct Arrival {
    pub(crate) execution: WorkflowExecution,
    pub(crate) at: SystemTime,
}

struct Shared {
    client: Client,
    plan: Plan,
    sticky_queue: String,
    instance_key: String,
    runs: Mutex<HashMap<String, Progress>>,
    /// Who waits for this worker's last answer of a workflow, by workflow id.
    waiters: Mutex<HashMap<String, oneshot::Sender<()>>>,
    arrivals: Option<mpsc::Sender<Arrival>>,
    errors: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl Worker {
    /// `arrivals`: who wants to hear of each workflow task.
    pub(crate) fn start(client: Client, plan: Plan, pollers: u32, arrivals: Option<mpsc::Sender<Arrival>>) -> Self {
        let shared = Arc::new(Shared {
            client,
            sticky_queue: format!("{}-sticky", plan.task_queue),
            plan,
            instance_key: Uuid::new_v4().to_string(),
            runs: Mutex::default(),
            waiters: Mutex::default(),
            arrivals,
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

    fn note_error(&self, error: &anyhow::Error) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        *self.last_error.lock() = Some(format!("{error:#}"));
    }
}
