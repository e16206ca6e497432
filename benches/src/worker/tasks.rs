//! What the worker does with a task.

use std::{sync::Arc, time::SystemTime};

use anyhow::{Context, Result};
use perdure_proto::api::{
    common::WorkflowExecution,
    enums::QueryResultType,
    history::HistoryEvent,
    query::{WorkflowQuery, WorkflowQueryResult},
    taskqueue::StickyExecutionAttributes,
    workflowservice::{
        PollActivityTaskQueueResponse, PollWorkflowTaskQueueResponse, RespondActivityTaskCompletedRequest,
        RespondQueryTaskCompletedRequest, RespondWorkflowTaskCompletedRequest, RespondWorkflowTaskCompletedResponse,
    },
};
use tonic::Code;

use super::{Arrival, Shared};
use crate::{
    client::SHORT,
    history,
    progress::Progress,
    scenario::{is_closing, seconds},
    updates,
};

/// How long the server waits for this worker before it gives a task to any other.
const STICKY_SECONDS: i64 = 5;

impl Shared {
    pub(super) async fn run_workflow_task(self: Arc<Self>, task: PollWorkflowTaskQueueResponse) {
        let mut next = Some(task);
        while let Some(task) = next.take() {
            let at = SystemTime::now();
            let Some(execution) = task.workflow_execution.clone() else {
                self.note_error(&anyhow::anyhow!("a workflow task came without its workflow"));
                return;
            };
            match self.try_workflow_task(task, &execution).await {
                Ok(response) => {
                    for activity in response.activity_tasks {
                        tokio::spawn(self.clone().run_activity(activity));
                    }
                    next = response.workflow_task.filter(|task| !task.task_token.is_empty());
                }
                Err(error) => {
                    // The server did not take the answer: what memory says of the run may be ahead of it.
                    self.runs.lock().remove(&execution.run_id);
                    self.note_error(&error);
                }
            }
            if let Some(arrivals) = &self.arrivals {
                // The driver may have given up on it.
                arrivals.send(Arrival { execution, at }).await.ok();
            }
        }
    }

    async fn try_workflow_task(
        &self,
        mut task: PollWorkflowTaskQueueResponse,
        execution: &WorkflowExecution,
    ) -> Result<RespondWorkflowTaskCompletedResponse> {
        if let Some(query) = task.query.take() {
            self.answer_query(task, query).await?;
            return Ok(RespondWorkflowTaskCompletedResponse::default());
        }
        let (started, attempt) = (task.started_event_id, task.attempt);
        let mut events = task.history.unwrap_or_default().events()?;
        history::more_events(&self.client, execution, task.next_page_token, &mut events).await?;
        let mut progress = self.progress(execution, events).await?;
        let (mut messages, mut commands) = (Vec::new(), Vec::new());
        for message in &task.messages {
            for (message, command) in updates::answer(message)? {
                messages.push(message);
                commands.push(command);
            }
            progress.updates.insert(message.protocol_instance_id.clone());
        }
        commands.extend(self.plan.decide(&progress));
        let closing = commands.iter().any(is_closing);
        if !closing {
            self.runs.lock().insert(execution.run_id.clone(), progress);
        }
        let query_results = task.queries.into_iter().map(|(id, query)| (id, result(query))).collect();
        let request = RespondWorkflowTaskCompletedRequest {
            task_token: task.task_token,
            commands,
            messages,
            query_results,
            identity: self.client.identity.to_string(),
            sticky_attributes: Some(StickyExecutionAttributes {
                worker_task_queue: Some(self.sticky_queue()),
                schedule_to_start_timeout: Some(seconds(STICKY_SECONDS)),
            }),
            return_new_workflow_task: true,
            namespace: self.client.namespace.to_string(),
            resource_id: execution.workflow_id.clone(),
            worker_instance_key: self.instance_key.clone(),
            ..Default::default()
        };
        let response = self.client.call(request, SHORT, |mut stub, request| async move {
            stub.respond_workflow_task_completed(request).await
        });
        let response = response.await.with_context(|| {
            let run = &execution.run_id;
            format!("RespondWorkflowTaskCompleted of run {run}, event {started}, attempt {attempt} failed")
        })?;
        if closing && let Some(waiter) = self.waiters.lock().remove(&execution.workflow_id) {
            // The driver may have given up on it.
            waiter.send(()).ok();
        }
        Ok(response)
    }

    /// The run's progress with the new events, from memory where the events are only the new ones.
    async fn progress(&self, execution: &WorkflowExecution, mut events: Vec<HistoryEvent>) -> Result<Progress> {
        // Taken out, not copied: a run has one task at a time.
        let known = self.runs.lock().remove(&execution.run_id);
        let mut progress = Progress::default();
        if events.first().is_none_or(|event| event.event_id != 1) {
            match known {
                Some(known) => progress = known,
                None => events = history::all_events(&self.client, execution).await?,
            }
        }
        events.iter().for_each(|event| progress.apply(event));
        Ok(progress)
    }

    /// A query that came alone: its answer is its argument.
    async fn answer_query(&self, task: PollWorkflowTaskQueueResponse, query: WorkflowQuery) -> Result<()> {
        let request = RespondQueryTaskCompletedRequest {
            task_token: task.task_token,
            completed_type: QueryResultType::Answered.into(),
            query_result: query.query_args,
            namespace: self.client.namespace.to_string(),
            ..Default::default()
        };
        let response = self
            .client
            .call(request, SHORT, |mut stub, request| async move { stub.respond_query_task_completed(request).await });
        response.await.context("RespondQueryTaskCompleted failed")?;
        Ok(())
    }

    pub(super) async fn run_activity(self: Arc<Self>, task: PollActivityTaskQueueResponse) {
        let request = RespondActivityTaskCompletedRequest {
            task_token: task.task_token,
            result: Some(self.plan.payload.clone()),
            identity: self.client.identity.to_string(),
            namespace: self.client.namespace.to_string(),
            resource_id: task.workflow_execution.map(|execution| execution.workflow_id).unwrap_or_default(),
            ..Default::default()
        };
        let response = self.client.call(request, SHORT, |mut stub, request| async move {
            stub.respond_activity_task_completed(request).await
        });
        match response.await {
            Ok(_) => {}
            // A retry of an answer that had arrived.
            Err(status) if status.code() == Code::NotFound => {}
            Err(status) => self.note_error(&anyhow::Error::new(status).context("RespondActivityTaskCompleted failed")),
        }
    }
}

/// The answer to a query that came with other work.
fn result(query: WorkflowQuery) -> WorkflowQueryResult {
    WorkflowQueryResult {
        result_type: QueryResultType::Answered.into(),
        answer: query.query_args,
        ..Default::default()
    }
}
