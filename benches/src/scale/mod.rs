//! How costs grow: the same load beside ever more of what a server keeps. Each scale fills its server in steps and measures at
//! each of them; what costs the same at all of them is flat.
//!
//! The server is this command's own: it is started, killed (`kill -9`) and started again.

mod backlog;
mod clones;
mod history;
mod list;
mod parked;
mod server;
mod table;
mod worker;

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::Value;

use crate::{
    args::{Probes, Scale, What},
    client::Client,
    measure::{Meter, Spent},
    scenario::Scenario,
    session::{self, Amount},
};
use table::Row;

/// The namespace that every server has.
const NAMESPACE: &str = "default";
/// Workflows that warm a server up.
const WARM_UP: u32 = 200;

pub(crate) async fn run(probes: &Probes, scale: &Scale) -> Result<()> {
    let rows = match scale.what {
        What::Parked => parked::run(probes, scale).await?,
        What::History => history::run(probes, scale).await?,
        What::Backlog => backlog::run(probes, scale).await?,
        What::List => list::run(scale).await?,
    };
    table::print(&rows, probes.output);
    Ok(())
}

/// A workflow with one activity, from start to close.
async fn one_workflow(scale: &Scale, client: &Client) -> Result<()> {
    session::warm_up(client, &scale.load, Scenario::Activity1, 1, Amount::Count(1)).await
}

/// The same load at each step, as of `perdure-load run activity1`: what each of its workflows costs.
async fn probe(row: &mut Row, scale: &Scale, client: &Client, meter: &mut Meter<'_>) -> Result<()> {
    let (load, scenario, concurrency) = (&scale.load, Scenario::Activity1, scale.concurrency);
    session::warm_up(client, load, scenario, concurrency, Amount::Count(WARM_UP)).await?;
    meter.worked();
    let measured = session::measure(client, load, scenario, concurrency, Amount::Count(scale.count), meter).await?;
    let figures = measured.settled().await?.to_json();
    for (heading, name) in [
        ("activity1 p50 ms", "p50_ms"),
        ("activity1 p99 ms", "p99_ms"),
        ("activity1 server CPU ms", "server_cpu_ms"),
        ("activity1 PG CPU ms", "postgres_cpu_ms"),
        ("activity1 commits", "commits"),
        ("activity1 WAL KB", "wal_kb"),
        ("RSS MB", "server_rss_mb"),
    ] {
        row.add(heading, figures.get(name).and_then(Value::as_f64));
    }
    Ok(())
}

/// Does some work and says what each of its pieces cost.
async fn measured<T>(
    row: &mut Row,
    what: &str,
    pieces: u32,
    meter: &mut Meter<'_>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let before = meter.begin().await?;
    let done = work.await?;
    let spent = meter.end(before).await?.settled().await?;
    costs(row, what, &spent, f64::from(pieces));
    Ok(done)
}

fn costs(row: &mut Row, what: &str, spent: &Spent, pieces: f64) {
    let milliseconds = |cpu: Option<Duration>| cpu.map(|cpu| cpu.as_secs_f64() * 1e3 / pieces);
    row.add(format!("{what} server CPU ms"), milliseconds(spent.server_cpu));
    row.add(format!("{what} PG CPU ms"), milliseconds(spent.postgres_cpu));
    row.add(format!("{what} commits"), spent.commits.map(|commits| commits / pieces));
    row.add(format!("{what} WAL KB"), spent.wal_bytes.map(|bytes| bytes / 1024.0 / pieces));
}

/// In milliseconds.
fn median(mut times: Vec<Duration>) -> Option<f64> {
    times.sort_unstable();
    times.get(times.len() / 2).copied().map(milliseconds)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

async fn timed<T>(work: impl Future<Output = Result<T>>) -> Result<(T, Duration)> {
    let begin = Instant::now();
    let done = work.await?;
    Ok((done, begin.elapsed()))
}
