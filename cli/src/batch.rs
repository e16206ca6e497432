//! `perdure batch …`: the jobs that `--query` starts.

use clap::Args;
use perdure_proto::api::workflowservice::{
    DescribeBatchOperationRequest, ListBatchOperationsRequest, StopBatchOperationRequest,
};

use crate::{
    output::{Field, Section},
    session::Session,
};

commands! {
    /// Jobs that do one thing with all workflows of a query.
    BatchCommand {
        /// Show the jobs of the namespace
        #[command(after_help = "Example:\n  perdure batch list --limit 10")]
        List(List),
        /// Show one job's progress
        #[command(after_help = "Example:\n  perdure batch describe --job-id 9535ded6-09b1-4c5b-8b51-5d44e4fa37cb")]
        Describe(Describe),
        /// Stop a job; what it has done stays
        #[command(after_help = "Example:\n  perdure batch terminate --job-id 9535ded6-09b1-4c5b-8b51-5d44e4fa37cb --reason 'wrong query'")]
        Terminate(Terminate),
    }
}

#[derive(Args, Debug)]
pub struct List {
    /// The most that are shown.
    #[arg(long)]
    limit: Option<usize>,
}

#[derive(Args, Debug)]
pub struct Describe {
    /// The job's id, as the command that started it printed it.
    #[arg(long)]
    job_id: String,
}

#[derive(Args, Debug)]
pub struct Terminate {
    /// The job's id, as the command that started it printed it.
    #[arg(long)]
    job_id: String,
    /// Why.
    #[arg(long)]
    reason: String,
}

pub(crate) const JOBS: &[Field] = &[
    ("JobId", "/jobId"),
    ("State", "/state"),
    ("Type", "/operationType"),
    ("StartTime", "/startTime"),
    ("CloseTime", "/closeTime"),
];

pub(crate) const JOB: &[Section] = &[Section {
    title: "",
    at: "",
    fields: &[
        ("JobId", "/jobId"),
        ("State", "/state"),
        ("Type", "/operationType"),
        ("Query", "/query"),
        ("StartTime", "/startTime"),
        ("CloseTime", "/closeTime"),
        ("TotalCount", "/totalOperationCount"),
        ("CompletedCount", "/completeOperationCount"),
        ("FailureCount", "/failureOperationCount"),
        ("Identity", "/identity"),
        ("Reason", "/reason"),
    ],
}];

impl List {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let namespace = session.namespace();
        session.list(ListBatchOperationsRequest { namespace, ..Default::default() }, self.limit, JOBS).await
    }
}

impl Describe {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let namespace = session.namespace();
        session.show(DescribeBatchOperationRequest { namespace, job_id: self.job_id }, JOB).await
    }
}

impl Terminate {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let request = StopBatchOperationRequest {
            namespace: session.namespace(),
            job_id: self.job_id,
            reason: self.reason,
            identity: session.identity(),
        };
        session.done(request, "Terminated batch job").await
    }
}
