//! Batch operations: the RPCs. Each is a run of its own (`perdure_engine::batch`); `run` does its pages.

mod check;
mod operate;
mod reset_point;
mod run;

use perdure_engine::{
    Archetype, Input, Start,
    batch::{Batch, BatchInput, NewBatch, batch_state},
    input::StartKind,
    time::timestamp,
};
use perdure_history::Target;
use perdure_proto::api::{
    batch::BatchOperationInfo,
    enums::{
        BatchOperationType, ResourceExhaustedCause, ResourceExhaustedScope, WorkflowExecutionStatus,
        WorkflowIdConflictPolicy, WorkflowIdReusePolicy,
    },
    workflowservice::{
        DescribeBatchOperationRequest, DescribeBatchOperationResponse, ListBatchOperationsRequest,
        ListBatchOperationsResponse, StartBatchOperationRequest, StartBatchOperationResponse,
        StopBatchOperationRequest, StopBatchOperationResponse,
    },
};
use perdure_storage::WorkflowKey;
use tonic::Status;
use uuid::Uuid;

use crate::{Frontend, call::Call, error, namespaces::AuthorizedNamespace, status, validate::ids};

impl Frontend {
    pub(crate) async fn start_batch(
        &self,
        _call: &Call,
        request: StartBatchOperationRequest,
    ) -> Result<StartBatchOperationResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        check::check(&request, namespace.limits())?;
        if let Some(query) = run::query(&request, 0) {
            self.lists.check(&namespace, run::archetype(&request), &query)?;
        }
        self.check_room(&namespace).await?;
        let identity = request.operation.as_ref().map(check::identity).unwrap_or_default().to_owned();
        let target = target(namespace.id(), &request.job_id)?;
        let start = Start {
            namespace_id: namespace.id().to_string(),
            namespace: namespace.name().to_string(),
            workflow_id: request.job_id.clone(),
            request_id: Uuid::new_v4().to_string(),
            workflow_type: operation_type(&request).as_str_name().to_owned(),
            identity: identity.clone(),
            conflict_policy: WorkflowIdConflictPolicy::Fail,
            reuse_policy: WorkflowIdReusePolicy::RejectDuplicate,
            kind: StartKind::Batch(Box::new(NewBatch { request, identity })),
            ..Start::default()
        };
        self.history.start(start).await.map_err(|error| error::of_call(error, &target))?;
        Ok(StartBatchOperationResponse {})
    }

    /// Whether another batch operation may run.
    async fn check_room(&self, namespace: &AuthorizedNamespace) -> Result<(), Status> {
        let limit = namespace.limits().batches;
        if limit == 0 {
            return Ok(());
        }
        let (running, _) = self.lists.count_of(namespace, Archetype::Batch, "ExecutionStatus = 'Running'").await?;
        if running < limit {
            return Ok(());
        }
        let text = "Max concurrent batch operations is reached";
        Err(status::exhausted(text, ResourceExhaustedCause::ConcurrentLimit, ResourceExhaustedScope::Namespace))
    }

    pub(crate) async fn stop_batch(
        &self,
        _call: &Call,
        request: StopBatchOperationRequest,
    ) -> Result<StopBatchOperationResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let target = target(namespace.id(), &request.job_id)?;
        ids::required("Reason", &request.reason, namespace.limits())?;
        let done = self.history.input(target.clone(), Input::Batch(BatchInput::Stop)).await;
        done.map_err(|error| error::of_call(error, &target))?;
        Ok(StopBatchOperationResponse {})
    }

    pub(crate) async fn describe_batch(
        &self,
        _call: &Call,
        request: DescribeBatchOperationRequest,
    ) -> Result<DescribeBatchOperationResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let target = target(namespace.id(), &request.job_id)?;
        let seen = self.history.view(target.clone(), |state| {
            let close = state.run.close.as_ref().map(|close| (close.status(), close.time));
            (state.run.batch.clone(), state.run.start_time, close)
        });
        let (batch, start_time, close) = seen.await.map_err(|error| error::of_call(error, &target))?;
        let Batch { request: job, identity, progress } = *batch.unwrap_or_default();
        let status = close.map_or(WorkflowExecutionStatus::Running, |(status, _)| status);
        Ok(DescribeBatchOperationResponse {
            operation_type: operation_type(&job).into(),
            executions: check::targets(&job),
            job_id: request.job_id,
            state: batch_state(status).into(),
            start_time: Some(timestamp(start_time)),
            close_time: close.map(|(_, time)| timestamp(time)),
            total_operation_count: progress.total.max(progress.completed + progress.failed),
            complete_operation_count: progress.completed,
            failure_operation_count: progress.failed,
            identity,
            reason: job.reason,
            query: job.visibility_query,
        })
    }

    pub(crate) async fn list_batches(
        &self,
        _call: &Call,
        request: ListBatchOperationsRequest,
    ) -> Result<ListBatchOperationsResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let ListBatchOperationsRequest { page_size, next_page_token, .. } = request;
        let rows = self.lists.rows_of(&namespace, Archetype::Batch, "", page_size, &next_page_token);
        let (rows, next_page_token) = rows.await?;
        let mut operation_info = Vec::with_capacity(rows.len());
        for row in rows {
            let status = WorkflowExecutionStatus::try_from(row.status).unwrap_or_default();
            let kind = BatchOperationType::from_str_name(&row.workflow_type).unwrap_or_default();
            operation_info.push(BatchOperationInfo {
                job_id: row.workflow_id,
                state: batch_state(status).into(),
                start_time: Some(timestamp(row.start_time)),
                close_time: row.close_time.map(timestamp),
                operation_type: kind.into(),
            });
        }
        Ok(ListBatchOperationsResponse { operation_info, next_page_token })
    }
}

fn operation_type(request: &StartBatchOperationRequest) -> BatchOperationType {
    request.operation.as_ref().map(check::operation_type).unwrap_or_default()
}

/// The job that a request names.
fn target(namespace_id: Uuid, job_id: &str) -> Result<Target, Status> {
    if job_id.is_empty() {
        return Err(status::invalid("JobId is not set on request."));
    }
    ids::no_nul("JobId", job_id)?;
    Ok(Target { workflow: WorkflowKey::of(Archetype::Batch, namespace_id, job_id), run_id: None })
}
