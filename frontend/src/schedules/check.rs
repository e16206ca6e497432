//! What is checked of a schedule before it is stored.

use perdure_engine::{normalized_override, schedule::Spec, validate};
use perdure_history::Target;
use perdure_proto::api::{
    common::{Memo, SearchAttributes},
    enums::WorkflowIdReusePolicy,
    schedule::{Schedule, SchedulePatch, schedule_action::Action},
    workflow::NewWorkflowExecutionInfo,
};
use perdure_storage::WorkflowKey;
use tonic::Status;
use uuid::Uuid;

use crate::{
    limits::FrontendLimits,
    namespaces::AuthorizedNamespace,
    status::invalid,
    validate::{ids, search_attributes, sizes, task_queue},
};

/// On Temporal's server a schedule is a workflow whose id begins with this; texts and lengths count it.
pub(super) const ID_PREFIX: &str = "temporal-sys-scheduler:";
/// What is added to the workflow id of an action.
const TIMESTAMP: &str = "-2009-11-10T23:00:00Z";

/// The schedule that a request names. One that is too long for any schedule is not found.
pub(super) fn target(namespace_id: Uuid, schedule_id: &str) -> Result<Target, Status> {
    if schedule_id.is_empty() {
        return Err(invalid("Can't load workflow execution.  WorkflowId not set."));
    }
    ids::no_nul("ScheduleId", schedule_id)?;
    Ok(Target { workflow: key(namespace_id, schedule_id), run_id: None })
}

pub(super) fn key(namespace_id: Uuid, schedule_id: &str) -> WorkflowKey {
    WorkflowKey::of(perdure_engine::Archetype::Schedule, namespace_id, schedule_id)
}

/// Of a new one.
pub(super) fn new_id(schedule_id: &str, limits: &FrontendLimits) -> Result<(), Status> {
    if schedule_id.is_empty() {
        return Err(invalid("Can't load workflow execution.  WorkflowId not set."));
    }
    let (length, limit) = (ID_PREFIX.len() + schedule_id.len(), limits.runs.id_length);
    if length > limit {
        return Err(invalid(format!("WorkflowId exceeds maximum allowed length ({length}/{limit})")));
    }
    ids::no_nul("ScheduleId", schedule_id)
}

/// Brings the specification into canonical form and checks everything else.
pub(super) fn schedule(mut schedule: Schedule, namespace: &AuthorizedNamespace) -> Result<Schedule, Status> {
    let spec = Spec::new(&schedule.spec.take().unwrap_or_default())
        .map_err(|reason| invalid(format!("Invalid schedule spec: {reason}")))?;
    schedule.spec = Some(spec.canonical().clone());
    if let Some(Action::StartWorkflow(workflow)) = schedule.action.as_mut().and_then(|action| action.action.as_mut()) {
        self::workflow(workflow, namespace)?;
    }
    Ok(schedule)
}

fn workflow(workflow: &mut NewWorkflowExecutionInfo, namespace: &AuthorizedNamespace) -> Result<(), Status> {
    let limits = namespace.limits();
    ids::workflow_id(&format!("{}{TIMESTAMP}", workflow.workflow_id), limits)?;
    ids::required("WorkflowType", workflow.workflow_type.as_ref().map_or("", |kind| kind.name.as_str()), limits)?;
    task_queue::check_user_defined(workflow.task_queue.as_ref(), limits)?;
    let timeouts = [
        ("WorkflowExecutionTimeoutSeconds", &workflow.workflow_execution_timeout),
        ("WorkflowRunTimeoutSeconds", &workflow.workflow_run_timeout),
        ("WorkflowTaskTimeoutSeconds", &workflow.workflow_task_timeout),
    ];
    for (name, timeout) in timeouts {
        validate::duration(timeout.as_ref())
            .map_err(|cause| invalid(format!("An invalid {name} is set on request. cause: {cause}")))?;
    }
    if !workflow.cron_schedule.is_empty() {
        return Err(invalid("Scheduled workflow must not contain CronSchedule"));
    }
    let reuse = workflow.workflow_id_reuse_policy();
    if !matches!(reuse, WorkflowIdReusePolicy::Unspecified | WorkflowIdReusePolicy::AllowDuplicate) {
        return Err(invalid("Scheduled workflow must have \"allow duplicate\" workflow id reuse policy"));
    }
    if let Some(set) = workflow.versioning_override.take() {
        workflow.versioning_override = Some(normalized_override(set).map_err(invalid)?);
    }
    if let Some(policy) = workflow.retry_policy.clone() {
        let policy = perdure_engine::retry::with_defaults(policy, &limits.runs.default_workflow_retry);
        perdure_engine::retry::validated(policy).map_err(invalid)?;
    }
    validate::priority(workflow.priority.as_ref()).map_err(invalid)?;
    sizes::user_metadata(workflow.user_metadata.as_ref(), limits)?;
    match &mut workflow.search_attributes {
        Some(attributes) => search_attributes::check(attributes, namespace),
        None => Ok(()),
    }
}

/// Sizes of what is stored with a schedule.
pub(super) fn sizes(
    schedule: &Schedule,
    patch: Option<&SchedulePatch>,
    memo: Option<&Memo>,
    limits: &FrontendLimits,
) -> Result<(), Status> {
    sizes::blob(Some(schedule), limits)?;
    sizes::blob(patch, limits)?;
    sizes::memo(memo, limits)
}

pub(super) fn search_attributes(
    attributes: Option<&mut SearchAttributes>,
    namespace: &AuthorizedNamespace,
) -> Result<(), Status> {
    attributes.map_or(Ok(()), |attributes| search_attributes::check(attributes, namespace))
}

/// A backfill is a range of time.
pub(super) fn patch(patch: &SchedulePatch) -> Result<(), Status> {
    for request in &patch.backfill_request {
        if request.start_time.is_none() || request.end_time.is_none() {
            return Err(invalid("BackfillRequest must have a StartTime and an EndTime."));
        }
    }
    Ok(())
}
