//! `workflow update …`

use anyhow::bail;
use clap::Args;
use perdure_proto::api::{
    common::{Header, Payloads},
    enums::UpdateWorkflowExecutionLifecycleStage as Stage,
    update::{Input, Meta, Outcome, Request, UpdateRef, WaitPolicy, outcome},
    workflowservice::{PollWorkflowExecutionUpdateRequest, UpdateWorkflowExecutionRequest},
};
use serde_json::Value as Json;

use super::outcome::values;
use crate::{
    choices::{camel, choices},
    failure::in_words,
    json,
    key_value::KeyValue,
    payload::PayloadInput,
    session::{Session, execution},
    start::header,
    target::WorkflowReference,
};

commands! {
    /// Updates: requests to a workflow that have a result.
    UpdateCommand {
        /// Send an update and wait until the workflow has accepted or rejected it
        #[command(after_help = "Example:\n  perdure workflow update start --workflow-id order-7 --name add --input 3 --wait-for-stage accepted")]
        Start(Start),
        /// Send an update and wait for its result
        #[command(after_help = "Example:\n  perdure workflow update execute --workflow-id order-7 --name add --input 3")]
        Execute(Execute),
        /// Show how far an update is
        #[command(after_help = "Example:\n  perdure workflow update describe --workflow-id order-7 --update-id 1f4e")]
        Describe(Describe),
        /// Wait for the result of an update
        #[command(after_help = "Example:\n  perdure workflow update result --workflow-id order-7 --update-id 1f4e")]
        Result(ResultOf),
    }
}

/// What an update is and to whom it goes.
#[derive(Args, Debug)]
pub(crate) struct UpdateFlags {
    #[command(flatten)]
    workflow: WorkflowReference,
    /// The update's name.
    #[arg(long, alias = "type")]
    name: String,
    /// The update's id; without it a random one. The same id twice is one update.
    #[arg(long)]
    update_id: Option<String>,
    /// Only where the workflow's first run is this one.
    #[arg(long, value_name = "RUN_ID", default_value = "", hide_default_value = true)]
    first_execution_run_id: String,
    #[command(flatten)]
    input: PayloadInput,
    /// A header, `KEY=JSON`; may be repeated.
    #[arg(long, value_name = "KEY=JSON")]
    headers: Vec<KeyValue>,
}

#[derive(Args, Debug)]
pub struct Start {
    #[command(flatten)]
    flags: UpdateFlags,
    /// What to wait for.
    #[arg(long, value_name = "STAGE", value_parser = wait_for_stage())]
    wait_for_stage: Stage,
}

/// The stages that a start of an update can wait for.
pub(super) fn wait_for_stage() -> impl clap::builder::TypedValueParser<Value = Stage> {
    choices("UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_", &["accepted"], Stage::from_str_name)
}

#[derive(Args, Debug)]
pub struct Execute {
    #[command(flatten)]
    flags: UpdateFlags,
}

/// An update that was sent.
#[derive(Args, Debug)]
pub(crate) struct Reference {
    #[command(flatten)]
    workflow: WorkflowReference,
    /// The update's id.
    #[arg(long)]
    update_id: String,
}

#[derive(Args, Debug)]
pub struct Describe {
    #[command(flatten)]
    update: Reference,
}

#[derive(Args, Debug)]
pub struct ResultOf {
    #[command(flatten)]
    update: Reference,
}

/// The request of an update, for all commands that send one.
pub(super) struct Sending {
    pub(super) workflow_id: String,
    pub(super) run_id: Option<String>,
    pub(super) first_execution_run_id: String,
    pub(super) update_id: String,
    pub(super) name: String,
    pub(super) args: Option<Payloads>,
    pub(super) header: Option<Header>,
    pub(super) stage: Stage,
}

impl Sending {
    pub(super) fn request(&self, session: &Session) -> UpdateWorkflowExecutionRequest {
        let meta = Meta { update_id: self.update_id.clone(), identity: session.identity() };
        let input = Input { header: self.header.clone(), name: self.name.clone(), args: self.args.clone() };
        UpdateWorkflowExecutionRequest {
            namespace: session.namespace(),
            workflow_execution: execution(&self.workflow_id, self.run_id.as_ref()),
            first_execution_run_id: self.first_execution_run_id.clone(),
            wait_policy: Some(WaitPolicy { lifecycle_stage: self.stage.into() }),
            request: Some(Request { meta: Some(meta), input: Some(input), ..Request::default() }),
        }
    }
}

impl UpdateFlags {
    async fn send(&self, session: &Session, stage: Stage) -> anyhow::Result<(String, Option<Outcome>)> {
        let sending = Sending {
            workflow_id: self.workflow.workflow_id.clone(),
            run_id: self.workflow.run_id.clone(),
            first_execution_run_id: self.first_execution_run_id.clone(),
            update_id: self.update_id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
            name: self.name.clone(),
            args: self.input.payloads()?,
            header: header(&self.headers)?,
            stage,
        };
        let mut answer = session.wait(sending.request(session)).await?;
        // The server may answer before the stage is reached; the same id again is no second update.
        while answer.stage() < stage && answer.outcome.is_none() {
            answer = session.wait(sending.request(session)).await?;
        }
        Ok((sending.update_id, answer.outcome))
    }
}

impl Start {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let (update_id, outcome) = self.flags.send(session, self.wait_for_stage).await?;
        if let Some(outcome::Value::Failure(failure)) = outcome.and_then(|outcome| outcome.value) {
            bail!("the update failed: {}", in_words(&failure));
        }
        session.output.card([("Name", Json::from(self.flags.name)), ("UpdateId", Json::from(update_id))])
    }
}

impl Execute {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let (update_id, outcome) = self.flags.send(session, Stage::Completed).await?;
        let result = result(session, outcome)?;
        let name = Json::from(self.flags.name);
        session.output.card([("Name", name), ("UpdateId", Json::from(update_id)), ("Result", result)])
    }
}

/// The value of an update; an error where it failed.
pub(super) fn result(session: &Session, outcome: Option<Outcome>) -> anyhow::Result<Json> {
    match outcome.and_then(|outcome| outcome.value) {
        Some(outcome::Value::Success(payloads)) => values(session, &payloads),
        Some(outcome::Value::Failure(failure)) => bail!("the update failed: {}", in_words(&failure)),
        None => bail!("the update has no result yet: ask with workflow update result"),
    }
}

impl Reference {
    fn poll(&self, session: &Session, stage: Option<Stage>) -> PollWorkflowExecutionUpdateRequest {
        let workflow_execution = self.workflow.execution();
        PollWorkflowExecutionUpdateRequest {
            namespace: session.namespace(),
            update_ref: Some(UpdateRef { workflow_execution, update_id: self.update_id.clone() }),
            identity: session.identity(),
            wait_policy: stage.map(|stage| WaitPolicy { lifecycle_stage: stage.into() }),
        }
    }

    fn print(&self, session: &Session, outcome: Option<&Outcome>, stage: Json) -> anyhow::Result<()> {
        let (mut result, mut failed) = (Json::Null, Json::Null);
        match outcome.and_then(|outcome| outcome.value.as_ref()) {
            Some(outcome::Value::Success(payloads)) => result = values(session, payloads)?,
            Some(outcome::Value::Failure(failure)) if session.output.is_text() => {
                failed = Json::from(in_words(failure))
            }
            Some(outcome::Value::Failure(failure)) => {
                failed = json::render(failure, "temporal.api.failure.v1.Failure", session.output.style())?;
            }
            None => {}
        }
        let id = Json::from(self.update_id.as_str());
        session.output.card([("UpdateId", id), ("Result", result), ("Failure", failed), ("Stage", stage)])
    }
}

impl Describe {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let answer = session.call(self.update.poll(session, None)).await?;
        let stage =
            camel(answer.stage().as_str_name().trim_start_matches("UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_"));
        self.update.print(session, answer.outcome.as_ref(), Json::from(stage))
    }
}

impl ResultOf {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        loop {
            let Some(answer) = session.poll(self.update.poll(session, Some(Stage::Completed))).await? else { continue };
            let Some(outcome) = answer.outcome else { continue };
            self.update.print(session, Some(&outcome), Json::Null)?;
            return match outcome.value {
                Some(outcome::Value::Failure(_)) => bail!("update is failed"),
                _ => Ok(()),
            };
        }
    }
}
