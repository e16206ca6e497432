//! `workflow list` and `workflow count`.

use clap::Args;
use perdure_proto::api::workflowservice::{
    CountWorkflowExecutionsRequest, ListArchivedWorkflowExecutionsRequest, ListWorkflowExecutionsRequest,
};

use crate::{count, output::Field, session::Session};

/// What lists of all kinds of executions take.
#[derive(Args, Debug)]
pub(crate) struct ListFlags {
    /// A list filter; without it all are found.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    pub(crate) query: String,
    /// The most that are shown.
    #[arg(long)]
    pub(crate) limit: Option<usize>,
    /// How many the server is asked for at once [default: the limit, or what the server prefers]
    #[arg(long, value_name = "SIZE")]
    page_size: Option<i32>,
}

impl ListFlags {
    pub(crate) fn page_size(&self) -> i32 {
        // 0 is what the server prefers, which is also what it makes of more than it likes.
        let limit = self.limit.and_then(|limit| i32::try_from(limit).ok()).unwrap_or_default();
        self.page_size.unwrap_or(limit)
    }
}

#[derive(Args, Debug)]
pub struct List {
    #[command(flatten)]
    flags: ListFlags,
    /// Look into the archive instead.
    #[arg(long)]
    archived: bool,
}

#[derive(Args, Debug)]
pub struct Count {
    /// A list filter, also with GROUP BY ExecutionStatus; without it all are counted.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    query: String,
}

pub(crate) const WORKFLOWS: &[Field] = &[
    ("Status", "/status"),
    ("WorkflowId", "/execution/workflowId"),
    ("Type", "/type/name"),
    ("StartTime", "/startTime"),
];

impl List {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let page_size = self.flags.page_size();
        let ListFlags { query, limit, .. } = self.flags;
        let namespace = session.namespace();
        if self.archived {
            let request = ListArchivedWorkflowExecutionsRequest { namespace, query, page_size, ..Default::default() };
            return session.list(request, limit, WORKFLOWS).await;
        }
        let request = ListWorkflowExecutionsRequest { namespace, query, page_size, ..Default::default() };
        session.list(request, limit, WORKFLOWS).await
    }
}

impl Count {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        count::print(session, CountWorkflowExecutionsRequest { namespace: session.namespace(), query: self.query })
            .await
    }
}
