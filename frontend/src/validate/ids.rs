//! Ids and names: set, not too long, and free of NUL bytes, which PostgreSQL cannot store.

use perdure_history::Target;
use perdure_proto::api::common::WorkflowExecution;
use perdure_storage::WorkflowKey;
use tonic::Status;
use uuid::Uuid;

use crate::{limits::FrontendLimits, status::invalid};

pub(crate) fn workflow_id(id: &str, limits: &FrontendLimits) -> Result<(), Status> {
    if id.is_empty() {
        return Err(invalid("WorkflowId is not set on request."));
    }
    let (length, limit) = (id.len(), limits.runs.id_length);
    if length > limit {
        return Err(invalid(format!("WorkflowId exceeds maximum allowed length ({length}/{limit})")));
    }
    no_nul("WorkflowId", id)
}

/// Of something that may be left out.
pub(crate) fn optional(name: &str, value: &str, limits: &FrontendLimits) -> Result<(), Status> {
    if value.len() > limits.runs.id_length {
        return Err(invalid(format!("{name} length exceeds limit.")));
    }
    no_nul(name, value)
}

pub(crate) fn required(name: &str, value: &str, limits: &FrontendLimits) -> Result<(), Status> {
    if value.is_empty() {
        return Err(invalid(format!("{name} is not set on request.")));
    }
    optional(name, value, limits)
}

/// Of calls about activity executions, whose texts are others.
pub(crate) fn limited(name: &str, value: &str, limits: &FrontendLimits) -> Result<(), Status> {
    within(name, value, limits.runs.id_length)
}

/// The same for what has a limit of its own.
pub(crate) fn within(name: &str, value: &str, limit: usize) -> Result<(), Status> {
    let length = value.len();
    if length > limit {
        return Err(invalid(format!("{name} exceeds length limit. Length={length} Limit={limit}")));
    }
    no_nul(name, value)
}

pub(crate) fn no_nul(name: &str, value: &str) -> Result<(), Status> {
    if value.contains('\0') {
        return Err(invalid(format!("{name} must not contain a NUL byte.")));
    }
    Ok(())
}

/// None where it is empty.
pub(crate) fn optional_run_id(run_id: &str, refusal: &str) -> Result<Option<Uuid>, Status> {
    if run_id.is_empty() {
        return Ok(None);
    }
    Uuid::parse_str(run_id).map(Some).map_err(|_| invalid(refusal))
}

/// The run that a request names. An id that is too long for any workflow is not refused here: none will be found.
pub(crate) fn execution(namespace_id: Uuid, execution: Option<&WorkflowExecution>) -> Result<Target, Status> {
    let execution = execution.ok_or_else(|| invalid("Execution is not set on request."))?;
    if execution.workflow_id.is_empty() {
        return Err(invalid("WorkflowId is not set on request."));
    }
    no_nul("WorkflowId", &execution.workflow_id)?;
    let run_id = optional_run_id(&execution.run_id, "Invalid RunId.")?;
    Ok(Target { workflow: WorkflowKey::new(namespace_id, execution.workflow_id.as_str()), run_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(result: Result<(), Status>) -> String {
        result.map_or_else(|status| status.message().to_owned(), |()| "ok".to_owned())
    }

    #[test]
    fn ids() {
        let limits = &FrontendLimits::default();
        let long = "x".repeat(1001);
        assert_eq!(text(workflow_id("", limits)), "WorkflowId is not set on request.");
        assert_eq!(text(workflow_id(&long, limits)), "WorkflowId exceeds maximum allowed length (1001/1000)");
        assert_eq!(text(workflow_id("a\0b", limits)), "WorkflowId must not contain a NUL byte.");
        assert_eq!(text(workflow_id(&long[1..], limits)), "ok");
        assert_eq!(text(required("SignalName", "", limits)), "SignalName is not set on request.");
        assert_eq!(text(required("SignalName", &long, limits)), "SignalName length exceeds limit.");
        assert_eq!(text(optional("Identity", "", limits)), "ok");
        assert_eq!(text(optional("Identity", "\0", limits)), "Identity must not contain a NUL byte.");
        let mut short = FrontendLimits::default();
        short.runs.id_length = 4;
        assert_eq!(text(workflow_id("12345", &short)), "WorkflowId exceeds maximum allowed length (5/4)");
        assert_eq!(text(optional("Identity", "12345", &short)), "Identity length exceeds limit.");
        assert_eq!(text(limited("identity", "12345", &short)), "identity exceeds length limit. Length=5 Limit=4");
    }

    #[test]
    fn executions() {
        let namespace = Uuid::nil();
        let of = |workflow_id: &str, run_id: &str| WorkflowExecution {
            workflow_id: workflow_id.to_owned(),
            run_id: run_id.to_owned(),
        };
        let text = |execution_: Option<WorkflowExecution>| text(execution(namespace, execution_.as_ref()).map(|_| ()));
        assert_eq!(text(None), "Execution is not set on request.");
        assert_eq!(text(Some(of("", ""))), "WorkflowId is not set on request.");
        assert_eq!(text(Some(of("w", "not-a-uuid"))), "Invalid RunId.");
        assert_eq!(text(Some(of(&"x".repeat(1001), ""))), "ok");
        assert_eq!(text(Some(of("w\0", ""))), "WorkflowId must not contain a NUL byte.");
        let target = execution(namespace, Some(&of("w", "0f000000-0000-4000-8000-000000000000"))).unwrap();
        assert_eq!(target.run_id.unwrap().to_string(), "0f000000-0000-4000-8000-000000000000");
    }
}
