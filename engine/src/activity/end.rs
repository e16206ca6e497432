//! The end of an activity, as it concerns whoever it belongs to.
//!
//! | belongs to | end |
//! |---|---|
//! | a workflow | Started of the running attempt, if any, then the event that says how it ended; a workflow task |
//! | itself | the run closes |

use perdure_proto::api::{
    common::Payloads,
    enums::{RetryState, TimeoutType},
    failure::Failure,
    history::{
        ActivityTaskCanceledEventAttributes, ActivityTaskCompletedEventAttributes, ActivityTaskFailedEventAttributes,
        ActivityTaskStartedEventAttributes, ActivityTaskTimedOutEventAttributes, history_event::Attributes,
    },
};

use super::running_attempt;
use crate::{
    standalone_activity,
    state::{Activity, ActivityStarted},
    tx::{EventExtras, Tx},
    workflow_task,
};

/// How an activity ended.
pub(crate) enum End {
    Completed { result: Option<Payloads>, identity: String },
    Failed { failure: Failure, identity: String, retry_state: RetryState },
    Canceled { details: Option<Payloads>, identity: String },
    TimedOut { kind: TimeoutType, failure: Failure, retry_state: RetryState },
}

pub(super) fn end(tx: &mut Tx, activity: &Activity, end: End) {
    if standalone_activity::is_standalone(&tx.state.run) {
        standalone_activity::close(tx, activity, end);
    } else {
        write(tx, activity, end);
    }
}

fn write(tx: &mut Tx, activity: &Activity, end: End) {
    let started_event_id = match running_attempt(activity) {
        Some(started) => write_started(tx, activity, started),
        None => 0,
    };
    tx.event_or_buffer(attributes(activity, end, started_event_id));
    workflow_task::ensure_scheduled(tx);
}

fn attributes(activity: &Activity, end: End, started_event_id: i64) -> Attributes {
    let scheduled_event_id = activity.scheduled_event_id;
    match end {
        End::Completed { result, identity } => {
            Attributes::ActivityTaskCompletedEventAttributes(ActivityTaskCompletedEventAttributes {
                result,
                scheduled_event_id,
                started_event_id,
                identity,
                worker_version: None,
            })
        }
        End::Failed { failure, identity, retry_state } => {
            Attributes::ActivityTaskFailedEventAttributes(ActivityTaskFailedEventAttributes {
                failure: Some(failure),
                scheduled_event_id,
                started_event_id,
                identity,
                retry_state: retry_state as i32,
                ..Default::default()
            })
        }
        End::Canceled { details, identity } => {
            Attributes::ActivityTaskCanceledEventAttributes(ActivityTaskCanceledEventAttributes {
                details,
                latest_cancel_requested_event_id: activity.cancel_requested_event_id,
                scheduled_event_id,
                started_event_id,
                identity,
                worker_version: None,
            })
        }
        End::TimedOut { kind: _, failure, retry_state } => {
            Attributes::ActivityTaskTimedOutEventAttributes(ActivityTaskTimedOutEventAttributes {
                failure: Some(failure),
                scheduled_event_id,
                started_event_id,
                retry_state: retry_state as i32,
            })
        }
    }
}

/// Returns the event's id; 0 where it was kept back.
fn write_started(tx: &mut Tx, activity: &Activity, started: &ActivityStarted) -> i64 {
    let attributes = Attributes::ActivityTaskStartedEventAttributes(ActivityTaskStartedEventAttributes {
        scheduled_event_id: activity.scheduled_event_id,
        identity: started.identity.clone(),
        request_id: started.request_id.clone(),
        attempt: activity.counted_attempt(),
        last_failure: activity.last_failure.as_deref().cloned(),
        worker_version: started.worker_version.clone(),
        build_id_redirect_counter: 0,
    });
    tx.event_or_buffer_with(attributes, EventExtras { time: Some(started.time), ..Default::default() })
}
