//! ListNexusOperationExecutions and CountNexusOperationExecutions.

use perdure_engine::{
    Archetype,
    standalone_nexus::{ENDPOINT, OPERATION, REQUEST_ID, SERVICE, nexus_operation_status},
    time::{duration, timestamp},
};
use perdure_proto::api::{
    common::SearchAttributes,
    enums::WorkflowExecutionStatus,
    nexus::NexusOperationExecutionListInfo,
    workflowservice::{
        CountNexusOperationExecutionsRequest, CountNexusOperationExecutionsResponse,
        ListNexusOperationExecutionsRequest, ListNexusOperationExecutionsResponse,
        count_nexus_operation_executions_response::AggregationGroup,
    },
};
use perdure_storage::{StoreError, VisibilityRow};
use prost::Message;
use tonic::Status;

use crate::{Frontend, call::Call, error};

impl Frontend {
    pub(crate) async fn list_nexus_operations(
        &self,
        _call: &Call,
        request: ListNexusOperationExecutionsRequest,
    ) -> Result<ListNexusOperationExecutionsResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let of = Archetype::NexusOperation;
        let rows = self.lists.rows_of(&namespace, of, &request.query, request.page_size, &request.next_page_token);
        let (rows, next_page_token) = rows.await?;
        let operations = rows.into_iter().map(info).collect::<Result<_, _>>().map_err(error::of_store)?;
        Ok(ListNexusOperationExecutionsResponse { operations, next_page_token })
    }

    pub(crate) async fn count_nexus_operations(
        &self,
        _call: &Call,
        request: CountNexusOperationExecutionsRequest,
    ) -> Result<CountNexusOperationExecutionsResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let (count, groups) = self.lists.count_of(&namespace, Archetype::NexusOperation, &request.query).await?;
        let groups = groups.into_iter().map(|(value, count)| AggregationGroup { group_values: vec![value], count });
        Ok(CountNexusOperationExecutionsResponse { count, groups: groups.collect() })
    }
}

/// Counts are those of closed ones; an open one has 0.
fn info(row: VisibilityRow) -> Result<NexusOperationExecutionListInfo, StoreError> {
    let mut search_attributes = SearchAttributes::decode(row.search_attributes)
        .map_err(|error| StoreError::Corrupt(format!("visibility row: {error}")))?;
    let mut take = |name: &str| {
        let value = search_attributes.indexed_fields.remove(name)?;
        serde_json::from_slice::<String>(&value.data).ok()
    };
    let (endpoint, service, operation, _) = (take(ENDPOINT), take(SERVICE), take(OPERATION), take(REQUEST_ID));
    let status = WorkflowExecutionStatus::try_from(row.status).unwrap_or_default();
    Ok(NexusOperationExecutionListInfo {
        operation_id: row.workflow_id,
        run_id: row.run_id.to_string(),
        endpoint: endpoint.unwrap_or_default(),
        service: service.unwrap_or_default(),
        operation: operation.unwrap_or_default(),
        schedule_time: Some(timestamp(row.start_time)),
        close_time: row.close_time.map(timestamp),
        status: nexus_operation_status(status).into(),
        search_attributes: Some(search_attributes),
        state_transition_count: row.state_transition_count.unwrap_or_default(),
        execution_duration: row.close_time.map(|close| duration(close.saturating_sub(row.start_time))),
        state_size_bytes: row.history_size_bytes.unwrap_or_default(),
    })
}
