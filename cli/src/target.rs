//! One workflow by its id, or many by a query.

use clap::Args;
use perdure_proto::api::{
    common::WorkflowExecution,
    workflowservice::{
        CountWorkflowExecutionsRequest, StartBatchOperationRequest, start_batch_operation_request::Operation,
    },
};
use serde_json::Value as Json;

use crate::{
    connect::user,
    session::{Session, execution},
};

/// A workflow that is named.
#[derive(Args, Debug)]
pub(crate) struct WorkflowReference {
    /// The workflow's id.
    #[arg(long, short)]
    pub(crate) workflow_id: String,
    /// One of its runs; without it the latest.
    #[arg(long, short)]
    pub(crate) run_id: Option<String>,
}

impl WorkflowReference {
    pub(crate) fn execution(&self) -> Option<WorkflowExecution> {
        execution(&self.workflow_id, self.run_id.as_ref())
    }
}

/// A workflow that is named, or all that a query finds.
#[derive(Args, Debug)]
#[command(group(clap::ArgGroup::new("which").args(["workflow_id", "query"]).required(true)))]
pub(crate) struct Target {
    /// The workflow's id.
    #[arg(long, short)]
    workflow_id: Option<String>,
    /// One of its runs; without it the latest.
    #[arg(long, short, conflicts_with = "query")]
    run_id: Option<String>,
    #[command(flatten)]
    batch: Batch,
}

/// The flags of a batch operation, beside those for a single target.
#[derive(Args, Debug)]
pub(crate) struct Batch {
    /// Do it with all workflows that this list filter finds, in a batch job.
    #[arg(long, short)]
    query: Option<String>,
    /// Why; without it "Requested from CLI by USER".
    #[arg(long)]
    reason: Option<String>,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// How many a second the batch job may do at most.
    #[arg(long)]
    rps: Option<f32>,
}

/// What was chosen.
pub(crate) enum Chosen {
    One(Box<WorkflowExecution>),
    /// A batch job without its operation.
    Many(Box<StartBatchOperationRequest>),
}

impl Target {
    pub(crate) async fn choose(&self, session: &Session) -> anyhow::Result<Chosen> {
        match (&self.workflow_id, self.batch.job(session, Counted::Workflows).await?) {
            (_, Some(job)) => Ok(Chosen::Many(Box::new(job))),
            // The group of the two flags is required.
            (id, None) => {
                let workflow_id = id.clone().unwrap_or_default();
                let run_id = self.run_id.clone().unwrap_or_default();
                Ok(Chosen::One(Box::new(WorkflowExecution { workflow_id, run_id })))
            }
        }
    }

    pub(crate) fn reason(&self) -> String {
        self.batch.reason()
    }

    pub(crate) fn yes(&self) -> bool {
        self.batch.yes
    }
}

/// What a batch job's query finds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    Workflows,
    Activities,
}

impl Batch {
    /// The job, where a query is given and whoever is asked agrees.
    pub(crate) async fn job(
        &self,
        session: &Session,
        counted: Counted,
    ) -> anyhow::Result<Option<StartBatchOperationRequest>> {
        let Some(query) = &self.query else {
            // clap lets it pass: a flag that requires one which another excludes.
            anyhow::ensure!(self.rps.is_none(), "--rps is for a batch job: it goes with --query");
            return Ok(None);
        };
        if !self.yes {
            session.confirm(&question(session, query, counted).await?, false)?;
        }
        Ok(Some(StartBatchOperationRequest {
            namespace: session.namespace(),
            visibility_query: query.clone(),
            job_id: uuid::Uuid::new_v4().to_string(),
            reason: self.reason(),
            max_operations_per_second: self.rps.unwrap_or_default(),
            ..StartBatchOperationRequest::default()
        }))
    }

    pub(crate) fn reason(&self) -> String {
        self.reason.clone().unwrap_or_else(default_reason)
    }

    pub(crate) fn yes(&self) -> bool {
        self.yes
    }

    pub(crate) fn given_reason(&self) -> String {
        self.reason.clone().unwrap_or_default()
    }
}

async fn question(session: &Session, query: &str, counted: Counted) -> anyhow::Result<String> {
    use perdure_proto::api::workflowservice::CountActivityExecutionsRequest;
    let (namespace, query) = (session.namespace(), query.to_owned());
    let (count, what) = match counted {
        Counted::Workflows => {
            (session.call(CountWorkflowExecutionsRequest { namespace, query }).await?.count, "workflow(s)")
        }
        Counted::Activities => {
            (session.call(CountActivityExecutionsRequest { namespace, query }).await?.count, "activity(ies)")
        }
    };
    Ok(format!("Start batch against approximately {count} {what}?"))
}

pub(crate) fn default_reason() -> String {
    format!("Requested from CLI by {}", user())
}

/// Starts a batch job and prints its id.
pub(crate) async fn start(
    session: &Session,
    job: StartBatchOperationRequest,
    operation: Operation,
) -> anyhow::Result<()> {
    let id = job.job_id.clone();
    session.call(StartBatchOperationRequest { operation: Some(operation), ..job }).await?;
    if session.output.is_json() {
        return session.output.card([("BatchJobId", Json::from(id))]);
    }
    session.output.say(format!("Started batch for job ID: {id}"))
}
