//! Events that wait for the started workflow task to end.

use std::collections::BTreeMap;

use perdure_proto::api::{
    enums::WorkflowTaskFailedCause,
    history::{HistoryEvent, history_event::Attributes},
};
use prost::Message;

use super::{TaskFailure, ensure_scheduled, fail};
use crate::{change::Kind, state::RunState, tx::Tx};

pub(crate) fn keep_back(run: &mut RunState, event: &HistoryEvent) {
    run.buffered.push(event.clone());
    run.buffered_bytes += event.encoded_len() as i64;
}

pub(crate) fn drop_buffered(run: &mut RunState, goes: impl Fn(&HistoryEvent) -> bool) {
    run.buffered.retain(|event| !goes(event));
    run.buffered_bytes = buffered_size(run);
}

/// What the run keeps as its `buffered_bytes`.
pub(crate) fn buffered_size(run: &RunState) -> i64 {
    run.buffered.iter().map(|event| event.encoded_len() as i64).sum()
}

/// Writes all buffered events. What ended something comes last, as Temporal orders them: a worker may then rely on the
/// start of an activity or child standing before its end.
pub(crate) fn flush(tx: &mut Tx) {
    if tx.state.run.buffered.is_empty() {
        return;
    }
    // Not a copy: the change would drop them.
    let events = std::mem::take(&mut tx.state.run.buffered);
    tx.durable(Kind::BufferFlushed(true));
    let (ends, others): (Vec<_>, Vec<_>) = events.into_iter().partition(ends_something);
    let mut started = BTreeMap::new();
    for mut event in others.into_iter().chain(ends) {
        event.event_id = tx.state.run.next_event_id;
        wire(&mut event, &mut started);
        tx.write(event);
    }
}

fn ends_something(event: &HistoryEvent) -> bool {
    use Attributes as A;
    matches!(
        event.attributes,
        Some(
            A::ActivityTaskCompletedEventAttributes(_)
                | A::ActivityTaskFailedEventAttributes(_)
                | A::ActivityTaskTimedOutEventAttributes(_)
                | A::ActivityTaskCanceledEventAttributes(_)
                | A::ChildWorkflowExecutionCompletedEventAttributes(_)
                | A::ChildWorkflowExecutionFailedEventAttributes(_)
                | A::ChildWorkflowExecutionTimedOutEventAttributes(_)
                | A::ChildWorkflowExecutionCanceledEventAttributes(_)
                | A::ChildWorkflowExecutionTerminatedEventAttributes(_)
                | A::NexusOperationCompletedEventAttributes(_)
                | A::NexusOperationFailedEventAttributes(_)
                | A::NexusOperationCanceledEventAttributes(_)
                | A::NexusOperationTimedOutEventAttributes(_)
        )
    )
}

/// Gives an end the id of its start, where both were in the buffer. `started`: id of each start by what it started.
fn wire(event: &mut HistoryEvent, started: &mut BTreeMap<i64, i64>) {
    use Attributes as A;
    let id = event.event_id;
    let Some(attributes) = &mut event.attributes else { return };
    let (began_at, started_event_id) = match attributes {
        A::ActivityTaskStartedEventAttributes(a) => {
            started.insert(a.scheduled_event_id, id);
            return;
        }
        A::ChildWorkflowExecutionStartedEventAttributes(a) => {
            started.insert(a.initiated_event_id, id);
            return;
        }
        A::ActivityTaskCompletedEventAttributes(a) => (a.scheduled_event_id, &mut a.started_event_id),
        A::ActivityTaskFailedEventAttributes(a) => (a.scheduled_event_id, &mut a.started_event_id),
        A::ActivityTaskTimedOutEventAttributes(a) => (a.scheduled_event_id, &mut a.started_event_id),
        A::ActivityTaskCanceledEventAttributes(a) => (a.scheduled_event_id, &mut a.started_event_id),
        A::ChildWorkflowExecutionCompletedEventAttributes(a) => (a.initiated_event_id, &mut a.started_event_id),
        A::ChildWorkflowExecutionFailedEventAttributes(a) => (a.initiated_event_id, &mut a.started_event_id),
        A::ChildWorkflowExecutionTimedOutEventAttributes(a) => (a.initiated_event_id, &mut a.started_event_id),
        A::ChildWorkflowExecutionCanceledEventAttributes(a) => (a.initiated_event_id, &mut a.started_event_id),
        A::ChildWorkflowExecutionTerminatedEventAttributes(a) => (a.initiated_event_id, &mut a.started_event_id),
        _ => return,
    };
    if let Some(&known) = started.get(&began_at) {
        *started_event_id = known;
    }
}

/// Fails the started task when too much waits for it.
pub(crate) fn enforce_limit(tx: &mut Tx) {
    let (run, limits) = (&tx.state.run, tx.ctx.limits);
    if run.buffered.is_empty() {
        return;
    }
    if run.buffered.len() <= limits.buffered_events && run.buffered_bytes <= limits.buffered_bytes {
        return;
    }
    fail(tx, TaskFailure::by_server(WorkflowTaskFailedCause::ForceCloseCommand));
    ensure_scheduled(tx);
}
