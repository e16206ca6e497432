//! What DescribeWorkflowExecution tells about a run, from its state alone.

use perdure_proto::api::{
    common::{ActivityType, WorkflowExecution, WorkflowType},
    enums::{PendingActivityState, PendingWorkflowTaskState, TaskQueueKind, WorkflowExecutionStatus},
    taskqueue::TaskQueue,
    workflow::{
        PendingActivityInfo, PendingChildExecutionInfo, PendingWorkflowTaskInfo, RequestIdInfo,
        WorkflowExecutionConfig, WorkflowExecutionExtendedInfo, WorkflowExecutionInfo, WorkflowExecutionPauseInfo,
        pending_activity_info::{
            PauseInfo,
            pause_info::{Manual, PausedBy},
        },
    },
    workflowservice::DescribeWorkflowExecutionResponse,
};

use crate::{
    activity::{options, running_attempt},
    callback, nexus, pause, standalone_activity,
    state::{Activity, ActivityPause, ActivityPhase, Child, Nanos, RunState, WorkflowState, WorkflowTask},
    system_attributes::search_attributes,
    time::{duration, optional_timestamp, timestamp},
    versioning, workflow_task,
};

impl WorkflowState {
    /// The whole answer. `now` decides whether a retry still waits.
    pub fn describe(&self, now: Nanos) -> DescribeWorkflowExecutionResponse {
        let run = &self.run;
        let open = run.close.is_none();
        DescribeWorkflowExecutionResponse {
            execution_config: Some(config(run)),
            workflow_execution_info: Some(self.info()),
            // Also what was pending at the close: the worker's last failure or heartbeat may tell why it came to that.
            pending_activities: run.activities.values().map(|one| pending(one, now)).collect(),
            pending_children: run.children.values().filter(|_| open).map(pending_child).collect(),
            pending_workflow_task: workflow_task::pending(self).filter(|_| open).map(pending_workflow_task),
            workflow_extended_info: Some(extended_info(run)),
            callbacks: callback::infos(run),
            pending_nexus_operations: run.nexus_operations.values().filter(|_| open).map(nexus::pending).collect(),
        }
    }

    /// The part that lists show too.
    pub fn info(&self) -> WorkflowExecutionInfo {
        let run = &self.run;
        let execution = |workflow_id: &String, run_id: &String| {
            Some(WorkflowExecution { workflow_id: workflow_id.clone(), run_id: run_id.clone() })
        };
        let close = run.close.as_ref();
        WorkflowExecutionInfo {
            execution: execution(&run.workflow_id, &run.run_id),
            r#type: Some(WorkflowType { name: run.workflow_type.clone() }),
            start_time: Some(timestamp(run.start_time)),
            close_time: close.map(|close| timestamp(close.time)),
            status: self.status() as i32,
            history_length: run.next_event_id - 1,
            parent_namespace_id: run.parent.as_ref().map(|parent| parent.namespace_id.clone()).unwrap_or_default(),
            parent_execution: run.parent.as_ref().and_then(|parent| execution(&parent.workflow_id, &parent.run_id)),
            execution_time: Some(timestamp(run.execution_time)),
            memo: Some(run.memo.clone().unwrap_or_default()),
            search_attributes: Some(search_attributes(run).unwrap_or_default()),
            task_queue: run.task_queue.clone(),
            state_transition_count: run.state_transition_count,
            history_size_bytes: run.history_size_bytes,
            most_recent_worker_version_stamp: run.worker_version.clone(),
            // Counted from the execution time: a wait before the first workflow task is not work.
            execution_duration: close.map(|close| duration((close.time - run.execution_time).max(0))),
            root_execution: execution(&run.root_workflow_id, &run.root_run_id),
            first_run_id: run.first_execution_run_id.clone(),
            priority: run.priority.clone(),
            auto_reset_points: Some(versioning::reset_points(run)),
            versioning_info: versioning::info(run),
            worker_deployment_name: run.versioning.worker_deployment_name.clone(),
            ..Default::default()
        }
    }

    pub fn status(&self) -> WorkflowExecutionStatus {
        match &self.run.close {
            Some(close) => close.status(),
            None if pause::is_paused(&self.run) || standalone_activity::is_paused(&self.run) => {
                WorkflowExecutionStatus::Paused
            }
            None => WorkflowExecutionStatus::Running,
        }
    }
}

fn config(run: &RunState) -> WorkflowExecutionConfig {
    WorkflowExecutionConfig {
        task_queue: Some(TaskQueue {
            name: run.task_queue.clone(),
            kind: TaskQueueKind::Normal as i32,
            ..Default::default()
        }),
        workflow_execution_timeout: run.execution_timeout.map(duration),
        workflow_run_timeout: run.run_timeout.map(duration),
        default_workflow_task_timeout: Some(duration(run.task_timeout)),
        user_metadata: run.user_metadata.as_deref().cloned(),
    }
}

fn extended_info(run: &RunState) -> WorkflowExecutionExtendedInfo {
    let request_id_infos = run.start_request_ids.iter().map(|(id, seen)| {
        // An event that waits in the buffer has no id yet.
        let buffered = seen.event_id == 0;
        (id.clone(), RequestIdInfo { event_type: seen.event_type, event_id: seen.event_id, buffered })
    });
    let is_reset = run.original_start_time != 0;
    WorkflowExecutionExtendedInfo {
        execution_expiration_time: optional_timestamp(run.execution_expiration),
        run_expiration_time: optional_timestamp(run.run_expiration),
        cancel_requested: run.cancel_requested,
        original_start_time: Some(timestamp(if is_reset { run.original_start_time } else { run.start_time })),
        last_reset_time: is_reset.then(|| timestamp(run.start_time)),
        request_id_infos: request_id_infos.collect(),
        reset_run_id: run.reset_run_id.clone(),
        pause_info: run.pause.as_ref().map(|pause| WorkflowExecutionPauseInfo {
            identity: pause.identity.clone(),
            paused_time: Some(timestamp(pause.time)),
            reason: pause.reason.clone(),
        }),
        ..Default::default()
    }
}

fn pending(activity: &Activity, now: Nanos) -> PendingActivityInfo {
    let started = running_attempt(activity);
    let state = if activity.is_cancel_requested() {
        PendingActivityState::CancelRequested
    } else {
        match (started.is_some(), activity.pause.is_some()) {
            (true, true) => PendingActivityState::PauseRequested,
            (true, false) => PendingActivityState::Started,
            (false, true) => PendingActivityState::Paused,
            (false, false) => PendingActivityState::Scheduled,
        }
    };
    // While the next attempt waits for its time.
    let waits = match &activity.phase {
        Some(ActivityPhase::Backoff(backoff)) => {
            Some(backoff.until).filter(|until| *until > now && activity.pause.is_none())
        }
        Some(ActivityPhase::Scheduled(_) | ActivityPhase::Started(_)) | None => None,
    };
    let policy = activity.retry_policy.as_ref();
    let deployment = activity.last_deployment_version.as_ref();
    let expires = activity.schedule_to_close > 0;
    PendingActivityInfo {
        activity_id: activity.activity_id.clone(),
        activity_type: Some(ActivityType { name: activity.activity_type.clone() }),
        state: state as i32,
        heartbeat_details: activity.heartbeat_details.clone(),
        last_heartbeat_time: optional_timestamp(activity.last_heartbeat_time),
        last_started_time: started.map(|started| timestamp(started.time)),
        attempt: activity.counted_attempt(),
        maximum_attempts: policy.map_or(0, |policy| policy.maximum_attempts),
        scheduled_time: Some(timestamp(activity.attempt_scheduled_time)),
        expiration_time: expires.then(|| timestamp(activity.scheduled_time.saturating_add(activity.schedule_to_close))),
        last_failure: activity.last_failure.as_deref().cloned(),
        last_worker_identity: activity.last_worker_identity.clone(),
        current_retry_interval: waits.map(|_| duration(activity.current_retry_interval)),
        last_attempt_complete_time: optional_timestamp(activity.last_attempt_complete_time),
        next_attempt_schedule_time: waits.map(timestamp),
        priority: activity.priority.clone(),
        paused: activity.pause.is_some(),
        pause_info: activity.pause.as_deref().map(pause_info),
        activity_options: Some(options(activity)),
        last_worker_deployment_version: deployment.map(versioning::older_text).unwrap_or_default(),
        last_deployment_version: deployment.cloned(),
        ..Default::default()
    }
}

fn pause_info(pause: &ActivityPause) -> PauseInfo {
    let manual = Manual { identity: pause.identity.clone(), reason: pause.reason.clone() };
    PauseInfo { pause_time: Some(timestamp(pause.time)), paused_by: Some(PausedBy::Manual(manual)) }
}

fn pending_child(child: &Child) -> PendingChildExecutionInfo {
    PendingChildExecutionInfo {
        workflow_id: child.workflow_id.clone(),
        run_id: child.run_id.clone(),
        workflow_type_name: child.workflow_type.clone(),
        initiated_id: child.initiated_event_id,
        parent_close_policy: child.parent_close_policy,
    }
}

fn pending_workflow_task(task: &WorkflowTask) -> PendingWorkflowTaskInfo {
    let state = match task.started {
        Some(_) => PendingWorkflowTaskState::Started,
        None => PendingWorkflowTaskState::Scheduled,
    };
    PendingWorkflowTaskInfo {
        state: state as i32,
        scheduled_time: Some(timestamp(task.scheduled_time)),
        original_scheduled_time: optional_timestamp(task.original_scheduled_time),
        started_time: task.started.as_ref().map(|started| timestamp(started.time)),
        attempt: task.attempt,
    }
}
