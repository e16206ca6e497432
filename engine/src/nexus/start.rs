//! The answer to the start of a Nexus operation.

use perdure_proto::api::{
    common::Link,
    history::{NexusOperationStartedEventAttributes, history_event::Attributes},
};

use super::{NexusResult, NexusStartOutcome, awaited, completion::end, push_cancel_task, timeout};
use crate::{
    change::{Kind, NexusRetryChange},
    outcome::Reply,
    reject::Reject,
    standalone_nexus,
    state::{Nanos, NexusOperation, NexusOperationPhase},
    tx::{EventExtras, Tx},
    workflow_task,
};

/// The attempt with this number has ended.
pub(crate) fn done(
    tx: &mut Tx,
    scheduled_event_id: i64,
    attempt: i32,
    outcome: NexusStartOutcome,
) -> Result<Reply, Reject> {
    let operation = awaited(tx, scheduled_event_id)?;
    if operation.attempt != attempt || !matches!(operation.phase, Some(NexusOperationPhase::Scheduled(_))) {
        return Err(Reject::NotAwaited);
    }
    match outcome {
        NexusStartOutcome::Async { operation_token, links } => {
            write_started(tx, &operation, operation_token, links, 0);
            if !standalone_nexus::is_standalone(&tx.state.run) {
                workflow_task::ensure_scheduled(tx);
            }
        }
        NexusStartOutcome::Completed { result, links } => {
            end(tx, &operation, NexusResult::Succeeded(result), links);
        }
        NexusStartOutcome::HandlerError { failure, retryable: true } => {
            let (ended, attempts) = (tx.now(), operation.attempt.saturating_add(1));
            tx.durable(Kind::NexusStartRetry(NexusRetryChange {
                scheduled_event_id,
                ended,
                until: ended.saturating_add(tx.ctx.limits.nexus_retry.after(attempts)),
                failure: Some(*failure),
            }));
        }
        NexusStartOutcome::Failed { failure } | NexusStartOutcome::HandlerError { failure, retryable: false } => {
            end(tx, &operation, NexusResult::Failed(failure), Vec::new());
        }
        NexusStartOutcome::Canceled { failure } => end(tx, &operation, NexusResult::Canceled(failure), Vec::new()),
        NexusStartOutcome::TimedOut(kind) => timeout::time_out(tx, &operation, kind, true),
    }
    Ok(Reply::Done)
}

/// `time`: when the handler started it; 0: now. The workflow is not told yet: where the end comes with it, the workflow
/// task comes after both.
pub(super) fn write_started(
    tx: &mut Tx,
    operation: &NexusOperation,
    operation_token: String,
    links: Vec<Link>,
    time: Nanos,
) {
    if standalone_nexus::is_standalone(&tx.state.run) {
        standalone_nexus::started(tx, operation_token, links, time);
        push_cancel_task(tx, operation.scheduled_event_id);
        return;
    }
    let attributes = NexusOperationStartedEventAttributes {
        scheduled_event_id: operation.scheduled_event_id,
        operation_id: operation_token.clone(),
        request_id: operation.request_id.clone(),
        operation_token,
    };
    let extras = EventExtras { links, time: (time != 0).then_some(time), ..Default::default() };
    tx.event_or_buffer_with(Attributes::NexusOperationStartedEventAttributes(attributes), extras);
    push_cancel_task(tx, operation.scheduled_event_id);
}
