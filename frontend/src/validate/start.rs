//! A start: checked, with defaults filled in, as the engine takes it.
//!
//! StartWorkflowExecution and SignalWithStartWorkflowExecution differ in the order of the checks and in some texts; the
//! rest is the same, so the second is a start with a signal.

use perdure_engine::{Nanos, Signal, Start, cron, normalized_override, retry, validate};
use perdure_proto::api::{
    common::{OnConflictOptions, RetryPolicy},
    enums::{WorkflowIdConflictPolicy as Conflict, WorkflowIdReusePolicy as Reuse},
    workflowservice::{SignalWithStartWorkflowExecutionRequest, StartWorkflowExecutionRequest},
};
use tonic::Status;
use uuid::Uuid;

use super::{callbacks, ids, links, search_attributes, sizes, task_queue};
use crate::{limits::FrontendLimits, namespaces::AuthorizedNamespace, status::invalid, time_skipping};

/// Checks in the order of StartWorkflowExecution.
pub(crate) fn start(
    mut request: StartWorkflowExecutionRequest,
    namespace: &AuthorizedNamespace,
    now: Nanos,
) -> Result<Start, Status> {
    let limits = namespace.limits();
    let policies = policies(&request)?;
    ids::workflow_id(&request.workflow_id, limits)?;
    request.retry_policy = retry_policy(request.retry_policy, limits)?;
    let start_delay = start_delay(&request)?;
    cron_schedule(&request.cron_schedule, now)?;
    ids::required("WorkflowType", type_name(&request), limits)?;
    task_queue::check_user_defined(request.task_queue.as_ref(), limits)?;
    let timeouts = timeouts(&request, limits)?;
    ids::optional("RequestId", &request.request_id, limits)?;
    check_policies(policies)?;
    if request
        .on_conflict_options
        .is_some_and(|options| options.attach_completion_callbacks && !options.attach_request_id)
    {
        return Err(invalid("attaching request ID is required for attaching completion callbacks"));
    }
    common(&mut request, namespace)?;
    callbacks::check(&mut request.completion_callbacks, limits.runs.callbacks, "a workflow", limits)?;
    links::check(&request.links, limits)?;
    // A callback's links are kept with it.
    request.links.retain(|link| !request.completion_callbacks.iter().any(|callback| callback.links.contains(link)));
    sizes(&request, limits)?;
    newest_override(&mut request)?;
    let conflict = if policies.1 == Conflict::Unspecified { Conflict::Fail } else { policies.1 };
    Ok(build(request, namespace, (policies.0, conflict), timeouts, start_delay))
}

/// Checks in the order of SignalWithStartWorkflowExecution.
pub(crate) fn signal_with_start(
    request: SignalWithStartWorkflowExecutionRequest,
    namespace: &AuthorizedNamespace,
    now: Nanos,
) -> Result<Start, Status> {
    let limits = namespace.limits();
    let (mut request, signal) = split(request);
    cron_schedule(&request.cron_schedule, now)?;
    ids::workflow_id(&request.workflow_id, limits)?;
    required_name("signal", "signal name", &signal.name, limits)?;
    required_name("workflow type", "workflow type name", type_name(&request), limits)?;
    task_queue::check_user_defined(request.task_queue.as_ref(), limits)?;
    too_long("Request ID", &request.request_id, limits)?;
    let timeouts = timeouts(&request, limits)?;
    request.retry_policy = retry_policy(request.retry_policy, limits)?;
    let start_delay = start_delay(&request)?;
    let policies = policies(&request)?;
    check_policies(policies)?;
    if policies.1 == Conflict::Fail {
        return Err(invalid(
            "Invalid WorkflowIDConflictPolicy: WORKFLOW_ID_CONFLICT_POLICY_FAIL is not supported for this operation.",
        ));
    }
    common(&mut request, namespace)?;
    links::check(&request.links, limits)?;
    sizes::blob(signal.input.as_ref(), limits)?;
    sizes(&request, limits)?;
    newest_override(&mut request)?;
    let conflict = if policies.1 == Conflict::Unspecified { Conflict::UseExisting } else { policies.1 };
    let mut start = build(request, namespace, (policies.0, conflict), timeouts, start_delay);
    start.signal = Some(Signal { request_id: start.request_id.clone(), ..signal });
    Ok(start)
}

fn split(request: SignalWithStartWorkflowExecutionRequest) -> (StartWorkflowExecutionRequest, Signal) {
    let signal = Signal {
        name: request.signal_name,
        input: request.signal_input,
        header: request.header.clone(),
        identity: request.identity.clone(),
        links: request.links.clone(),
        ..Default::default()
    };
    let start = StartWorkflowExecutionRequest {
        namespace: request.namespace,
        workflow_id: request.workflow_id,
        workflow_type: request.workflow_type,
        task_queue: request.task_queue,
        input: request.input,
        workflow_execution_timeout: request.workflow_execution_timeout,
        workflow_run_timeout: request.workflow_run_timeout,
        workflow_task_timeout: request.workflow_task_timeout,
        identity: request.identity,
        request_id: request.request_id,
        workflow_id_reuse_policy: request.workflow_id_reuse_policy,
        workflow_id_conflict_policy: request.workflow_id_conflict_policy,
        retry_policy: request.retry_policy,
        cron_schedule: request.cron_schedule,
        memo: request.memo,
        search_attributes: request.search_attributes,
        header: request.header,
        workflow_start_delay: request.workflow_start_delay,
        user_metadata: request.user_metadata,
        links: request.links,
        priority: request.priority,
        versioning_override: request.versioning_override,
        time_skipping_config: request.time_skipping_config,
        ..Default::default()
    };
    (start, signal)
}

fn type_name(request: &StartWorkflowExecutionRequest) -> &str {
    request.workflow_type.as_ref().map_or("", |kind| kind.name.as_str())
}

fn retry_policy(policy: Option<RetryPolicy>, limits: &FrontendLimits) -> Result<Option<RetryPolicy>, Status> {
    retry::for_workflow(policy, &limits.runs).map_err(invalid)
}

fn cron_schedule(schedule: &str, now: Nanos) -> Result<(), Status> {
    if schedule.is_empty() {
        return Ok(());
    }
    cron::validate(schedule, now).map_err(invalid)
}

fn start_delay(request: &StartWorkflowExecutionRequest) -> Result<Nanos, Status> {
    if !request.cron_schedule.is_empty() && request.workflow_start_delay.is_some() {
        return Err(invalid("CronSchedule and WorkflowStartDelay may not be used together."));
    }
    timeout("WorkflowStartDelaySeconds", request.workflow_start_delay.as_ref())
}

#[derive(Clone, Copy)]
struct Timeouts {
    /// None: left open. Some clients send zero instead, which is shown again as it was sent.
    execution: Option<Nanos>,
    run: Option<Nanos>,
    task: Nanos,
}

/// A run lives no longer than its chain, a workflow task no longer than its run.
fn timeouts(request: &StartWorkflowExecutionRequest, limits: &FrontendLimits) -> Result<Timeouts, Status> {
    let execution = timeout("WorkflowExecutionTimeoutSeconds", request.workflow_execution_timeout.as_ref())?;
    let run = timeout("WorkflowRunTimeoutSeconds", request.workflow_run_timeout.as_ref())?;
    let task = timeout("WorkflowTaskTimeoutSeconds", request.workflow_task_timeout.as_ref())?;
    let run = validate::run_timeout(run, execution);
    Ok(Timeouts {
        execution: request.workflow_execution_timeout.map(|_| execution),
        run: (request.workflow_run_timeout.is_some() || run > 0).then_some(run),
        task: validate::task_timeout(task, run, &limits.runs),
    })
}

fn timeout(name: &str, value: Option<&prost_types::Duration>) -> Result<Nanos, Status> {
    validate::duration(value).map_err(|cause| invalid(format!("An invalid {name} is set on request. cause: {cause}")))
}

/// A reuse policy without a meaning is the default one, as on the real server; a conflict policy without a meaning is
/// refused: the real server fails with INTERNAL where it matters.
fn policies(request: &StartWorkflowExecutionRequest) -> Result<(Reuse, Conflict), Status> {
    let (reuse, conflict) = (request.workflow_id_reuse_policy, request.workflow_id_conflict_policy);
    let reuse = Reuse::try_from(reuse).unwrap_or_default();
    let conflict =
        Conflict::try_from(conflict).map_err(|_| invalid(format!("unknown WorkflowIdConflictPolicy: {conflict}")))?;
    Ok((reuse, conflict))
}

fn check_policies((reuse, conflict): (Reuse, Conflict)) -> Result<(), Status> {
    match (reuse, conflict) {
        (Reuse::TerminateIfRunning, Conflict::Unspecified) => Ok(()),
        (Reuse::TerminateIfRunning, _) => Err(invalid(
            "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING cannot be used together with a \
             WorkflowIDConflictPolicy",
        )),
        (Reuse::RejectDuplicate, Conflict::TerminateExisting) => Err(invalid(
            "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE cannot be used together with \
             WorkflowIdConflictPolicy WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING",
        )),
        _ => Ok(()),
    }
}

/// Checks that both kinds make in the same order.
fn common(request: &mut StartWorkflowExecutionRequest, namespace: &AuthorizedNamespace) -> Result<(), Status> {
    time_skipping::check(request.time_skipping_config.as_ref())?;
    if let Some(attributes) = &mut request.search_attributes {
        search_attributes::check(attributes, namespace)?;
    }
    validate::priority(request.priority.as_ref()).map_err(invalid)?;
    ids::optional("Identity", &request.identity, namespace.limits())
}

fn newest_override(request: &mut StartWorkflowExecutionRequest) -> Result<(), Status> {
    let given = request.versioning_override.take();
    request.versioning_override = given.map(normalized_override).transpose().map_err(invalid)?;
    Ok(())
}

fn sizes(request: &StartWorkflowExecutionRequest, limits: &FrontendLimits) -> Result<(), Status> {
    sizes::blob(request.input.as_ref(), limits)?;
    sizes::memo(request.memo.as_ref(), limits)?;
    sizes::blob(request.header.as_ref(), limits)?;
    sizes::user_metadata(request.user_metadata.as_ref(), limits)
}

fn required_name(short: &str, long: &str, value: &str, limits: &FrontendLimits) -> Result<(), Status> {
    if value.is_empty() {
        return Err(invalid(format!("{short} not set")));
    }
    too_long(long, value, limits)
}

fn too_long(name: &str, value: &str, limits: &FrontendLimits) -> Result<(), Status> {
    let (length, limit) = (value.len(), limits.runs.id_length);
    if length > limit {
        return Err(invalid(format!("{name} exceeds maximum allowed length ({length}/{limit})")));
    }
    ids::no_nul(name, value)
}

fn build(
    request: StartWorkflowExecutionRequest,
    namespace: &AuthorizedNamespace,
    (reuse, conflict): (Reuse, Conflict),
    timeouts: Timeouts,
    start_delay: Nanos,
) -> Start {
    let (reuse_policy, conflict_policy) = match reuse {
        // The older way to ask for the policy on conflicts.
        Reuse::TerminateIfRunning => (Reuse::AllowDuplicate, Conflict::TerminateExisting),
        Reuse::Unspecified => (Reuse::AllowDuplicate, conflict),
        reuse => (reuse, conflict),
    };
    let request_id = if request.request_id.is_empty() { Uuid::new_v4().to_string() } else { request.request_id };
    Start {
        namespace_id: namespace.id().to_string(),
        namespace: namespace.name().to_string(),
        workflow_id: request.workflow_id,
        request_id,
        workflow_type: request.workflow_type.map(|kind| kind.name).unwrap_or_default(),
        task_queue: request.task_queue.map(|queue| queue.name).unwrap_or_default(),
        input: request.input,
        header: request.header,
        execution_timeout: timeouts.execution,
        run_timeout: timeouts.run,
        task_timeout: timeouts.task,
        identity: request.identity,
        reuse_policy,
        conflict_policy,
        retry_policy: request.retry_policy,
        cron_schedule: request.cron_schedule,
        memo: request.memo,
        search_attributes: request.search_attributes,
        user_metadata: request.user_metadata,
        priority: request.priority,
        links: request.links,
        completion_callbacks: request.completion_callbacks,
        start_delay,
        request_eager_execution: request.request_eager_execution,
        versioning_override: request.versioning_override,
        on_conflict: request.on_conflict_options.map(|options| OnConflictOptions {
            attach_request_id: options.attach_request_id,
            attach_completion_callbacks: options.attach_completion_callbacks,
            attach_links: options.attach_links,
        }),
        ..Default::default()
    }
}
