//! What workers and clients say about an activity.

use perdure_proto::api::{common::Payloads, enums::RetryState, failure::Failure};
use prost::Message;

use super::{
    end::{End, end},
    failure, find, running_attempt,
};
use crate::{
    change::{ActivityHeartbeatChange, ActivityRetryChange, ActivityStartedChange, Kind},
    input::ActivityRef,
    outcome::{Reply, server_failure},
    reject::Reject,
    retry::{Attempt, Next},
    standalone_activity,
    state::{Activity, Nanos},
    tx::Tx,
};

const NOT_REQUESTED: &str = "unable to mark activity as canceled without activity being request canceled first";

/// By id also an activity that no worker has: it counts as started by the caller, now.
pub(crate) fn completed(
    tx: &mut Tx,
    reference: ActivityRef,
    result: Option<Payloads>,
    identity: String,
) -> Result<Reply, Reject> {
    if is_too_large(tx, result.as_ref()) {
        return fail_for(tx, &reference, "Complete result exceeds size limit.", identity);
    }
    let mut activity = find(&tx.state.run, &reference, false)?;
    if running_attempt(&activity).is_none() {
        tx.durable(Kind::ActivityStarted(ActivityStartedChange {
            scheduled_event_id: activity.scheduled_event_id,
            time: tx.now(),
            identity: identity.clone(),
            ..Default::default()
        }));
        activity = find(&tx.state.run, &reference, true)?;
    }
    end(tx, &activity, End::Completed { result, identity });
    Ok(Reply::Done)
}

pub(crate) fn failed(
    tx: &mut Tx,
    reference: ActivityRef,
    failure: Failure,
    last_heartbeat_details: Option<Payloads>,
    identity: String,
) -> Result<Reply, Reject> {
    let mut activity = find(&tx.state.run, &reference, true)?;
    if last_heartbeat_details.is_some() && !is_too_large(tx, last_heartbeat_details.as_ref()) {
        record_heartbeat(tx, &activity, last_heartbeat_details);
        activity = find(&tx.state.run, &reference, true)?;
    }
    let failure = failure::accepted(failure, tx.ctx.limits.blob_size);
    let retry_state = match retry(tx, &activity, &failure) {
        RetryState::InProgress => return Ok(Reply::Done),
        ended => ended,
    };
    end(tx, &activity, End::Failed { failure, identity, retry_state });
    Ok(Reply::Done)
}

pub(crate) fn canceled(
    tx: &mut Tx,
    reference: ActivityRef,
    details: Option<Payloads>,
    identity: String,
) -> Result<Reply, Reject> {
    let activity = find(&tx.state.run, &reference, true)?;
    if !activity.is_cancel_requested() {
        return Err(if standalone_activity::is_standalone(&tx.state.run) {
            standalone_activity::cancel_not_requested(&tx.state.run)
        } else {
            Reject::InvalidArgument(NOT_REQUESTED.into())
        });
    }
    if is_too_large(tx, details.as_ref()) {
        return fail_for(tx, &reference, "Cancel details exceed size limit.", identity);
    }
    end(tx, &activity, End::Canceled { details, identity });
    Ok(Reply::Done)
}

/// Details that are too large end the activity; the answer then tells the worker to stop.
pub(crate) fn heartbeat(
    tx: &mut Tx,
    reference: ActivityRef,
    details: Option<Payloads>,
    identity: String,
) -> Result<Reply, Reject> {
    if is_too_large(tx, details.as_ref()) {
        fail_for(tx, &reference, "Heartbeat details exceed size limit.", identity)?;
        return Ok(Reply::Heartbeat { cancel_requested: true, paused: false, reset: false });
    }
    let activity = find(&tx.state.run, &reference, true)?;
    record_heartbeat(tx, &activity, details);
    Ok(Reply::Heartbeat {
        cancel_requested: activity.is_cancel_requested(),
        paused: activity.pause.is_some(),
        reset: activity.reset,
    })
}

fn record_heartbeat(tx: &mut Tx, activity: &Activity, details: Option<Payloads>) {
    let (scheduled_event_id, time) = (activity.scheduled_event_id, tx.now());
    tx.durable(Kind::ActivityHeartbeat(ActivityHeartbeatChange { scheduled_event_id, time, details }));
}

fn is_too_large(tx: &Tx, payloads: Option<&Payloads>) -> bool {
    payloads.is_some_and(|payloads| payloads.encoded_len() as i64 > tx.ctx.limits.blob_size)
}

/// The answer to payloads that the history cannot take: the call succeeds, the activity fails for good.
fn fail_for(tx: &mut Tx, reference: &ActivityRef, text: &str, identity: String) -> Result<Reply, Reject> {
    failed(tx, reference.clone(), server_failure(text, true), None, identity)
}

/// Goes on to the next attempt if there is one: `InProgress`. Otherwise nothing has changed.
pub(super) fn retry(tx: &mut Tx, activity: &Activity, failure: &Failure) -> RetryState {
    let Some(policy) = &activity.retry_policy else { return RetryState::RetryPolicyNotSet };
    if activity.is_cancel_requested() {
        return RetryState::CancelRequested;
    }
    let now = tx.now();
    let attempt = Attempt { policy, attempt: activity.counted_attempt(), now, expiration: expiration(activity) };
    match attempt.next(failure) {
        Next::Stop(state) => state,
        Next::After(interval) => {
            tx.durable(Kind::ActivityRetry(ActivityRetryChange {
                scheduled_event_id: activity.scheduled_event_id,
                attempt: activity.counted_attempt().saturating_add(1),
                until: now.saturating_add(interval),
                failure: Some(failure::kept(failure.clone(), tx.ctx.limits.failure_size)),
                ended: now,
                interval,
            }));
            RetryState::InProgress
        }
    }
}

/// No attempt may begin after this time; 0: no bound.
fn expiration(activity: &Activity) -> Nanos {
    match activity.schedule_to_close {
        0 => 0,
        timeout => activity.first_dispatch_time().saturating_add(timeout),
    }
}
