//! The cancellation of a Nexus operation.

use perdure_proto::api::history::{
    NexusOperationCancelRequestCompletedEventAttributes, NexusOperationCancelRequestFailedEventAttributes,
    history_event::Attributes,
};

use super::{NexusCancelOutcome, awaited, push_cancel_task, tell};
use crate::{
    change::{Kind, NexusRetryChange},
    outcome::Reply,
    reject::Reject,
    standalone_nexus,
    state::NexusCancellationPhase,
    tx::{EventExtras, Tx},
};

/// The event that requests it has been written: it goes out, if the operation has started.
pub(crate) fn requested(tx: &mut Tx, scheduled_event_id: i64) {
    push_cancel_task(tx, scheduled_event_id);
}

/// The attempt with this number to deliver it has ended.
pub(crate) fn done(
    tx: &mut Tx,
    scheduled_event_id: i64,
    attempt: i32,
    outcome: NexusCancelOutcome,
) -> Result<Reply, Reject> {
    let cancellation = awaited(tx, scheduled_event_id)?.cancellation.ok_or(Reject::NotAwaited)?;
    if cancellation.attempt != attempt || !matches!(cancellation.phase, Some(NexusCancellationPhase::Scheduled(_))) {
        return Err(Reject::NotAwaited);
    }
    let requested_event_id = cancellation.requested_event_id;
    let standalone = standalone_nexus::is_standalone(&tx.state.run);
    let attributes = match outcome {
        NexusCancelOutcome::Failed { failure, retryable: true } => {
            let (ended, attempts) = (tx.now(), attempt.saturating_add(1));
            tx.durable(Kind::NexusCancelRetry(NexusRetryChange {
                scheduled_event_id,
                ended,
                until: ended.saturating_add(tx.ctx.limits.nexus_retry.after(attempts)),
                failure: Some(*failure),
            }));
            return Ok(Reply::Done);
        }
        NexusCancelOutcome::Delivered if standalone => {
            standalone_nexus::cancel_ended(tx, None);
            return Ok(Reply::Done);
        }
        NexusCancelOutcome::Failed { failure, retryable: false } if standalone => {
            standalone_nexus::cancel_ended(tx, Some(*failure));
            return Ok(Reply::Done);
        }
        NexusCancelOutcome::Delivered => Attributes::NexusOperationCancelRequestCompletedEventAttributes(
            NexusOperationCancelRequestCompletedEventAttributes {
                requested_event_id,
                scheduled_event_id,
                // Temporal never sets it.
                workflow_task_completed_event_id: 0,
            },
        ),
        NexusCancelOutcome::Failed { failure, retryable: false } => {
            Attributes::NexusOperationCancelRequestFailedEventAttributes(
                NexusOperationCancelRequestFailedEventAttributes {
                    requested_event_id,
                    scheduled_event_id,
                    failure: Some(*failure),
                    workflow_task_completed_event_id: 0,
                },
            )
        }
    };
    // Older SDKs do not know these events.
    tell(tx, attributes, EventExtras { worker_may_ignore: true, ..Default::default() });
    Ok(Reply::Done)
}
