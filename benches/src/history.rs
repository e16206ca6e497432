//! Reading histories: what a workflow task brings, and how a workflow closed.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use perdure_proto::{
    RawHistory,
    api::{
        common::WorkflowExecution,
        enums::{EventType, HistoryEventFilterType, WorkflowExecutionStatus},
        history::HistoryEvent,
        workflowservice::{DescribeWorkflowExecutionRequest, GetWorkflowExecutionHistoryRequest},
    },
};

use crate::client::{Client, LONG_POLL, SHORT};

/// The pages that follow a first one.
pub(crate) async fn more_events(
    client: &Client,
    execution: &WorkflowExecution,
    mut token: Bytes,
    events: &mut Vec<HistoryEvent>,
) -> Result<()> {
    while !token.is_empty() {
        let request =
            GetWorkflowExecutionHistoryRequest { next_page_token: token, ..history_request(client, execution) };
        let (history, next) = page(client, request).await?;
        events.extend(history.events()?);
        token = next;
    }
    Ok(())
}

/// The whole history, for a sticky task of a run that this worker does not know.
pub(crate) async fn all_events(client: &Client, execution: &WorkflowExecution) -> Result<Vec<HistoryEvent>> {
    let (history, token) = page(client, history_request(client, execution)).await?;
    let mut events = history.events()?;
    more_events(client, execution, token, &mut events).await?;
    Ok(events)
}

/// Waits for the close event and checks that the workflow completed.
pub(crate) async fn wait_for_completion(client: &Client, execution: &WorkflowExecution) -> Result<()> {
    let mut token = Bytes::new();
    loop {
        let request = GetWorkflowExecutionHistoryRequest {
            next_page_token: token,
            wait_new_event: true,
            history_event_filter_type: HistoryEventFilterType::CloseEvent.into(),
            ..history_request(client, execution)
        };
        let (history, next) = page(client, request).await?;
        if let Some(event) = history.events()?.last() {
            return match event.event_type() {
                EventType::WorkflowExecutionCompleted => Ok(()),
                other => bail!("{} closed with {}", execution.workflow_id, other.as_str_name()),
            };
        }
        if next.is_empty() {
            bail!("{}: the server ended the wait without a close event", execution.workflow_id);
        }
        token = next;
    }
}

/// Checks that a workflow is closed and COMPLETED.
pub(crate) async fn check_completed(client: &Client, execution: &WorkflowExecution) -> Result<()> {
    let request = DescribeWorkflowExecutionRequest {
        namespace: client.namespace.to_string(),
        execution: Some(execution.clone()),
    };
    let response = client
        .call(request, SHORT, |mut stub, request| async move { stub.describe_workflow_execution(request).await })
        .await
        .with_context(|| format!("{} cannot be described", execution.workflow_id))?;
    match response.workflow_execution_info.map(|info| info.status()) {
        Some(WorkflowExecutionStatus::Completed) => Ok(()),
        other => bail!("{} is {}", execution.workflow_id, other.map_or("unknown", |status| status.as_str_name())),
    }
}

fn history_request(client: &Client, execution: &WorkflowExecution) -> GetWorkflowExecutionHistoryRequest {
    GetWorkflowExecutionHistoryRequest {
        namespace: client.namespace.to_string(),
        execution: Some(execution.clone()),
        ..Default::default()
    }
}

async fn page(client: &Client, request: GetWorkflowExecutionHistoryRequest) -> Result<(RawHistory, Bytes)> {
    let deadline = if request.wait_new_event { LONG_POLL } else { SHORT };
    let response = client
        .call(request, deadline, |mut stub, request| async move { stub.get_workflow_execution_history(request).await })
        .await
        .context("GetWorkflowExecutionHistory failed")?;
    Ok((response.history.unwrap_or_default(), response.next_page_token))
}
