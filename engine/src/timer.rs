//! Timers.
//!
//! | state | StartTimer | time comes | CancelTimer |
//! |---|---|---|---|
//! | none | running: TimerStarted | – | task fails: unknown id |
//! | running | task fails: duplicate id | none: TimerFired | none: TimerCanceled |
//! | fired, in the buffer | running: TimerStarted | – | none: TimerCanceled, the TimerFired vanishes |
//!
//! A timer is known by its id, and one id may be used again after its timer has ended. So whatever ends a timer names
//! the event that started it.

use perdure_proto::api::history::{HistoryEvent, TimerFiredEventAttributes, history_event::Attributes};

use crate::{
    apply::Corrupt,
    state::{Nanos, RunState, Timer},
    time::{from_optional_duration, from_timestamp},
    tx::Tx,
    workflow_task,
};

pub(crate) fn apply(run: &mut RunState, event: &HistoryEvent, attributes: &Attributes) -> Result<(), Corrupt> {
    match attributes {
        Attributes::TimerStartedEventAttributes(started) => {
            let begin = event.event_time.as_ref().map_or(0, from_timestamp);
            let fire_at = begin.saturating_add(from_optional_duration(started.start_to_fire_timeout.as_ref()));
            let timer = Timer { started_event_id: event.event_id, fire_at };
            // One with this id may seem to run: its TimerFired was in the buffer when this one was started, and follows.
            run.timers.insert(started.timer_id.clone(), timer);
        }
        Attributes::TimerFiredEventAttributes(fired) => remove(run, &fired.timer_id, fired.started_event_id),
        Attributes::TimerCanceledEventAttributes(canceled) => {
            remove(run, &canceled.timer_id, canceled.started_event_id);
            workflow_task::drop_buffered(run, |event| {
                fired_timer(event, &canceled.timer_id) == Some(canceled.started_event_id)
            });
        }
        _ => return Err(Corrupt::at(event.event_id, "not an event of timers")),
    }
    Ok(())
}

fn remove(run: &mut RunState, id: &str, started_event_id: i64) {
    if run.timers.get(id).is_some_and(|timer| timer.started_event_id == started_event_id) {
        run.timers.remove(id);
    }
}

/// The started event id of a timer with this id that fired and whose event still waits in the buffer.
pub(crate) fn buffered_fired(run: &RunState, id: &str) -> Option<i64> {
    run.buffered.iter().find_map(|event| fired_timer(event, id))
}

fn fired_timer(event: &HistoryEvent, id: &str) -> Option<i64> {
    match &event.attributes {
        Some(Attributes::TimerFiredEventAttributes(fired)) if fired.timer_id == id => Some(fired.started_event_id),
        _ => None,
    }
}

/// The time of the next timer; None: no timer runs.
pub(crate) fn next_deadline(run: &RunState) -> Option<Nanos> {
    run.timers.values().map(|timer| timer.fire_at).min()
}

/// Fires every timer that is due, in the order of their times.
pub(crate) fn wake(tx: &mut Tx) {
    let now = tx.now();
    let mut due: Vec<(Nanos, i64, String)> = tx
        .state
        .run
        .timers
        .iter()
        .filter(|(_, timer)| timer.fire_at <= now)
        .map(|(id, timer)| (timer.fire_at, timer.started_event_id, id.clone()))
        .collect();
    due.sort_unstable();
    let any = !due.is_empty();
    for (_, started_event_id, timer_id) in due {
        let attributes = TimerFiredEventAttributes { timer_id, started_event_id };
        tx.event_or_buffer(Attributes::TimerFiredEventAttributes(attributes));
    }
    if any {
        workflow_task::ensure_scheduled(tx);
    }
}
