//! Workflows that are open and wait, half of them for a timer of a day and half for a signal. At each step: how soon a server that is
//! started on them after `kill -9` does something, and what workflows cost beside them. At the end another server takes over.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use perdure_proto::api::common::WorkflowExecution;

use super::{
    clones::{self, Database, Template, Was},
    measured, median, milliseconds, one_workflow, probe,
    server::Server,
    table::Row,
    timed,
    worker::{self, Worker},
};
use crate::{
    args::{Probes, Scale},
    client::Client,
    history,
    measure::Meter,
};

const TIMER: &str = "parked-timer-86400";
const SIGNAL: &str = "parked-signal";
/// A timer that is over by the time at which its copies are there.
const DUE: &str = "parked-timer-20";
const DUE_AFTER: Duration = Duration::from_secs(20);

/// Runs that are copied, of each type.
const TEMPLATES: u64 = 50;
/// Timers that are due when the server starts.
const DUE_RUNS: u64 = 1_000;
/// Runs that a server has in memory by default: those of the killed one are due when the next starts.
const CACHED: u64 = 20_000;

/// A server that waits for a database does nothing else after this time.
const WAITING: Duration = Duration::from_secs(5);

/// What is copied.
struct Templates {
    timers: Vec<Template>,
    signals: Vec<Template>,
    due: Vec<Template>,
    due_from: Instant,
}

pub(super) async fn run(probes: &Probes, scale: &Scale) -> Result<Vec<Row>> {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let templates = templates(scale, seed).await?;
    let mut rows = Vec::new();
    for (index, parked) in (0..).zip(&scale.steps) {
        let step = Step { probes, scale, seed: seed + index, templates: &templates };
        rows.push(step.measure(*parked).await?);
    }
    let took = takeover(scale).await?;
    let last = scale.steps.len().saturating_sub(1);
    for (index, row) in rows.iter_mut().enumerate() {
        row.add("takeover: first workflow ms", (index == last).then(|| milliseconds(took)));
    }
    Ok(rows)
}

async fn templates(scale: &Scale, seed: u64) -> Result<Templates> {
    let mut server = Server::spawn(scale, scale.port, &[])?;
    let client = server.client().await?;
    let worker = Worker::start(&client);
    let mut ids = [const { Vec::new() }; 3];
    let due_from = Instant::now() + DUE_AFTER;
    for (ids, workflow_type) in ids.iter_mut().zip([TIMER, SIGNAL, DUE]) {
        for number in 0..TEMPLATES {
            let id = clones::workflow_id(workflow_type, seed, u64::MAX - 1 - number);
            worker::start(&client, workflow_type, id.clone()).await?;
            ids.push(id);
        }
    }
    worker.answered(3 * TEMPLATES).await?;
    worker.stop().await;
    server.kill().await?;
    let database = Database::open(scale).await?;
    let mut templates = Vec::new();
    for ids in &ids {
        let read = stream::iter(ids).then(|id| database.template(id));
        templates.push(read.try_collect::<Vec<_>>().await?);
    }
    database.close().await?;
    let mut templates = templates.into_iter();
    let mut next = || templates.next().context("three types of templates");
    Ok(Templates { timers: next()?, signals: next()?, due: next()?, due_from })
}

/// One number of parked workflows.
struct Step<'a> {
    probes: &'a Probes,
    scale: &'a Scale,
    seed: u64,
    templates: &'a Templates,
}

impl Step<'_> {
    async fn measure(&self, parked: u64) -> Result<Row> {
        self.fill(parked).await?;
        let mut row = Row::of("parked workflows", parked);
        let begin = Instant::now();
        let mut server = Server::spawn(self.scale, self.scale.port, &[])?;
        let client = server.client().await?;
        row.add("start: first answer ms", Some(milliseconds(begin.elapsed())));
        let worker = Worker::start(&client);
        one_workflow(self.scale, &client).await?;
        row.add("start: first workflow ms", Some(milliseconds(begin.elapsed())));
        worker.completed(DUE_RUNS).await?;
        row.add("start: 1000 timers fired ms", Some(milliseconds(begin.elapsed())));
        let probes = server.probes(self.probes, self.scale);
        let mut meter = Meter::new(&probes).await?;
        probe(&mut row, self.scale, &client, &mut meter).await?;
        let signals = measured(&mut row, "cold signal", self.scale.count, &mut meter, self.signals(&client)).await;
        worker.stop().await;
        row.add("cold signal p50 ms", median(signals?));
        row.add("peak RSS MB", Some(server.usage()?.peak_resident_kb as f64 / 1024.0));
        server.kill().await?;
        Ok(row)
    }

    /// Adds what is missing, and what this step uses up.
    async fn fill(&self, parked: u64) -> Result<()> {
        let Templates { timers, signals, due, due_from } = self.templates;
        tokio::time::sleep_until((*due_from).into()).await;
        let database = Database::open(self.scale).await?;
        let wanted = (parked / 2).saturating_sub(database.count(TIMER).await?);
        let stored = wanted.saturating_sub(CACHED);
        database.fill(timers, (TIMER, self.seed), 0..stored, Was::Stored).await?;
        database.fill(timers, (TIMER, self.seed), stored..wanted, Was::Cached).await?;
        let wanted = (parked / 2).saturating_sub(database.count(SIGNAL).await?).max(u64::from(self.scale.count));
        database.fill(signals, (SIGNAL, self.seed), 0..wanted, Was::Stored).await?;
        database.fill(due, (DUE, self.seed), 0..DUE_RUNS, Was::Stored).await?;
        database.close().await
    }

    /// To runs that are not in memory, each of which then completes. How long each took.
    async fn signals(&self, client: &Client) -> Result<Vec<Duration>> {
        let cold = stream::iter(0..u64::from(self.scale.count)).map(|number| {
            let workflow_id = clones::workflow_id(SIGNAL, self.seed, number);
            let execution = WorkflowExecution { workflow_id, ..Default::default() };
            let completes = async move {
                worker::signal(client, &execution).await?;
                history::wait_for_completion(client, &execution).await
            };
            async move { Ok(timed(completes).await?.1) }
        });
        cold.buffer_unordered(self.scale.concurrency as usize).try_collect().await
    }
}

/// Kills a server for whose database another one waits. How long it took until that one had completed a workflow.
async fn takeover(scale: &Scale) -> Result<Duration> {
    let mut first = Server::spawn(scale, scale.port, &[])?;
    one_workflow(scale, &first.client().await?).await?;
    // A file has one server at a time.
    let waiting = if scale.is_postgres() { Some(Server::spawn(scale, scale.port + 1, &[])?) } else { None };
    tokio::time::sleep(WAITING).await;
    let begin = Instant::now();
    first.kill().await?;
    let mut second = waiting.map_or_else(|| Server::spawn(scale, scale.port, &[]), Ok)?;
    one_workflow(scale, &second.client().await?).await?;
    let took = begin.elapsed();
    second.kill().await?;
    Ok(took)
}
