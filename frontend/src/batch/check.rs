//! What is checked of a batch operation before it starts.

use perdure_proto::api::{
    batch,
    common::Execution,
    enums::{BatchOperationType as Type, ExecutionType, ResetType},
    workflowservice::{StartBatchOperationRequest, start_batch_operation_request::Operation},
};
use tonic::Status;

use crate::{limits::FrontendLimits, status::invalid, validate::ids};

const EITHER: &str = "Either activity type must be set, or match all should be set to true";

pub(super) fn check(request: &StartBatchOperationRequest, limits: &FrontendLimits) -> Result<(), Status> {
    let operation = request.operation.as_ref();
    let selectors =
        [!request.visibility_query.is_empty(), !executions(request).is_empty(), !request.target_executions.is_empty()];
    let selectors = selectors.into_iter().filter(|given| *given).count();
    let Some(operation) = operation.filter(|_| !request.reason.is_empty() && selectors > 0) else {
        return Err(invalid(
            "must provide required parameters: BatchType,Reason,Namespace, AND one of (Query OR Executions OR \
             TargetExecutions)",
        ));
    };
    ids::required("JobId", &request.job_id, limits).map_err(|error| match request.job_id.is_empty() {
        true => error,
        false => invalid("WorkflowId exceeds length limit."),
    })?;
    if selectors > 1 {
        return Err(invalid("visibility query, executions, and target executions are mutually exclusive"));
    }
    let wanted = execution_type(operation);
    for (at, execution) in request.target_executions.iter().enumerate() {
        if execution.r#type() != wanted {
            return Err(invalid(format!(
                "target_executions[{at}] has type {}, but the operation requires {}",
                execution.r#type().as_str_name(),
                wanted.as_str_name()
            )));
        }
    }
    self::operation(operation)
}

fn executions(request: &StartBatchOperationRequest) -> &[perdure_proto::api::common::WorkflowExecution] {
    &request.executions
}

fn operation(operation: &Operation) -> Result<(), Status> {
    match operation {
        Operation::TerminationOperation(_)
        | Operation::CancellationOperation(_)
        | Operation::DeletionOperation(_)
        | Operation::CancelActivitiesOperation(_)
        | Operation::TerminateActivitiesOperation(_)
        | Operation::DeleteActivitiesOperation(_) => Ok(()),
        Operation::SignalOperation(signal) if signal.signal.is_empty() => Err(invalid("must provide signal name")),
        Operation::SignalOperation(_) => Ok(()),
        Operation::ResetOperation(reset) => self::reset(reset),
        Operation::UpdateWorkflowOptionsOperation(update) => {
            if update.workflow_execution_options.is_none() {
                Err(invalid("must provide UpdateOptions"))
            } else if update.update_mask.is_none() {
                Err(invalid("must provide UpdateMask"))
            } else {
                Ok(())
            }
        }
        Operation::UnpauseActivitiesOperation(unpause) => {
            use batch::batch_operation_unpause_activities::Activity;
            let activity = unpause.activity.as_ref().ok_or_else(|| invalid("activity filter must be set"))?;
            either(match activity {
                Activity::Type(name) => !name.is_empty(),
                Activity::MatchAll(all) => *all,
            })
        }
        Operation::ResetActivitiesOperation(reset) => {
            use batch::batch_operation_reset_activities::Activity;
            let activity = reset.activity.as_ref().ok_or_else(|| invalid("must provide ActivityType or MatchAll"))?;
            either(match activity {
                Activity::Type(name) => !name.is_empty(),
                Activity::MatchAll(all) => *all,
            })
        }
        Operation::UpdateActivityOptionsOperation(update) => options(update),
    }
}

fn options(update: &batch::BatchOperationUpdateActivityOptions) -> Result<(), Status> {
    use batch::batch_operation_update_activity_options::Activity;
    match (update.activity_options.is_some(), update.restore_original) {
        (true, true) => return Err(invalid("cannot set both activity options and restore original")),
        (false, false) => {
            return Err(invalid("Either activity type must be set, or restore original should be set to true"));
        }
        _ => {}
    }
    either(match &update.activity {
        Some(Activity::Type(name)) => !name.is_empty(),
        Some(Activity::MatchAll(all)) => *all,
        None => false,
    })
}

fn either(set: bool) -> Result<(), Status> {
    if set { Ok(()) } else { Err(invalid(EITHER)) }
}

fn reset(reset: &batch::BatchOperationReset) -> Result<(), Status> {
    match &reset.options {
        Some(options) if options.target.is_none() => Err(invalid("batch reset missing target")),
        Some(_) => Ok(()),
        None => match ResetType::try_from(reset.reset_type) {
            Ok(ResetType::Unspecified) | Err(_) => {
                Err(invalid(format!("unknown batch reset type {}", reset.reset_type)))
            }
            Ok(_) => Ok(()),
        },
    }
}

pub(super) fn execution_type(operation: &Operation) -> ExecutionType {
    match operation {
        Operation::CancelActivitiesOperation(_)
        | Operation::TerminateActivitiesOperation(_)
        | Operation::DeleteActivitiesOperation(_) => ExecutionType::Activity,
        _ => ExecutionType::Workflow,
    }
}

/// The executions that the request names, in their newest form; empty: it has a query.
pub(super) fn targets(request: &StartBatchOperationRequest) -> Vec<Execution> {
    if !request.target_executions.is_empty() {
        return request.target_executions.clone();
    }
    let kind = request.operation.as_ref().map_or(ExecutionType::Workflow, execution_type);
    let named = executions(request).iter();
    named
        .map(|execution| Execution {
            r#type: kind.into(),
            business_id: execution.workflow_id.clone(),
            run_id: execution.run_id.clone(),
        })
        .collect()
}

/// As descriptions and lists call it: those of workflows by their older names, which all clients know.
pub(super) fn operation_type(operation: &Operation) -> Type {
    match operation {
        Operation::TerminationOperation(_) => Type::Terminate,
        Operation::CancellationOperation(_) => Type::Cancel,
        Operation::SignalOperation(_) => Type::Signal,
        Operation::DeletionOperation(_) => Type::Delete,
        Operation::ResetOperation(_) => Type::Reset,
        Operation::UpdateWorkflowOptionsOperation(_) => Type::UpdateExecutionOptions,
        Operation::UnpauseActivitiesOperation(_) => Type::UnpauseActivity,
        Operation::UpdateActivityOptionsOperation(_) => Type::UpdateActivityOptions,
        Operation::ResetActivitiesOperation(_) => Type::ResetActivity,
        Operation::CancelActivitiesOperation(_) => Type::CancelActivity,
        Operation::TerminateActivitiesOperation(_) => Type::TerminateActivity,
        Operation::DeleteActivitiesOperation(_) => Type::DeleteActivity,
    }
}

pub(super) fn identity(operation: &Operation) -> &str {
    match operation {
        Operation::TerminationOperation(operation) => &operation.identity,
        Operation::CancellationOperation(operation) => &operation.identity,
        Operation::SignalOperation(operation) => &operation.identity,
        Operation::DeletionOperation(operation) => &operation.identity,
        Operation::ResetOperation(operation) => &operation.identity,
        Operation::UpdateWorkflowOptionsOperation(operation) => &operation.identity,
        Operation::UnpauseActivitiesOperation(operation) => &operation.identity,
        Operation::UpdateActivityOptionsOperation(operation) => &operation.identity,
        Operation::ResetActivitiesOperation(operation) => &operation.identity,
        Operation::CancelActivitiesOperation(operation) => &operation.identity,
        Operation::TerminateActivitiesOperation(operation) => &operation.identity,
        Operation::DeleteActivitiesOperation(_) => "",
    }
}
