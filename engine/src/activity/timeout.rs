//! Time passes for activities: the four time-outs, and the end of a backoff.

use perdure_proto::api::enums::{RetryState, TimeoutType};

use super::{
    end::{End, end},
    failure,
    respond::retry,
};
use crate::{
    change::Kind,
    outcome::Task,
    pause,
    state::{Activity, ActivityPhase, Nanos, RunState},
    time::SECOND,
    tx::Tx,
};

/// What happens to an activity at a certain time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deadline {
    BackoffOver,
    Timeout(TimeoutType),
}

/// All that time can do to an activity in its present phase.
fn deadlines(activity: &Activity, run_paused: bool) -> impl Iterator<Item = (Nanos, Deadline)> {
    let after = |begin: Nanos, timeout: Nanos, kind: TimeoutType| {
        (timeout > 0).then(|| (begin.saturating_add(timeout), Deadline::Timeout(kind)))
    };
    let waiting = after(activity.attempt_scheduled_time, activity.schedule_to_start, TimeoutType::ScheduleToStart);
    let of_phase = match &activity.phase {
        Some(ActivityPhase::Started(started)) => {
            let alive = started.time.max(activity.last_heartbeat_time);
            [
                after(started.time, least(activity.start_to_close), TimeoutType::StartToClose),
                after(alive, activity.heartbeat, TimeoutType::Heartbeat),
            ]
        }
        // Nothing is on offer that a worker could be late for.
        Some(ActivityPhase::Scheduled(_) | ActivityPhase::Backoff(_)) if run_paused || activity.pause.is_some() => {
            [None, None]
        }
        Some(ActivityPhase::Backoff(backoff)) => [Some((backoff.until, Deadline::BackoffOver)), waiting],
        Some(ActivityPhase::Scheduled(_)) | None => [waiting, None],
    };
    after(activity.first_dispatch_time(), activity.schedule_to_close, TimeoutType::ScheduleToClose)
        .into_iter()
        .chain(of_phase.into_iter().flatten())
}

/// No attempt times out within its first second: that is how prompt Temporal's server is, and programs count on it. A
/// worker that watches over its own attempts, with a wait for the answer's way, must not be much later than the server.
fn least(start_to_close: Nanos) -> Nanos {
    if start_to_close > 0 { start_to_close.max(SECOND) } else { 0 }
}

/// The next time at which [`wake`] has something to do; None: never.
pub(crate) fn next_deadline(run: &RunState) -> Option<Nanos> {
    let run_paused = pause::is_paused(run);
    run.activities.values().flat_map(|activity| deadlines(activity, run_paused)).map(|(time, _)| time).min()
}

/// Acts on every deadline of activities that is not after now, in the order of their times.
pub(crate) fn wake(tx: &mut Tx) {
    let (now, run_paused) = (tx.now(), pause::is_paused(&tx.state.run));
    // A deadline that was acted on may make room for the next one: an attempt that times out and is retried at once.
    loop {
        let mut due: Vec<(Nanos, i64, Deadline)> = Vec::new();
        for (id, activity) in &tx.state.run.activities {
            due.extend(
                deadlines(activity, run_paused).filter(|(time, _)| *time <= now).map(|(time, what)| (time, *id, what)),
            );
        }
        if due.is_empty() {
            return;
        }
        due.sort_unstable();
        for (time, id, deadline) in due {
            // What came before it may have ended the activity, or its attempt.
            let activity = tx.state.run.activities.get(&id).map(Box::as_ref);
            let still = |activity: &&Activity| deadlines(activity, run_paused).any(|due| due == (time, deadline));
            if let Some(activity) = activity.filter(still) {
                let activity = activity.clone();
                act(tx, &activity, deadline);
            }
        }
    }
}

fn act(tx: &mut Tx, activity: &Activity, deadline: Deadline) {
    match deadline {
        Deadline::BackoffOver => make_ready(tx, activity.scheduled_event_id, activity.attempt),
        Deadline::Timeout(kind) => time_out(tx, activity, kind),
    }
}

/// The attempt waits for a worker from now on.
pub(super) fn make_ready(tx: &mut Tx, scheduled_event_id: i64, attempt: i32) {
    tx.durable(Kind::ActivityReady(scheduled_event_id));
    tx.task(Task::DispatchActivity { scheduled_event_id, attempt });
}

fn time_out(tx: &mut Tx, activity: &Activity, kind: TimeoutType) {
    let retry_state = match (retry(tx, activity, &failure::timeout(kind)), kind) {
        // These bound the activity as a whole: they are not failures of an attempt.
        (RetryState::NonRetryableFailure, TimeoutType::ScheduleToStart | TimeoutType::ScheduleToClose) => {
            RetryState::Timeout
        }
        (state, _) => state,
    };
    if retry_state == RetryState::InProgress {
        return;
    }
    let failure = failure::final_timeout(kind, retry_state == RetryState::Timeout, activity);
    end(tx, activity, End::TimedOut { kind, failure, retry_state });
}
