//! Runs of a server, and their histories.

use bytes::BytesMut;
use clap::Args;
use futures::{Stream, TryStreamExt, stream};
use perdure_proto::{
    RawHistory,
    api::{
        common::WorkflowExecution,
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

/// Which runs a command is for: all of the namespace, unless something is named.
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
    /// The list filter; empty: all.
    fn filter(&self) -> String {
        let quoted = |id: &str| id.replace('\\', "\\\\").replace('\'', "\\'");
        match (&self.query, &self.workflow_id, &self.run_id) {
            (Some(query), ..) => query.trim().to_owned(),
            (_, Some(id), None) => format!("WorkflowId = '{}'", quoted(id)),
            (_, Some(id), Some(run)) => format!("WorkflowId = '{}' AND RunId = '{}'", quoted(id), quoted(run)),
            _ => String::new(),
        }
    }

    /// The same without open runs, by their status.
    fn closed(&self) -> String {
        let closed = "ExecutionStatus != 'Running'";
        match self.filter().as_str() {
            "" => closed.to_owned(),
            filter => format!("({filter}) AND {closed}"),
        }
    }
}

/// How many closed runs are selected, about.
pub(super) async fn count(session: &Session, namespace: &str, selection: &Selection) -> anyhow::Result<u64> {
    let request = CountWorkflowExecutionsRequest { namespace: namespace.to_owned(), query: selection.closed() };
    Ok(session.call(request).await?.count.try_into().unwrap_or(0))
}

/// The runs that are selected, open ones too, in the order of the server's lists.
pub fn selected_runs<'a>(
    session: &'a Session,
    namespace: &str,
    selection: &Selection,
) -> impl Stream<Item = anyhow::Result<WorkflowExecution>> + 'a {
    let listed = listed(session, namespace, selection.filter());
    listed.try_filter_map(|info| std::future::ready(Ok(info.execution)))
}

/// Those of them that are closed.
pub(super) fn closed_runs<'a>(
    session: &'a Session,
    namespace: &str,
    selection: &Selection,
) -> impl Stream<Item = anyhow::Result<WorkflowExecution>> + 'a {
    let listed = listed(session, namespace, selection.closed());
    listed.try_filter_map(|info| std::future::ready(Ok(info.execution.filter(|_| info.close_time.is_some()))))
}

fn listed<'a>(
    session: &'a Session,
    namespace: &str,
    query: String,
) -> impl Stream<Item = anyhow::Result<WorkflowExecutionInfo>> + 'a {
    let request =
        ListWorkflowExecutionsRequest { namespace: namespace.to_owned(), query, page_size: PAGE, ..Default::default() };
    let pages = stream::try_unfold(Some(request), move |request| async move {
        let Some(mut request) = request else { return anyhow::Ok(None) };
        let answer = session.call(request.clone()).await?;
        request.next_page_token = answer.next_page_token;
        let next = (!request.next_page_token.is_empty()).then_some(request);
        Ok(Some((stream::iter(answer.executions.into_iter().map(anyhow::Ok)), next)))
    });
    pages.try_flatten()
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
