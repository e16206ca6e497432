//! What a reset takes over from after the fork.
//!
//! | event | in the new run |
//! |---|---|
//! | WorkflowExecutionSignaled | the same, unless signals are excluded |
//! | …UpdateAdmitted, …UpdateAccepted with its request | UpdateAdmitted: the worker is asked again, unless updates are excluded |
//! | …UpdateAccepted without | nothing: its UpdateAdmitted came before |
//! | …OptionsUpdated | the same |
//! | start or end of a child that was initiated before the fork | the same: the child is not started again |
//! | start or end of a Nexus operation that was scheduled before the fork | the same, unless Nexus is excluded |
//! | anything else | nothing |
//!
//! Where everything is excluded, nothing is taken over.

use perdure_proto::api::{
    enums::UpdateAdmittedEventOrigin as Origin,
    history::{HistoryEvent, WorkflowExecutionUpdateAdmittedEventAttributes, history_event::Attributes},
    update::Request,
};

use super::Exclude;
use crate::{
    child, nexus,
    tx::{EventExtras, Tx},
    update,
};

pub(super) fn reapply(tx: &mut Tx, event: HistoryEvent, exclude: Exclude) {
    use Attributes as A;
    let Some(attributes) = event.attributes else { return };
    let again = match attributes {
        _ if nexus::is_awaited(&tx.state.run, &attributes) => Some(attributes).filter(|_| !exclude.nexus),
        A::WorkflowExecutionSignaledEventAttributes(_) if exclude.signals => None,
        A::WorkflowExecutionSignaledEventAttributes(_) | A::WorkflowExecutionOptionsUpdatedEventAttributes(_) => {
            Some(attributes)
        }
        A::WorkflowExecutionUpdateAdmittedEventAttributes(admitted) => {
            admitted.request.and_then(|request| admitted_again(tx, request, admitted.origin, exclude))
        }
        A::WorkflowExecutionUpdateAcceptedEventAttributes(accepted) => {
            accepted.accepted_request.and_then(|request| admitted_again(tx, request, Origin::Reapply as i32, exclude))
        }
        _ => None,
    };
    if let Some(attributes) = again {
        let extras = EventExtras {
            links: event.links,
            user_metadata: event.user_metadata,
            worker_may_ignore: event.worker_may_ignore,
            ..Default::default()
        };
        tx.event_with(attributes, extras);
    }
}

/// Takes over what became of a child that was initiated before the fork. False: the event is not about one.
pub(super) fn reapply_child(tx: &mut Tx, event: &HistoryEvent) -> bool {
    let Some(attributes) = event.attributes.as_ref().and_then(|of| child::again(&tx.state.run, of)) else {
        return false;
    };
    tx.event(attributes);
    true
}

fn admitted_again(tx: &Tx, request: Request, origin: i32, exclude: Exclude) -> Option<Attributes> {
    let update_id = request.meta.as_ref().map_or("", |meta| meta.update_id.as_str());
    if exclude.updates || update::is_known(tx.state, update_id) {
        return None;
    }
    let attributes = WorkflowExecutionUpdateAdmittedEventAttributes { request: Some(request), origin };
    Some(Attributes::WorkflowExecutionUpdateAdmittedEventAttributes(attributes))
}
