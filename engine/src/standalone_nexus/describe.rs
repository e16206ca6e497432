//! What DescribeNexusOperationExecution and PollNexusOperationExecution tell.

use perdure_proto::api::{
    common::Payload,
    enums::{NexusOperationExecutionStatus, PendingNexusOperationState as Pending, WorkflowExecutionStatus},
    nexus::{NexusOperationExecutionCancellationInfo, NexusOperationExecutionInfo},
};
use prost::Message;

use super::operation_of;
use crate::{
    nexus,
    state::{Nanos, NexusOperation, NexusOperationPhase, NexusOutcome, WorkflowState},
    time::{duration, optional_duration, timestamp},
};

impl WorkflowState {
    /// None: the run is no Nexus operation of its own. An open one has lasted until `now`.
    pub fn describe_nexus_operation(&self, now: Nanos) -> Option<NexusOperationExecutionInfo> {
        let run = &self.run;
        let operation = operation_of(run)?;
        let standalone = run.standalone_nexus.as_ref()?;
        let close = run.close.as_ref();
        let told = nexus::pending(operation);
        let closed_at = close.map_or(now, |close| close.time);
        let reason = standalone.cancel.as_ref().map(|cancel| cancel.reason.clone()).unwrap_or_default();
        Some(NexusOperationExecutionInfo {
            operation_id: run.workflow_id.clone(),
            run_id: run.run_id.clone(),
            endpoint: told.endpoint,
            service: told.service,
            operation: told.operation,
            status: nexus_operation_status(self.status()) as i32,
            state: if close.is_some() { Pending::Unspecified as i32 } else { told.state },
            schedule_to_close_timeout: optional_duration(operation.schedule_to_close),
            schedule_to_start_timeout: optional_duration(operation.schedule_to_start),
            start_to_close_timeout: optional_duration(operation.start_to_close),
            attempt: attempt(operation, close.is_some()),
            schedule_time: told.scheduled_time,
            expiration_time: (operation.schedule_to_close > 0)
                .then(|| timestamp(operation.scheduled_time.saturating_add(operation.schedule_to_close))),
            close_time: close.map(|close| timestamp(close.time)),
            last_attempt_complete_time: told.last_attempt_complete_time,
            last_attempt_failure: told.last_attempt_failure,
            next_attempt_schedule_time: told.next_attempt_schedule_time.filter(|_| close.is_none()),
            execution_duration: Some(duration((closed_at - operation.scheduled_time).max(0))),
            cancellation_info: told.cancellation_info.map(|info| NexusOperationExecutionCancellationInfo {
                requested_time: info.requested_time,
                state: info.state,
                attempt: info.attempt,
                last_attempt_complete_time: info.last_attempt_complete_time,
                last_attempt_failure: info.last_attempt_failure,
                next_attempt_schedule_time: info.next_attempt_schedule_time,
                blocked_reason: info.blocked_reason,
                reason,
            }),
            blocked_reason: told.blocked_reason,
            request_id: operation.request_id.clone(),
            operation_token: told.operation_token,
            state_transition_count: run.state_transition_count,
            search_attributes: Some(run.search_attributes.clone().unwrap_or_default()),
            nexus_header: operation.nexus_header.clone(),
            user_metadata: run.user_metadata.as_deref().cloned(),
            links: run.links.clone(),
            identity: standalone.identity.clone(),
            state_size_bytes: i64::try_from(run.encoded_len()).unwrap_or(i64::MAX),
        })
    }

    /// Of a Nexus operation of its own that has closed.
    pub fn nexus_operation_outcome(&self) -> Option<NexusOutcome> {
        self.run.standalone_nexus.as_ref()?.outcome.clone()
    }

    /// The handler works on it, or has done so: its token, empty where it had the answer at once. None: neither.
    pub fn nexus_operation_token(&self) -> Option<String> {
        let started = operation_of(&self.run)?.started().map(|started| started.operation_token.clone());
        started.or_else(|| self.run.close.as_ref().map(|_| String::new()))
    }

    /// Of a Nexus operation of its own.
    pub fn nexus_operation_input(&self) -> Option<Payload> {
        self.run.standalone_nexus.as_ref()?.input.clone()
    }
}

/// The attempt that is under way counts.
fn attempt(operation: &NexusOperation, closed: bool) -> i32 {
    let under_way = !closed && matches!(operation.phase, Some(NexusOperationPhase::Scheduled(_)));
    operation.attempt + i32::from(under_way)
}

/// Statuses of runs are numbered as those of workflows.
pub fn nexus_operation_status(status: WorkflowExecutionStatus) -> NexusOperationExecutionStatus {
    use NexusOperationExecutionStatus as N;
    use WorkflowExecutionStatus as W;
    match status {
        W::Running => N::Running,
        W::Completed => N::Completed,
        W::Failed => N::Failed,
        W::Canceled => N::Canceled,
        W::Terminated => N::Terminated,
        W::TimedOut => N::TimedOut,
        W::Unspecified | W::ContinuedAsNew | W::Paused => N::Unspecified,
    }
}
