//! Activities that no worker takes yet. At each step: what it costs to add one, what workflows on other queues cost, and what it costs
//! to take one from the head of the queue.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use perdure_proto::api::{
    taskqueue::TaskQueue,
    workflowservice::{PollActivityTaskQueueRequest, RespondActivityTaskCompletedRequest},
};
use uuid::Uuid;

use super::{
    measured, median, milliseconds, one_workflow, probe,
    server::Server,
    table::Row,
    timed,
    worker::{self, Worker},
};
use crate::{
    args::{Probes, Scale},
    client::{Client, LONG_POLL, SHORT},
    measure::Meter,
};

/// Activities of one workflow. The type is also the name of their queue.
const FAN: u64 = 200;
const TYPE: &str = "fan-200";

pub(super) async fn run(probes: &Probes, scale: &Scale) -> Result<Vec<Row>> {
    let mut server = Server::spawn(scale, scale.port, &[])?;
    let client = server.client().await?;
    let worker = Worker::start(&client);
    let probes = server.probes(probes, scale);
    let mut meter = Meter::new(&probes).await?;
    let mut rows = Vec::new();
    let mut waiting = 0;
    for step in &scale.steps {
        let mut row = Row::of("waiting activities", *step);
        let workflows = step.saturating_sub(waiting).div_ceil(FAN);
        let added = u32::try_from(workflows * FAN)?;
        let adding = add(&client, &worker, waiting.div_ceil(FAN), workflows);
        measured(&mut row, "one more", added, &mut meter, adding).await?;
        waiting += u64::from(added);
        probe(&mut row, scale, &client, &mut meter).await?;
        let times = measured(&mut row, "one less", scale.count, &mut meter, take(scale, &client)).await?;
        row.add("one less p50 ms", median(times));
        waiting -= u64::from(scale.count);
        rows.push(row);
    }
    worker.stop().await;
    server.kill().await?;
    let restarted = restart(scale, waiting).await?;
    let last = rows.len().saturating_sub(1);
    for (index, row) in rows.iter_mut().enumerate() {
        for (heading, value) in &restarted {
            row.add(heading.clone(), value.filter(|_| index == last));
        }
    }
    Ok(rows)
}

/// Starts workflows, and waits until their activities wait.
async fn add(client: &Client, worker: &Worker, before: u64, workflows: u64) -> Result<()> {
    let starts = stream::iter(0..workflows)
        .map(|_| async move { worker::start(client, TYPE, format!("backlog-{}", Uuid::now_v7())).await.map(drop) });
    starts.buffer_unordered(16).try_collect::<()>().await?;
    worker.answered(before + workflows).await
}

/// Takes activities from the queue and completes them. How long it took to get each.
async fn take(scale: &Scale, client: &Client) -> Result<Vec<Duration>> {
    let taken = stream::iter(0..scale.count).map(|_| take_one(client)).buffer_unordered(scale.concurrency as usize);
    taken.try_collect().await
}

async fn take_one(client: &Client) -> Result<Duration> {
    let request = PollActivityTaskQueueRequest {
        namespace: client.namespace.to_string(),
        task_queue: Some(TaskQueue { name: TYPE.into(), ..Default::default() }),
        identity: client.identity.to_string(),
        ..Default::default()
    };
    let poll = client
        .call(request, LONG_POLL, |mut stub, request| async move { stub.poll_activity_task_queue(request).await });
    let (task, time) = timed(async { poll.await.context("PollActivityTaskQueue failed") }).await?;
    ensure!(!task.task_token.is_empty(), "a queue with a backlog gave nothing");
    let request = RespondActivityTaskCompletedRequest {
        task_token: task.task_token,
        identity: client.identity.to_string(),
        namespace: client.namespace.to_string(),
        resource_id: task.workflow_execution.map(|execution| execution.workflow_id).unwrap_or_default(),
        ..Default::default()
    };
    let respond = client
        .call(request, SHORT, |mut stub, request| async move { stub.respond_activity_task_completed(request).await });
    respond.await.context("RespondActivityTaskCompleted failed")?;
    Ok(time)
}

/// Every run of the backlog is due for a server that starts after `kill -9`.
async fn restart(scale: &Scale, waiting: u64) -> Result<Vec<(String, Option<f64>)>> {
    let start = async {
        let mut server = Server::spawn(scale, scale.port, &[])?;
        let client = server.client().await?;
        one_workflow(scale, &client).await?;
        anyhow::Ok((server, client))
    };
    let ((server, client), first) = timed(start).await?;
    let (_, taken) = timed(take_one(&client)).await?;
    let peak = server.usage()?.peak_resident_kb as f64 / 1024.0;
    server.kill().await?;
    Ok(vec![
        ("waiting at the restart".to_owned(), Some(waiting as f64)),
        ("start: first workflow ms".to_owned(), Some(milliseconds(first))),
        ("start: first of the queue ms".to_owned(), Some(milliseconds(first + taken))),
        ("start: peak RSS MB".to_owned(), Some(peak)),
    ])
}
