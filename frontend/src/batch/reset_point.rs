//! Where a batch resets a workflow to: a workflow task that one names by its place or its worker's build.

use perdure_engine::time::from_optional_timestamp;
use perdure_proto::api::{
    batch::BatchOperationReset,
    common::{Execution, WorkflowExecution, reset_options::Target},
    enums::{EventType, ResetType},
    workflowservice::{DescribeWorkflowExecutionRequest, GetWorkflowExecutionHistoryRequest},
};
use tonic::Status;

use crate::{Frontend, call::Call, status};

pub(super) struct ResetPoint {
    pub(super) execution: WorkflowExecution,
    pub(super) event_id: i64,
}

impl Frontend {
    pub(super) async fn reset_point(
        &self,
        call: &Call,
        namespace: &str,
        target: &Execution,
        operation: &BatchOperationReset,
    ) -> Result<ResetPoint, Status> {
        let execution = WorkflowExecution { workflow_id: target.business_id.clone(), run_id: target.run_id.clone() };
        let options = operation.options.as_ref();
        let first = match options.and_then(|options| options.target.as_ref()) {
            Some(Target::WorkflowTaskId(event_id)) => return Ok(ResetPoint { execution, event_id: *event_id }),
            Some(Target::BuildId(build_id)) => {
                let current_run_only = options.is_some_and(|options| options.current_run_only);
                return self.point_of_build(call, namespace, execution, build_id, current_run_only).await;
            }
            Some(Target::FirstWorkflowTask(_)) => true,
            Some(Target::LastWorkflowTask(_)) => false,
            None => operation.reset_type() == ResetType::FirstWorkflowTask,
        };
        let event_id = self.workflow_task(call, namespace, &execution, first).await?;
        let event_id =
            event_id.ok_or_else(|| status::invalid("no workflow task has ended: there is nothing to reset to"))?;
        Ok(ResetPoint { execution, event_id })
    }

    /// The first, or the last, workflow task of the run that completed, or else that was scheduled.
    async fn workflow_task(
        &self,
        call: &Call,
        namespace: &str,
        execution: &WorkflowExecution,
        first: bool,
    ) -> Result<Option<i64>, Status> {
        let mut token = Default::default();
        let (mut completed, mut scheduled) = (None, None);
        loop {
            let request = GetWorkflowExecutionHistoryRequest {
                namespace: namespace.to_owned(),
                execution: Some(execution.clone()),
                next_page_token: token,
                ..Default::default()
            };
            let page = self.get_history(call, request).await?;
            let events = page.history.unwrap_or_default().events().map_err(|_| status::unavailable())?;
            for event in events {
                match event.event_type() {
                    EventType::WorkflowTaskCompleted if first => return Ok(Some(event.event_id)),
                    EventType::WorkflowTaskCompleted => completed = Some(event.event_id),
                    // The event after it is as good: a reset ends the task that it finds there.
                    EventType::WorkflowTaskScheduled if scheduled.is_none() || !first => {
                        scheduled = Some(event.event_id + 1);
                    }
                    _ => {}
                }
            }
            if page.next_page_token.is_empty() {
                return Ok(completed.or(scheduled));
            }
            token = page.next_page_token;
        }
    }

    /// Where workers of this build took over, in this run or one that it goes back to.
    async fn point_of_build(
        &self,
        call: &Call,
        namespace: &str,
        execution: WorkflowExecution,
        build_id: &str,
        current_run_only: bool,
    ) -> Result<ResetPoint, Status> {
        let request =
            DescribeWorkflowExecutionRequest { namespace: namespace.to_owned(), execution: Some(execution.clone()) };
        let info = self.describe_workflow(call, request).await?.workflow_execution_info.unwrap_or_default();
        let points = info.auto_reset_points.map(|points| points.points).unwrap_or_default();
        let found = points.into_iter().find(|point| {
            let expired = from_optional_timestamp(point.expire_time.as_ref()).is_some_and(|time| time < call.time);
            point.build_id == build_id
                && point.resettable
                && !expired
                && (!current_run_only || point.run_id == execution.run_id)
        });
        let found =
            found.ok_or_else(|| status::invalid(format!("can't find reset point for build id {build_id:?}")))?;
        let event_id = found.first_workflow_task_completed_id;
        Ok(ResetPoint { execution: WorkflowExecution { run_id: found.run_id, ..execution }, event_id })
    }
}
