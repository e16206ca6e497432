//! Lists over ever more closed workflows: the median time of a page of 20, and of a count.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use bytes::Bytes;
use perdure_proto::api::workflowservice::{CountWorkflowExecutionsRequest, ListWorkflowExecutionsRequest};

use super::{
    clones::{self, Database, Template, Was},
    median,
    server::Server,
    table::Row,
    timed,
    worker::{self, Worker},
};
use crate::{
    args::Scale,
    client::{Client, SHORT},
    history,
};

const TYPE: &str = "parked-signal";
const TEMPLATES: u64 = 50;
const PAGE: i32 = 20;
/// Pages of which the median is taken.
const TIMES: usize = 21;

pub(super) async fn run(scale: &Scale) -> Result<Vec<Row>> {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let templates = templates(scale, seed).await?;
    let mut rows = Vec::new();
    for (index, step) in (0..).zip(&scale.steps) {
        let database = Database::open(scale).await?;
        let wanted = step.saturating_sub(database.count(TYPE).await?);
        database.fill(&templates, (TYPE, seed + index), 0..wanted, Was::Stored).await?;
        database.close().await?;
        let mut server = Server::spawn(scale, scale.port, &[])?;
        let client = server.client().await?;
        rows.push(measure(*step, &client, &clones::workflow_id(TYPE, seed + index, 0)).await?);
        server.kill().await?;
    }
    Ok(rows)
}

/// Closed runs.
async fn templates(scale: &Scale, seed: u64) -> Result<Vec<Template>> {
    let mut server = Server::spawn(scale, scale.port, &[])?;
    let client = server.client().await?;
    let worker = Worker::start(&client);
    let mut ids = Vec::new();
    for number in 0..TEMPLATES {
        let execution = worker::start(&client, TYPE, clones::workflow_id(TYPE, seed, u64::MAX - 1 - number)).await?;
        worker::signal(&client, &execution).await?;
        history::wait_for_completion(&client, &execution).await?;
        ids.push(execution.workflow_id);
    }
    worker.stop().await;
    server.kill().await?;
    let database = Database::open(scale).await?;
    let mut templates = Vec::new();
    for id in &ids {
        templates.push(database.template(id).await?);
    }
    database.close().await?;
    Ok(templates)
}

async fn measure(step: u64, client: &Client, one_id: &str) -> Result<Row> {
    let mut row = Row::of("closed workflows", step);
    let one_id = format!("WorkflowId = '{one_id}'");
    for (what, query, counts) in [
        ("all", "", true),
        ("completed", "ExecutionStatus = 'Completed'", true),
        ("running", "ExecutionStatus = 'Running'", true),
        ("of a type", "WorkflowType = 'parked-signal'", true),
        ("of an id", one_id.as_str(), true),
        ("by ORDER BY CloseTime", "ORDER BY CloseTime ASC", false),
    ] {
        let mut pages = Vec::new();
        let mut tallies = Vec::new();
        for _ in 0..TIMES {
            pages.push(timed(page(client, query, Bytes::new())).await?.1);
        }
        row.add(format!("{what}: page ms"), median(pages));
        for _ in 0..if counts { 3 } else { 0 } {
            tallies.push(timed(count(client, query)).await?.1);
        }
        if counts {
            row.add(format!("{what}: count ms"), median(tallies));
        }
    }
    row.add("all: the 50th page ms", deep_page(client).await?);
    Ok(row)
}

async fn deep_page(client: &Client) -> Result<Option<f64>> {
    let mut token = Bytes::new();
    for _ in 0..49 {
        token = page(client, "", token).await?;
    }
    let mut pages = Vec::new();
    for _ in 0..TIMES {
        pages.push(timed(page(client, "", token.clone())).await?.1);
    }
    Ok(median(pages))
}

/// The token of the next page.
async fn page(client: &Client, query: &str, next_page_token: Bytes) -> Result<Bytes> {
    let request = ListWorkflowExecutionsRequest {
        namespace: client.namespace.to_string(),
        page_size: PAGE,
        next_page_token,
        query: query.to_owned(),
    };
    let list =
        client.call(request, SHORT, |mut stub, request| async move { stub.list_workflow_executions(request).await });
    Ok(list.await.with_context(|| format!("ListWorkflowExecutions failed: {query}"))?.next_page_token)
}

async fn count(client: &Client, query: &str) -> Result<i64> {
    let request = CountWorkflowExecutionsRequest { namespace: client.namespace.to_string(), query: query.to_owned() };
    let count =
        client.call(request, SHORT, |mut stub, request| async move { stub.count_workflow_executions(request).await });
    Ok(count.await.with_context(|| format!("CountWorkflowExecutions failed: {query}"))?.count)
}
