//! `activity cancel`, `terminate` and `delete`, of activities without a workflow.

use clap::{ArgGroup, Args};
use perdure_proto::api::{
    batch::{BatchOperationCancelActivities, BatchOperationDeleteActivities, BatchOperationTerminateActivities},
    workflowservice::{
        DeleteActivityExecutionRequest, RequestCancelActivityExecutionRequest, StartBatchOperationRequest,
        TerminateActivityExecutionRequest, start_batch_operation_request::Operation,
    },
};

use crate::{
    session::Session,
    target::{self, Batch, Counted},
};

/// An activity that is named, or all that a query finds.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("which").args(["activity_id", "query"]).required(true)))]
pub(crate) struct ActivityTarget {
    /// The activity's id.
    #[arg(long, short)]
    activity_id: Option<String>,
    /// One of its runs; without it the latest.
    #[arg(long, short, conflicts_with = "query", default_value = "", hide_default_value = true)]
    run_id: String,
    #[command(flatten)]
    batch: Batch,
}

impl ActivityTarget {
    async fn job(&self, session: &Session) -> anyhow::Result<Option<StartBatchOperationRequest>> {
        self.batch.job(session, Counted::Activities).await
    }

    /// The group of the two flags is required.
    fn id(&self) -> String {
        self.activity_id.clone().unwrap_or_default()
    }
}

#[derive(Args, Debug)]
pub struct Cancel {
    #[command(flatten)]
    target: ActivityTarget,
}

#[derive(Args, Debug)]
pub struct Terminate {
    #[command(flatten)]
    target: ActivityTarget,
}

#[derive(Args, Debug)]
pub struct Delete {
    #[command(flatten)]
    target: ActivityTarget,
}

impl Cancel {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let (identity, reason) = (session.identity(), self.target.batch.given_reason());
        if let Some(job) = self.target.job(session).await? {
            let operation = BatchOperationCancelActivities { identity, reason };
            return target::start(session, job, Operation::CancelActivitiesOperation(operation)).await;
        }
        let request = RequestCancelActivityExecutionRequest {
            namespace: session.namespace(),
            activity_id: self.target.id(),
            run_id: self.target.run_id,
            identity,
            request_id: uuid::Uuid::new_v4().to_string(),
            reason,
        };
        session.done(request, "Cancellation requested").await
    }
}

impl Terminate {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let (identity, reason) = (session.identity(), self.target.batch.reason());
        if let Some(job) = self.target.job(session).await? {
            let operation = BatchOperationTerminateActivities { identity, reason };
            return target::start(session, job, Operation::TerminateActivitiesOperation(operation)).await;
        }
        let request = TerminateActivityExecutionRequest {
            namespace: session.namespace(),
            activity_id: self.target.id(),
            run_id: self.target.run_id,
            identity,
            request_id: uuid::Uuid::new_v4().to_string(),
            reason,
        };
        session.done(request, "Activity terminated").await
    }
}

impl Delete {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        if let Some(job) = self.target.job(session).await? {
            let operation = Operation::DeleteActivitiesOperation(BatchOperationDeleteActivities {});
            return target::start(session, job, operation).await;
        }
        let (namespace, activity_id) = (session.namespace(), self.target.id());
        session.confirm(&format!("Delete Standalone Activity {activity_id:?}?"), self.target.batch.yes())?;
        let request = DeleteActivityExecutionRequest { namespace, activity_id, run_id: self.target.run_id };
        session.done(request, "Delete activity succeeded").await
    }
}
