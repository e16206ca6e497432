//! The close of an activity of its own.

use perdure_proto::api::{
    common::Payloads,
    enums::{RetryState, TimeoutType, WorkflowExecutionStatus as Status},
    failure::{CanceledFailureInfo, Failure, TerminatedFailureInfo, failure::FailureInfo},
};

use super::{StandaloneClosed, StandaloneKind, write};
use crate::{
    activity::{self, End},
    callback,
    outcome::Notice,
    state::{Activity, ActivityOutcome},
    tx::Tx,
};

/// The activity ended: its end is the run's.
pub(crate) fn close(tx: &mut Tx, ended: &Activity, end: End) {
    let closed = match end {
        End::Completed { result, identity } => StandaloneClosed {
            status: Status::Completed as i32,
            outcome: Some(ActivityOutcome::Result(result.unwrap_or_default())),
            ends_attempt: true,
            identity,
            ..StandaloneClosed::default()
        },
        End::Failed { failure, identity, retry_state } => StandaloneClosed {
            status: Status::Failed as i32,
            outcome: Some(ActivityOutcome::Failure(Box::new(failure.clone()))),
            retry_state: retry_state as i32,
            ends_attempt: true,
            attempt_failure: Some(failure),
            identity,
            ..StandaloneClosed::default()
        },
        End::Canceled { details, identity: _ } => return canceled(tx, details),
        End::TimedOut { kind, failure, retry_state } => {
            // The time-outs of the activity as a whole say nothing about an attempt.
            let ends_attempt = matches!(kind, TimeoutType::StartToClose | TimeoutType::Heartbeat);
            let own = activity::attempt_timeout(kind, ended);
            // Only of an attempt that ended is there more to tell: whether there was time for another one.
            let failure = if ends_attempt { Failure { source: String::new(), ..failure } } else { own.clone() };
            StandaloneClosed {
                status: Status::TimedOut as i32,
                outcome: Some(ActivityOutcome::Failure(Box::new(failure))),
                retry_state: retry_state as i32,
                ends_attempt,
                attempt_failure: ends_attempt.then_some(own),
                ..StandaloneClosed::default()
            }
        }
    };
    write_closed(tx, closed);
}

/// `details` are the worker's, or tell why no worker was asked.
pub(super) fn canceled(tx: &mut Tx, details: Option<Payloads>) {
    let standalone = tx.state.run.standalone_activity.as_ref();
    let requester = standalone.and_then(|standalone| standalone.cancel.as_ref());
    let identity = requester.map(|request| request.identity.clone()).unwrap_or_default();
    let info = FailureInfo::CanceledFailureInfo(CanceledFailureInfo { details, identity });
    let failure = Failure { message: "Activity canceled".into(), failure_info: Some(info), ..Default::default() };
    write_closed(
        tx,
        StandaloneClosed {
            status: Status::Canceled as i32,
            outcome: Some(ActivityOutcome::Failure(Box::new(failure))),
            retry_state: RetryState::Unspecified as i32,
            ..StandaloneClosed::default()
        },
    );
}

pub(super) fn terminate(tx: &mut Tx, request_id: String, identity: String, reason: String) {
    let info = FailureInfo::TerminatedFailureInfo(TerminatedFailureInfo { identity });
    let failure = Failure { message: reason, failure_info: Some(info), ..Default::default() };
    write_closed(
        tx,
        StandaloneClosed {
            status: Status::Terminated as i32,
            outcome: Some(ActivityOutcome::Failure(Box::new(failure))),
            terminate_request_id: request_id,
            ..StandaloneClosed::default()
        },
    );
}

/// The end of one that is to be deleted.
pub(crate) fn delete(tx: &mut Tx) {
    terminate(tx, String::new(), String::new(), "Delete activity execution".into());
}

fn write_closed(tx: &mut Tx, closed: StandaloneClosed) {
    let closed = StandaloneClosed { time: tx.now(), ..closed };
    write(tx, StandaloneKind::Closed(Box::new(closed)));
    // What this step has asked for while the activity was open is wanted no longer.
    tx.out.tasks.clear();
    callback::push_obligations(&tx.state.run, &mut tx.out.tasks);
    tx.out.visibility_changed = true;
    tx.notice(Notice::Closed);
}
