//! The end of a Nexus operation.

use perdure_proto::api::{
    common::Link,
    history::{
        NexusOperationCanceledEventAttributes, NexusOperationCompletedEventAttributes,
        NexusOperationFailedEventAttributes, history_event::Attributes,
    },
};

use super::{NexusCompletion, NexusResult, failure, start::write_started, tell};
use crate::{
    outcome::Reply,
    reject::Reject,
    standalone_nexus,
    state::NexusOperation,
    tx::{EventExtras, Tx},
};

/// The handler reports the end. It may overtake the answer to the start: the operation has started then, all the same.
pub(crate) fn completed(tx: &mut Tx, completion: NexusCompletion) -> Result<Reply, Reject> {
    let run = &tx.state.run;
    if run.close.is_some() {
        return match standalone_nexus::is_standalone(run) {
            // Told again, after a crash of the teller.
            true if standalone_nexus::was_told(run, &completion) => Ok(Reply::Done),
            true => Err(not_found()),
            false => Err(Reject::WorkflowClosed),
        };
    }
    let is_meant =
        |operation: &&NexusOperation| [operation.request_id.as_str(), ""].contains(&completion.request_id.as_str());
    let operation = run.nexus_operations.get(&completion.scheduled_event_id).filter(is_meant).cloned();
    let Some(mut operation) = operation else {
        // Told again, and the first is not in the history yet.
        let mut kept_back = run.buffered.iter().filter_map(|event| event.attributes.as_ref());
        return if kept_back.any(|event| completion.became(event)) { Ok(Reply::Done) } else { Err(not_found()) };
    };
    if operation.started().is_none() {
        write_started(tx, &operation, completion.operation_token, completion.links, completion.start_time);
        // With the token, which its failure names.
        if let Some(started) = tx.state.run.nexus_operations.get(&completion.scheduled_event_id) {
            operation.clone_from(started);
        }
    }
    end(tx, &operation, completion.result, Vec::new());
    Ok(Reply::Done)
}

impl NexusCompletion {
    /// The event is what this completion makes of its operation.
    pub fn became(&self, event: &Attributes) -> bool {
        let (scheduled_event_id, request_id) = match (event, &self.result) {
            (Attributes::NexusOperationCompletedEventAttributes(end), NexusResult::Succeeded(_)) => {
                (end.scheduled_event_id, &end.request_id)
            }
            (Attributes::NexusOperationFailedEventAttributes(end), NexusResult::Failed(_)) => {
                (end.scheduled_event_id, &end.request_id)
            }
            (Attributes::NexusOperationCanceledEventAttributes(end), NexusResult::Canceled(_)) => {
                (end.scheduled_event_id, &end.request_id)
            }
            _ => return false,
        };
        scheduled_event_id == self.scheduled_event_id && *request_id == self.request_id
    }
}

fn not_found() -> Reject {
    Reject::NotFound("operation not found".into())
}

pub(super) fn end(tx: &mut Tx, operation: &NexusOperation, result: NexusResult, links: Vec<Link>) {
    let result = match result {
        NexusResult::Canceled(cause) => NexusResult::Canceled(Box::new(failure::of_cancel(*cause))),
        result => result,
    };
    if standalone_nexus::is_standalone(&tx.state.run) {
        return standalone_nexus::end(tx, operation, result, links);
    }
    let (scheduled_event_id, request_id) = (operation.scheduled_event_id, operation.request_id.clone());
    let attributes = match result {
        NexusResult::Succeeded(result) => {
            Attributes::NexusOperationCompletedEventAttributes(NexusOperationCompletedEventAttributes {
                scheduled_event_id,
                result,
                request_id,
            })
        }
        NexusResult::Failed(cause) => {
            Attributes::NexusOperationFailedEventAttributes(NexusOperationFailedEventAttributes {
                scheduled_event_id,
                failure: Some(failure::of_operation(operation, *cause)),
                request_id,
            })
        }
        NexusResult::Canceled(cause) => {
            Attributes::NexusOperationCanceledEventAttributes(NexusOperationCanceledEventAttributes {
                scheduled_event_id,
                failure: Some(failure::of_operation(operation, *cause)),
                request_id,
            })
        }
    };
    tell(tx, attributes, EventExtras { links, ..Default::default() });
}
