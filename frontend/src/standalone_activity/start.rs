//! The start of an activity of its own: checked, with defaults filled in, as the engine takes it.

use perdure_engine::{
    Start,
    input::{ActivityTimeouts, StartKind},
    time::from_optional_duration,
    validate,
};
use perdure_proto::api::{
    activity::ActivityOptions,
    common::OnConflictOptions,
    enums::{
        ActivityIdConflictPolicy, ActivityIdReusePolicy, WorkflowIdConflictPolicy as Conflict,
        WorkflowIdReusePolicy as Reuse,
    },
    workflowservice::StartActivityExecutionRequest,
};
use tonic::Status;
use uuid::Uuid;

use crate::{
    limits::FrontendLimits,
    namespaces::AuthorizedNamespace,
    status::invalid,
    validate::{callbacks, ids, links, search_attributes, sizes, task_queue},
};

/// Checks in the order of the real server.
pub(super) fn checked(
    mut request: StartActivityExecutionRequest,
    namespace: &AuthorizedNamespace,
) -> Result<Start, Status> {
    let limits = namespace.limits();
    let start_delay = validate::duration(request.start_delay.as_ref())
        .map_err(|error| invalid(format!("invalid StartDelay: {error}")))?;
    let options = options(&mut request, limits)?;
    ids::limited("request ID", &request.request_id, limits)?;
    ids::limited("identity", &request.identity, limits)?;
    let (reuse_policy, conflict_policy) = policies(&request)?;
    if sizes::too_large(request.input.as_ref(), limits) {
        return Err(invalid("input exceeds length limit"));
    }
    sizes::user_metadata(request.user_metadata.as_ref(), limits)?;
    sizes::blob(request.header.as_ref(), limits)?;
    if let Some(attributes) = &mut request.search_attributes {
        search_attributes::check(attributes, namespace)?;
    }
    callbacks::check(&mut request.completion_callbacks, limits.runs.callbacks_standalone, "an execution", limits)?;
    links::check(&request.links, limits)?;
    on_conflict(&request)?;
    let request_id = if request.request_id.is_empty() { Uuid::new_v4().to_string() } else { request.request_id };
    Ok(Start {
        namespace_id: namespace.id().to_string(),
        namespace: namespace.name().to_string(),
        workflow_id: request.activity_id,
        request_id,
        workflow_type: request.activity_type.map(|kind| kind.name).unwrap_or_default(),
        task_queue: options.task_queue.map(|queue| queue.name).unwrap_or_default(),
        input: request.input,
        header: request.header,
        identity: request.identity,
        reuse_policy,
        conflict_policy,
        retry_policy: options.retry_policy,
        search_attributes: request.search_attributes,
        user_metadata: request.user_metadata,
        priority: request.priority,
        links: request.links,
        completion_callbacks: request.completion_callbacks,
        on_conflict: request.on_conflict_options.map(|options| OnConflictOptions {
            attach_request_id: options.attach_request_id,
            attach_completion_callbacks: options.attach_completion_callbacks,
            attach_links: options.attach_links,
        }),
        start_delay,
        kind: StartKind::Activity(ActivityTimeouts {
            schedule_to_close: from_optional_duration(options.schedule_to_close_timeout.as_ref()),
            schedule_to_start: from_optional_duration(options.schedule_to_start_timeout.as_ref()),
            start_to_close: from_optional_duration(options.start_to_close_timeout.as_ref()),
            heartbeat: from_optional_duration(options.heartbeat_timeout.as_ref()),
        }),
        ..Start::default()
    })
}

/// As they hold: with what follows from others, and with the default retry policy.
fn options(request: &mut StartActivityExecutionRequest, limits: &FrontendLimits) -> Result<ActivityOptions, Status> {
    task_queue::check_user_defined(request.task_queue.as_ref(), limits)?;
    let activity_type = request.activity_type.as_ref().map_or("", |kind| kind.name.as_str());
    ids::no_nul("ActivityId", &request.activity_id)?;
    ids::no_nul("ActivityType", activity_type)?;
    let options = ActivityOptions {
        task_queue: request.task_queue.take(),
        schedule_to_close_timeout: request.schedule_to_close_timeout,
        schedule_to_start_timeout: request.schedule_to_start_timeout,
        start_to_close_timeout: request.start_to_close_timeout,
        heartbeat_timeout: request.heartbeat_timeout,
        retry_policy: Some(request.retry_policy.take().unwrap_or_default()),
        priority: request.priority.clone(),
        start_delay: None,
    };
    perdure_engine::activity_options(&request.activity_id, activity_type, options, &limits.runs).map_err(invalid)
}

/// The engine knows the policies of workflows, which are more.
fn policies(request: &StartActivityExecutionRequest) -> Result<(Reuse, Conflict), Status> {
    let (reuse, conflict) = (request.id_reuse_policy, request.id_conflict_policy);
    let reuse = match ActivityIdReusePolicy::try_from(reuse) {
        Ok(ActivityIdReusePolicy::Unspecified | ActivityIdReusePolicy::AllowDuplicate) => Reuse::AllowDuplicate,
        Ok(ActivityIdReusePolicy::AllowDuplicateFailedOnly) => Reuse::AllowDuplicateFailedOnly,
        Ok(ActivityIdReusePolicy::RejectDuplicate) => Reuse::RejectDuplicate,
        Err(_) => return Err(invalid(format!("unsupported ID reuse policy: {reuse}"))),
    };
    let conflict = match ActivityIdConflictPolicy::try_from(conflict) {
        Ok(ActivityIdConflictPolicy::Unspecified | ActivityIdConflictPolicy::Fail) => Conflict::Fail,
        Ok(ActivityIdConflictPolicy::UseExisting) => Conflict::UseExisting,
        Err(_) => return Err(invalid(format!("unsupported ID conflict policy: {conflict}"))),
    };
    Ok((reuse, conflict))
}

fn on_conflict(request: &StartActivityExecutionRequest) -> Result<(), Status> {
    let Some(options) = &request.on_conflict_options else { return Ok(()) };
    if options.attach_completion_callbacks && !options.attach_request_id {
        let text = "on_conflict_options: attach_completion_callbacks requires attach_request_id to be set";
        return Err(invalid(text));
    }
    if options.attach_request_id && request.links.is_empty() && request.completion_callbacks.is_empty() {
        let text = "on_conflict_options: attach_request_id requires at least one completion callback or link";
        return Err(invalid(text));
    }
    Ok(())
}
