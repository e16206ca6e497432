//! What operators do to activities that are pending: the calls that name a workflow's activities, and the newer ones that
//! name an activity execution: without a workflow they mean one of its own.

use perdure_engine::{
    ActivityOperation, ActivitySelector, Archetype, Input, Jitter, OptionField, Reply,
    standalone_activity::ActivityControl, validate,
};
use perdure_history::Target;
use perdure_proto::api::{
    activity::ActivityOptions,
    common::WorkflowExecution,
    workflowservice::{
        PauseActivityExecutionRequest, PauseActivityExecutionResponse, PauseActivityRequest, PauseActivityResponse,
        ResetActivityExecutionRequest, ResetActivityExecutionResponse, ResetActivityRequest, ResetActivityResponse,
        UnpauseActivityExecutionRequest, UnpauseActivityExecutionResponse, UnpauseActivityRequest,
        UnpauseActivityResponse, UpdateActivityExecutionOptionsRequest, UpdateActivityExecutionOptionsResponse,
        UpdateActivityOptionsRequest, UpdateActivityOptionsResponse, pause_activity_request, reset_activity_request,
        unpause_activity_request, update_activity_options_request,
    },
};
use perdure_storage::WorkflowKey;
use prost_types::{Duration, FieldMask};
use tonic::Status;
use uuid::Uuid;

use crate::{
    Frontend, call::Call, control::or_new, limits::FrontendLimits, namespaces::AuthorizedNamespace,
    standalone_activity, status, validate::ids,
};

/// An activity execution as the newer calls name it.
struct Named<'a> {
    namespace: &'a str,
    workflow_id: &'a str,
    run_id: &'a str,
    activity_id: &'a str,
    identity: &'a str,
    request_id: &'a str,
}

/// It belongs to a workflow, or is one of its own.
struct Execution {
    namespace: AuthorizedNamespace,
    target: Target,
    activity_id: String,
}

/// The requests of the newer calls have these fields in common.
macro_rules! named {
    ($request:ident) => {
        Named {
            namespace: &$request.namespace,
            workflow_id: &$request.workflow_id,
            run_id: &$request.run_id,
            activity_id: &$request.activity_id,
            identity: &$request.identity,
            request_id: &$request.request_id,
        }
    };
}

impl Frontend {
    pub(crate) async fn pause_activity(
        &self,
        _call: &Call,
        request: PauseActivityRequest,
    ) -> Result<PauseActivityResponse, Status> {
        use pause_activity_request::Activity as A;
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let target = activities_of(&namespace, request.execution)?;
        let selector = match selected(request.activity)? {
            A::Id(id) => ActivitySelector::Id(id),
            A::Type(name) => ActivitySelector::Type(name),
        };
        ids::optional("Identity", &request.identity, namespace.limits())?;
        ids::optional("RequestId", &request.request_id, namespace.limits())?;
        let PauseActivityRequest { identity, reason, request_id, .. } = request;
        check_reason(&reason, namespace.limits())?;
        self.operate(&target, selector, ActivityOperation::Pause { identity, reason, request_id }).await?;
        Ok(PauseActivityResponse {})
    }

    pub(crate) async fn unpause_activity(
        &self,
        _call: &Call,
        request: UnpauseActivityRequest,
    ) -> Result<UnpauseActivityResponse, Status> {
        use unpause_activity_request::Activity as A;
        let target = activities_of(&self.namespaces.resolve(&request.namespace)?, request.execution)?;
        let selector = match selected(request.activity)? {
            A::Id(id) => ActivitySelector::Id(id),
            A::Type(name) => ActivitySelector::Type(name),
            A::UnpauseAll(_) => ActivitySelector::All,
        };
        let UnpauseActivityRequest { reset_attempts, reset_heartbeat, .. } = request;
        let jitter = jitter(request.jitter.as_ref())?;
        self.operate(&target, selector, ActivityOperation::Unpause { reset_attempts, reset_heartbeat, jitter }).await?;
        Ok(UnpauseActivityResponse {})
    }

    pub(crate) async fn reset_activity(
        &self,
        _call: &Call,
        request: ResetActivityRequest,
    ) -> Result<ResetActivityResponse, Status> {
        use reset_activity_request::Activity as A;
        let target = activities_of(&self.namespaces.resolve(&request.namespace)?, request.execution)?;
        let selector = match selected(request.activity)? {
            A::Id(id) => ActivitySelector::Id(id),
            A::Type(name) => ActivitySelector::Type(name),
            A::MatchAll(_) => ActivitySelector::All,
        };
        let operation = ActivityOperation::Reset {
            reset_heartbeat: request.reset_heartbeat,
            keep_paused: request.keep_paused,
            restore_options: request.restore_original_options,
            jitter: jitter(request.jitter.as_ref())?,
        };
        self.operate(&target, selector, operation).await?;
        Ok(ResetActivityResponse {})
    }

    pub(crate) async fn update_activity_options(
        &self,
        _call: &Call,
        request: UpdateActivityOptionsRequest,
    ) -> Result<UpdateActivityOptionsResponse, Status> {
        use update_activity_options_request::Activity as A;
        let target = activities_of(&self.namespaces.resolve(&request.namespace)?, request.execution)?;
        let selector = match selected(request.activity)? {
            A::Id(id) => ActivitySelector::Id(id),
            A::Type(name) => ActivitySelector::Type(name),
            A::MatchAll(_) => ActivitySelector::All,
        };
        let of = Archetype::Workflow;
        let operation = update(of, request.activity_options, request.update_mask, request.restore_original)?;
        let activity_options = options(self.operate(&target, selector, operation).await?);
        Ok(UpdateActivityOptionsResponse { activity_options })
    }

    pub(crate) async fn pause_activity_execution(
        &self,
        _call: &Call,
        request: PauseActivityExecutionRequest,
    ) -> Result<PauseActivityExecutionResponse, Status> {
        let execution = self.activity_execution(named!(request))?;
        let PauseActivityExecutionRequest { identity, request_id, reason, .. } = request;
        let request_id = or_new(request_id);
        check_reason(&reason, execution.namespace.limits())?;
        let operation = ActivityOperation::Pause { identity, reason, request_id: request_id.clone() };
        self.operate_execution(execution, request_id, operation).await?;
        Ok(PauseActivityExecutionResponse {})
    }

    pub(crate) async fn unpause_activity_execution(
        &self,
        _call: &Call,
        request: UnpauseActivityExecutionRequest,
    ) -> Result<UnpauseActivityExecutionResponse, Status> {
        let execution = self.activity_execution(named!(request))?;
        let jitter = jitter(request.jitter.as_ref())?;
        let operation = ActivityOperation::Unpause { reset_attempts: false, reset_heartbeat: false, jitter };
        self.operate_execution(execution, or_new(request.request_id), operation).await?;
        Ok(UnpauseActivityExecutionResponse {})
    }

    pub(crate) async fn reset_activity_execution(
        &self,
        _call: &Call,
        request: ResetActivityExecutionRequest,
    ) -> Result<ResetActivityExecutionResponse, Status> {
        let execution = self.activity_execution(named!(request))?;
        let operation = ActivityOperation::Reset {
            reset_heartbeat: request.reset_heartbeat,
            keep_paused: request.keep_paused,
            restore_options: request.restore_original_options,
            jitter: jitter(request.jitter.as_ref())?,
        };
        self.operate_execution(execution, or_new(request.request_id), operation).await?;
        Ok(ResetActivityExecutionResponse {})
    }

    pub(crate) async fn update_activity_execution_options(
        &self,
        _call: &Call,
        request: UpdateActivityExecutionOptionsRequest,
    ) -> Result<UpdateActivityExecutionOptionsResponse, Status> {
        let execution = self.activity_execution(named!(request))?;
        let of = execution.target.workflow.archetype;
        let operation = update(of, request.activity_options, request.update_mask, request.restore_original)?;
        let request_id = or_new(request.request_id);
        let activity_options = options(self.operate_execution(execution, request_id, operation).await?);
        Ok(UpdateActivityExecutionOptionsResponse { activity_options })
    }

    fn activity_execution(&self, named: Named) -> Result<Execution, Status> {
        let namespace = self.namespaces.resolve(named.namespace)?;
        ids::limited("request ID", named.request_id, namespace.limits())?;
        ids::limited("identity", named.identity, namespace.limits())?;
        let mut target = standalone_activity::target(&namespace, named.activity_id, named.run_id)?;
        if !named.workflow_id.is_empty() {
            ids::no_nul("WorkflowId", named.workflow_id)?;
            target.workflow = WorkflowKey::new(namespace.id(), named.workflow_id);
        }
        Ok(Execution { namespace, target, activity_id: named.activity_id.to_owned() })
    }

    async fn operate_execution(
        &self,
        execution: Execution,
        request_id: String,
        operation: ActivityOperation,
    ) -> Result<Reply, Status> {
        let Execution { target, activity_id, .. } = execution;
        if target.workflow.archetype == Archetype::Activity {
            let control = ActivityControl::Operate { request_id, operation };
            return Ok(self.send(&target, Input::ControlActivity(Box::new(control))).await?.reply);
        }
        self.operate(&target, ActivitySelector::Id(activity_id), operation).await
    }

    async fn operate(
        &self,
        target: &Target,
        activity: ActivitySelector,
        operation: ActivityOperation,
    ) -> Result<Reply, Status> {
        Ok(self.send(target, Input::OperateActivity { activity, operation: Box::new(operation) }).await?.reply)
    }
}

/// The run whose activities an older call means.
fn activities_of(namespace: &AuthorizedNamespace, execution: Option<WorkflowExecution>) -> Result<Target, Status> {
    ids::execution(namespace.id(), Some(&execution.unwrap_or_default()))
}

fn selected<T>(activity: Option<T>) -> Result<T, Status> {
    activity.ok_or_else(|| status::invalid("Either Activity.Id or Activity.Type should be set on request."))
}

/// A reason stays with the run as long as the pause does.
fn check_reason(reason: &str, limits: &FrontendLimits) -> Result<(), Status> {
    if reason.len() as i64 > limits.runs.blob_size {
        return Err(status::invalid("reason exceeds length limit"));
    }
    Ok(())
}

fn jitter(within: Option<&Duration>) -> Result<Jitter, Status> {
    let within = validate::duration(within).map_err(|error| status::invalid(format!("invalid jitter: {error}")))?;
    Ok(Jitter { within, seed: Uuid::new_v4().as_u64_pair().0 })
}

fn options(reply: Reply) -> Option<ActivityOptions> {
    match reply {
        Reply::ActivityOptions(options) => Some(*options),
        _ => None,
    }
}

fn update(
    of: Archetype,
    options: Option<ActivityOptions>,
    mask: Option<FieldMask>,
    restore: bool,
) -> Result<ActivityOperation, Status> {
    if restore {
        if mask.is_some_and(|mask| !mask.paths.is_empty()) {
            return Err(status::invalid("Both UpdateMask and RestoreOriginal are provided"));
        }
        return Ok(ActivityOperation::RestoreOptions);
    }
    let options = options.ok_or_else(|| status::invalid("ActivityOptions are not provided"))?;
    let mask = mask.ok_or_else(|| status::invalid("UpdateMask is not provided"))?;
    if mask.paths.is_empty() {
        return Err(status::invalid("UpdateMask must specify at least one path"));
    }
    let fields: Result<Vec<_>, Status> = mask.paths.iter().map(|path| field(of, path)).collect();
    if let Some(delay) = options.start_delay {
        validate::duration(Some(&delay)).map_err(|error| status::invalid(format!("invalid StartDelay: {error}")))?;
    }
    Ok(ActivityOperation::UpdateOptions { options: Box::new(options), fields: fields? })
}

/// Paths come with underscores or in camel case.
fn field(of: Archetype, path: &str) -> Result<OptionField, Status> {
    use OptionField as F;
    let plain: String = path.chars().filter(|letter| *letter != '_').flat_map(char::to_lowercase).collect();
    Ok(match plain.as_str() {
        // The CLI says `task_queue_name`.
        "taskqueue.name" | "taskqueuename" => F::TaskQueueName,
        "scheduletoclosetimeout" => F::ScheduleToCloseTimeout,
        "scheduletostarttimeout" => F::ScheduleToStartTimeout,
        "starttoclosetimeout" => F::StartToCloseTimeout,
        "heartbeattimeout" => F::HeartbeatTimeout,
        // Those of workflows have none.
        "startdelay" if of == Archetype::Activity => F::StartDelay,
        "priority" => F::Priority,
        "priority.prioritykey" => F::PriorityKey,
        "priority.fairnesskey" => F::FairnessKey,
        "priority.fairnessweight" => F::FairnessWeight,
        "retrypolicy" => F::RetryPolicy,
        "retrypolicy.initialinterval" => F::InitialInterval,
        "retrypolicy.backoffcoefficient" => F::BackoffCoefficient,
        "retrypolicy.maximuminterval" => F::MaximumInterval,
        "retrypolicy.maximumattempts" => F::MaximumAttempts,
        _ => return Err(status::invalid(format!("unsupported update_mask path: {path:?}"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_options() {
        let cases = [
            ("task_queue.name", Ok(OptionField::TaskQueueName)),
            ("taskQueue.name", Ok(OptionField::TaskQueueName)),
            ("task_queue_name", Ok(OptionField::TaskQueueName)),
            ("retry_policy.maximum_attempts", Ok(OptionField::MaximumAttempts)),
            ("retry_policy", Ok(OptionField::RetryPolicy)),
            ("start_delay", Err("unsupported update_mask path: \"start_delay\"")),
            ("", Err("unsupported update_mask path: \"\"")),
        ];
        for (path, expected) in cases {
            let found = field(Archetype::Workflow, path).map_err(|status| status.message().to_owned());
            assert_eq!(found, expected.map_err(str::to_owned), "{path}");
        }
    }

    #[test]
    fn updates_that_say_nothing() {
        const W: Archetype = Archetype::Workflow;
        let mask = |paths: &[&str]| Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() });
        let some = Some(ActivityOptions::default());
        let text = |result: Result<ActivityOperation, Status>| result.unwrap_err().message().to_owned();
        let both = "Both UpdateMask and RestoreOriginal are provided";
        assert_eq!(text(update(W, some.clone(), mask(&["priority"]), true)), both);
        assert_eq!(text(update(W, None, mask(&["priority"]), false)), "ActivityOptions are not provided");
        assert_eq!(text(update(W, some.clone(), None, false)), "UpdateMask is not provided");
        assert_eq!(text(update(W, some.clone(), mask(&[]), false)), "UpdateMask must specify at least one path");
        assert_eq!(update(W, None, mask(&[]), true).unwrap(), ActivityOperation::RestoreOptions);
        let fields = vec![OptionField::Priority];
        let operation = ActivityOperation::UpdateOptions { options: Box::new(some.clone().unwrap()), fields };
        assert_eq!(update(W, some, mask(&["priority"]), false).unwrap(), operation);
    }
}
