//! What a batch operation does to one execution: the same as the RPC of its own.

use perdure_proto::api::{
    batch,
    common::{Execution, WorkflowExecution},
    workflowservice::{
        DeleteActivityExecutionRequest, DeleteWorkflowExecutionRequest, RequestCancelActivityExecutionRequest,
        RequestCancelWorkflowExecutionRequest, ResetActivityRequest, ResetWorkflowExecutionRequest,
        SignalWorkflowExecutionRequest, TerminateActivityExecutionRequest, TerminateWorkflowExecutionRequest,
        UnpauseActivityRequest, UpdateActivityOptionsRequest, UpdateWorkflowExecutionOptionsRequest,
        reset_activity_request, start_batch_operation_request::Operation, unpause_activity_request,
        update_activity_options_request,
    },
};
use tonic::Status;

use crate::{Frontend, call::Call};

/// A batch operation on its way.
pub(super) struct Job<'a> {
    pub(super) frontend: &'a Frontend,
    pub(super) namespace: String,
    /// Names the job for good, for request ids: a page that is done again does nothing twice.
    pub(super) job: String,
    pub(super) reason: String,
    pub(super) identity: String,
    pub(super) operation: Operation,
}

impl Job<'_> {
    pub(super) async fn operate(&self, call: &Call, target: &Execution) -> Result<(), Status> {
        match self.operation.clone() {
            Operation::TerminationOperation(operation) => self.terminate(call, target, operation).await,
            Operation::SignalOperation(operation) => self.signal(call, target, operation).await,
            Operation::CancellationOperation(_) => self.cancel(call, target).await,
            Operation::DeletionOperation(_) => {
                let request = DeleteWorkflowExecutionRequest {
                    namespace: self.namespace.clone(),
                    workflow_execution: self.workflow(target),
                };
                self.frontend.delete_workflow(call, request).await.map(|_| ())
            }
            Operation::ResetOperation(operation) => self.reset(call, target, operation).await,
            Operation::UpdateWorkflowOptionsOperation(operation) => {
                let request = UpdateWorkflowExecutionOptionsRequest {
                    namespace: self.namespace.clone(),
                    workflow_execution: self.workflow(target),
                    workflow_execution_options: operation.workflow_execution_options,
                    update_mask: operation.update_mask,
                    identity: operation.identity,
                };
                self.frontend.update_workflow_options(call, request).await.map(|_| ())
            }
            Operation::UnpauseActivitiesOperation(operation) => self.unpause(call, target, operation).await,
            Operation::ResetActivitiesOperation(operation) => self.reset_activities(call, target, operation).await,
            Operation::UpdateActivityOptionsOperation(operation) => self.update_options(call, target, operation).await,
            Operation::CancelActivitiesOperation(operation) => {
                let request = RequestCancelActivityExecutionRequest {
                    namespace: self.namespace.clone(),
                    activity_id: target.business_id.clone(),
                    run_id: target.run_id.clone(),
                    identity: operation.identity,
                    request_id: self.request_id(target),
                    reason: or(operation.reason, &self.reason),
                };
                self.frontend.request_cancel_activity(call, request).await.map(|_| ())
            }
            Operation::TerminateActivitiesOperation(operation) => {
                let request = TerminateActivityExecutionRequest {
                    namespace: self.namespace.clone(),
                    activity_id: target.business_id.clone(),
                    run_id: target.run_id.clone(),
                    identity: operation.identity,
                    request_id: self.request_id(target),
                    reason: or(operation.reason, &self.reason),
                };
                self.frontend.terminate_activity(call, request).await.map(|_| ())
            }
            Operation::DeleteActivitiesOperation(_) => {
                let request = DeleteActivityExecutionRequest {
                    namespace: self.namespace.clone(),
                    activity_id: target.business_id.clone(),
                    run_id: target.run_id.clone(),
                };
                self.frontend.delete_activity(call, request).await.map(|_| ())
            }
        }
    }

    fn workflow(&self, target: &Execution) -> Option<WorkflowExecution> {
        Some(WorkflowExecution { workflow_id: target.business_id.clone(), run_id: target.run_id.clone() })
    }

    fn request_id(&self, target: &Execution) -> String {
        blake3::hash(format!("{}/{}/{}", self.job, target.business_id, target.run_id).as_bytes()).to_hex().to_string()
    }

    async fn terminate(
        &self,
        call: &Call,
        target: &Execution,
        operation: batch::BatchOperationTermination,
    ) -> Result<(), Status> {
        let request = TerminateWorkflowExecutionRequest {
            namespace: self.namespace.clone(),
            workflow_execution: self.workflow(target),
            reason: self.reason.clone(),
            details: operation.details,
            identity: operation.identity,
            ..Default::default()
        };
        self.frontend.terminate_workflow(call, request).await.map(|_| ())
    }

    async fn signal(
        &self,
        call: &Call,
        target: &Execution,
        operation: batch::BatchOperationSignal,
    ) -> Result<(), Status> {
        let request = SignalWorkflowExecutionRequest {
            namespace: self.namespace.clone(),
            workflow_execution: self.workflow(target),
            signal_name: operation.signal,
            input: operation.input,
            header: operation.header,
            identity: operation.identity,
            request_id: self.request_id(target),
            ..Default::default()
        };
        self.frontend.signal_workflow(call, request).await.map(|_| ())
    }

    async fn cancel(&self, call: &Call, target: &Execution) -> Result<(), Status> {
        let request = RequestCancelWorkflowExecutionRequest {
            namespace: self.namespace.clone(),
            workflow_execution: self.workflow(target),
            identity: self.identity.clone(),
            request_id: self.request_id(target),
            reason: self.reason.clone(),
            ..Default::default()
        };
        self.frontend.request_cancel(call, request).await.map(|_| ())
    }

    async fn reset(
        &self,
        call: &Call,
        target: &Execution,
        operation: batch::BatchOperationReset,
    ) -> Result<(), Status> {
        let point = self.frontend.reset_point(call, &self.namespace, target, &operation).await?;
        let options = operation.options.unwrap_or_default();
        let reapply = match options.reset_reapply_type {
            0 => operation.reset_reapply_type,
            given => given,
        };
        let request = ResetWorkflowExecutionRequest {
            namespace: self.namespace.clone(),
            workflow_execution: Some(point.execution),
            reason: self.reason.clone(),
            workflow_task_finish_event_id: point.event_id,
            request_id: self.request_id(target),
            reset_reapply_type: reapply,
            reset_reapply_exclude_types: options.reset_reapply_exclude_types,
            post_reset_operations: operation.post_reset_operations,
            identity: operation.identity,
        };
        self.frontend.reset_workflow(call, request).await.map(|_| ())
    }

    async fn unpause(
        &self,
        call: &Call,
        target: &Execution,
        operation: batch::BatchOperationUnpauseActivities,
    ) -> Result<(), Status> {
        use batch::batch_operation_unpause_activities::Activity;
        let activity = operation.activity.map(|activity| match activity {
            Activity::Type(name) => unpause_activity_request::Activity::Type(name),
            Activity::MatchAll(all) => unpause_activity_request::Activity::UnpauseAll(all),
        });
        let request = UnpauseActivityRequest {
            namespace: self.namespace.clone(),
            execution: self.workflow(target),
            identity: operation.identity,
            activity,
            reset_attempts: operation.reset_attempts,
            reset_heartbeat: operation.reset_heartbeat,
            jitter: operation.jitter,
        };
        self.frontend.unpause_activity(call, request).await.map(|_| ())
    }

    async fn reset_activities(
        &self,
        call: &Call,
        target: &Execution,
        operation: batch::BatchOperationResetActivities,
    ) -> Result<(), Status> {
        use batch::batch_operation_reset_activities::Activity;
        let activity = operation.activity.map(|activity| match activity {
            Activity::Type(name) => reset_activity_request::Activity::Type(name),
            Activity::MatchAll(all) => reset_activity_request::Activity::MatchAll(all),
        });
        let request = ResetActivityRequest {
            namespace: self.namespace.clone(),
            execution: self.workflow(target),
            identity: operation.identity,
            activity,
            reset_heartbeat: operation.reset_heartbeat,
            keep_paused: operation.keep_paused,
            jitter: operation.jitter,
            restore_original_options: operation.restore_original_options,
        };
        self.frontend.reset_activity(call, request).await.map(|_| ())
    }

    async fn update_options(
        &self,
        call: &Call,
        target: &Execution,
        operation: batch::BatchOperationUpdateActivityOptions,
    ) -> Result<(), Status> {
        use batch::batch_operation_update_activity_options::Activity;
        let activity = operation.activity.map(|activity| match activity {
            Activity::Type(name) => update_activity_options_request::Activity::Type(name),
            Activity::MatchAll(all) => update_activity_options_request::Activity::MatchAll(all),
        });
        let request = UpdateActivityOptionsRequest {
            namespace: self.namespace.clone(),
            execution: self.workflow(target),
            identity: operation.identity,
            activity_options: operation.activity_options,
            update_mask: operation.update_mask,
            activity,
            restore_original: operation.restore_original,
        };
        self.frontend.update_activity_options(call, request).await.map(|_| ())
    }
}

fn or(own: String, other: &str) -> String {
    if own.is_empty() { other.to_owned() } else { own }
}
