//! `workflow cancel`, `terminate`, `delete`, `pause` and `unpause`.

use clap::Args;
use perdure_proto::api::{
    batch::{BatchOperationCancellation, BatchOperationDeletion, BatchOperationTermination},
    workflowservice::{
        DeleteWorkflowExecutionRequest, PauseWorkflowExecutionRequest, RequestCancelWorkflowExecutionRequest,
        TerminateWorkflowExecutionRequest, UnpauseWorkflowExecutionRequest, start_batch_operation_request::Operation,
    },
};

use crate::{
    session::Session,
    target::{self, Chosen, Target, WorkflowReference, default_reason},
};

#[derive(Args, Debug)]
pub struct Cancel {
    #[command(flatten)]
    target: Target,
}

#[derive(Args, Debug)]
pub struct Terminate {
    #[command(flatten)]
    target: Target,
}

#[derive(Args, Debug)]
pub struct Delete {
    #[command(flatten)]
    target: Target,
}

impl Cancel {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let identity = session.identity();
        match self.target.choose(session).await? {
            Chosen::One(execution) => {
                let request = RequestCancelWorkflowExecutionRequest {
                    namespace: session.namespace(),
                    workflow_execution: Some(*execution),
                    identity,
                    request_id: uuid::Uuid::new_v4().to_string(),
                    reason: self.target.reason(),
                    ..RequestCancelWorkflowExecutionRequest::default()
                };
                session.done(request, "Canceled workflow").await
            }
            Chosen::Many(job) => {
                let operation = Operation::CancellationOperation(BatchOperationCancellation { identity });
                target::start(session, *job, operation).await
            }
        }
    }
}

impl Terminate {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let identity = session.identity();
        match self.target.choose(session).await? {
            Chosen::One(execution) => {
                let request = TerminateWorkflowExecutionRequest {
                    namespace: session.namespace(),
                    workflow_execution: Some(*execution),
                    identity,
                    reason: self.target.reason(),
                    ..TerminateWorkflowExecutionRequest::default()
                };
                session.done(request, "Workflow terminated").await
            }
            Chosen::Many(job) => {
                let operation = BatchOperationTermination { identity, ..BatchOperationTermination::default() };
                target::start(session, *job, Operation::TerminationOperation(operation)).await
            }
        }
    }
}

impl Delete {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        match self.target.choose(session).await? {
            Chosen::One(execution) => {
                session.confirm(&format!("Delete Workflow {:?}?", execution.workflow_id), self.target.yes())?;
                let (namespace, workflow_execution) = (session.namespace(), Some(*execution));
                let request = DeleteWorkflowExecutionRequest { namespace, workflow_execution };
                session.done(request, "Delete workflow succeeded").await
            }
            Chosen::Many(job) => {
                let operation = BatchOperationDeletion { identity: session.identity() };
                target::start(session, *job, Operation::DeletionOperation(operation)).await
            }
        }
    }
}

#[derive(Args, Debug)]
pub struct Pause {
    #[command(flatten)]
    workflow: WorkflowReference,
    /// Why.
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Args, Debug)]
pub struct Unpause {
    #[command(flatten)]
    workflow: WorkflowReference,
    /// Why.
    #[arg(long)]
    reason: Option<String>,
}

impl Pause {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let request = PauseWorkflowExecutionRequest {
            namespace: session.namespace(),
            workflow_id: self.workflow.workflow_id,
            run_id: self.workflow.run_id.unwrap_or_default(),
            identity: session.identity(),
            reason: self.reason.unwrap_or_else(default_reason),
            request_id: uuid::Uuid::new_v4().to_string(),
        };
        session.done(request, "Workflow paused").await
    }
}

impl Unpause {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let request = UnpauseWorkflowExecutionRequest {
            namespace: session.namespace(),
            workflow_id: self.workflow.workflow_id,
            run_id: self.workflow.run_id.unwrap_or_default(),
            identity: session.identity(),
            reason: self.reason.unwrap_or_else(default_reason),
            request_id: uuid::Uuid::new_v4().to_string(),
        };
        session.done(request, "Workflow unpaused").await
    }
}
