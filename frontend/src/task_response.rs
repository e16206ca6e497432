//! Started tasks as workers get them: by a poll, with an answer, or with an eager start.

use perdure_engine::{
    Archetype,
    outcome::WorkflowTaskStarted,
    time::{duration, optional_timestamp, timestamp},
};
use perdure_matching::{QueryTask, StartedActivityTask, StartedWorkflowTask};
use perdure_proto::{
    RawHistory,
    api::{
        common::{ActivityType, WorkflowExecution, WorkflowType},
        enums::TaskQueueKind,
        taskqueue::TaskQueue,
        workflowservice::{PollActivityTaskQueueResponse, PollWorkflowTaskQueueResponse},
    },
    token::{ActivityTaskToken, HistoryPageToken, QueryTaskToken, WorkflowTaskToken},
};
use perdure_storage::{RunKey, WorkflowKey};
use prost::bytes::{Bytes, BytesMut};
use tonic::Status;
use uuid::Uuid;

use crate::{Frontend, namespaces::AuthorizedNamespace, status};

impl Frontend {
    /// With the history that the worker lacks: all of it, or what came after its last task where it keeps the run cached.
    pub(crate) async fn workflow_task_response(
        &self,
        namespace: &AuthorizedNamespace,
        task: StartedWorkflowTask,
    ) -> Result<PollWorkflowTaskQueueResponse, Status> {
        let (Some(workflow), Some(run)) = (task.workflow, task.run) else {
            return Err(status::unavailable());
        };
        let info = task.info;
        let (history, next_page_token) = match task.history {
            Some(history) => (with_events(history, &info), Bytes::new()),
            None => {
                let from = if info.sticky { info.previous_started_event_id + 1 } else { 1 };
                let (history, token) = self.first_page(namespace, &workflow, run, from, info.last_event_id).await?;
                let history = if token.is_empty() { with_events(history, &info) } else { history };
                (history, token)
            }
        };
        Ok(PollWorkflowTaskQueueResponse {
            task_token: self.sealer.seal(&WorkflowTaskToken {
                namespace_id: id_bytes(namespace.id()),
                workflow_id: info.workflow_id.clone(),
                run_id: id_bytes(run.run_id),
                scheduled_event_id: info.scheduled_event_id,
                started_event_id: info.started_event_id,
                attempt: info.attempt,
                started_time: info.started_time,
            }),
            workflow_execution: Some(WorkflowExecution { workflow_id: info.workflow_id, run_id: info.run_id }),
            workflow_type: Some(WorkflowType { name: info.workflow_type }),
            previous_started_event_id: info.previous_started_event_id,
            started_event_id: info.started_event_id,
            attempt: info.attempt,
            backlog_count_hint: task.backlog_count_hint,
            history: Some(history),
            next_page_token,
            workflow_execution_task_queue: Some(normal_queue(info.task_queue)),
            scheduled_time: optional_timestamp(info.scheduled_time),
            started_time: optional_timestamp(info.started_time),
            queries: task.queries,
            messages: info.messages,
            ..Default::default()
        })
    }

    /// A query without a workflow task. The worker that keeps the run cached needs no history.
    pub(crate) async fn query_task_response(
        &self,
        namespace: &AuthorizedNamespace,
        queue: &str,
        task: QueryTask,
    ) -> Result<PollWorkflowTaskQueueResponse, Status> {
        let (history, next_page_token) = if task.sticky {
            (RawHistory::default(), Bytes::new())
        } else {
            self.first_page(namespace, &task.workflow, task.run, 1, task.last_event_id).await?
        };
        let workflow_id = task.workflow.workflow_id.to_string();
        Ok(PollWorkflowTaskQueueResponse {
            task_token: self.sealer.seal(&QueryTaskToken {
                namespace_id: id_bytes(namespace.id()),
                task_queue: queue.to_owned(),
                task_id: task.task_id,
            }),
            workflow_execution: Some(WorkflowExecution { workflow_id, run_id: task.run.run_id.to_string() }),
            workflow_type: Some(WorkflowType { name: task.workflow_type }),
            previous_started_event_id: task.previous_started_event_id,
            // No started event: the Go SDK would otherwise expect a history that ends there, also where it has none.
            attempt: 1,
            history: Some(history),
            next_page_token,
            query: Some(task.query),
            workflow_execution_task_queue: Some(normal_queue(queue.to_owned())),
            ..Default::default()
        })
    }

    pub(crate) fn activity_task_response(
        &self,
        namespace: &AuthorizedNamespace,
        task: StartedActivityTask,
    ) -> PollActivityTaskQueueResponse {
        let info = task.info;
        let activity = info.activity;
        let standalone = task.workflow.archetype == Archetype::Activity;
        let (workflow_type, workflow_execution, activity_run_id) = if standalone {
            (None, WorkflowExecution::default(), info.run_id)
        } else {
            let execution = WorkflowExecution { workflow_id: info.workflow_id.clone(), run_id: info.run_id };
            (Some(WorkflowType { name: info.workflow_type }), execution, String::new())
        };
        PollActivityTaskQueueResponse {
            task_token: self.sealer.seal(&ActivityTaskToken {
                namespace_id: id_bytes(namespace.id()),
                workflow_id: info.workflow_id,
                run_id: id_bytes(task.run.run_id),
                scheduled_event_id: activity.scheduled_event_id,
                attempt: activity.attempt,
                activity_id: activity.activity_id.clone(),
                started_time: info.started_time,
                activity_type: activity.activity_type.clone(),
                standalone,
            }),
            workflow_namespace: info.namespace,
            workflow_type,
            workflow_execution: Some(workflow_execution),
            activity_run_id,
            activity_type: Some(ActivityType { name: activity.activity_type }),
            activity_id: activity.activity_id,
            header: activity.header,
            input: activity.input,
            heartbeat_details: activity.heartbeat_details,
            scheduled_time: optional_timestamp(activity.scheduled_time),
            current_attempt_scheduled_time: optional_timestamp(activity.attempt_scheduled_time),
            started_time: Some(timestamp(info.started_time)),
            attempt: activity.attempt,
            schedule_to_close_timeout: Some(duration(activity.schedule_to_close)),
            start_to_close_timeout: Some(duration(activity.start_to_close)),
            heartbeat_timeout: Some(duration(activity.heartbeat)),
            retry_policy: activity.retry_policy,
            priority: activity.priority,
            ..Default::default()
        }
    }

    /// Events from `from` to `last` as far as one page goes, and the token for the rest.
    async fn first_page(
        &self,
        namespace: &AuthorizedNamespace,
        workflow: &WorkflowKey,
        run: RunKey,
        from: i64,
        last: i64,
    ) -> Result<(RawHistory, Bytes), Status> {
        let end = last + 1;
        let read = self.history.read(run, from, end, namespace.limits().history_page).await;
        // The run is known, so this can only be a store that fails.
        let (history, next) = read.map_err(|_| status::unavailable())?;
        if next >= end {
            return Ok((history, Bytes::new()));
        }
        let token = HistoryPageToken {
            namespace_id: id_bytes(workflow.namespace_id),
            workflow_id: workflow.workflow_id.to_string(),
            run_id: id_bytes(run.run_id),
            next_event_id: next,
            end_event_id: end,
            ..Default::default()
        };
        Ok((history, self.sealer.seal(&token)))
    }
}

pub(crate) fn id_bytes(id: Uuid) -> Bytes {
    Bytes::copy_from_slice(id.as_bytes())
}

fn normal_queue(name: String) -> TaskQueue {
    TaskQueue { name, kind: TaskQueueKind::Normal.into(), normal_name: String::new() }
}

/// The history with the events of a task that is not stored: the worker must see its own Scheduled and Started.
fn with_events(history: RawHistory, info: &WorkflowTaskStarted) -> RawHistory {
    append_events(history, &info.transient_events)
}

pub(crate) fn append_events(history: RawHistory, events: &[perdure_proto::api::history::HistoryEvent]) -> RawHistory {
    if events.is_empty() {
        return history;
    }
    let mut encoded = BytesMut::from(history.encoded().as_ref());
    for event in events {
        RawHistory::push_event(event, &mut encoded);
    }
    RawHistory::from_encoded(encoded.freeze())
}
