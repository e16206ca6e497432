//! `workflow signal`, `query`, `stack` and `metadata`.

use anyhow::{Context, bail};
use clap::Args;
use perdure_proto::api::{
    batch::BatchOperationSignal,
    common::{Header, Payloads},
    enums::QueryRejectCondition,
    query::WorkflowQuery,
    workflowservice::{QueryWorkflowRequest, SignalWorkflowExecutionRequest, start_batch_operation_request::Operation},
};
use serde_json::Value as Json;

use super::outcome::values;
use crate::{
    choices::choices,
    key_value::KeyValue,
    output::Section,
    payload::PayloadInput,
    session::Session,
    start::header,
    target::{self, Chosen, Target, WorkflowReference},
};

#[derive(Args, Debug)]
pub struct Signal {
    #[command(flatten)]
    target: Target,
    /// The signal's name.
    #[arg(long, alias = "type")]
    name: String,
    #[command(flatten)]
    input: PayloadInput,
    /// A header, `KEY=JSON`; may be repeated.
    #[arg(long, value_name = "KEY=JSON")]
    headers: Vec<KeyValue>,
}

#[derive(Args, Debug)]
pub struct Query {
    #[command(flatten)]
    workflow: WorkflowReference,
    /// The query's name.
    #[arg(long, alias = "type")]
    name: String,
    #[command(flatten)]
    input: PayloadInput,
    #[command(flatten)]
    unless: Unless,
    /// A header, `KEY=JSON`; may be repeated.
    #[arg(long, value_name = "KEY=JSON")]
    headers: Vec<KeyValue>,
}

/// When a query is refused.
#[derive(Args, Debug)]
pub(crate) struct Unless {
    /// Refuse where the workflow is in this state.
    #[arg(long, value_name = "CONDITION", value_parser = choices("QUERY_REJECT_CONDITION_",
        &["not_open", "not_completed_cleanly"], QueryRejectCondition::from_str_name))]
    reject_condition: Option<QueryRejectCondition>,
}

#[derive(Args, Debug)]
pub struct Stack {
    #[command(flatten)]
    workflow: WorkflowReference,
    #[command(flatten)]
    unless: Unless,
}

#[derive(Args, Debug)]
pub struct Metadata {
    #[command(flatten)]
    workflow: WorkflowReference,
    #[command(flatten)]
    unless: Unless,
}

/// What SDKs answer to the query of `workflow metadata`.
pub(crate) const METADATA: &[Section] = &[
    Section {
        title: "Metadata",
        at: "",
        fields: &[("Type", "/definition/type"), ("CurrentDetails", "/currentDetails")],
    },
    Section { title: "Query Definitions", at: "/definition/queryDefinitions", fields: DEFINITION },
    Section { title: "Signal Definitions", at: "/definition/signalDefinitions", fields: DEFINITION },
    Section { title: "Update Definitions", at: "/definition/updateDefinitions", fields: DEFINITION },
];

const DEFINITION: &[crate::output::Field] = &[("Name", "/name"), ("Description", "/description")];

impl Signal {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let (input, header) = (self.input.payloads()?, header(&self.headers)?);
        match self.target.choose(session).await? {
            Chosen::One(execution) => {
                let request = SignalWorkflowExecutionRequest {
                    namespace: session.namespace(),
                    workflow_execution: Some(*execution),
                    signal_name: self.name,
                    input,
                    header,
                    identity: session.identity(),
                    request_id: uuid::Uuid::new_v4().to_string(),
                    ..SignalWorkflowExecutionRequest::default()
                };
                session.done(request, "Signal workflow succeeded").await
            }
            Chosen::Many(job) => {
                let identity = session.identity();
                let signal = BatchOperationSignal { signal: self.name, input, header, identity };
                target::start(session, *job, Operation::SignalOperation(signal)).await
            }
        }
    }
}

/// Queries a workflow; nothing where it was refused by the condition.
async fn ask(
    session: &Session,
    workflow: &WorkflowReference,
    unless: &Unless,
    query: WorkflowQuery,
) -> anyhow::Result<(Json, Payloads)> {
    let mut request = QueryWorkflowRequest {
        namespace: session.namespace(),
        execution: workflow.execution(),
        query: Some(query),
        ..QueryWorkflowRequest::default()
    };
    request.set_query_reject_condition(unless.reject_condition.unwrap_or_default());
    let answer = session.wait(request).await?;
    if let Some(rejected) = &answer.query_rejected {
        let status = rejected.status().as_str_name().trim_start_matches("WORKFLOW_EXECUTION_STATUS_");
        bail!("query was rejected, workflow has status: {status}");
    }
    Ok((session.render::<QueryWorkflowRequest>(&answer)?, answer.query_result.unwrap_or_default()))
}

fn query(name: &str, query_args: Option<Payloads>, header: Option<Header>) -> WorkflowQuery {
    WorkflowQuery { query_type: name.to_owned(), query_args, header }
}

impl Query {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let query = query(&self.name, self.input.payloads()?, header(&self.headers)?);
        let (answer, result) = ask(session, &self.workflow, &self.unless, query).await?;
        if !session.output.is_text() {
            return session.output.json(&answer);
        }
        session.output.say("Query result:")?;
        session.output.card([("QueryResult", Json::from(values(session, &result)?.to_string()))])
    }
}

impl Stack {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let query = query("__stack_trace", None, None);
        let (answer, result) = ask(session, &self.workflow, &self.unless, query).await?;
        match values(session, &result)? {
            // The trace is a text of many lines.
            Json::String(trace) if session.output.is_text() => session.output.say(trace),
            _ => session.output.raw(&answer),
        }
    }
}

impl Metadata {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let query = query("__temporal_workflow_metadata", None, None);
        let (answer, result) = ask(session, &self.workflow, &self.unless, query).await?;
        if !session.output.is_text() {
            return session.output.json(&answer);
        }
        let payload = result.payloads.first().context("the worker answered without metadata")?;
        let metadata = serde_json::from_slice(&payload.data).context("the worker's metadata is not JSON")?;
        session.output.sections(&metadata, METADATA)
    }
}
