//! UpsertWorkflowSearchAttributes and ModifyWorkflowProperties.

use std::collections::BTreeMap;

use perdure_proto::api::{
    command::{ModifyWorkflowPropertiesCommandAttributes, UpsertWorkflowSearchAttributesCommandAttributes},
    common::{Memo, Payload},
    enums::WorkflowTaskFailedCause as Cause,
    history::{
        UpsertWorkflowSearchAttributesEventAttributes, WorkflowPropertiesModifiedEventAttributes,
        history_event::Attributes,
    },
};
use prost::Message;

use super::{Batch, WorkflowTaskFailure};
use crate::{
    attributes::merge,
    tx::{EventExtras, Tx},
    validate,
};

pub(super) fn upsert_search_attributes(
    tx: &mut Tx,
    batch: &Batch,
    command: UpsertWorkflowSearchAttributesCommandAttributes,
    extras: EventExtras,
) -> Result<(), WorkflowTaskFailure> {
    const CAUSE: Cause = Cause::BadSearchAttributes;
    let bad = |text: &str| WorkflowTaskFailure::task_failed(CAUSE, text);
    let changes = command
        .search_attributes
        .ok_or_else(|| bad("SearchAttributes is not set on UpsertWorkflowSearchAttributesCommand."))?;
    if changes.indexed_fields.is_empty() {
        return Err(bad("IndexedFields is not set on UpsertWorkflowSearchAttributesCommand."));
    }
    validate::search_attribute_names(&changes, tx.ctx.limits).map_err(|text| bad(&text))?;
    if size(&changes.indexed_fields) > tx.ctx.limits.blob_size {
        let text = "UpsertWorkflowSearchAttributesCommandAttributes exceeds size limit.";
        return Err(WorkflowTaskFailure::run_terminated(CAUSE, text));
    }
    let mut merged = tx.state.run.search_attributes.clone().unwrap_or_default();
    merge(&mut merged.indexed_fields, &changes.indexed_fields);
    validate::search_attribute_sizes(&merged, tx.ctx.limits)
        .map_err(|text| WorkflowTaskFailure::run_terminated(CAUSE, text))?;
    let attributes = UpsertWorkflowSearchAttributesEventAttributes {
        workflow_task_completed_event_id: batch.completed_event_id,
        search_attributes: Some(changes),
    };
    tx.event_with(Attributes::UpsertWorkflowSearchAttributesEventAttributes(attributes), extras);
    Ok(())
}

pub(super) fn modify(
    tx: &mut Tx,
    batch: &Batch,
    command: ModifyWorkflowPropertiesCommandAttributes,
    extras: EventExtras,
) -> Result<(), WorkflowTaskFailure> {
    const CAUSE: Cause = Cause::BadModifyWorkflowPropertiesAttributes;
    let bad = |text: &str| WorkflowTaskFailure::task_failed(CAUSE, text);
    let changes =
        command.upserted_memo.ok_or_else(|| bad("UpsertedMemo is not set on ModifyWorkflowPropertiesCommand."))?;
    if changes.fields.is_empty() {
        return Err(bad("UpsertedMemo.Fields is not set on ModifyWorkflowPropertiesCommand."));
    }
    if size(&changes.fields) > tx.ctx.limits.blob_size {
        let text = "ModifyWorkflowPropertiesCommandAttributes exceeds size limit.";
        return Err(WorkflowTaskFailure::run_terminated(CAUSE, text));
    }
    let mut merged: Memo = tx.state.run.memo.clone().unwrap_or_default();
    merge(&mut merged.fields, &changes.fields);
    if merged.encoded_len() as i64 > tx.ctx.limits.memo_size {
        let text = "ModifyWorkflowPropertiesCommandAttributes. Memo exceeds size limit.";
        return Err(WorkflowTaskFailure::run_terminated(CAUSE, text));
    }
    let attributes = WorkflowPropertiesModifiedEventAttributes {
        workflow_task_completed_event_id: batch.completed_event_id,
        upserted_memo: Some(changes),
    };
    tx.event_with(Attributes::WorkflowPropertiesModifiedEventAttributes(attributes), extras);
    Ok(())
}

/// Bytes of the names and the data.
fn size(fields: &BTreeMap<String, Payload>) -> i64 {
    fields.iter().map(|(name, value)| (name.len() + value.data.len()) as i64).sum()
}
