//! Rows of the store as the API shows them.

use perdure_engine::time::{duration, timestamp};
use perdure_proto::api::{
    common::{Memo, SearchAttributes, WorkflowExecution, WorkflowType},
    workflow::WorkflowExecutionInfo,
};
use perdure_storage::{StoreError, VisibilityRow};
use prost::{Message, bytes::Bytes};

/// What Temporal's lists show of a run. Lengths and duration are those of a closed run; an open one has 0.
pub(super) fn execution_info(row: VisibilityRow) -> Result<WorkflowExecutionInfo, StoreError> {
    let memo: Memo = decode(&row.memo)?;
    let search_attributes: SearchAttributes = decode(&row.search_attributes)?;
    let parent_execution = row
        .parent_workflow_id
        .map(|workflow_id| WorkflowExecution { workflow_id, run_id: row.parent_run_id.unwrap_or_default() });
    Ok(WorkflowExecutionInfo {
        execution: Some(WorkflowExecution { workflow_id: row.workflow_id, run_id: row.run_id.to_string() }),
        r#type: Some(WorkflowType { name: row.workflow_type }),
        start_time: Some(timestamp(row.start_time)),
        close_time: row.close_time.map(timestamp),
        status: row.status,
        history_length: row.history_length.unwrap_or_default(),
        parent_namespace_id: parent_execution.as_ref().map(|_| row.namespace_id.to_string()).unwrap_or_default(),
        parent_execution,
        execution_time: Some(timestamp(row.execution_time)),
        memo: Some(memo),
        search_attributes: Some(search_attributes),
        task_queue: row.task_queue,
        state_transition_count: row.state_transition_count.unwrap_or_default(),
        history_size_bytes: row.history_size_bytes.unwrap_or_default(),
        execution_duration: row.close_time.map(|close| duration(close.saturating_sub(row.execution_time))),
        root_execution: Some(WorkflowExecution { workflow_id: row.root_workflow_id, run_id: row.root_run_id }),
        ..WorkflowExecutionInfo::default()
    })
}

fn decode<T: Message + Default>(encoded: &Bytes) -> Result<T, StoreError> {
    T::decode(encoded.clone()).map_err(|error| StoreError::Corrupt(format!("visibility row: {error}")))
}
