//! `workflow show`: histories.

use clap::Args;
use perdure_proto::api::{
    common::WorkflowExecution,
    history::HistoryEvent,
    workflowservice::{GetWorkflowExecutionHistoryRequest, GetWorkflowExecutionHistoryReverseRequest},
};
use serde_json::{Value as Json, json};

use crate::{
    json::{self, Style},
    output::{Field, Section, line},
    session::Session,
    target::WorkflowReference,
};

#[derive(Args, Debug)]
pub struct Show {
    #[command(flatten)]
    workflow: WorkflowReference,
    /// Wait for further events until the workflow is closed.
    #[arg(long, short, conflicts_with = "reverse")]
    follow: bool,
    /// Print all that an event says.
    #[arg(long)]
    detailed: bool,
    /// The last event first.
    #[arg(long)]
    reverse: bool,
}

const EVENT: &str = "temporal.api.history.v1.HistoryEvent";

pub(crate) const EVENTS: &[Field] = &[("ID", "/eventId"), ("Time", "/eventTime"), ("Type", "/eventType")];

impl Show {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let (namespace, execution) = (session.namespace(), self.workflow.execution());
        if self.reverse {
            return self.reversed(session, execution).await;
        }
        let wait_new_event = self.follow;
        let request = GetWorkflowExecutionHistoryRequest { namespace, execution, wait_new_event, ..Default::default() };
        match (session.output.is_text(), self.detailed) {
            (true, false) => print(session, request).await,
            (true, true) => each_page(session, request, |events| details(session, &events)).await,
            (false, _) => session.output.json(&history(session, request).await?),
        }
    }

    async fn reversed(&self, session: &Session, execution: Option<WorkflowExecution>) -> anyhow::Result<()> {
        let mut request = GetWorkflowExecutionHistoryReverseRequest {
            namespace: session.namespace(),
            execution,
            ..GetWorkflowExecutionHistoryReverseRequest::default()
        };
        let (mut all, mut list) = (Vec::new(), session.output.list(EVENTS));
        loop {
            let answer = session.call(request.clone()).await?;
            let events = answer.history.unwrap_or_default().events()?;
            match (session.output.is_text(), self.detailed) {
                (true, true) => details(session, &events)?,
                (true, false) => list.page(&rendered(&events, session.output.style())?)?,
                (false, _) => all.extend(rendered(&events, Style::Canonical)?),
            }
            if answer.next_page_token.is_empty() {
                return session.output.json(&json!({ "events": all }));
            }
            request.next_page_token = answer.next_page_token;
        }
    }
}

/// Prints a history as a table, page by page; with `wait_new_event` until the workflow is closed.
pub(super) async fn print(session: &Session, request: GetWorkflowExecutionHistoryRequest) -> anyhow::Result<()> {
    let mut list = session.output.list(EVENTS);
    each_page(session, request, |events| list.page(&rendered(&events, session.output.style())?)).await
}

/// A history as SDKs replay it: payloads are as they are on the wire.
pub(super) async fn history(session: &Session, request: GetWorkflowExecutionHistoryRequest) -> anyhow::Result<Json> {
    let mut all = Vec::new();
    each_page(session, request, |events| {
        all.extend(rendered(&events, Style::Canonical)?);
        Ok(())
    })
    .await?;
    Ok(json!({ "events": all }))
}

/// Calls `with` for each page of a history.
pub(super) async fn each_page(
    session: &Session,
    mut request: GetWorkflowExecutionHistoryRequest,
    mut with: impl FnMut(Vec<HistoryEvent>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    loop {
        // A long poll without news ends with a token for the next one.
        let Some(answer) = session.poll(request.clone()).await? else { continue };
        with(answer.history.unwrap_or_default().events()?)?;
        if answer.next_page_token.is_empty() {
            return Ok(());
        }
        request.next_page_token = answer.next_page_token;
    }
}

fn rendered(events: &[HistoryEvent], style: Style) -> anyhow::Result<Vec<Json>> {
    events.iter().map(|event| json::render(event, EVENT, style)).collect()
}

/// Each event as a card with all of its attributes.
fn details(session: &Session, events: &[HistoryEvent]) -> anyhow::Result<()> {
    for event in rendered(events, session.output.style())? {
        let text = |name: &str| event.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        line(format!("--------------- [{}] {} ---------------", text("eventId"), text("eventType")))?;
        let head = Section { title: "", at: "", fields: &[("eventTime", "/eventTime"), ("taskId", "/taskId")] };
        session.output.sections(&event, &[head])?;
        let fields = event.as_object().into_iter().flatten();
        for (_, attributes) in fields.filter(|(name, _)| name.ends_with("EventAttributes")) {
            session.output.object(attributes)?;
        }
    }
    Ok(())
}
