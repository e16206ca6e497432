//! Answers and heartbeats of activities, by token and by id.

use perdure_engine::{ActivityRef, Archetype, Input, Reply, outcome::server_failure, validate};
use perdure_history::Target;
use perdure_proto::{
    api::{
        common::Payloads,
        failure::{Failure, failure::FailureInfo},
        workflowservice::{
            RecordActivityTaskHeartbeatByIdRequest, RecordActivityTaskHeartbeatByIdResponse,
            RecordActivityTaskHeartbeatRequest, RecordActivityTaskHeartbeatResponse,
            RespondActivityTaskCanceledByIdRequest, RespondActivityTaskCanceledByIdResponse,
            RespondActivityTaskCanceledRequest, RespondActivityTaskCanceledResponse,
            RespondActivityTaskCompletedByIdRequest, RespondActivityTaskCompletedByIdResponse,
            RespondActivityTaskCompletedRequest, RespondActivityTaskCompletedResponse,
            RespondActivityTaskFailedByIdRequest, RespondActivityTaskFailedByIdResponse,
            RespondActivityTaskFailedRequest, RespondActivityTaskFailedResponse,
        },
    },
    token::ActivityTaskToken,
};
use perdure_storage::WorkflowKey;
use tonic::Status;

use crate::{
    Frontend,
    call::Call,
    namespaces::AuthorizedNamespace,
    status, token,
    validate::{ids, sizes},
};

/// An activity of a run, and who speaks for it.
struct Worker {
    namespace: AuthorizedNamespace,
    target: Target,
    activity: ActivityRef,
    identity: String,
}

/// The request's ids of an activity that is named without a token. Without a workflow it is one of its own.
struct Named {
    workflow_id: String,
    run_id: String,
    activity_id: String,
}

/// What a heartbeat's answer asks of the worker.
#[derive(Default)]
struct Told {
    cancel_requested: bool,
    activity_paused: bool,
    activity_reset: bool,
}

impl Frontend {
    pub(crate) async fn respond_activity_task_completed(
        &self,
        _call: &Call,
        request: RespondActivityTaskCompletedRequest,
    ) -> Result<RespondActivityTaskCompletedResponse, Status> {
        let worker = self.by_token(&request.task_token, &request.namespace, request.identity)?;
        self.complete(worker, request.result).await?;
        Ok(RespondActivityTaskCompletedResponse {})
    }

    pub(crate) async fn respond_activity_task_completed_by_id(
        &self,
        _call: &Call,
        request: RespondActivityTaskCompletedByIdRequest,
    ) -> Result<RespondActivityTaskCompletedByIdResponse, Status> {
        let RespondActivityTaskCompletedByIdRequest { workflow_id, run_id, activity_id, .. } = request;
        let named = Named { workflow_id, run_id, activity_id };
        let worker = self.by_id(named, &request.namespace, request.identity)?;
        self.complete(worker, request.result).await?;
        Ok(RespondActivityTaskCompletedByIdResponse {})
    }

    pub(crate) async fn respond_activity_task_failed(
        &self,
        _call: &Call,
        request: RespondActivityTaskFailedRequest,
    ) -> Result<RespondActivityTaskFailedResponse, Status> {
        let worker = self.by_token(&request.task_token, &request.namespace, request.identity)?;
        let failures = self.fail(worker, request.failure, request.last_heartbeat_details).await?;
        Ok(RespondActivityTaskFailedResponse { failures })
    }

    pub(crate) async fn respond_activity_task_failed_by_id(
        &self,
        _call: &Call,
        request: RespondActivityTaskFailedByIdRequest,
    ) -> Result<RespondActivityTaskFailedByIdResponse, Status> {
        let RespondActivityTaskFailedByIdRequest { workflow_id, run_id, activity_id, .. } = request;
        let named = Named { workflow_id, run_id, activity_id };
        let worker = self.by_id(named, &request.namespace, request.identity)?;
        let failures = self.fail(worker, request.failure, request.last_heartbeat_details).await?;
        Ok(RespondActivityTaskFailedByIdResponse { failures })
    }

    pub(crate) async fn respond_activity_task_canceled(
        &self,
        _call: &Call,
        request: RespondActivityTaskCanceledRequest,
    ) -> Result<RespondActivityTaskCanceledResponse, Status> {
        let worker = self.by_token(&request.task_token, &request.namespace, request.identity)?;
        self.cancel(worker, request.details).await?;
        Ok(RespondActivityTaskCanceledResponse {})
    }

    pub(crate) async fn respond_activity_task_canceled_by_id(
        &self,
        _call: &Call,
        request: RespondActivityTaskCanceledByIdRequest,
    ) -> Result<RespondActivityTaskCanceledByIdResponse, Status> {
        let RespondActivityTaskCanceledByIdRequest { workflow_id, run_id, activity_id, .. } = request;
        let named = Named { workflow_id, run_id, activity_id };
        let worker = self.by_id(named, &request.namespace, request.identity)?;
        self.cancel(worker, request.details).await?;
        Ok(RespondActivityTaskCanceledByIdResponse {})
    }

    pub(crate) async fn record_activity_task_heartbeat(
        &self,
        _call: &Call,
        request: RecordActivityTaskHeartbeatRequest,
    ) -> Result<RecordActivityTaskHeartbeatResponse, Status> {
        let worker = self.by_token(&request.task_token, &request.namespace, request.identity)?;
        let Told { cancel_requested, activity_paused, activity_reset } =
            self.heartbeat(worker, request.details).await?;
        Ok(RecordActivityTaskHeartbeatResponse { cancel_requested, activity_paused, activity_reset })
    }

    pub(crate) async fn record_activity_task_heartbeat_by_id(
        &self,
        _call: &Call,
        request: RecordActivityTaskHeartbeatByIdRequest,
    ) -> Result<RecordActivityTaskHeartbeatByIdResponse, Status> {
        let RecordActivityTaskHeartbeatByIdRequest { workflow_id, run_id, activity_id, .. } = request;
        let named = Named { workflow_id, run_id, activity_id };
        let worker = self.by_id(named, &request.namespace, request.identity)?;
        let Told { cancel_requested, activity_paused, activity_reset } =
            self.heartbeat(worker, request.details).await?;
        Ok(RecordActivityTaskHeartbeatByIdResponse { cancel_requested, activity_paused, activity_reset })
    }

    fn by_token(&self, sealed: &[u8], namespace: &str, identity: String) -> Result<Worker, Status> {
        let (namespace, token) = self.open_task_token::<ActivityTaskToken>(sealed, namespace)?;
        ids::optional("Identity", &identity, namespace.limits())?;
        let (target, activity) = token::activity(token)?;
        Ok(Worker { namespace, target, activity, identity })
    }

    fn by_id(&self, named: Named, namespace: &str, identity: String) -> Result<Worker, Status> {
        let namespace = self.namespaces.resolve(namespace)?;
        let activity_id = named.activity_id;
        ids::required("ActivityId", &activity_id, namespace.limits())?;
        ids::no_nul("WorkflowId", &named.workflow_id)?;
        ids::optional("Identity", &identity, namespace.limits())?;
        let run_id = ids::optional_run_id(&named.run_id, "RunId is not valid UUID.")?;
        let workflow = if named.workflow_id.is_empty() {
            WorkflowKey::of(Archetype::Activity, namespace.id(), activity_id.as_str())
        } else {
            WorkflowKey::new(namespace.id(), named.workflow_id)
        };
        let target = Target { workflow, run_id };
        Ok(Worker { namespace, target, activity: ActivityRef::Id(activity_id), identity })
    }

    async fn complete(&self, worker: Worker, result: Option<Payloads>) -> Result<(), Status> {
        let Worker { target, activity, identity, .. } = worker;
        self.send(&target, Input::ActivityCompleted { activity, result, identity }).await?;
        Ok(())
    }

    async fn cancel(&self, worker: Worker, details: Option<Payloads>) -> Result<(), Status> {
        let Worker { target, activity, identity, .. } = worker;
        self.send(&target, Input::ActivityCanceled { activity, details, identity }).await?;
        Ok(())
    }

    async fn heartbeat(&self, worker: Worker, details: Option<Payloads>) -> Result<Told, Status> {
        let Worker { target, activity, identity, .. } = worker;
        let reply = self.send(&target, Input::ActivityHeartbeat { activity, details, identity }).await?.reply;
        Ok(match reply {
            Reply::Heartbeat { cancel_requested, paused, reset } => {
                Told { cancel_requested, activity_paused: paused, activity_reset: reset }
            }
            _ => Told::default(),
        })
    }

    /// Tells what was too large to be kept: the engine puts failures of its own in the place of it.
    async fn fail(
        &self,
        worker: Worker,
        failure: Option<Failure>,
        last_heartbeat_details: Option<Payloads>,
    ) -> Result<Vec<Failure>, Status> {
        let failure = Box::new(checked(failure)?);
        let mut too_large = Vec::new();
        if sizes::too_large(last_heartbeat_details.as_ref(), worker.namespace.limits()) {
            too_large.push(server_failure(sizes::HEARTBEAT, true));
        }
        if sizes::too_large(Some(&*failure), worker.namespace.limits()) {
            too_large.push(server_failure(sizes::FAILURE, true));
        }
        let Worker { target, activity, identity, .. } = worker;
        self.send(&target, Input::ActivityFailed { activity, failure, last_heartbeat_details, identity }).await?;
        Ok(too_large)
    }
}

/// No failure at all is taken for one without a text. A wish for the next attempt that is no duration is dropped, as the
/// real server does, so that the retry policy decides.
fn checked(failure: Option<Failure>) -> Result<Failure, Status> {
    let Some(mut failure) = failure else {
        return Ok(Failure::default());
    };
    let Some(FailureInfo::ApplicationFailureInfo(info)) = &mut failure.failure_info else {
        return Err(status::invalid("Failure must have ApplicationFailureInfo."));
    };
    info.next_retry_delay = info.next_retry_delay.take().filter(|delay| validate::duration(Some(delay)).is_ok());
    Ok(failure)
}
