//! Pages of a list of closed workflows.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use perdure_proto::api::{
    enums::WorkflowExecutionStatus,
    workflow::WorkflowExecutionInfo,
    workflowservice::{CountWorkflowExecutionsRequest, ListWorkflowExecutionsRequest, ListWorkflowExecutionsResponse},
};
use tokio::time::{sleep, timeout};

use crate::{
    client::{Client, LONG_POLL},
    scenario::Scenario,
    session::{AT_ONCE, Amount, Done, Session, micros},
};

const PAGE_SIZE: i32 = 100;
/// Servers may show a workflow in lists some time after it closed.
const POLL: Duration = Duration::from_millis(200);

/// The workflows that `prepare` makes, of this run of the driver and of earlier ones.
fn filter() -> String {
    format!("WorkflowType = '{}' AND ExecutionStatus = 'Completed'", Scenario::List100000.name())
}

/// Makes so many closed workflows as are missing, and waits until the list shows them.
pub(crate) async fn prepare(session: &Session, wanted: u32) -> Result<()> {
    let missing = i64::from(wanted) - count(&session.client).await?;
    if let Ok(missing @ 1..) = u32::try_from(missing) {
        session.workflows(Amount::Count(missing), "preparing", AT_ONCE).await?;
    }
    let shown = async {
        while count(&session.client).await? < i64::from(wanted) {
            sleep(POLL).await;
        }
        anyhow::Ok(())
    };
    timeout(session.limit, shown).await.context("the list does not show all of them")?
}

/// Walks through the list, with so many walkers as the session says; each begins anew when it comes to the end.
pub(crate) async fn walk(session: &Session, amount: Amount, what: &str) -> Result<Done> {
    let length = count(&session.client).await?;
    ensure!(length > 0, "the list is empty");
    let bar = session.progress_bar(amount, what);
    let begun = AtomicU32::new(0);
    let begin = Instant::now();
    let walkers = (0..session.concurrency).map(|_| async {
        let mut walker = Walker { client: &session.client, length, bar: &bar, latencies: Done::new()?.latencies };
        while amount.goes_on(begun.load(Ordering::Relaxed), begin) {
            walker.through(|| amount.goes_on(begun.fetch_add(1, Ordering::Relaxed), begin)).await?;
        }
        anyhow::Ok(walker.latencies)
    });
    let ended = timeout(session.limit, try_join_all(walkers)).await;
    let pages = bar.position() as usize;
    bar.finish_and_clear();
    let mut done = Done::new()?;
    for latencies in ended.map_err(|_| session.time_limit(pages, "page"))?? {
        done.latencies.add(latencies).context("two histograms of the same shape")?;
    }
    done.elapsed = begin.elapsed();
    Ok(done)
}

struct Walker<'a> {
    client: &'a Client,
    /// How many workflows the list has.
    length: i64,
    bar: &'a ProgressBar,
    latencies: Histogram<u64>,
}

impl Walker<'_> {
    /// Walks once, to the end or as long as it `may`. At the end each workflow must have been there, once.
    async fn through(&mut self, may: impl Fn() -> bool) -> Result<()> {
        let mut seen = HashSet::new();
        let mut token = Bytes::new();
        while may() {
            let begin = Instant::now();
            let page = page(self.client, token).await?;
            self.latencies.record(micros(begin.elapsed()))?;
            self.bar.inc(1);
            for info in page.executions {
                let run_id = matching(info)?;
                ensure!(seen.insert(run_id.clone()), "the list has run {run_id} twice");
            }
            token = page.next_page_token;
            if token.is_empty() {
                let (seen, length) = (seen.len(), self.length);
                ensure!(seen as i64 == length, "the list showed {seen} of {length} workflows");
                return Ok(());
            }
        }
        Ok(())
    }
}

/// The run id of a workflow for which the filter is true.
fn matching(info: WorkflowExecutionInfo) -> Result<String> {
    let status = info.status();
    let name = info.r#type.map(|workflow_type| workflow_type.name).unwrap_or_default();
    match info.execution {
        Some(execution) if status == WorkflowExecutionStatus::Completed && name == Scenario::List100000.name() => {
            Ok(execution.run_id)
        }
        other => bail!("the list has {other:?} of type {name} with {}", status.as_str_name()),
    }
}

async fn page(client: &Client, next_page_token: Bytes) -> Result<ListWorkflowExecutionsResponse> {
    let request = ListWorkflowExecutionsRequest {
        namespace: client.namespace.to_string(),
        page_size: PAGE_SIZE,
        next_page_token,
        query: filter(),
    };
    let response = client
        .call(request, LONG_POLL, |mut stub, request| async move { stub.list_workflow_executions(request).await });
    response.await.context("ListWorkflowExecutions failed")
}

async fn count(client: &Client) -> Result<i64> {
    let request = CountWorkflowExecutionsRequest { namespace: client.namespace.to_string(), query: filter() };
    let response = client
        .call(request, LONG_POLL, |mut stub, request| async move { stub.count_workflow_executions(request).await });
    Ok(response.await.context("CountWorkflowExecutions failed")?.count)
}

#[cfg(test)]
mod tests {
    use perdure_proto::api::common::{WorkflowExecution, WorkflowType};

    use super::*;

    #[test]
    fn a_row_that_the_filter_does_not_mean_is_found() {
        let info = |name: &str, status: WorkflowExecutionStatus| WorkflowExecutionInfo {
            execution: Some(WorkflowExecution { workflow_id: "id".into(), run_id: "run".into() }),
            r#type: Some(WorkflowType { name: name.into() }),
            status: status.into(),
            ..Default::default()
        };
        assert_eq!(matching(info("list100000", WorkflowExecutionStatus::Completed)).unwrap(), "run");
        assert!(matching(info("hello", WorkflowExecutionStatus::Completed)).is_err());
        assert!(matching(info("list100000", WorkflowExecutionStatus::Running)).is_err());
    }
}
