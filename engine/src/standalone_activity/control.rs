//! What clients and operators ask of an activity of its own.

use perdure_proto::api::common::{Payload, Payloads};

use super::{ONLY, StandaloneKind, end, has_attempt, invalid_transition, operate, write};
use crate::{
    activity::ActivityOperation,
    outcome::Reply,
    reject::Reject,
    state::{ActivityCancelRequest, StandaloneActivity},
    tx::Tx,
};

#[derive(Clone, Debug, PartialEq)]
pub enum ActivityControl {
    Cancel { request_id: String, identity: String, reason: String },
    Terminate { request_id: String, identity: String, reason: String },
    Operate { request_id: String, operation: ActivityOperation },
}

pub(super) fn control(tx: &mut Tx, control: ActivityControl) -> Result<Reply, Reject> {
    match control {
        ActivityControl::Cancel { request_id, identity, reason } => {
            let time = tx.now();
            cancel(tx, ActivityCancelRequest { request_id, identity, reason, time })
        }
        ActivityControl::Terminate { request_id, identity, reason } => terminate(tx, request_id, identity, reason),
        ActivityControl::Operate { request_id, operation } => operate::operate(tx, &request_id, operation),
    }
}

fn cancel(tx: &mut Tx, request: ActivityCancelRequest) -> Result<Reply, Reject> {
    let run = &tx.state.run;
    let earlier = run.standalone_activity.as_ref().and_then(|standalone| standalone.cancel.as_ref());
    if earlier.is_some_and(|earlier| earlier.request_id == request.request_id) {
        return Ok(Reply::Done);
    }
    let Some(activity) = run.activities.get(&ONLY) else { return Err(invalid_transition(run)) };
    if let Some(earlier) = earlier {
        let text = format!("cancellation already requested with request ID {}", earlier.request_id);
        return Err(Reject::FailedPrecondition(text));
    }
    let told = has_attempt(activity);
    let reason = request.reason.clone();
    write(tx, StandaloneKind::CancelRequested(request));
    if !told {
        // No worker can answer: the reason is all that there is to say about it.
        end::canceled(tx, Some(json_text(&reason)));
    }
    Ok(Reply::Done)
}

fn terminate(tx: &mut Tx, request_id: String, identity: String, reason: String) -> Result<Reply, Reject> {
    let run = &tx.state.run;
    if run.close.is_some() {
        let earlier = run
            .standalone_activity
            .as_deref()
            .map(|StandaloneActivity { terminate_request_id, .. }| terminate_request_id);
        return match earlier {
            Some(earlier) if *earlier == request_id => Ok(Reply::Done),
            Some(earlier) if !earlier.is_empty() => {
                Err(Reject::FailedPrecondition(format!("already terminated with request ID {earlier}")))
            }
            _ => Err(invalid_transition(run)),
        };
    }
    end::terminate(tx, request_id, identity, reason);
    Ok(Reply::Done)
}

/// A text as the one payload that a client's default converter makes of it.
fn json_text(text: &str) -> Payloads {
    let metadata = [("encoding".to_owned(), "json/plain".into())].into();
    let data = crate::system_attributes::quoted(text).into();
    Payloads { payloads: vec![Payload { metadata, data, ..Default::default() }] }
}
