//! From what history and the engine refuse to what clients see.
//!
//! A text of an engine reject is meant for clients. Nothing else that went wrong inside is shown.

use perdure_engine::{Archetype, Reject};
use perdure_history::{Error, Target};
use perdure_proto::api::{
    enums::ResourceExhaustedCause,
    errordetails::{
        ActivityExecutionAlreadyStartedFailure, NexusOperationExecutionAlreadyStartedFailure,
        WorkflowExecutionAlreadyStartedFailure,
    },
};
use perdure_storage::{StoreError, WorkflowKey};
use tonic::Status;

use crate::status;

/// Of a call that was for one run or workflow id.
pub(crate) fn of_call(error: Error, target: &Target) -> Status {
    let workflow_id = &target.workflow.workflow_id;
    if target.workflow.archetype == Archetype::Activity {
        return of_activity(error, workflow_id);
    }
    if target.workflow.archetype == Archetype::NexusOperation {
        return of_nexus_operation(error, workflow_id);
    }
    if target.workflow.archetype == Archetype::Schedule {
        return of_schedule(error, target);
    }
    match (error, target.run_id) {
        (Error::RunNotFound, Some(run_id)) => status::not_found(format!(
            "workflow execution not found for workflow ID \"{workflow_id}\" and run ID \"{run_id}\""
        )),
        (Error::WorkflowNotFound | Error::RunNotFound, _) => {
            status::not_found(format!("workflow not found for ID: {workflow_id}"))
        }
        (Error::Reject(reject), _) => of_reject(reject),
        (Error::Busy(message), _) => busy(message),
        (Error::Unavailable, _) => status::unavailable(),
        (Error::Timeout, _) => status::deadline_exceeded(),
        (Error::QueryFailed { message, failure }, _) => status::query_failed(message, failure.map(|failure| *failure)),
        (error @ (Error::QueryRejected(_) | Error::UpdateNotFound | Error::UpdateAborted), _) => {
            status::not_found(error.to_string())
        }
    }
}

/// Of a call that was for a schedule: on Temporal's server a workflow with such an id.
fn of_schedule(error: Error, target: &Target) -> Status {
    let workflow = WorkflowKey::new(
        target.workflow.namespace_id,
        format!("temporal-sys-scheduler:{}", target.workflow.workflow_id),
    );
    of_call(error, &Target { workflow, run_id: None })
}

/// Of a call that was for a Nexus operation of its own.
fn of_nexus_operation(error: Error, operation_id: &str) -> Status {
    match error {
        Error::Reject(Reject::AlreadyStarted { message, start_request_id, run_id, .. }) => {
            let detail = NexusOperationExecutionAlreadyStartedFailure { start_request_id, run_id };
            status::nexus_operation_already_started(message, &detail)
        }
        error => of_standalone(error, "nexus operation", operation_id),
    }
}

/// Of a call that was for an activity of its own.
fn of_activity(error: Error, activity_id: &str) -> Status {
    match error {
        Error::Reject(Reject::AlreadyStarted { message, start_request_id, run_id, .. }) => {
            status::activity_already_started(
                message,
                &ActivityExecutionAlreadyStartedFailure { start_request_id, run_id },
            )
        }
        error => of_standalone(error, "activity", activity_id),
    }
}

fn of_standalone(error: Error, what: &str, id: &str) -> Status {
    match error {
        Error::Reject(reject) => of_reject(reject),
        Error::Busy(message) => busy(message),
        Error::Unavailable => status::unavailable(),
        Error::Timeout => status::deadline_exceeded(),
        // The others are about workflows.
        Error::RunNotFound
        | Error::WorkflowNotFound
        | Error::QueryFailed { .. }
        | Error::QueryRejected(_)
        | Error::UpdateNotFound
        | Error::UpdateAborted => status::not_found(format!("{what} not found for ID: {id}")),
    }
}

fn busy(message: String) -> Status {
    status::resource_exhausted(message, ResourceExhaustedCause::SystemOverloaded)
}

fn of_reject(reject: Reject) -> Status {
    let message = reject.to_string();
    match reject {
        Reject::WorkflowClosed
        | Reject::WorkflowTaskNotFound
        | Reject::WorkflowTaskHeartbeatTimeout
        | Reject::ActivityGone
        | Reject::ActivityIdNotFound(_)
        | Reject::NotFound(_)
        | Reject::StaleTask
        | Reject::NotAwaited => status::not_found(message),
        Reject::InvalidArgument(_) => status::invalid(message),
        Reject::FailedPrecondition(_) => status::failed_precondition(message),
        Reject::WorkflowNotReady(_) => status::workflow_not_ready(message),
        Reject::BusyWorkflow(_) => status::resource_exhausted(message, ResourceExhaustedCause::BusyWorkflow),
        Reject::ConcurrentLimit(_) => status::resource_exhausted(message, ResourceExhaustedCause::ConcurrentLimit),
        // A bug or a damaged database: nothing that the caller should know more of.
        Reject::Corrupt(reason) => {
            tracing::error!(%reason, "a run's state is corrupt");
            Status::internal("internal error")
        }
        Reject::AlreadyStarted { start_request_id, run_id, first_execution_run_id, .. } => {
            let detail = WorkflowExecutionAlreadyStartedFailure { start_request_id, run_id, first_execution_run_id };
            status::already_started(message, &detail)
        }
    }
}

/// Of a read or an administrative write.
pub(crate) fn of_store(error: StoreError) -> Status {
    tracing::warn!(%error, "the store failed");
    status::unavailable()
}

#[cfg(test)]
mod tests {
    use perdure_storage::WorkflowKey;
    use tonic::Code;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn errors_of_calls() {
        let run = Uuid::from_u128(7);
        let cases = [
            (None, Error::WorkflowNotFound, Code::NotFound, "workflow not found for ID: w".to_owned()),
            (Some(run), Error::WorkflowNotFound, Code::NotFound, "workflow not found for ID: w".to_owned()),
            (
                Some(run),
                Error::RunNotFound,
                Code::NotFound,
                format!("workflow execution not found for workflow ID \"w\" and run ID \"{run}\""),
            ),
            (None, Error::Busy("busy".into()), Code::ResourceExhausted, "busy".to_owned()),
            (None, Error::Timeout, Code::DeadlineExceeded, "Deadline Exceeded".to_owned()),
            (None, Error::UpdateAborted, Code::NotFound, "workflow update was aborted by closing workflow".to_owned()),
            (None, Reject::BusyWorkflow("closing".into()).into(), Code::ResourceExhausted, "closing".to_owned()),
            (None, Reject::WorkflowNotReady("wait".into()).into(), Code::FailedPrecondition, "wait".to_owned()),
        ];
        for (run_id, error, code, message) in cases {
            let target = Target { workflow: WorkflowKey::new(Uuid::nil(), "w"), run_id };
            let status = of_call(error, &target);
            assert_eq!((status.code(), status.message()), (code, message.as_str()));
        }
    }

    /// SDKs try these codes again without end: a mistake of the caller must not have one.
    #[test]
    fn mistakes_are_not_retried() {
        let retried =
            [Code::Unknown, Code::Internal, Code::Unavailable, Code::Aborted, Code::OutOfRange, Code::DataLoss];
        let text = String::new;
        let rejects = [
            Reject::WorkflowClosed,
            Reject::WorkflowTaskNotFound,
            Reject::WorkflowTaskHeartbeatTimeout,
            Reject::ActivityGone,
            Reject::ActivityIdNotFound(text()),
            Reject::NotFound(text()),
            Reject::InvalidArgument(text()),
            Reject::FailedPrecondition(text()),
            Reject::WorkflowNotReady(text()),
            Reject::StaleTask,
            Reject::NotAwaited,
        ];
        for reject in rejects {
            let code = of_reject(reject.clone()).code();
            assert!(!retried.contains(&code) && code != Code::ResourceExhausted, "{reject:?}: {code:?}");
        }
    }
}
