//! What clients ask of a Nexus operation of its own.

use perdure_proto::api::failure::Failure;

use super::{ONLY, StandaloneNexusKind, change::StandaloneNexusCancelEnded, end, write};
use crate::{
    nexus,
    outcome::Reply,
    reject::Reject,
    state::{NexusCancelRequest, RunState},
    tx::Tx,
};

#[derive(Clone, Debug, PartialEq)]
pub enum NexusControl {
    Cancel { request_id: String, identity: String, reason: String },
    Terminate { request_id: String, identity: String, reason: String },
}

pub(super) fn control(tx: &mut Tx, control: NexusControl) -> Result<Reply, Reject> {
    match control {
        NexusControl::Cancel { request_id, identity, reason } => {
            let time = tx.now();
            cancel(tx, NexusCancelRequest { request_id, identity, reason, time })
        }
        NexusControl::Terminate { request_id, identity, reason } => terminate(tx, request_id, identity, reason),
    }
}

fn cancel(tx: &mut Tx, request: NexusCancelRequest) -> Result<Reply, Reject> {
    let run = &tx.state.run;
    let earlier = run.standalone_nexus.as_ref().and_then(|standalone| standalone.cancel.as_ref());
    match earlier {
        Some(earlier) if earlier.request_id == request.request_id => return Ok(Reply::Done),
        _ if run.close.is_some() => return Err(Reject::FailedPrecondition("operation already completed".into())),
        Some(earlier) => {
            let text = format!("cancellation already requested with request ID {}", earlier.request_id);
            return Err(Reject::FailedPrecondition(text));
        }
        None => {}
    }
    write(tx, StandaloneNexusKind::CancelRequested(request));
    nexus::requested(tx, ONLY);
    Ok(Reply::Done)
}

/// The cancel request was delivered; with a failure: the handler will not hear of it.
pub(crate) fn cancel_ended(tx: &mut Tx, failure: Option<Failure>) {
    let time = tx.now();
    write(tx, StandaloneNexusKind::CancelEnded(Box::new(StandaloneNexusCancelEnded { time, failure })));
}

fn terminate(tx: &mut Tx, request_id: String, identity: String, reason: String) -> Result<Reply, Reject> {
    let run = &tx.state.run;
    if run.close.is_none() {
        end::terminate(tx, request_id, identity, reason);
        return Ok(Reply::Done);
    }
    let earlier = run.standalone_nexus.as_ref().map(|standalone| standalone.terminate_request_id.as_str());
    match earlier {
        Some(earlier) if earlier == request_id => Ok(Reply::Done),
        Some(earlier) if !earlier.is_empty() => {
            Err(Reject::FailedPrecondition(format!("already terminated with request ID {earlier}")))
        }
        _ => Err(Reject::FailedPrecondition(format!("invalid transition from {}", state_name(run)))),
    }
}

/// How it ended, in Temporal's words for it.
fn state_name(run: &RunState) -> &'static str {
    use perdure_proto::api::enums::WorkflowExecutionStatus as S;
    match run.close.as_ref().map(|close| close.status()) {
        Some(S::Completed) => "Succeeded",
        Some(S::Failed) => "Failed",
        Some(S::Canceled) => "Canceled",
        Some(S::Terminated) => "Terminated",
        Some(S::TimedOut) => "TimedOut",
        Some(S::Unspecified | S::Running | S::ContinuedAsNew | S::Paused) | None => "Unspecified",
    }
}
