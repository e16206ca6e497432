//! PollWorkflowTaskQueue and PollActivityTaskQueue.

use perdure_matching::{Poll, PollerInfo, QueueKey, QueueKind, StartedTask};
use perdure_proto::api::{
    common::{WorkerVersionCapabilities, WorkerVersionStamp},
    deployment::WorkerDeploymentOptions,
    enums::TaskQueueKind,
    taskqueue::{PollerScalingDecision, TaskQueue},
    workflowservice::{
        PollActivityTaskQueueRequest, PollActivityTaskQueueResponse, PollWorkflowTaskQueueRequest,
        PollWorkflowTaskQueueResponse,
    },
};
use tonic::Status;

use crate::{
    Frontend,
    call::{Call, MIN_POLL_TIMEOUT},
    limits::FrontendLimits,
    namespaces::AuthorizedNamespace,
    quotas::Waiting,
    status,
    validate::{ids, task_queue, versioning},
};

impl Frontend {
    pub(crate) async fn poll_workflow_task_queue(
        &self,
        call: &Call,
        request: PollWorkflowTaskQueueRequest,
    ) -> Result<PollWorkflowTaskQueueResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let worker = Worker {
            identity: request.identity,
            stamp: request.worker_version_capabilities.map(stamp),
            options: request.deployment_options,
            instance_key: request.worker_instance_key,
            max_tasks_per_second: None,
        };
        let queue = worker.check(call, request.task_queue.as_ref(), namespace.limits())?;
        let kind = match queue.kind() {
            TaskQueueKind::Sticky => QueueKind::StickyWorkflow,
            _ => QueueKind::Workflow,
        };
        let key = queue_key(&namespace, &queue.name, kind);
        let (poll, advice) = self.poll(call, &namespace, key, worker, Waiting::WorkflowTask).await?;
        let response = match poll {
            Poll::Task(task) => match *task {
                StartedTask::Workflow(task) => self.workflow_task_response(&namespace, task).await?,
                StartedTask::Activity(_) => return Err(wrong_kind()),
            },
            Poll::Query(task) => {
                let normal = if queue.normal_name.is_empty() { &queue.name } else { &queue.normal_name };
                self.query_task_response(&namespace, normal, *task).await?
            }
            Poll::Nexus(_) => return Err(wrong_kind()),
            Poll::Empty => PollWorkflowTaskQueueResponse::default(),
        };
        Ok(PollWorkflowTaskQueueResponse { poller_scaling_decision: advice, ..response })
    }

    pub(crate) async fn poll_activity_task_queue(
        &self,
        call: &Call,
        request: PollActivityTaskQueueRequest,
    ) -> Result<PollActivityTaskQueueResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let worker = Worker {
            identity: request.identity,
            stamp: request.worker_version_capabilities.map(stamp),
            options: request.deployment_options,
            instance_key: request.worker_instance_key,
            max_tasks_per_second: request.task_queue_metadata.and_then(|metadata| metadata.max_tasks_per_second),
        };
        let key = queue_key(
            &namespace,
            &worker.check(call, request.task_queue.as_ref(), namespace.limits())?.name,
            QueueKind::Activity,
        );
        let (poll, advice) = self.poll(call, &namespace, key, worker, Waiting::ActivityTask).await?;
        let response = match poll {
            Poll::Task(task) => match *task {
                StartedTask::Activity(task) => self.activity_task_response(&namespace, task),
                StartedTask::Workflow(_) => return Err(wrong_kind()),
            },
            Poll::Query(_) | Poll::Nexus(_) => return Err(wrong_kind()),
            Poll::Empty => PollActivityTaskQueueResponse::default(),
        };
        Ok(PollActivityTaskQueueResponse { poller_scaling_decision: advice, ..response })
    }

    /// Waits for a task on behalf of a worker, whose deployment is known from then on. With it comes advice to the worker, which
    /// may follow it where its pollers scale by themselves.
    pub(crate) async fn poll(
        &self,
        call: &Call,
        namespace: &AuthorizedNamespace,
        key: QueueKey,
        worker: Worker,
        waiting: Waiting,
    ) -> Result<(Poll, Option<PollerScalingDecision>), Status> {
        let deployment = versioning::deployment(worker.options.as_ref());
        self.deployments.register(&key, deployment.as_ref()).await?;
        let limits = namespace.limits();
        let longest = *limits.poll_timeout.of(&key.name, key.kind);
        let poller = PollerInfo {
            system_rate: *limits.dispatch_rate.of(&key.name, key.kind),
            identity: worker.identity,
            worker_version: worker.stamp.filter(|stamp| !stamp.build_id.is_empty()),
            worker_instance_key: worker.instance_key,
            max_tasks_per_second: worker.max_tasks_per_second,
            deployment,
            deployment_options: worker.options.map(Box::new),
        };
        let _seat = self.quotas.wait(namespace, waiting)?;
        let (poll, advice) = self.matching.poll_advised(key, poller, call.deadline(longest)).await;
        let advice =
            advice.map(|poll_request_delta_suggestion| PollerScalingDecision { poll_request_delta_suggestion });
        Ok((poll, advice))
    }
}

/// What a poll says about the worker.
pub(crate) struct Worker {
    pub(crate) identity: String,
    pub(crate) stamp: Option<WorkerVersionStamp>,
    pub(crate) options: Option<WorkerDeploymentOptions>,
    pub(crate) instance_key: String,
    /// Of activity polls.
    pub(crate) max_tasks_per_second: Option<f64>,
}

impl Worker {
    pub(crate) fn check<'q>(
        &self,
        call: &Call,
        queue: Option<&'q TaskQueue>,
        limits: &FrontendLimits,
    ) -> Result<&'q TaskQueue, Status> {
        if call.timeout.is_some_and(|timeout| timeout < MIN_POLL_TIMEOUT) {
            return Err(status::failed_precondition("Context timeout is too short."));
        }
        ids::optional("Identity", &self.identity, limits)?;
        versioning::check(self.stamp.as_ref(), self.options.as_ref(), queue, limits)?;
        task_queue::check(queue, limits)
    }
}

pub(crate) fn stamp(capabilities: WorkerVersionCapabilities) -> WorkerVersionStamp {
    WorkerVersionStamp { build_id: capabilities.build_id, use_versioning: capabilities.use_versioning }
}

pub(crate) fn queue_key(namespace: &AuthorizedNamespace, name: &str, kind: QueueKind) -> QueueKey {
    QueueKey { namespace_id: namespace.id(), name: name.into(), kind }
}

/// Matching keeps the kinds apart; the task will time out and come again.
pub(crate) fn wrong_kind() -> Status {
    tracing::error!("a poll got a task of another kind");
    status::unavailable()
}
