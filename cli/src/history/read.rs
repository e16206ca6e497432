//! Closed runs of a server, and their histories.

use bytes::BytesMut;
use clap::Args;
use futures::{Stream, TryStreamExt, stream};
use perdure_proto::{
    RawHistory,
    api::{
        common::WorkflowExecution,
        enums::WorkflowExecutionStatus,
        workflow::WorkflowExecutionInfo,
        workflowservice::{
            CountWorkflowExecutionsRequest, GetWorkflowExecutionHistoryRequest, ListWorkflowExecutionsRequest,
        },
    },
};
use tonic::Code;

use crate::{
    call::Call,
    session::{ANSWER, Session},
};

/// Runs of one page of a list.
const PAGE: i32 = 1_000;

/// Which closed runs a command is for: all of the namespace, unless something is named.
#[derive(Args, Clone, Debug, Default)]
pub struct Selection {
    /// Only workflows that this list filter selects, like `CloseTime > "2026-01-01T00:00:00Z"`.
    #[arg(long, short, conflicts_with = "workflow_id")]
    pub query: Option<String>,
    /// Only the runs of this workflow id.
    #[arg(long, short)]
    pub workflow_id: Option<String>,
    /// Only this run of it.
    #[arg(long, short, requires = "workflow_id")]
    pub run_id: Option<String>,
}

impl Selection {
    /// The list filter. Open runs are left out by their status.
    fn filter(&self) -> String {
        let closed = "ExecutionStatus != 'Running'";
        let quoted = |id: &str| id.replace('\\', "\\\\").replace('\'', "\\'");
        match (&self.query, &self.workflow_id, &self.run_id) {
            (Some(query), ..) if !query.trim().is_empty() => format!("({query}) AND {closed}"),
            (_, Some(id), None) => format!("WorkflowId = '{}' AND {closed}", quoted(id)),
            (_, Some(id), Some(run)) => {
                format!("WorkflowId = '{}' AND RunId = '{}' AND {closed}", quoted(id), quoted(run))
            }
            _ => closed.to_owned(),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ClosedRun {
    pub execution: WorkflowExecution,
    pub status: WorkflowExecutionStatus,
}

/// How many runs are selected, about.
pub(super) async fn count(session: &Session, namespace: &str, selection: &Selection) -> anyhow::Result<u64> {
    let request = CountWorkflowExecutionsRequest { namespace: namespace.to_owned(), query: selection.filter() };
    Ok(session.call(request).await?.count.try_into().unwrap_or(0))
}

/// The closed runs that are selected, as the server lists them.
pub fn closed_runs<'a>(
    session: &'a Session,
    namespace: &str,
    selection: &Selection,
) -> impl Stream<Item = anyhow::Result<ClosedRun>> + 'a {
    let request = ListWorkflowExecutionsRequest {
        namespace: namespace.to_owned(),
        query: selection.filter(),
        page_size: PAGE,
        ..Default::default()
    };
    let pages = stream::try_unfold(Some(request), move |request| async move {
        let Some(mut request) = request else { return anyhow::Ok(None) };
        let answer = session.call(request.clone()).await?;
        request.next_page_token = answer.next_page_token;
        let next = (!request.next_page_token.is_empty()).then_some(request);
        let runs = answer.executions.into_iter().filter_map(closed);
        Ok(Some((stream::iter(runs.map(anyhow::Ok)), next)))
    });
    pages.try_flatten()
}

fn closed(info: WorkflowExecutionInfo) -> Option<ClosedRun> {
    info.close_time?;
    let status = info.status();
    Some(ClosedRun { execution: info.execution?, status })
}

/// All events of a run; None: the run is gone.
pub async fn read_history(
    session: &Session,
    namespace: &str,
    execution: &WorkflowExecution,
) -> anyhow::Result<Option<RawHistory>> {
    let mut request = GetWorkflowExecutionHistoryRequest {
        namespace: namespace.to_owned(),
        execution: Some(execution.clone()),
        ..Default::default()
    };
    let mut events = BytesMut::new();
    loop {
        let asked = session.request(request.clone(), ANSWER);
        let answer = match GetWorkflowExecutionHistoryRequest::send(asked, session.channel().await?).await {
            Ok(answer) => answer.into_inner(),
            Err(status) if status.code() == Code::NotFound => return Ok(None),
            Err(status) => {
                let what = format!("reading run {} of {}", execution.run_id, execution.workflow_id);
                return Err(session.refused(&what, &status, ANSWER));
            }
        };
        events.extend_from_slice(answer.history.unwrap_or_default().encoded());
        if answer.next_page_token.is_empty() {
            return Ok(Some(RawHistory::from_encoded(events.freeze())));
        }
        request.next_page_token = answer.next_page_token;
    }
}
