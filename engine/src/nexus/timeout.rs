//! Time passes for Nexus operations: the three time-outs, and the ends of backoffs.

use perdure_proto::api::{
    enums::TimeoutType,
    history::{NexusOperationTimedOutEventAttributes, history_event::Attributes},
};

use super::{failure, push_cancel_task, tell};
use crate::{
    change::Kind,
    outcome::Task,
    standalone_nexus,
    state::{Nanos, NexusCancellationPhase, NexusOperation, NexusOperationPhase, RunState},
    tx::{EventExtras, Tx},
};

/// What happens to an operation at a certain time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deadline {
    StartBackoffOver,
    CancelBackoffOver,
    Timeout(TimeoutType),
}

/// All that time can do to an operation in its present phase.
fn deadlines(operation: &NexusOperation) -> impl Iterator<Item = (Nanos, Deadline)> {
    let after = |begin: Nanos, timeout: Nanos, kind: TimeoutType| {
        (timeout > 0).then(|| (begin.saturating_add(timeout), Deadline::Timeout(kind)))
    };
    let to_start = after(operation.scheduled_time, operation.schedule_to_start, TimeoutType::ScheduleToStart);
    let of_phase = match &operation.phase {
        Some(NexusOperationPhase::Started(started)) => {
            let cancel = operation.cancellation.as_ref().and_then(|cancellation| match &cancellation.phase {
                Some(NexusCancellationPhase::Backoff(backoff)) => Some((backoff.until, Deadline::CancelBackoffOver)),
                _ => None,
            });
            [after(started.time, operation.start_to_close, TimeoutType::StartToClose), cancel]
        }
        Some(NexusOperationPhase::Backoff(backoff)) => [Some((backoff.until, Deadline::StartBackoffOver)), to_start],
        Some(NexusOperationPhase::Scheduled(_)) | None => [to_start, None],
    };
    after(operation.scheduled_time, operation.schedule_to_close, TimeoutType::ScheduleToClose)
        .into_iter()
        .chain(of_phase.into_iter().flatten())
}

/// The next time at which [`wake`] has something to do; None: never.
pub(crate) fn next_deadline(run: &RunState) -> Option<Nanos> {
    run.nexus_operations.values().flat_map(deadlines).map(|(time, _)| time).min()
}

/// Acts on every deadline of operations that is not after now, in the order of their times.
pub(crate) fn wake(tx: &mut Tx) {
    let now = tx.now();
    let mut due: Vec<(Nanos, i64, Deadline)> = Vec::new();
    for (id, operation) in &tx.state.run.nexus_operations {
        due.extend(deadlines(operation).filter(|(time, _)| *time <= now).map(|(time, what)| (time, *id, what)));
    }
    due.sort_unstable();
    for (_, scheduled_event_id, deadline) in due {
        // What came before it may have ended the operation.
        let Some(operation) = tx.state.run.nexus_operations.get(&scheduled_event_id).cloned() else { continue };
        match deadline {
            Deadline::StartBackoffOver => {
                tx.durable(Kind::NexusStartReady(scheduled_event_id));
                tx.task(Task::StartNexusOperation { scheduled_event_id, attempt: operation.attempt });
            }
            Deadline::CancelBackoffOver => {
                tx.durable(Kind::NexusCancelReady(scheduled_event_id));
                push_cancel_task(tx, scheduled_event_id);
            }
            Deadline::Timeout(kind) => time_out(tx, &operation, kind, false),
        }
    }
}

/// `by_attempt`: so little time was left that no attempt was made.
pub(super) fn time_out(tx: &mut Tx, operation: &NexusOperation, kind: TimeoutType, by_attempt: bool) {
    if standalone_nexus::is_standalone(&tx.state.run) {
        return standalone_nexus::time_out(tx, kind, by_attempt);
    }
    let attributes = NexusOperationTimedOutEventAttributes {
        scheduled_event_id: operation.scheduled_event_id,
        failure: Some(failure::of_operation(operation, failure::of_timeout(kind))),
        request_id: operation.request_id.clone(),
    };
    tell(tx, Attributes::NexusOperationTimedOutEventAttributes(attributes), EventExtras::default());
    // A request that was to go out now is wanted no longer.
    let id = operation.scheduled_event_id;
    tx.out.tasks.retain(|task| {
        !matches!(
            task,
            Task::StartNexusOperation { scheduled_event_id, .. } | Task::CancelNexusOperation { scheduled_event_id, .. }
                if *scheduled_event_id == id
        )
    });
}
