//! Whether a history is one that the engine itself could have written: what an import and `perdure replay check` ask.
//!
//! | rule | what it says |
//! |---|---|
//! | ids | 1, 2, 3, … |
//! | shape | each event has attributes, of the type that it names, and a time |
//! | begin, end | Started is the first event and no other; nothing comes after the close |
//! | machines | what moves or ends an activity, a timer, a child, … names the event that began it, see `machines` |
//! | commands | what a worker's command wrote names a completed workflow task before it |
//! | replay | the events, one by one, lead to a state without contradictions |
//!
//! Times need not grow: an event that waited for the end of a workflow task keeps the time at which it happened.

mod machines;

use std::{collections::BTreeSet, fmt};

use perdure_proto::api::{
    enums::EventType,
    history::{HistoryEvent, history_event::Attributes},
};

use crate::{
    change::Created,
    check::check,
    event::event_type,
    replay::replay,
    verify::machines::{Machines, completed_by},
};

/// What is wrong with one event; event 0: with the whole history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub event_id: i64,
    pub what: String,
}

impl Violation {
    fn new(event_id: i64, what: impl Into<String>) -> Self {
        Self { event_id, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.event_id {
            0 => f.write_str(&self.what),
            id => write!(f, "event {id}: {}", self.what),
        }
    }
}

/// All that is wrong with the events of one run, in their order; empty: nothing. A history need not be closed.
pub fn verify(events: &[HistoryEvent]) -> Vec<Violation> {
    let mut wrong = Vec::new();
    if events.is_empty() {
        return vec![Violation::new(0, "the history has no events")];
    }
    let mut machines = Machines::default();
    let mut completed_tasks = BTreeSet::new();
    let mut closed = false;
    for (place, event) in events.iter().enumerate() {
        let id = event.event_id;
        verify_place(event, place, closed, &mut wrong);
        let Some(attributes) = verify_shape(event, &mut wrong) else { continue };
        machines.verify(id, attributes, &mut wrong);
        if let Some(task) = completed_by(attributes).filter(|task| !completed_tasks.contains(task)) {
            wrong.push(Violation::new(id, format!("names {task} as its completed workflow task, which is none")));
        }
        if matches!(attributes, Attributes::WorkflowTaskCompletedEventAttributes(_)) {
            completed_tasks.insert(id);
        }
        closed |= is_close(attributes);
    }
    if wrong.is_empty() {
        verify_replay(events, &mut wrong);
    }
    wrong
}

/// Whether an event with these attributes is the last one of its run.
pub fn is_close(attributes: &Attributes) -> bool {
    use Attributes as A;
    matches!(
        attributes,
        A::WorkflowExecutionCompletedEventAttributes(_)
            | A::WorkflowExecutionFailedEventAttributes(_)
            | A::WorkflowExecutionTimedOutEventAttributes(_)
            | A::WorkflowExecutionTerminatedEventAttributes(_)
            | A::WorkflowExecutionCanceledEventAttributes(_)
            | A::WorkflowExecutionContinuedAsNewEventAttributes(_)
    )
}

fn verify_place(event: &HistoryEvent, place: usize, closed: bool, wrong: &mut Vec<Violation>) {
    let expected = i64::try_from(place).map_or(i64::MAX, |place| place + 1);
    if event.event_id != expected {
        wrong.push(Violation::new(event.event_id, format!("stands where event {expected} should")));
    }
    let is_start = event.event_type() == EventType::WorkflowExecutionStarted;
    if is_start != (place == 0) {
        wrong.push(Violation::new(event.event_id, "a history begins with WorkflowExecutionStarted, and has no other"));
    }
    if closed {
        wrong.push(Violation::new(event.event_id, "comes after the close"));
    }
}

fn verify_shape<'a>(event: &'a HistoryEvent, wrong: &mut Vec<Violation>) -> Option<&'a Attributes> {
    let id = event.event_id;
    if event.event_time.is_none() {
        wrong.push(Violation::new(id, "has no time"));
    }
    let Some(attributes) = &event.attributes else {
        wrong.push(Violation::new(id, "has no attributes, or some that this version does not know"));
        return None;
    };
    let own = event_type(attributes);
    if event.event_type != own as i32 {
        let named = EventType::try_from(event.event_type).map_or("an unknown type", |named| named.as_str_name());
        wrong.push(Violation::new(id, format!("is of {named}, and its attributes are those of {}", own.as_str_name())));
    }
    Some(attributes)
}

/// Only for events whose order is right: what the engine makes of others says nothing.
fn verify_replay(events: &[HistoryEvent], wrong: &mut Vec<Violation>) {
    let created = Created { run_id: "replay".into(), request_id: "replay".into(), ..Created::default() };
    match replay(created, events.iter().cloned()) {
        Ok(state) => wrong.extend(check(&state).into_iter().map(|what| Violation::new(0, what))),
        Err(corrupt) => wrong.push(Violation::new(corrupt.event_id, corrupt.what)),
    }
}
