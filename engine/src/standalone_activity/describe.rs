//! What DescribeActivityExecution and PollActivityExecution tell.

use perdure_proto::api::{
    activity::{ActivityExecutionInfo, ActivityExecutionOutcome, activity_execution_outcome::Value},
    common::{ActivityType, Payloads},
    enums::{ActivityExecutionStatus, PendingActivityState, WorkflowExecutionStatus},
};
use prost::Message;

use super::{activity_of, has_attempt};
use crate::{
    state::{Activity, ActivityOutcome, ActivityPhase, Nanos, WorkflowState},
    time::{duration, optional_duration, optional_timestamp, timestamp},
};

impl WorkflowState {
    /// None: the run is no activity of its own. `now` decides whether the next attempt still waits.
    pub fn describe_activity(&self, now: Nanos) -> Option<ActivityExecutionInfo> {
        let run = &self.run;
        let activity = activity_of(run)?;
        let standalone = run.standalone_activity.as_ref()?;
        let close = run.close.as_ref();
        let waits = waits_until(activity).filter(|until| *until > now);
        let expires = activity.schedule_to_close > 0;
        Some(ActivityExecutionInfo {
            activity_id: run.workflow_id.clone(),
            run_id: run.run_id.clone(),
            activity_type: Some(ActivityType { name: activity.activity_type.clone() }),
            status: activity_status(self.status()) as i32,
            run_state: close.map_or_else(|| run_state(activity), |_| PendingActivityState::Unspecified) as i32,
            task_queue: activity.task_queue.clone(),
            schedule_to_close_timeout: Some(duration(activity.schedule_to_close)),
            schedule_to_start_timeout: Some(duration(activity.schedule_to_start)),
            start_to_close_timeout: Some(duration(activity.start_to_close)),
            heartbeat_timeout: Some(duration(activity.heartbeat)),
            retry_policy: activity.retry_policy.clone(),
            heartbeat_details: activity.heartbeat_details.clone(),
            last_heartbeat_time: optional_timestamp(activity.last_heartbeat_time),
            last_started_time: optional_timestamp(activity.last_started_time),
            attempt: activity.counted_attempt(),
            execution_duration: close.map(|close| duration((close.time - activity.scheduled_time).max(0))),
            schedule_time: Some(timestamp(activity.scheduled_time)),
            expiration_time: expires
                .then(|| timestamp(activity.first_dispatch_time().saturating_add(activity.schedule_to_close))),
            close_time: close.map(|close| timestamp(close.time)),
            last_failure: activity.last_failure.as_deref().cloned(),
            last_worker_identity: activity.last_worker_identity.clone(),
            current_retry_interval: waits.and_then(|_| optional_duration(activity.current_retry_interval)),
            last_attempt_complete_time: optional_timestamp(activity.last_attempt_complete_time),
            next_attempt_schedule_time: waits.map(timestamp),
            priority: activity.priority.clone(),
            state_transition_count: run.state_transition_count,
            state_size_bytes: i64::try_from(run.encoded_len()).unwrap_or(i64::MAX),
            search_attributes: Some(run.search_attributes.clone().unwrap_or_default()),
            header: activity.header.clone(),
            user_metadata: activity.user_metadata.as_deref().cloned(),
            canceled_reason: standalone.cancel.as_ref().map(|cancel| cancel.reason.clone()).unwrap_or_default(),
            links: run.links.clone(),
            total_heartbeat_count: standalone.heartbeats,
            start_delay: optional_duration(activity.start_delay),
            execution_time: Some(timestamp(activity.first_dispatch_time())),
            ..Default::default()
        })
    }

    /// Of an activity of its own that has closed.
    pub fn activity_outcome(&self) -> Option<ActivityExecutionOutcome> {
        let standalone = self.run.standalone_activity.as_ref()?;
        let value = match standalone.outcome.clone()? {
            ActivityOutcome::Result(result) => Value::Result(result),
            ActivityOutcome::Failure(failure) => Value::Failure(*failure),
        };
        Some(ActivityExecutionOutcome { value: Some(value), retry_state: standalone.retry_state })
    }

    /// Of an activity of its own.
    pub fn activity_input(&self) -> Option<Payloads> {
        activity_of(&self.run)?.input.clone()
    }
}

/// Statuses of runs are numbered as those of workflows.
pub fn activity_status(status: WorkflowExecutionStatus) -> ActivityExecutionStatus {
    use ActivityExecutionStatus as A;
    use WorkflowExecutionStatus as W;
    match status {
        W::Running => A::Running,
        W::Completed => A::Completed,
        W::Failed => A::Failed,
        W::Canceled => A::Canceled,
        W::Terminated => A::Terminated,
        W::TimedOut => A::TimedOut,
        W::Paused => A::Paused,
        W::Unspecified | W::ContinuedAsNew => A::Unspecified,
    }
}

fn run_state(activity: &Activity) -> PendingActivityState {
    use PendingActivityState as S;
    match (has_attempt(activity), activity.pause.is_some()) {
        (true, _) if activity.cancel_requested => S::CancelRequested,
        (true, true) => S::PauseRequested,
        (true, false) => S::Started,
        (false, true) => S::Paused,
        (false, false) => S::Scheduled,
    }
}

/// When its next attempt may begin, while that is known.
fn waits_until(activity: &Activity) -> Option<Nanos> {
    match &activity.phase {
        Some(ActivityPhase::Backoff(backoff)) if activity.pause.is_none() => Some(backoff.until),
        _ => None,
    }
}
