//! What operators do to pending activities: pause, unpause, reset, and other options.

use perdure_proto::api::activity::ActivityOptions;

use super::{
    options::{OptionField, checked, merge, options},
    running_attempt,
    timeout::make_ready,
};
use crate::{
    change::{ActivityDelayedChange, ActivityOptionsChange, ActivityPausedChange, ActivityResumedChange, Kind},
    outcome::Reply,
    pause,
    reject::Reject,
    retry::interval,
    state::{Activity, ActivityPause, ActivityPhase, Nanos, RunState},
    tx::Tx,
};

const NOT_FOUND: &str = "Can't find pending activity with such ID. Invalid activityID or activity already completed";

/// Which pending activities are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActivitySelector {
    Id(String),
    Type(String),
    All,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ActivityOperation {
    Pause {
        identity: String,
        reason: String,
        request_id: String,
    },
    /// Without effect on one that is not paused.
    Unpause {
        reset_attempts: bool,
        reset_heartbeat: bool,
        jitter: Jitter,
    },
    Reset {
        reset_heartbeat: bool,
        keep_paused: bool,
        restore_options: bool,
        jitter: Jitter,
    },
    UpdateOptions {
        options: Box<ActivityOptions>,
        fields: Vec<OptionField>,
    },
    RestoreOptions,
}

/// Spreads attempts that would begin together over a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Jitter {
    pub within: Nanos,
    /// Drawn by the caller: the engine has no chance of its own.
    pub seed: u64,
}

impl Jitter {
    fn of(self, scheduled_event_id: i64) -> Nanos {
        if self.within <= 0 {
            return 0;
        }
        // An odd factor (2^64 / the golden ratio) keeps neighbours apart.
        let spread = self.seed.wrapping_add((scheduled_event_id as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // Less than `within`, so it fits.
        (spread % self.within as u64) as Nanos
    }
}

/// All of the selected activities, or none where one refuses.
pub(crate) fn operate(tx: &mut Tx, selector: &ActivitySelector, operation: ActivityOperation) -> Result<Reply, Reject> {
    let run = &tx.state.run;
    if run.close.is_some() {
        return Err(Reject::WorkflowClosed);
    }
    let selected: Vec<Activity> =
        run.activities.values().map(Box::as_ref).filter(|activity| is_selected(selector, activity)).cloned().collect();
    if selected.is_empty() {
        return Err(Reject::NotFound(NOT_FOUND.into()));
    }
    match operation {
        ActivityOperation::Pause { identity, reason, request_id } => {
            pause(tx, &selected, &ActivityPause { time: tx.now(), identity, reason, request_id })?;
        }
        ActivityOperation::Unpause { reset_attempts, reset_heartbeat, jitter } => {
            for activity in selected.iter().filter(|activity| activity.pause.is_some()) {
                tx.durable(Kind::ActivityResumed(ActivityResumedChange {
                    scheduled_event_id: activity.scheduled_event_id,
                    unpause: true,
                    forgive_attempts: reset_attempts,
                    drop_heartbeat: reset_heartbeat,
                    reset: false,
                }));
                let begin = begin(tx, activity, jitter);
                offer_again(tx, activity.scheduled_event_id, begin);
            }
        }
        ActivityOperation::Reset { reset_heartbeat, keep_paused, restore_options, jitter } => {
            for activity in &selected {
                tx.durable(Kind::ActivityResumed(ActivityResumedChange {
                    scheduled_event_id: activity.scheduled_event_id,
                    unpause: !keep_paused,
                    forgive_attempts: true,
                    drop_heartbeat: reset_heartbeat,
                    reset: true,
                }));
                if restore_options {
                    restore(tx, activity);
                }
                let begin = begin(tx, activity, jitter);
                offer_again(tx, activity.scheduled_event_id, begin);
            }
        }
        ActivityOperation::UpdateOptions { options, fields } => return update(tx, &selected, &options, &fields),
        ActivityOperation::RestoreOptions => {
            let mut restored = ActivityOptions::default();
            for activity in &selected {
                restored = restore(tx, activity);
                offer_by_policy(tx, activity);
            }
            return Ok(Reply::ActivityOptions(Box::new(restored)));
        }
    }
    Ok(Reply::Done)
}

/// When an attempt that an operator lets go may begin. A start delay that is not over yet goes on.
fn begin(tx: &Tx, activity: &Activity, jitter: Jitter) -> Nanos {
    let begin = tx.now().saturating_add(jitter.of(activity.scheduled_event_id));
    let earliest = if activity.last_started_time == 0 { activity.first_dispatch_time() } else { 0 };
    begin.max(earliest)
}

fn is_selected(selector: &ActivitySelector, activity: &Activity) -> bool {
    match selector {
        ActivitySelector::Id(id) => activity.activity_id == *id,
        ActivitySelector::Type(name) => activity.activity_type == *name,
        ActivitySelector::All => true,
    }
}

fn pause(tx: &mut Tx, selected: &[Activity], pause: &ActivityPause) -> Result<(), Reject> {
    let by_another =
        |activity: &&Activity| activity.pause.as_ref().is_some_and(|paused| paused.request_id != pause.request_id);
    if selected.iter().any(|activity| by_another(&activity)) {
        return Err(Reject::FailedPrecondition("activity is already paused".into()));
    }
    for activity in selected.iter().filter(|activity| activity.pause.is_none()) {
        let scheduled_event_id = activity.scheduled_event_id;
        tx.durable(Kind::ActivityPaused(ActivityPausedChange { scheduled_event_id, pause: pause.clone() }));
    }
    Ok(())
}

/// Answers with the options of the last one.
fn update(
    tx: &mut Tx,
    selected: &[Activity],
    update: &ActivityOptions,
    fields: &[OptionField],
) -> Result<Reply, Reject> {
    let merged = |run: &RunState, activity: &Activity| {
        let mut merged = options(activity);
        fields.iter().try_for_each(|field| merge(&mut merged, update, *field))?;
        checked(run, activity, merged, tx.ctx.limits)
    };
    let updated: Result<Vec<_>, String> = selected.iter().map(|activity| merged(&tx.state.run, activity)).collect();
    let updated = updated.map_err(Reject::InvalidArgument)?;
    let mut last = ActivityOptions::default();
    for (activity, options) in selected.iter().zip(updated) {
        set(tx, activity, options.clone());
        offer_by_policy(tx, activity);
        last = options;
    }
    Ok(Reply::ActivityOptions(Box::new(last)))
}

fn restore(tx: &mut Tx, activity: &Activity) -> ActivityOptions {
    match activity.original_options.as_deref() {
        Some(original) => {
            set(tx, activity, original.clone());
            original.clone()
        }
        None => options(activity),
    }
}

fn set(tx: &mut Tx, activity: &Activity, options: ActivityOptions) {
    let scheduled_event_id = activity.scheduled_event_id;
    tx.durable(Kind::ActivityOptionsSet(ActivityOptionsChange { scheduled_event_id, options }));
}

/// Offers an attempt that waits anew: its queue may be another. A first attempt is due, a later one as its policy says
/// now.
fn offer_by_policy(tx: &mut Tx, activity: &Activity) {
    let scheduled_event_id = activity.scheduled_event_id;
    let Some(activity) = tx.state.run.activities.get(&scheduled_event_id) else { return };
    let begin = match &activity.retry_policy {
        Some(policy) if activity.attempt > 1 => {
            activity.last_attempt_complete_time.saturating_add(interval(policy, activity.attempt - 1))
        }
        Some(_) | None => activity.attempt_scheduled_time,
    };
    offer_again(tx, scheduled_event_id, begin);
}

/// The run goes on after a pause: what waited for it begins now, what waits for its time then.
pub(crate) fn offer_waiting(tx: &mut Tx) {
    let now = tx.now();
    let begins = |activity: &Activity| match &activity.phase {
        Some(ActivityPhase::Backoff(backoff)) => backoff.until.max(now),
        Some(ActivityPhase::Scheduled(_) | ActivityPhase::Started(_)) | None => now,
    };
    let waiting: Vec<(i64, Nanos)> = tx.state.run.activities.iter().map(|(id, one)| (*id, begins(one))).collect();
    for (scheduled_event_id, begin) in waiting {
        offer_again(tx, scheduled_event_id, begin);
    }
}

/// An attempt that no worker has begins at this time. One that runs goes on, one that is paused waits.
fn offer_again(tx: &mut Tx, scheduled_event_id: i64, begin: Nanos) {
    let activity = tx.state.run.activities.get(&scheduled_event_id);
    let Some(activity) = activity.filter(|one| running_attempt(one).is_none() && one.pause.is_none()) else { return };
    let attempt = activity.attempt;
    tx.durable(Kind::ActivityDelayed(ActivityDelayedChange { scheduled_event_id, until: begin }));
    if begin <= tx.now() && !pause::is_paused(&tx.state.run) {
        make_ready(tx, scheduled_event_id, attempt);
    }
}
