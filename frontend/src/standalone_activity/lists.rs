//! ListActivityExecutions and CountActivityExecutions.

use perdure_engine::{
    Archetype,
    standalone_activity::activity_status,
    time::{duration, timestamp},
};
use perdure_proto::api::{
    activity::ActivityExecutionListInfo,
    common::{ActivityType, SearchAttributes},
    enums::WorkflowExecutionStatus,
    workflowservice::{
        CountActivityExecutionsRequest, CountActivityExecutionsResponse, ListActivityExecutionsRequest,
        ListActivityExecutionsResponse, count_activity_executions_response::AggregationGroup,
    },
};
use perdure_storage::{StoreError, VisibilityRow};
use prost::Message;
use tonic::Status;

use crate::{Frontend, call::Call, error};

impl Frontend {
    pub(crate) async fn list_activities(
        &self,
        _call: &Call,
        request: ListActivityExecutionsRequest,
    ) -> Result<ListActivityExecutionsResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let (rows, next_page_token) = self
            .lists
            .rows_of(&namespace, Archetype::Activity, &request.query, request.page_size, &request.next_page_token)
            .await?;
        let executions = rows.into_iter().map(info).collect::<Result<_, _>>().map_err(error::of_store)?;
        Ok(ListActivityExecutionsResponse { executions, next_page_token })
    }

    pub(crate) async fn count_activities(
        &self,
        _call: &Call,
        request: CountActivityExecutionsRequest,
    ) -> Result<CountActivityExecutionsResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let (count, groups) = self.lists.count_of(&namespace, Archetype::Activity, &request.query).await?;
        let groups =
            groups.into_iter().map(|(value, count)| AggregationGroup { group_values: vec![value], count }).collect();
        Ok(CountActivityExecutionsResponse { count, groups })
    }
}

/// Counts are those of closed ones; an open one has 0.
fn info(row: VisibilityRow) -> Result<ActivityExecutionListInfo, StoreError> {
    let search_attributes = SearchAttributes::decode(row.search_attributes)
        .map_err(|error| StoreError::Corrupt(format!("visibility row: {error}")))?;
    let status = WorkflowExecutionStatus::try_from(row.status).unwrap_or_default();
    Ok(ActivityExecutionListInfo {
        activity_id: row.workflow_id,
        run_id: row.run_id.to_string(),
        activity_type: Some(ActivityType { name: row.workflow_type }),
        schedule_time: Some(timestamp(row.start_time)),
        close_time: row.close_time.map(timestamp),
        status: activity_status(status).into(),
        search_attributes: Some(search_attributes),
        task_queue: row.task_queue,
        state_transition_count: row.state_transition_count.unwrap_or_default(),
        state_size_bytes: row.history_size_bytes.unwrap_or_default(),
        execution_duration: row.close_time.map(|close| duration(close.saturating_sub(row.start_time))),
        execution_time: Some(timestamp(row.execution_time)),
    })
}
