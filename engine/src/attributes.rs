//! Memo and search attributes: the fields that a workflow sets about itself.

use std::collections::BTreeMap;

use perdure_proto::api::{
    common::Payload,
    history::{HistoryEvent, history_event::Attributes},
};

use crate::{apply::Corrupt, state::RunState, validate::is_unset};

pub(crate) fn apply(run: &mut RunState, event: &HistoryEvent, attributes: &Attributes) -> Result<(), Corrupt> {
    match attributes {
        Attributes::UpsertWorkflowSearchAttributesEventAttributes(upsert) => {
            if let Some(changes) = &upsert.search_attributes {
                merge(&mut run.search_attributes.get_or_insert_default().indexed_fields, &changes.indexed_fields);
            }
        }
        Attributes::WorkflowPropertiesModifiedEventAttributes(modified) => {
            if let Some(changes) = &modified.upserted_memo {
                merge(&mut run.memo.get_or_insert_default().fields, &changes.fields);
            }
        }
        _ => return Err(Corrupt::at(event.event_id, "not an event of attributes")),
    }
    Ok(())
}

/// Sets each changed field; nil or an empty list removes it.
pub(crate) fn merge(fields: &mut BTreeMap<String, Payload>, changes: &BTreeMap<String, Payload>) {
    for (name, value) in changes {
        if is_unset(value) {
            fields.remove(name);
        } else {
            fields.insert(name.clone(), value.clone());
        }
    }
}
