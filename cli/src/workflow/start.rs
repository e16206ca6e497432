//! `workflow start` and `workflow execute`.

use std::time::Instant;

use clap::Args;
use perdure_proto::{
    api::{
        errordetails::WorkflowExecutionAlreadyStartedFailure,
        workflowservice::{GetWorkflowExecutionHistoryRequest, StartWorkflowExecutionRequest},
    },
    google::rpc,
};
use prost::Message;
use serde_json::Value as Json;

use super::{outcome::Outcome, show};
use crate::{
    payload::PayloadInput,
    session::{Failed, Session, execution},
    start::{StartFlags, StartNowFlags},
};

#[derive(Args, Debug)]
pub struct Start {
    #[command(flatten)]
    pub(super) flags: StartFlags,
    #[command(flatten)]
    pub(super) now: StartNowFlags,
    #[command(flatten)]
    input: PayloadInput,
}

#[derive(Args, Debug)]
pub struct Execute {
    #[command(flatten)]
    start: Start,
    /// Print the events as they come; in JSON the history is added.
    #[arg(long)]
    detailed: bool,
}

/// What runs now.
pub(super) struct Running {
    pub(super) workflow_id: String,
    pub(super) run_id: String,
    pub(super) workflow_type: String,
    pub(super) task_queue: String,
}

impl Running {
    pub(super) fn print(&self, session: &Session) -> anyhow::Result<()> {
        self.print_with(session, [("TaskQueue", Json::from(self.task_queue.as_str()))])
    }

    /// With what else there is to say.
    pub(super) fn print_with<const N: usize>(
        &self,
        session: &Session,
        more: [(&'static str, Json); N],
    ) -> anyhow::Result<()> {
        session.output.say("Running execution:")?;
        let run = [
            ("WorkflowId", Json::from(self.workflow_id.as_str())),
            ("RunId", Json::from(self.run_id.as_str())),
            ("Type", Json::from(self.workflow_type.as_str())),
            ("Namespace", Json::from(session.namespace())),
        ];
        session.output.card(run.into_iter().chain(more))
    }
}

impl Start {
    /// All that the flags say.
    pub(super) fn request(&self, session: &Session) -> anyhow::Result<StartWorkflowExecutionRequest> {
        let mut request = self.flags.request(session, self.input.payloads()?)?;
        self.now.apply(&mut request);
        Ok(request)
    }

    pub(super) fn running(&self, workflow_id: String, run_id: String) -> Running {
        let (workflow_type, task_queue) = (self.flags.r#type.clone(), self.flags.task_queue.clone());
        Running { workflow_id, run_id, workflow_type, task_queue }
    }

    async fn start(&self, session: &Session) -> anyhow::Result<Running> {
        let request = self.request(session)?;
        let workflow_id = request.workflow_id.clone();
        let run_id = match session.attempt(request).await {
            Ok(answer) => answer.run_id,
            Err(failed) => match existing_run(&failed) {
                Some(run_id) if !self.now.fail_existing => run_id,
                _ => return Err(session.explain_attempt::<StartWorkflowExecutionRequest>(failed)),
            },
        };
        Ok(self.running(workflow_id, run_id))
    }

    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        self.start(session).await?.print(session)
    }
}

/// The run that has the id already, where that is why the server refused.
fn existing_run(failed: &Failed) -> Option<String> {
    let Failed::Refused(status) = failed else { return None };
    let details = rpc::Status::decode(status.details()).ok()?.details;
    let known = details.into_iter().find(|any| any.type_url.ends_with("WorkflowExecutionAlreadyStartedFailure"))?;
    Some(WorkflowExecutionAlreadyStartedFailure::decode(known.value.as_ref()).ok()?.run_id)
}

impl Execute {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let running = self.start.start(session).await?;
        let began = Instant::now();
        if session.output.is_text() {
            running.print(session)?;
        }
        let whole = GetWorkflowExecutionHistoryRequest {
            namespace: session.namespace(),
            execution: execution(&running.workflow_id, Some(&running.run_id)),
            wait_new_event: session.output.is_text(),
            ..GetWorkflowExecutionHistoryRequest::default()
        };
        if self.detailed && session.output.is_text() {
            session.output.say("Progress:")?;
            show::print(session, whole.clone()).await?;
        }
        let outcome = Outcome::of(session, &running.workflow_id, &running.run_id).await?;
        let history = match self.detailed && session.output.is_json() {
            true => show::history(session, whole).await?,
            false => Json::Null,
        };
        outcome.print(session, Some((&running, began.elapsed())), history)
    }
}
