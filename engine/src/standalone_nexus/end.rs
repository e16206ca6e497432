//! The close of a Nexus operation of its own.

use perdure_proto::api::{
    common::Link,
    enums::{TimeoutType, WorkflowExecutionStatus as Status},
    failure::{Failure, TerminatedFailureInfo, failure::FailureInfo},
};

use super::{StandaloneNexusClosed, StandaloneNexusKind, start::link, write};
use crate::{
    callback,
    nexus::{NexusCompletion, NexusResult, timeout_failure},
    outcome::Notice,
    state::{NexusOperation, NexusOperationPhase, NexusOutcome, RunState},
    tx::Tx,
};

/// The operation ended: its end is the run's.
pub(crate) fn end(tx: &mut Tx, operation: &NexusOperation, result: NexusResult, links: Vec<Link>) {
    let (status, outcome) = match result {
        NexusResult::Succeeded(result) => (Status::Completed, NexusOutcome::Result(result.unwrap_or_default())),
        NexusResult::Failed(failure) => (Status::Failed, NexusOutcome::Failure(failure)),
        NexusResult::Canceled(failure) => (Status::Canceled, NexusOutcome::Failure(failure)),
    };
    link(tx, links);
    close(tx, status, outcome, is_attempted(operation), String::new());
}

/// The operation ended in this way, and of this request.
pub(crate) fn was_told(run: &RunState, completion: &NexusCompletion) -> bool {
    let status = match completion.result {
        NexusResult::Succeeded(_) => Status::Completed,
        NexusResult::Failed(_) => Status::Failed,
        NexusResult::Canceled(_) => Status::Canceled,
    };
    let last = run.standalone_nexus.as_ref().and_then(|standalone| standalone.last.as_ref());
    last.is_some_and(|last| last.request_id == completion.request_id)
        && run.close.as_ref().is_some_and(|close| close.status == status as i32)
}

/// `by_attempt`: so little time was left that no attempt was made.
pub(crate) fn time_out(tx: &mut Tx, kind: TimeoutType, by_attempt: bool) {
    close(tx, Status::TimedOut, NexusOutcome::Failure(Box::new(timeout_failure(kind))), by_attempt, String::new());
}

pub(super) fn terminate(tx: &mut Tx, request_id: String, identity: String, reason: String) {
    let info = FailureInfo::TerminatedFailureInfo(TerminatedFailureInfo { identity });
    let failure = Failure { message: reason, failure_info: Some(info), ..Default::default() };
    close(tx, Status::Terminated, NexusOutcome::Failure(Box::new(failure)), false, request_id);
}

/// The end of one that is to be deleted.
pub(crate) fn delete(tx: &mut Tx) {
    terminate(tx, String::new(), String::new(), "Delete nexus operation execution".into());
}

fn is_attempted(operation: &NexusOperation) -> bool {
    matches!(operation.phase, Some(NexusOperationPhase::Scheduled(_)))
}

fn close(tx: &mut Tx, status: Status, outcome: NexusOutcome, ends_attempt: bool, terminate_request_id: String) {
    let closed = StandaloneNexusClosed {
        status: status as i32,
        outcome: Some(outcome),
        time: tx.now(),
        ends_attempt,
        terminate_request_id,
    };
    write(tx, StandaloneNexusKind::Closed(Box::new(closed)));
    // What this step has asked for while the operation was open is wanted no longer.
    tx.out.tasks.clear();
    callback::push_obligations(&tx.state.run, &mut tx.out.tasks);
    tx.out.visibility_changed = true;
    tx.notice(Notice::Closed);
}
