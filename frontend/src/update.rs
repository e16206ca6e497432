//! UpdateWorkflowExecution and PollWorkflowExecutionUpdate.

use std::time::Duration;

use perdure_engine::Reject;
use perdure_history::{Error, Target, UpdateRequest, UpdateResult};
use perdure_proto::api::{
    common::{Link, WorkflowExecution},
    enums::{EventType, UpdateWorkflowExecutionLifecycleStage as Stage},
    update::{Meta, Request, UpdateRef, WaitPolicy, outcome},
    workflowservice::{
        PollWorkflowExecutionUpdateRequest, PollWorkflowExecutionUpdateResponse, UpdateWorkflowExecutionRequest,
        UpdateWorkflowExecutionResponse,
    },
};
use tonic::Status;
use uuid::Uuid;

use crate::{
    Frontend,
    call::Call,
    control::or_new,
    error,
    limits::FrontendLimits,
    links,
    namespaces::AuthorizedNamespace,
    quotas::Waiting,
    status,
    validate::{callbacks, ids, links as valid_links},
};

impl Frontend {
    pub(crate) async fn update_workflow(
        &self,
        call: &Call,
        request: UpdateWorkflowExecutionRequest,
    ) -> Result<UpdateWorkflowExecutionResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let first_run_id = request.first_execution_run_id.clone();
        let CheckedUpdate { target, update } = check(&namespace, request)?;
        let _seat = self.quotas.wait(&namespace, Waiting::Update)?;
        let result = self.update_chain(call, &namespace, target.clone(), &first_run_id, update.clone()).await?;
        in_time(call, &result, update.wait, namespace.limits().wait_timeout)?;
        Ok(response(&namespace, &target, result, update))
    }

    /// Sends an update to the current run of a chain (empty: of any). One that goes on as another run meanwhile is followed.
    async fn update_chain(
        &self,
        call: &Call,
        namespace: &AuthorizedNamespace,
        target: Target,
        first_run_id: &str,
        update: UpdateRequest,
    ) -> Result<UpdateResult, Status> {
        let deadline = call.last_moment(namespace.limits().wait_timeout);
        let mut pinned = self.pin_to_chain(target.clone(), first_run_id).await?;
        loop {
            let UpdateRequest { update_id, request, wait } = update.clone();
            let error = match self.history.update(pinned.clone(), update_id, request, wait, deadline).await {
                Ok(result) => return Ok(result),
                Err(error) => error,
            };
            if first_run_id.is_empty() || error != Error::Reject(Reject::WorkflowClosed) {
                return Err(error::of_call(error, &target));
            }
            let next = self.pin_to_chain(target.clone(), first_run_id).await?;
            if next == pinned {
                return Err(error::of_call(error, &target));
            }
            pinned = next;
        }
    }

    pub(crate) async fn poll_update(
        &self,
        call: &Call,
        request: PollWorkflowExecutionUpdateRequest,
    ) -> Result<PollWorkflowExecutionUpdateResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let reference = request.update_ref.ok_or_else(|| status::invalid("UpdateRef is not set on request."))?;
        if reference.workflow_execution.as_ref().is_none_or(|execution| execution.workflow_id.is_empty()) {
            return Err(status::invalid("Can't load workflow execution.  WorkflowId not set."));
        }
        let target = ids::execution(namespace.id(), reference.workflow_execution.as_ref())?;
        let update_id = reference.update_id;
        let wait = stage(request.wait_policy.as_ref())?;
        let _seat = self.quotas.wait(&namespace, Waiting::Update)?;
        let longest = namespace.limits().wait_timeout;
        let result = self.history.poll_update(target.clone(), update_id.clone(), wait, call.last_moment(longest));
        let result = result.await.map_err(|error| match error {
            Error::UpdateNotFound => status::not_found(format!("update \"{update_id}\" not found")),
            error => error::of_call(error, &target),
        })?;
        in_time(call, &result, wait, longest)?;
        Ok(PollWorkflowExecutionUpdateResponse {
            update_ref: Some(update_ref(&target, &result, update_id)),
            stage: result.stage.into(),
            outcome: result.outcome,
        })
    }
}

/// A client that waits long is told how far its update is, and asks again. One with a short deadline does not expect an
/// answer without what it waits for: SDKs count on DEADLINE_EXCEEDED.
fn in_time(call: &Call, result: &UpdateResult, wait: Stage, longest: Duration) -> Result<(), Status> {
    let reached = result.outcome.is_some() || result.stage >= wait;
    if reached || !call.is_shorter_than(longest) { Ok(()) } else { Err(status::deadline_exceeded()) }
}

/// An update that may be sent.
pub(crate) struct CheckedUpdate {
    pub(crate) target: Target,
    pub(crate) update: UpdateRequest,
}

pub(crate) fn check(
    namespace: &AuthorizedNamespace,
    request: UpdateWorkflowExecutionRequest,
) -> Result<CheckedUpdate, Status> {
    let limits = namespace.limits();
    let target = ids::execution(namespace.id(), request.workflow_execution.as_ref())?;
    let (update_id, mut update) = check_body(request.request.unwrap_or_default(), limits)?;
    let wait = match stage(request.wait_policy.as_ref())? {
        Stage::Unspecified => Stage::Accepted,
        Stage::Admitted => {
            return Err(status::permission_denied(
                "UpdateWorkflowExecution issued asynchronously and waiting on update admitted is not supported.",
            ));
        }
        stage => stage,
    };
    callbacks::check(&mut update.completion_callbacks, limits.callbacks_per_update, "a workflow", limits)?;
    if !update.completion_callbacks.is_empty() {
        // By it a request that is sent again is known.
        update.request_id = or_new(update.request_id);
    }
    valid_links::check(&update.links, limits)?;
    Ok(CheckedUpdate { target, update: UpdateRequest { update_id, request: update, wait } })
}

pub(crate) fn response(
    namespace: &AuthorizedNamespace,
    target: &Target,
    result: UpdateResult,
    update: UpdateRequest,
) -> UpdateWorkflowExecutionResponse {
    UpdateWorkflowExecutionResponse {
        link: accepted_link(namespace.name(), target, &result, &update.request.request_id),
        update_ref: Some(update_ref(target, &result, update.update_id)),
        stage: result.stage.into(),
        outcome: result.outcome,
    }
}

/// The update's id, made up where the client named none, and the request that carries it.
fn check_body(mut request: Request, limits: &FrontendLimits) -> Result<(String, Request), Status> {
    let meta = request.meta.take().ok_or_else(|| status::invalid("Update meta is not set on request."))?;
    ids::optional("UpdateId", &meta.update_id, limits)?;
    ids::optional("Identity", &meta.identity, limits)?;
    let input = request.input.as_ref().ok_or_else(|| status::invalid("Update input is not set on request."))?;
    if input.name.is_empty() {
        return Err(status::invalid("Update name is not set on request."));
    }
    let update_id = if meta.update_id.is_empty() { Uuid::new_v4().to_string() } else { meta.update_id };
    request.meta = Some(Meta { update_id: update_id.clone(), identity: meta.identity });
    Ok((update_id, request))
}

fn stage(policy: Option<&WaitPolicy>) -> Result<Stage, Status> {
    let number = policy.map_or(0, |policy| policy.lifecycle_stage);
    let unknown = |_| status::invalid(format!("unknown UpdateWorkflowExecutionLifecycleStage: {number}"));
    Stage::try_from(number).map_err(unknown)
}

fn update_ref(target: &Target, result: &UpdateResult, update_id: String) -> UpdateRef {
    let workflow_id = target.workflow.workflow_id.to_string();
    let execution = WorkflowExecution { workflow_id, run_id: result.run_id.to_string() };
    UpdateRef { workflow_execution: Some(execution), update_id }
}

/// To the event that accepted the update. A rejected one has none.
fn accepted_link(namespace: &str, target: &Target, result: &UpdateResult, request_id: &str) -> Option<Link> {
    let failed =
        result.outcome.as_ref().is_some_and(|outcome| matches!(outcome.value, Some(outcome::Value::Failure(_))));
    if failed || !matches!(result.stage, Stage::Accepted | Stage::Completed) {
        return None;
    }
    let accepted = EventType::WorkflowExecutionUpdateAccepted;
    let run_id = result.run_id.to_string();
    Some(links::by_request_id(namespace, &target.workflow.workflow_id, &run_id, request_id, accepted))
}

#[cfg(test)]
mod tests {
    use perdure_proto::api::update::Input;

    use super::*;

    #[test]
    fn requests() {
        let meta = |update_id: &str| Some(Meta { update_id: update_id.to_owned(), ..Default::default() });
        let input = |name: &str| Some(Input { name: name.to_owned(), ..Default::default() });
        let long = "u".repeat(1001);
        let cases = [
            (None, input("n"), "Update meta is not set on request."),
            (meta("u"), None, "Update input is not set on request."),
            (meta("u"), input(""), "Update name is not set on request."),
            (meta(&long), input("n"), "UpdateId length exceeds limit."),
        ];
        for (meta, input, expected) in cases {
            let refused =
                check_body(Request { meta, input, ..Default::default() }, &FrontendLimits::default()).unwrap_err();
            assert_eq!(refused.message(), expected);
        }
        let (id, request) =
            check_body(Request { meta: meta(""), input: input("n"), ..Default::default() }, &FrontendLimits::default())
                .unwrap();
        assert!(Uuid::parse_str(&id).is_ok());
        assert_eq!(request.meta.unwrap().update_id, id);
    }

    #[test]
    fn stages() {
        let of = |lifecycle_stage| stage(Some(&WaitPolicy { lifecycle_stage }));
        assert_eq!(stage(None).unwrap(), Stage::Unspecified);
        assert_eq!(of(Stage::Accepted.into()).unwrap(), Stage::Accepted);
        assert_eq!(of(99).unwrap_err().message(), "unknown UpdateWorkflowExecutionLifecycleStage: 99");
    }
}
