//! Workers' side of Nexus: PollNexusTaskQueue, RespondNexusTaskCompleted, RespondNexusTaskFailed.

use std::time::Duration;

use perdure_matching::{NexusAnswer, NexusAnswered, NexusTask, Poll, QueueKind};
use perdure_proto::{
    api::{
        failure::failure::FailureInfo,
        nexus::{Failure, Response, StartOperationResponse, response, start_operation_response as start},
        workflowservice::{
            PollNexusTaskQueueRequest, PollNexusTaskQueueResponse, RespondNexusTaskCompletedRequest,
            RespondNexusTaskCompletedResponse, RespondNexusTaskFailedRequest, RespondNexusTaskFailedResponse,
        },
    },
    token::NexusTaskToken,
};
use tokio::time::Instant;
use tonic::Status;

use crate::{
    Frontend,
    call::Call,
    limits::FrontendLimits,
    namespaces::AuthorizedNamespace,
    poll::{Worker, queue_key, stamp, wrong_kind},
    quotas::Waiting,
    status,
    task_response::id_bytes,
    token::TaskToken,
};

/// How long the worker has for this request; Java's SDK looks for the second spelling.
const REQUEST_TIMEOUT: [&str; 2] = ["request-timeout", "Request-Timeout"];
/// How long the operation as a whole still has.
const OPERATION_TIMEOUT: &str = "operation-timeout";

impl Frontend {
    pub(crate) async fn poll_nexus_task_queue(
        &self,
        call: &Call,
        request: PollNexusTaskQueueRequest,
    ) -> Result<PollNexusTaskQueueResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let worker = Worker {
            identity: request.identity,
            stamp: request.worker_version_capabilities.map(stamp),
            options: request.deployment_options,
            instance_key: request.worker_instance_key,
            max_tasks_per_second: None,
        };
        let queue = &worker.check(call, request.task_queue.as_ref(), namespace.limits())?.name;
        self.workers.record(namespace.id(), call.received, request.worker_heartbeat);
        let key = queue_key(&namespace, queue, QueueKind::Nexus);
        let (poll, advice) = self.poll(call, &namespace, key, worker, Waiting::NexusTask).await?;
        let response = match poll {
            Poll::Nexus(task) => self.nexus_task_response(&namespace, queue, *task),
            Poll::Task(_) | Poll::Query(_) => return Err(wrong_kind()),
            Poll::Empty => PollNexusTaskQueueResponse::default(),
        };
        Ok(PollNexusTaskQueueResponse { poller_scaling_decision: advice, ..response })
    }

    fn nexus_task_response(
        &self,
        namespace: &AuthorizedNamespace,
        task_queue: &str,
        task: NexusTask,
    ) -> PollNexusTaskQueueResponse {
        let NexusTask { task_id, mut request, deadline, operation_deadline } = task;
        for name in REQUEST_TIMEOUT {
            request.header.insert(name.to_owned(), milliseconds_until(deadline));
        }
        if let Some(deadline) = operation_deadline {
            request.header.insert(OPERATION_TIMEOUT.to_owned(), milliseconds_until(deadline));
        }
        let token =
            NexusTaskToken { namespace_id: id_bytes(namespace.id()), task_queue: task_queue.to_owned(), task_id };
        PollNexusTaskQueueResponse {
            task_token: self.sealer.seal(&token),
            request: Some(request),
            ..PollNexusTaskQueueResponse::default()
        }
    }

    pub(crate) async fn respond_nexus_task_completed(
        &self,
        _call: &Call,
        request: RespondNexusTaskCompletedRequest,
    ) -> Result<RespondNexusTaskCompletedResponse, Status> {
        let response = request.response.unwrap_or_default();
        check_operation_token(&response, &self.namespaces.limits_named(&request.namespace))?;
        let (_, token) = self.open_task_token::<NexusTaskToken>(&request.task_token, &request.namespace)?;
        if let Some(start::Variant::OperationError(error)) = start_of(&response) {
            check_details(error.failure.as_ref())?;
        }
        self.answer_nexus_task(&token, NexusAnswer::Completed(response)).await?;
        Ok(RespondNexusTaskCompletedResponse {})
    }

    pub(crate) async fn respond_nexus_task_failed(
        &self,
        _call: &Call,
        request: RespondNexusTaskFailedRequest,
    ) -> Result<RespondNexusTaskFailedResponse, Status> {
        let (_, token) = self.open_task_token::<NexusTaskToken>(&request.task_token, &request.namespace)?;
        if let Some(error) = &request.error {
            check_details(error.failure.as_ref())?;
        }
        if let Some(failure) = &request.failure
            && !matches!(failure.failure_info, Some(FailureInfo::NexusHandlerFailureInfo(_)))
        {
            return Err(status::invalid("request Failure must contain error or failure with NexusHandlerFailureInfo"));
        }
        let answer = match (request.error, request.failure) {
            (Some(error), _) => NexusAnswer::HandlerError(error),
            (None, Some(failure)) => NexusAnswer::Failed(Box::new(failure)),
            (None, None) => return Err(status::invalid("request must contain error or failure")),
        };
        self.answer_nexus_task(&token, answer).await?;
        Ok(RespondNexusTaskFailedResponse {})
    }

    async fn answer_nexus_task(&self, token: &NexusTaskToken, answer: NexusAnswer) -> Result<(), Status> {
        match self.matching.complete_nexus(&token.task_id, answer).await {
            NexusAnswered::Taken => Ok(()),
            NexusAnswered::Unknown => Err(status::not_found(NexusTaskToken::NOT_FOUND)),
            NexusAnswered::Lost => Err(status::unavailable()),
        }
    }
}

fn start_of(response: &Response) -> Option<&start::Variant> {
    match &response.variant {
        Some(response::Variant::StartOperation(StartOperationResponse { variant })) => variant.as_ref(),
        _ => None,
    }
}

fn check_operation_token(response: &Response, limits: &FrontendLimits) -> Result<(), Status> {
    let Some(start::Variant::AsyncSuccess(started)) = start_of(response) else { return Ok(()) };
    // Older SDKs know only the second name.
    let token = if started.operation_token.is_empty() { &started.operation_id } else { &started.operation_token };
    if token.is_empty() {
        return Err(status::invalid("missing opration token in response"));
    }
    let (length, limit) = (token.len(), limits.nexus_token);
    if length > limit {
        return Err(status::invalid(format!("operation token length exceeds allowed limit ({length}/{limit})")));
    }
    Ok(())
}

/// Details go into JSON.
fn check_details(failure: Option<&Failure>) -> Result<(), Status> {
    let is_json = |details: &[u8]| serde_json::from_slice::<serde_json::Value>(details).is_ok();
    match failure {
        Some(failure) if !failure.details.is_empty() && !is_json(&failure.details) => {
            Err(status::invalid("failure details must be JSON serializable"))
        }
        _ => Ok(()),
    }
}

fn milliseconds_until(deadline: Instant) -> String {
    let left = deadline.checked_duration_since(Instant::now()).unwrap_or(Duration::ZERO);
    format!("{}ms", left.as_millis())
}
