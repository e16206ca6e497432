//! How a workflow ended: `workflow result`, and the end of `workflow execute` and `workflow describe`.

use std::time::Duration;

use anyhow::{Context, bail};
use perdure_proto::api::{
    common::Payloads,
    enums::HistoryEventFilterType,
    failure::Failure,
    history::{HistoryEvent, history_event::Attributes},
    workflowservice::{DescribeWorkflowExecutionRequest, GetWorkflowExecutionHistoryRequest},
};
use serde_json::Value as Json;

use super::start::Running;
use crate::{
    duration::spell,
    failure::in_words,
    json,
    session::{Session, execution},
    target::WorkflowReference,
};

#[derive(clap::Args, Debug)]
pub struct ResultOf {
    #[command(flatten)]
    workflow: WorkflowReference,
}

impl ResultOf {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        // The run that is the latest now: another may begin while this one is waited for.
        let request =
            DescribeWorkflowExecutionRequest { namespace: session.namespace(), execution: self.workflow.execution() };
        let info = session.call(request).await?.workflow_execution_info.unwrap_or_default();
        let run_id = info.execution.unwrap_or_default().run_id;
        let outcome = Outcome::of(session, &self.workflow.workflow_id, &run_id).await?;
        outcome.print(session, None, Json::Null)
    }
}

/// The last event of the last run.
pub(super) struct Outcome {
    workflow_id: String,
    run_id: String,
    event: HistoryEvent,
}

impl Outcome {
    /// Waits for the end of a run and of those that continue it.
    pub(super) async fn of(session: &Session, workflow_id: &str, run_id: &str) -> anyhow::Result<Self> {
        let mut run_id = run_id.to_owned();
        loop {
            let event = close_event(session, workflow_id, &run_id).await?;
            match next_run(&event) {
                Some(next) => run_id = next,
                None => return Ok(Self { workflow_id: workflow_id.to_owned(), run_id, event }),
            }
        }
    }

    /// The end of a run that is closed, without those that continue it.
    pub(super) async fn of_closed(session: &Session, workflow_id: &str, run_id: &str) -> anyhow::Result<Self> {
        let event = close_event(session, workflow_id, run_id).await?;
        Ok(Self { workflow_id: workflow_id.to_owned(), run_id: run_id.to_owned(), event })
    }

    pub(super) fn result(&self, session: &Session) -> anyhow::Result<Json> {
        match &self.event.attributes {
            Some(Attributes::WorkflowExecutionCompletedEventAttributes(completed)) => {
                completed.result.as_ref().map_or(Ok(Json::Null), |result| values(session, result))
            }
            _ => Ok(Json::Null),
        }
    }

    pub(super) fn event(&self, session: &Session) -> anyhow::Result<Json> {
        json::render(&self.event, "temporal.api.history.v1.HistoryEvent", session.output.style())
    }

    /// Prints the end, as far as there is anything to say for people.
    pub(super) fn card(&self, session: &Session, time: Option<Duration>) -> anyhow::Result<()> {
        let text = |text: Option<String>| text.map_or(Json::Null, Json::from);
        session.output.say("Results:")?;
        session.output.card([
            ("RunTime", text(time.map(spell))),
            ("Status", Json::from(self.status())),
            ("Result", self.result(session)?),
            ("ResultEncoding", text(self.encoding())),
            ("Failure", text(self.failure().map(in_words))),
        ])
    }

    /// Prints the end; an error where the workflow was not completed.
    pub(super) fn print(
        &self,
        session: &Session,
        started: Option<(&Running, Duration)>,
        history: Json,
    ) -> anyhow::Result<()> {
        if session.output.is_text() {
            self.card(session, started.map(|(_, time)| time))?;
        } else {
            let text =
                |get: fn(&Running) -> &String| started.map_or(Json::Null, |(run, _)| Json::from(get(run).as_str()));
            let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            session.output.card([
                ("WorkflowId", Json::from(self.workflow_id.as_str())),
                ("RunId", Json::from(self.run_id.as_str())),
                ("Type", text(|run| &run.workflow_type)),
                ("Namespace", Json::from(session.namespace())),
                ("TaskQueue", text(|run| &run.task_queue)),
                ("DurationMillis", started.map_or(Json::Null, |(_, time)| Json::from(millis(time)))),
                ("Status", Json::from(self.status())),
                ("CloseEvent", self.event(session)?),
                ("Result", self.result(session)?),
                ("History", history),
            ])?;
        }
        match self.status() {
            "COMPLETED" => Ok(()),
            status => bail!("workflow {} did not complete: {status}", self.workflow_id),
        }
    }

    fn status(&self) -> &'static str {
        match &self.event.attributes {
            Some(Attributes::WorkflowExecutionCompletedEventAttributes(_)) => "COMPLETED",
            Some(Attributes::WorkflowExecutionFailedEventAttributes(_)) => "FAILED",
            Some(Attributes::WorkflowExecutionTimedOutEventAttributes(_)) => "TIMEOUT",
            Some(Attributes::WorkflowExecutionCanceledEventAttributes(_)) => "CANCELED",
            Some(Attributes::WorkflowExecutionTerminatedEventAttributes(_)) => "TERMINATED",
            Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(_)) => "CONTINUED_AS_NEW",
            _ => "UNKNOWN",
        }
    }

    fn failure(&self) -> Option<&Failure> {
        match &self.event.attributes {
            Some(Attributes::WorkflowExecutionFailedEventAttributes(failed)) => failed.failure.as_ref(),
            _ => None,
        }
    }

    fn encoding(&self) -> Option<String> {
        let Some(Attributes::WorkflowExecutionCompletedEventAttributes(completed)) = &self.event.attributes else {
            return None;
        };
        let encoding = completed.result.as_ref()?.payloads.first()?.metadata.get("encoding")?;
        Some(String::from_utf8_lossy(encoding).into_owned())
    }
}

/// The values of payloads; a single one stands for itself.
pub(crate) fn values(session: &Session, payloads: &Payloads) -> anyhow::Result<Json> {
    let rendered = json::render(payloads, "temporal.api.common.v1.Payloads", session.output.style())?;
    Ok(match rendered {
        Json::Array(mut list) if list.len() == 1 => list.remove(0),
        other => other,
    })
}

async fn close_event(session: &Session, workflow_id: &str, run_id: &str) -> anyhow::Result<HistoryEvent> {
    let mut request = GetWorkflowExecutionHistoryRequest {
        namespace: session.namespace(),
        execution: execution(workflow_id, Some(&run_id.to_owned())),
        wait_new_event: true,
        ..GetWorkflowExecutionHistoryRequest::default()
    };
    request.set_history_event_filter_type(HistoryEventFilterType::CloseEvent);
    loop {
        let Some(answer) = session.poll(request.clone()).await? else { continue };
        let events = answer.history.unwrap_or_default().events()?;
        match events.into_iter().next_back() {
            Some(event) => return Ok(event),
            None if answer.next_page_token.is_empty() => None.context("the server told no end of the workflow")?,
            None => request.next_page_token = answer.next_page_token,
        }
    }
}

/// The run that goes on where this one ended: of a continuation, a retry or a cron.
fn next_run(event: &HistoryEvent) -> Option<String> {
    let next = match event.attributes.as_ref()? {
        Attributes::WorkflowExecutionCompletedEventAttributes(end) => &end.new_execution_run_id,
        Attributes::WorkflowExecutionFailedEventAttributes(end) => &end.new_execution_run_id,
        Attributes::WorkflowExecutionTimedOutEventAttributes(end) => &end.new_execution_run_id,
        Attributes::WorkflowExecutionContinuedAsNewEventAttributes(end) => &end.new_execution_run_id,
        _ => return None,
    };
    (!next.is_empty()).then(|| next.clone())
}
