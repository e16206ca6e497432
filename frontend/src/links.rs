//! Links that answers carry: to the event that a call made.

use perdure_proto::api::{
    common::{
        Link,
        link::{
            Variant, WorkflowEvent,
            workflow_event::{EventReference, Reference, RequestIdReference},
        },
    },
    enums::EventType,
};

/// To the first event of a run.
pub(crate) fn started(namespace: &str, workflow_id: &str, run_id: &str) -> Link {
    let event = EventReference { event_id: 1, event_type: EventType::WorkflowExecutionStarted.into() };
    to_event(namespace, workflow_id, run_id, Reference::EventRef(event))
}

/// To the event of this type that a request with this id made: it may have no event id yet.
pub(crate) fn by_request_id(
    namespace: &str,
    workflow_id: &str,
    run_id: &str,
    request_id: &str,
    event_type: EventType,
) -> Link {
    let request = RequestIdReference { request_id: request_id.to_owned(), event_type: event_type.into() };
    to_event(namespace, workflow_id, run_id, Reference::RequestIdRef(request))
}

fn to_event(namespace: &str, workflow_id: &str, run_id: &str, reference: Reference) -> Link {
    let [namespace, workflow_id, run_id] = [namespace, workflow_id, run_id].map(str::to_owned);
    let event = WorkflowEvent { namespace, workflow_id, run_id, reference: Some(reference) };
    Link { variant: Some(Variant::WorkflowEvent(event)) }
}
