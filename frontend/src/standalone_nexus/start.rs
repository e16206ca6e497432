//! The start of a Nexus operation of its own: checked, with defaults filled in, as the engine takes it.

use perdure_engine::{
    BadNexusHeader, Nanos, Start, input::StartKind, nexus_header, standalone_nexus::NewNexusOperation, validate,
};
use perdure_proto::api::{
    common::OnConflictOptions,
    enums::{
        NexusOperationIdConflictPolicy, NexusOperationIdReusePolicy, WorkflowIdConflictPolicy as Conflict,
        WorkflowIdReusePolicy as Reuse,
    },
    workflowservice::{StartNexusOperationExecutionRequest, StartNexusOperationExecutionResponse},
};
use prost::Message;
use prost_types::Duration;
use tonic::Status;

use super::target;
use crate::{
    Frontend,
    call::Call,
    control::or_new,
    error,
    limits::FrontendLimits,
    namespaces::AuthorizedNamespace,
    status::{self, invalid},
    validate::{callbacks, ids, links, search_attributes, sizes},
};

impl Frontend {
    pub(crate) async fn start_nexus_operation(
        &self,
        _call: &Call,
        request: StartNexusOperationExecutionRequest,
    ) -> Result<StartNexusOperationExecutionResponse, Status> {
        let namespace = self.namespace_for_start(&request.namespace)?;
        let (start, mut operation) = checked(request, &namespace)?;
        let target = target(&namespace, &start.workflow_id, "")?;
        let Some(endpoint) = self.nexus_endpoints.by_name(&operation.endpoint) else {
            return Err(status::not_found(format!("could not find Nexus endpoint by name: {}", operation.endpoint)));
        };
        operation.endpoint_id.clone_from(&endpoint.id);
        let start = Start { kind: StartKind::NexusOperation(Box::new(operation)), ..start };
        let started = self.history.start(start).await.map_err(|error| error::of_call(error, &target))?;
        Ok(StartNexusOperationExecutionResponse { run_id: started.reply.run_id, started: started.reply.started })
    }
}

/// Checks in the order of the real server. The endpoint's id is still open.
fn checked(
    mut request: StartNexusOperationExecutionRequest,
    namespace: &AuthorizedNamespace,
) -> Result<(Start, NewNexusOperation), Status> {
    let limits = namespace.limits();
    ids::limited("request_id", &request.request_id, limits)?;
    target(namespace, &request.operation_id, "")?;
    ids::limited("identity", &request.identity, limits)?;
    check_target(&request, limits)?;
    let timeouts = Timeouts::of(&request, limits.runs.nexus_schedule_to_close_max)?;
    let (size, limit) = (request.input.as_ref().map_or(0, Message::encoded_len), limits.runs.blob_size);
    if size as i64 > limit {
        return Err(invalid(format!("input exceeds size limit. Length={size} Limit={limit}")));
    }
    sizes::user_metadata(request.user_metadata.as_ref(), limits)?;
    let nexus_header =
        nexus_header(std::mem::take(&mut request.nexus_header), &limits.runs).map_err(|bad| match bad {
            BadNexusHeader::Reserved(key) => invalid(format!("nexus_header contains a disallowed key: {key:?}")),
            BadNexusHeader::TooLarge => invalid("nexus_header exceeds size limit"),
        })?;
    if let Some(attributes) = &mut request.search_attributes {
        search_attributes::check(attributes, namespace)?;
    }
    let (reuse_policy, conflict_policy) = policies(&request)?;
    links::check(&request.links, limits)?;
    callbacks::check(&mut request.completion_callbacks, limits.runs.callbacks_standalone, "an execution", limits)?;
    let on_conflict = request.on_conflict_options.as_ref();
    if on_conflict.is_some_and(|options| options.attach_completion_callbacks && !options.attach_request_id) {
        return Err(invalid("on_conflict_options: attach_completion_callbacks requires attach_request_id to be set"));
    }
    let operation = NewNexusOperation {
        endpoint: request.endpoint,
        endpoint_id: String::new(),
        service: request.service,
        operation: request.operation,
        input: request.input,
        nexus_header,
        schedule_to_close: timeouts.schedule_to_close,
        schedule_to_start: timeouts.schedule_to_start,
        start_to_close: timeouts.start_to_close,
    };
    let start = Start {
        namespace_id: namespace.id().to_string(),
        namespace: namespace.name().to_string(),
        workflow_id: request.operation_id,
        request_id: or_new(request.request_id),
        identity: request.identity,
        reuse_policy,
        conflict_policy,
        search_attributes: request.search_attributes,
        user_metadata: request.user_metadata,
        links: request.links,
        completion_callbacks: request.completion_callbacks,
        on_conflict: on_conflict.map(|options| OnConflictOptions {
            attach_request_id: options.attach_request_id,
            attach_completion_callbacks: options.attach_completion_callbacks,
            attach_links: options.attach_links,
        }),
        ..Start::default()
    };
    Ok((start, operation))
}

fn check_target(request: &StartNexusOperationExecutionRequest, limits: &FrontendLimits) -> Result<(), Status> {
    let runs = &limits.runs;
    let named = [
        ("endpoint", &request.endpoint, runs.id_length),
        ("service", &request.service, runs.nexus_service_name),
        ("operation", &request.operation, runs.nexus_operation_name),
    ];
    for (name, value, limit) in named {
        if value.is_empty() {
            return Err(invalid(format!("{name} is required")));
        }
        ids::within(name, value, limit)?;
    }
    ids::no_nul("endpoint", &request.endpoint)
}

/// 0 is none.
struct Timeouts {
    schedule_to_close: Nanos,
    schedule_to_start: Nanos,
    start_to_close: Nanos,
}

impl Timeouts {
    /// The whole is no longer than `longest`, where that is not 0, and the parts no longer than the whole.
    fn of(request: &StartNexusOperationExecutionRequest, longest: Nanos) -> Result<Self, Status> {
        let checked = |value: Option<&Duration>, name: &str| {
            validate::duration(value).map_err(|error| invalid(format!("{name} is invalid: {error}")))
        };
        let asked = checked(request.schedule_to_close_timeout.as_ref(), "schedule_to_close_timeout")?;
        let schedule_to_close = if longest > 0 && (asked == 0 || asked > longest) { longest } else { asked };
        let schedule_to_start = checked(request.schedule_to_start_timeout.as_ref(), "schedule_to_start_timeout")?;
        let start_to_close = checked(request.start_to_close_timeout.as_ref(), "start_to_close_timeout")?;
        let within = |part: Nanos| if schedule_to_close > 0 { part.min(schedule_to_close) } else { part };
        Ok(Self {
            schedule_to_close,
            schedule_to_start: within(schedule_to_start),
            start_to_close: within(start_to_close),
        })
    }
}

/// The engine knows the policies of workflows, which are more.
fn policies(request: &StartNexusOperationExecutionRequest) -> Result<(Reuse, Conflict), Status> {
    let (reuse, conflict) = (request.id_reuse_policy, request.id_conflict_policy);
    let reuse = match NexusOperationIdReusePolicy::try_from(reuse) {
        Ok(NexusOperationIdReusePolicy::Unspecified | NexusOperationIdReusePolicy::AllowDuplicate) => {
            Reuse::AllowDuplicate
        }
        Ok(NexusOperationIdReusePolicy::AllowDuplicateFailedOnly) => Reuse::AllowDuplicateFailedOnly,
        Ok(NexusOperationIdReusePolicy::RejectDuplicate) => Reuse::RejectDuplicate,
        Err(_) => return Err(invalid(format!("unsupported ID reuse policy: {reuse}"))),
    };
    let conflict = match NexusOperationIdConflictPolicy::try_from(conflict) {
        Ok(NexusOperationIdConflictPolicy::Unspecified | NexusOperationIdConflictPolicy::Fail) => Conflict::Fail,
        Ok(NexusOperationIdConflictPolicy::UseExisting) => Conflict::UseExisting,
        Err(_) => return Err(invalid(format!("unsupported ID conflict policy: {conflict}"))),
    };
    Ok((reuse, conflict))
}
