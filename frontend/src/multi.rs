//! ExecuteMultiOperation, which is Update-with-Start: nothing else is allowed in it.

use perdure_engine::Start;
use perdure_history::{Error, MultiError, Target};
use perdure_proto::api::workflowservice::{
    ExecuteMultiOperationRequest, ExecuteMultiOperationResponse, StartWorkflowExecutionRequest,
    UpdateWorkflowExecutionRequest,
    execute_multi_operation_request::operation::Operation,
    execute_multi_operation_response::{Response, response},
};
use tonic::Status;

use crate::{
    Frontend, call::Call, error, namespaces::AuthorizedNamespace, quotas::Waiting, status, update,
    update::CheckedUpdate, validate,
};

impl Frontend {
    pub(crate) async fn execute_multi_operation(
        &self,
        call: &Call,
        request: ExecuteMultiOperationRequest,
    ) -> Result<ExecuteMultiOperationResponse, Status> {
        let namespace = self.namespace_for_start(&request.namespace)?;
        let (start, update) = operations(request)?;
        let (start, update) = self.check_both(call, &namespace, start, update)?;
        let CheckedUpdate { target, update } = update;
        let _seat = self.quotas.wait(&namespace, Waiting::Update)?;
        self.deployments.pin(namespace.id(), start.versioning_override.as_ref()).await?;
        let deadline = call.last_moment(namespace.limits().wait_timeout);
        let (started, result) = self
            .history
            .update_with_start(start, update.clone(), deadline)
            .await
            .map_err(|error| status_of(error, &target))?;
        let started = self.start_response(&namespace, &target.workflow.workflow_id, started).await?;
        let updated = update::response(&namespace, &target, result, update);
        Ok(ExecuteMultiOperationResponse {
            responses: [response::Response::StartWorkflow(started), response::Response::UpdateWorkflow(updated)]
                .map(|response| Response { response: Some(response) })
                .into(),
        })
    }

    /// Each operation is checked, so that the answer tells of both.
    fn check_both(
        &self,
        call: &Call,
        namespace: &AuthorizedNamespace,
        start: StartWorkflowExecutionRequest,
        update: UpdateWorkflowExecutionRequest,
    ) -> Result<(Start, CheckedUpdate), Status> {
        let start = same_namespace(&start.namespace, namespace)
            .and_then(|()| validate::start::start(start, namespace, call.time))
            .and_then(alone);
        let update = same_namespace(&update.namespace, namespace).and_then(|()| self.check_update(namespace, update));
        match (start, update) {
            (Ok(start), Ok(update)) if *start.workflow_id == *update.target.workflow.workflow_id => Ok((start, update)),
            (Ok(_), Ok(_)) => Err(status::multi_operation(
                None,
                Some(status::invalid("WorkflowId is not consistent with previous operation(s).")),
            )),
            (start, update) => Err(status::multi_operation(start.err(), update.err())),
        }
    }

    fn check_update(
        &self,
        namespace: &AuthorizedNamespace,
        request: UpdateWorkflowExecutionRequest,
    ) -> Result<CheckedUpdate, Status> {
        let pinned = !request.first_execution_run_id.is_empty();
        let checked = update::check(namespace, request)?;
        if pinned {
            return Err(status::invalid("FirstExecutionRunId is not allowed."));
        }
        if checked.target.run_id.is_some() {
            return Err(status::invalid("RunId is not allowed."));
        }
        Ok(checked)
    }
}

fn operations(
    request: ExecuteMultiOperationRequest,
) -> Result<(StartWorkflowExecutionRequest, UpdateWorkflowExecutionRequest), Status> {
    let mut operations = request.operations.into_iter().map(|operation| operation.operation);
    match (operations.next().flatten(), operations.next().flatten(), operations.next()) {
        (Some(Operation::StartWorkflow(start)), Some(Operation::UpdateWorkflow(update)), None) => Ok((start, update)),
        _ => Err(status::invalid("Operations have to be exactly [Start, Update].")),
    }
}

/// An operation names the namespace of the whole call, or none.
fn same_namespace(name: &str, namespace: &AuthorizedNamespace) -> Result<(), Status> {
    if name.is_empty() || *name == **namespace.name() {
        return Ok(());
    }
    Err(status::invalid("Operation namespace did not match request's namespace."))
}

/// What a start may not ask for here: the update goes out with the first workflow task, which comes at once.
fn alone(start: Start) -> Result<Start, Status> {
    if !start.cron_schedule.is_empty() {
        return Err(status::invalid("CronSchedule is not allowed."));
    }
    if start.request_eager_execution {
        return Err(status::invalid("RequestEagerExecution is not supported."));
    }
    if start.start_delay > 0 {
        return Err(status::invalid("WorkflowStartDelay is not supported."));
    }
    Ok(start)
}

fn status_of(error: MultiError, target: &Target) -> Status {
    match error {
        MultiError::Start(error) => status::multi_operation(Some(error::of_call(error, target)), None),
        MultiError::Update { started: true, error } => {
            status::multi_operation(Some(Status::ok("")), Some(error::of_call(error, target)))
        }
        // The run closed twice under the update; a later call may find it closed for good, and start another.
        MultiError::Update { started: false, error: error @ Error::UpdateAborted } => {
            status::multi_operation(None, Some(Status::aborted(error.to_string())))
        }
        MultiError::Update { started: false, error } => {
            status::multi_operation(None, Some(error::of_call(error, target)))
        }
    }
}

#[cfg(test)]
mod tests {
    use perdure_engine::Reject;
    use perdure_proto::{
        api::{
            errordetails::MultiOperationExecutionFailure,
            workflowservice::execute_multi_operation_request::Operation as Item,
        },
        google::rpc,
    };
    use perdure_storage::WorkflowKey;
    use prost::Message;
    use tonic::Code;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn only_a_start_and_an_update() {
        let start = || Some(Operation::StartWorkflow(StartWorkflowExecutionRequest::default()));
        let update = || Some(Operation::UpdateWorkflow(UpdateWorkflowExecutionRequest::default()));
        let cases = [
            (vec![], false),
            (vec![start()], false),
            (vec![update(), start()], false),
            (vec![start(), start()], false),
            (vec![start(), update(), update()], false),
            (vec![None, None], false),
            (vec![start(), update()], true),
        ];
        for (given, allowed) in cases {
            let items = given.into_iter().map(|operation| Item { operation }).collect();
            let request = ExecuteMultiOperationRequest { operations: items, ..Default::default() };
            assert_eq!(operations(request).is_ok(), allowed);
        }
    }

    #[test]
    fn the_code_is_the_one_of_the_operation_to_blame() {
        let closed = || Error::Reject(Reject::WorkflowClosed);
        let refused = |started| MultiError::Update { started, error: closed() };
        let again = MultiError::Update { started: false, error: Error::UpdateAborted };
        let cases = [
            (MultiError::Start(Error::Unavailable), Code::Unavailable, [Code::Unavailable, Code::Aborted]),
            (refused(false), Code::NotFound, [Code::Aborted, Code::NotFound]),
            (refused(true), Code::NotFound, [Code::Ok, Code::NotFound]),
            (again, Code::Aborted, [Code::Aborted, Code::Aborted]),
        ];
        for (error, code, each) in cases {
            let target = Target { workflow: WorkflowKey::new(Uuid::nil(), "w"), run_id: None };
            let status = status_of(error, &target);
            assert_eq!(status.code(), code);
            let details = rpc::Status::decode(status.details()).unwrap().details;
            let detail = MultiOperationExecutionFailure::decode(details[0].value.as_slice()).unwrap();
            assert_eq!(detail.statuses.iter().map(|status| Code::from(status.code)).collect::<Vec<_>>(), each);
        }
    }
}
