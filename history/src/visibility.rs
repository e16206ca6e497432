//! What lists show of a run.

use perdure_engine::{RunState, schedule};
use perdure_proto::api::common::{Memo, Payload};
use perdure_storage::VisibilityRow;
use prost::Message;

use crate::shard::cell::Cell;

/// The row of a run as it is now.
pub(crate) fn row(cell: &Cell) -> VisibilityRow {
    let run = &cell.state.run;
    let close = run.close.as_ref();
    let attributes = perdure_engine::search_attributes(run);
    let attributes = attributes.as_ref();
    VisibilityRow {
        namespace_id: cell.workflow.namespace_id,
        archetype: cell.workflow.archetype,
        workflow_id: run.workflow_id.clone(),
        run_id: cell.key.run_id,
        workflow_type: run.workflow_type.clone(),
        task_queue: run.task_queue.clone(),
        start_time: run.start_time,
        execution_time: run.execution_time,
        // The clocks of two machines may differ.
        close_time: close.map(|close| close.time.max(run.start_time)),
        status: cell.status() as i32,
        history_length: close.map(|_| run.next_event_id - 1),
        history_size_bytes: close.map(|_| run.history_size_bytes),
        state_transition_count: close.map(|_| run.state_transition_count),
        parent_workflow_id: run.parent.as_ref().map(|parent| parent.workflow_id.clone()),
        parent_run_id: run.parent.as_ref().map(|parent| parent.run_id.clone()),
        root_workflow_id: run.root_workflow_id.clone(),
        root_run_id: run.root_run_id.clone(),
        memo: memo(run).map(|memo| memo.encode_to_vec().into()).unwrap_or_default(),
        search_attributes: attributes.map(|attributes| attributes.encode_to_vec().into()).unwrap_or_default(),
        search_values: attributes.map(perdure_storage::search_values::search_values).unwrap_or_default(),
    }
}

/// The memo that was given. A schedule's also has what its lists show of it.
fn memo(run: &RunState) -> Option<Memo> {
    let Some(info) = schedule::list_info(run) else { return run.memo.clone() };
    let mut memo = run.memo.clone().unwrap_or_default();
    let info = Payload { data: info.encode_to_vec().into(), ..Payload::default() };
    memo.fields.insert(schedule::LIST_INFO.into(), info);
    Some(memo)
}
