//! RecordMarker: what a worker wants to find again (local activities, versions, side effects).

use perdure_proto::api::{
    command::RecordMarkerCommandAttributes,
    enums::WorkflowTaskFailedCause as Cause,
    history::{MarkerRecordedEventAttributes, history_event::Attributes},
};
use prost::Message;

use super::{Batch, WorkflowTaskFailure};
use crate::tx::{EventExtras, Tx};

const CAUSE: Cause = Cause::BadRecordMarkerAttributes;

pub(super) fn record(
    tx: &mut Tx,
    batch: &Batch,
    command: RecordMarkerCommandAttributes,
    extras: EventExtras,
) -> Result<(), WorkflowTaskFailure> {
    let (name, limit) = (&command.marker_name, tx.ctx.limits.id_length);
    if name.is_empty() {
        return Err(WorkflowTaskFailure::task_failed(CAUSE, "MarkerName is not set on RecordMarkerCommand."));
    }
    if name.len() > limit {
        let text = format!(
            "MarkerName on RecordMarkerCommand exceeds length limit. MarkerName={name} Length={} Limit={limit}",
            name.len(),
        );
        return Err(WorkflowTaskFailure::task_failed(CAUSE, text));
    }
    let size: usize = command.details.iter().map(|(key, value)| key.len() + value.encoded_len()).sum();
    if size as i64 > tx.ctx.limits.blob_size {
        return Err(WorkflowTaskFailure::run_terminated(
            CAUSE,
            "RecordMarkerCommandAttributes.Details exceeds size limit.",
        ));
    }
    let attributes = MarkerRecordedEventAttributes {
        marker_name: command.marker_name,
        details: command.details,
        workflow_task_completed_event_id: batch.completed_event_id,
        header: command.header,
        failure: command.failure,
    };
    tx.event_with(Attributes::MarkerRecordedEventAttributes(attributes), extras);
    Ok(())
}
