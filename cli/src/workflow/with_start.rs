//! `workflow signal-with-start` and the two `…-update-with-start`: a message to a workflow that is started where it does
//! not run.

use anyhow::Context;
use clap::Args;
use perdure_proto::api::{
    enums::UpdateWorkflowExecutionLifecycleStage as Stage,
    update::Outcome,
    workflowservice::{
        ExecuteMultiOperationRequest, SignalWithStartWorkflowExecutionRequest, StartWorkflowExecutionRequest,
        execute_multi_operation_request::{Operation, operation},
        execute_multi_operation_response::response,
    },
};
use serde_json::Value as Json;

use super::{
    start::{Running, Start},
    update::{Sending, result, wait_for_stage},
};
use crate::{
    payload::{SignalInput, UpdateInput},
    session::Session,
};

#[derive(Args, Debug)]
pub struct SignalWithStart {
    /// The signal's name.
    #[arg(long, alias = "signal-type")]
    signal_name: String,
    #[command(flatten)]
    signal: SignalInput,
    #[command(flatten)]
    start: Start,
}

/// An update and the workflow that is started for it.
#[derive(Args, Debug)]
pub(crate) struct UpdateWithStart {
    /// The update's name.
    #[arg(long, alias = "update-type")]
    update_name: String,
    /// The update's id; without it a random one.
    #[arg(long)]
    update_id: Option<String>,
    /// Only where the workflow's first run is this one.
    #[arg(long, value_name = "RUN_ID", default_value = "", hide_default_value = true)]
    update_first_execution_run_id: String,
    /// Only where the workflow's current run is this one.
    #[arg(long, short)]
    run_id: Option<String>,
    #[command(flatten)]
    update: UpdateInput,
    #[command(flatten)]
    start: Start,
}

#[derive(Args, Debug)]
pub struct StartUpdateWithStart {
    #[command(flatten)]
    both: UpdateWithStart,
    /// What to wait for.
    #[arg(long, value_name = "STAGE", value_parser = wait_for_stage())]
    update_wait_for_stage: Stage,
}

#[derive(Args, Debug)]
pub struct ExecuteUpdateWithStart {
    #[command(flatten)]
    both: UpdateWithStart,
}

impl SignalWithStart {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let start = self.start.request(session)?;
        let workflow_id = start.workflow_id.clone();
        let request = SignalWithStartWorkflowExecutionRequest {
            signal_name: self.signal_name,
            signal_input: self.signal.payloads()?,
            ..with_signal(start)
        };
        let run_id = session.call(request).await?.run_id;
        self.start.running(workflow_id, run_id).print(session)
    }
}

/// The start's fields in the request that has the signal too.
fn with_signal(start: StartWorkflowExecutionRequest) -> SignalWithStartWorkflowExecutionRequest {
    SignalWithStartWorkflowExecutionRequest {
        namespace: start.namespace,
        workflow_id: start.workflow_id,
        workflow_type: start.workflow_type,
        task_queue: start.task_queue,
        input: start.input,
        workflow_execution_timeout: start.workflow_execution_timeout,
        workflow_run_timeout: start.workflow_run_timeout,
        workflow_task_timeout: start.workflow_task_timeout,
        identity: start.identity,
        request_id: start.request_id,
        workflow_id_reuse_policy: start.workflow_id_reuse_policy,
        workflow_id_conflict_policy: start.workflow_id_conflict_policy,
        cron_schedule: start.cron_schedule,
        memo: start.memo,
        search_attributes: start.search_attributes,
        header: start.header,
        workflow_start_delay: start.workflow_start_delay,
        user_metadata: start.user_metadata,
        priority: start.priority,
        ..SignalWithStartWorkflowExecutionRequest::default()
    }
}

impl UpdateWithStart {
    async fn send(&self, session: &Session, stage: Stage) -> anyhow::Result<(Running, String, Option<Outcome>)> {
        let workflow_id =
            self.start.flags.workflow_id.clone().context("--workflow-id is needed: the update goes to it")?;
        self.start
            .now
            .id_conflict_policy
            .context("--id-conflict-policy is needed: say what happens where the workflow runs")?;
        let start = self.start.request(session)?;
        let update = Sending {
            workflow_id: workflow_id.clone(),
            run_id: self.run_id.clone(),
            first_execution_run_id: self.update_first_execution_run_id.clone(),
            update_id: self.update_id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
            name: self.update_name.clone(),
            args: self.update.payloads()?,
            header: None,
            stage,
        };
        let operations =
            [operation::Operation::StartWorkflow(start), operation::Operation::UpdateWorkflow(update.request(session))];
        let request = ExecuteMultiOperationRequest {
            namespace: session.namespace(),
            operations: operations.map(|operation| Operation { operation: Some(operation) }).into(),
            ..ExecuteMultiOperationRequest::default()
        };
        let (mut run_id, mut outcome) = (String::new(), None);
        for part in session.wait(request).await?.responses {
            match part.response {
                Some(response::Response::StartWorkflow(started)) => run_id = started.run_id,
                Some(response::Response::UpdateWorkflow(updated)) => outcome = updated.outcome,
                None => {}
            }
        }
        Ok((self.start.running(workflow_id, run_id), update.update_id, outcome))
    }

    fn print(&self, session: &Session, running: &Running, update_id: &str, value: Json) -> anyhow::Result<()> {
        let name = Json::from(self.update_name.as_str());
        running
            .print_with(session, [("UpdateName", name), ("UpdateId", Json::from(update_id)), ("UpdateResult", value)])
    }
}

impl StartUpdateWithStart {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let (running, update_id, outcome) = self.both.send(session, self.update_wait_for_stage).await?;
        // One that is rejected at once, or already done, has an outcome.
        if outcome.is_some() {
            result(session, outcome)?;
        }
        self.both.print(session, &running, &update_id, Json::Null)
    }
}

impl ExecuteUpdateWithStart {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let (running, update_id, outcome) = self.both.send(session, Stage::Completed).await?;
        let value = result(session, outcome)?;
        self.both.print(session, &running, &update_id, value)
    }
}
