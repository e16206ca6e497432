//! The points to which a run can be reset if a build of its worker proves bad: the first completion of each build, also
//! of the runs before it in its chain.

use perdure_proto::api::{history::HistoryEvent, workflow::ResetPointInfo};

use crate::state::RunState;

/// The newest are kept.
const MAX: usize = 20;

/// Notes the completion if no earlier one was by the same build.
pub(super) fn add(run: &mut RunState, event: &HistoryEvent, binary_checksum: &str, build_id: &str) {
    let is_known = |point: &ResetPointInfo| point.binary_checksum == binary_checksum && point.build_id == build_id;
    if run.versioning.reset_points.iter().any(is_known) {
        return;
    }
    let resettable = run.children.is_empty() && run.external_cancels.is_empty() && run.external_signals.is_empty();
    run.versioning.reset_points.push(ResetPointInfo {
        build_id: build_id.to_owned(),
        binary_checksum: binary_checksum.to_owned(),
        run_id: run.run_id.clone(),
        first_workflow_task_completed_id: event.event_id,
        create_time: event.event_time,
        // When the run of the point will be deleted is not known here.
        expire_time: None,
        resettable,
    });
    let surplus = run.versioning.reset_points.len().saturating_sub(MAX);
    run.versioning.reset_points.drain(..surplus);
}
