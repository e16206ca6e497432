//! One workflow, as its client sees it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use perdure_proto::api::{
    common::{Payloads, WorkflowExecution, WorkflowType},
    enums::UpdateWorkflowExecutionLifecycleStage as Stage,
    query::WorkflowQuery,
    taskqueue::TaskQueue,
    update::{Input, Meta, Outcome, Request, WaitPolicy, outcome::Value},
    workflowservice::{
        QueryWorkflowRequest, SignalWorkflowExecutionRequest, StartWorkflowExecutionRequest,
        TerminateWorkflowExecutionRequest, UpdateWorkflowExecutionRequest,
    },
};
use uuid::Uuid;

use crate::{
    args::Wait,
    client::{Client, LONG_POLL, SHORT},
    history,
    scenario::{Plan, numbered},
    session::{AT_ONCE, Session},
};

/// Signals to one workflow that are on their way at the same time.
const SENDERS: usize = 64;
/// How long may be spent on workflows that a failed measurement has left behind.
const CLEAN_UP_MAX: Duration = Duration::from_secs(30);

/// Runs one workflow to its end. Returns how long it took from the start request to the close.
pub(crate) async fn run(session: &Session) -> Result<(Duration, WorkflowExecution)> {
    let scenario = session.plan.scenario;
    let workflow_id = format!("{}-{}", scenario.name(), Uuid::now_v7());
    let closed = (session.wait == Wait::Worker).then(|| session.worker.closed(&workflow_id));
    let begin = Instant::now();
    let execution = start(&session.client, &session.plan, workflow_id).await?;
    session.open.lock().insert(execution.workflow_id.clone(), execution.clone());
    for number in 0..scenario.updates() {
        update(session, &execution, number).await?;
    }
    for number in 0..scenario.queries() {
        query(session, &execution, number).await?;
    }
    let signals = stream::iter(0..scenario.signals()).map(|number| signal(session, &execution, number));
    signals.buffer_unordered(SENDERS).try_collect::<()>().await?;
    match closed {
        Some(closed) => closed.await.context("the worker stopped")?,
        None => history::wait_for_completion(&session.client, &execution).await?,
    }
    session.open.lock().remove(&execution.workflow_id);
    Ok((begin.elapsed(), execution))
}

pub(crate) async fn start(client: &Client, plan: &Plan, workflow_id: String) -> Result<WorkflowExecution> {
    let request = StartWorkflowExecutionRequest {
        namespace: client.namespace.to_string(),
        workflow_id: workflow_id.clone(),
        workflow_type: Some(WorkflowType { name: plan.scenario.name() }),
        task_queue: Some(TaskQueue { name: plan.task_queue.clone(), ..Default::default() }),
        input: Some(plan.payload.clone()),
        identity: client.identity.to_string(),
        request_id: Uuid::new_v4().to_string(),
        ..Default::default()
    };
    let response =
        client.call(request, SHORT, |mut stub, request| async move { stub.start_workflow_execution(request).await });
    let run_id = response.await.context("StartWorkflowExecution failed")?.run_id;
    ensure!(!run_id.is_empty(), "the server started {workflow_id} without a run id");
    Ok(WorkflowExecution { workflow_id, run_id })
}

/// The signal's name is its number: none may be lost, or come twice.
async fn signal(session: &Session, execution: &WorkflowExecution, number: u32) -> Result<()> {
    let client = &session.client;
    let request = SignalWorkflowExecutionRequest {
        namespace: client.namespace.to_string(),
        workflow_execution: Some(execution.clone()),
        signal_name: number.to_string(),
        input: Some(session.plan.payload.clone()),
        identity: client.identity.to_string(),
        request_id: Uuid::new_v4().to_string(),
        ..Default::default()
    };
    let response =
        client.call(request, SHORT, |mut stub, request| async move { stub.signal_workflow_execution(request).await });
    response.await.context("SignalWorkflowExecution failed")?;
    Ok(())
}

/// Sends an update and waits until the worker has completed it; its result must be its own input.
async fn update(session: &Session, execution: &WorkflowExecution, number: u32) -> Result<()> {
    let client = &session.client;
    let args = numbered(number);
    let request = UpdateWorkflowExecutionRequest {
        namespace: client.namespace.to_string(),
        workflow_execution: Some(execution.clone()),
        wait_policy: Some(WaitPolicy { lifecycle_stage: Stage::Completed.into() }),
        request: Some(Request {
            meta: Some(Meta { update_id: number.to_string(), identity: client.identity.to_string() }),
            input: Some(Input { name: "update".into(), args: Some(args.clone()), ..Default::default() }),
            ..Default::default()
        }),
        ..Default::default()
    };
    loop {
        let response = client.call(request.clone(), LONG_POLL, |mut stub, request| async move {
            stub.update_workflow_execution(request).await
        });
        // Without an outcome the server's wait was over: the same id asks for the same update.
        if let Some(outcome) = response.await.context("UpdateWorkflowExecution failed")?.outcome {
            ensure!(is_success(&outcome, &args), "update {number} of {} got {outcome:?}", execution.workflow_id);
            return Ok(());
        }
    }
}

fn is_success(outcome: &Outcome, expected: &Payloads) -> bool {
    matches!(&outcome.value, Some(Value::Success(result)) if result == expected)
}

/// Asks the worker; the answer must be the query's own argument.
async fn query(session: &Session, execution: &WorkflowExecution, number: u32) -> Result<()> {
    let client = &session.client;
    let args = numbered(number);
    let request = QueryWorkflowRequest {
        namespace: client.namespace.to_string(),
        execution: Some(execution.clone()),
        query: Some(WorkflowQuery { query_type: "echo".into(), query_args: Some(args.clone()), header: None }),
        ..Default::default()
    };
    let response =
        client.call(request, LONG_POLL, |mut stub, request| async move { stub.query_workflow(request).await });
    let answer = response.await.context("QueryWorkflow failed")?.query_result;
    ensure!(answer.as_ref() == Some(&args), "query {number} of {} got {answer:?}", execution.workflow_id);
    Ok(())
}

/// Ends what a failed measurement has left behind, so that it is no burden to the next one.
pub(crate) async fn terminate_open(session: &Session) {
    let open: Vec<WorkflowExecution> = session.open.lock().drain().map(|(_, execution)| execution).collect();
    let ends = stream::iter(open).map(|execution| terminate(&session.client, execution));
    // Closed in the meantime, or a server that does not answer: neither is news after the failure.
    tokio::time::timeout(CLEAN_UP_MAX, ends.buffer_unordered(AT_ONCE).for_each(|_| async {})).await.ok();
}

async fn terminate(client: &Client, execution: WorkflowExecution) -> Result<(), tonic::Status> {
    let request = TerminateWorkflowExecutionRequest {
        namespace: client.namespace.to_string(),
        workflow_execution: Some(execution),
        reason: "the measurement has failed".into(),
        identity: client.identity.to_string(),
        ..Default::default()
    };
    let response = client
        .call(request, SHORT, |mut stub, request| async move { stub.terminate_workflow_execution(request).await });
    response.await.map(drop)
}
