//! The command `compare`: the same load on two servers in turns.

pub(crate) mod args;
mod start;
mod summary;
mod table;

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use tokio::task::JoinHandle;

use crate::{
    args::Probes,
    client::Client,
    idle::{self, Watched},
    measure::Meter,
    report::Figures,
    scenario::Scenario,
    session::{self, Amount, TimeLimit},
};
use args::{Compare, Side};
use start::Started;
use summary::{Comparison, Failure};

/// All that is known in the end.
struct Report {
    names: [String; 2],
    versions: [String; 2],
    rounds: u32,
    /// From the start of a process to its first completed workflow, in milliseconds, for each start.
    starts_ms: [Vec<f64>; 2],
    idle: Option<[Watched; 2]>,
    results: Vec<Comparison>,
}

/// Prints the comparison. An error where a side lost or doubled something, or could not be measured at all; not where it was slow.
pub(crate) async fn run(probes: &Probes, compare: &Compare) -> Result<()> {
    ensure!(
        probes.server_pid.is_none() && probes.postgres_pid.is_none() && probes.postgres_url.is_none(),
        "compare has two servers: say server-pid=…, postgres-pid=… and postgres-url=… behind --a and --b"
    );
    let mut sides = [Side::parse("--a", &compare.a)?, Side::parse("--b", &compare.b)?];
    let (mut started, mut starts_ms) = (Vec::new(), [vec![], vec![]]);
    for (side, starts_ms) in sides.iter_mut().zip(&mut starts_ms) {
        if let Some(server) = start(side, compare.starts, starts_ms).await? {
            side.probes.server_pid = Some(server.pid);
            started.push(server);
        }
    }
    let [a, b] = &sides;
    let clients = [Client::connect(&a.address, &a.namespace).await?, Client::connect(&b.address, &b.namespace).await?];
    let versions = [clients[0].server_version().await?, clients[1].server_version().await?];
    let mut meters = [Meter::new(&a.probes).await?, Meter::new(&b.probes).await?];
    let idle = watch_idle(&mut meters, compare.idle_seconds).await?;
    let mut pair = Pair { compare, clients, meters };
    let mut results = Vec::new();
    for measured in compare.measured() {
        for concurrency in measured.concurrency {
            results.push(pair.compare(measured.scenario, concurrency).await);
        }
    }
    for server in started {
        server.stop().await?;
    }
    let name =
        |side: usize| sides[side].name.clone().unwrap_or_else(|| format!("{} {}", ["A", "B"][side], versions[side]));
    let names = [name(0), name(1)];
    let report = Report { names, versions, rounds: compare.rounds, starts_ms, idle, results };
    table::print(&report, probes.output);
    let is_wrong = |result: &Result<_, Failure>| matches!(result, Err(failure) if !failure.is_time_limit);
    if report.results.iter().any(|comparison| comparison.sides.iter().any(is_wrong)) {
        bail!("a measurement failed; the report says which, and why");
    }
    Ok(())
}

/// Starts a side's server `times`, where it has a command for that, and leaves the last one running.
async fn start(side: &Side, times: u32, starts_ms: &mut Vec<f64>) -> Result<Option<Started>> {
    let Some(command) = &side.start_command else { return Ok(None) };
    let mut running: Option<Started> = None;
    for number in 1..=times {
        if let Some(server) = running.take() {
            server.stop().await?;
        }
        eprintln!("start {number} of {times} of {}", side.flag);
        let server = Started::start(side, command).await?;
        starts_ms.push(server.took.as_secs_f64() * 1000.0);
        running = Some(server);
    }
    Ok(running)
}

/// Both at the same time: neither has work.
async fn watch_idle(meters: &mut [Meter<'_>; 2], seconds: u64) -> Result<Option<[Watched; 2]>> {
    if seconds == 0 {
        return Ok(None);
    }
    eprintln!("both servers idle for {seconds} s");
    let time = Duration::from_secs(seconds);
    let [a, b] = meters;
    let (a, b) = tokio::try_join!(idle::watch(a, time), idle::watch(b, time))?;
    Ok(Some([a, b]))
}

struct Pair<'a> {
    compare: &'a Compare,
    clients: [Client; 2],
    meters: [Meter<'a>; 2],
}

impl Pair<'_> {
    async fn compare(&mut self, scenario: Scenario, concurrency: u32) -> Comparison {
        let mut rounds: [Result<Vec<JoinHandle<Result<Figures>>>, Failure>; 2] = [Ok(vec![]), Ok(vec![])];
        for (side, result) in rounds.iter_mut().enumerate() {
            eprintln!("{} x{concurrency}: warm-up of {}", scenario.name(), ["A", "B"][side]);
            if let Err(error) = self.warm_up(side, scenario, concurrency).await {
                *result = Err(failure(&error));
            }
        }
        for round in 1..=self.compare.rounds {
            for (side, result) in rounds.iter_mut().enumerate() {
                let Ok(figures) = result else { continue };
                eprintln!("{} x{concurrency}: round {round} on {}", scenario.name(), ["A", "B"][side]);
                match self.measure(side, scenario, concurrency).await {
                    Ok(settling) => figures.push(settling),
                    Err(error) => *result = Err(failure(&error)),
                }
            }
        }
        let [a, b] = rounds;
        let sides = [all_settled(a).await, all_settled(b).await];
        Comparison { scenario: scenario.name(), unit: scenario.unit(), concurrency, sides }
    }

    async fn warm_up(&mut self, side: usize, scenario: Scenario, concurrency: u32) -> Result<()> {
        let amount = Amount::During(Duration::from_secs(self.compare.warmup_seconds));
        let result = session::warm_up(&self.clients[side], &self.compare.load, scenario, concurrency, amount).await;
        self.meters[side].worked();
        result
    }

    /// The counters of one server settle while the other one is measured.
    async fn measure(
        &mut self,
        side: usize,
        scenario: Scenario,
        concurrency: u32,
    ) -> Result<JoinHandle<Result<Figures>>> {
        let amount = match self.compare.count {
            Some(count) => Amount::Count(count),
            None => Amount::During(Duration::from_secs(self.compare.seconds)),
        };
        let (client, meter) = (&self.clients[side], &mut self.meters[side]);
        let result = session::measure(client, &self.compare.load, scenario, concurrency, amount, meter).await;
        // What a failed measurement left behind was cleaned up: that was work as well.
        self.meters[side].worked();
        Ok(tokio::spawn(result?.settled()))
    }
}

async fn all_settled(rounds: Result<Vec<JoinHandle<Result<Figures>>>, Failure>) -> Result<Vec<Figures>, Failure> {
    let mut all = Vec::new();
    for round in rounds? {
        let settled = round.await.unwrap_or_else(|error| Err(error.into()));
        all.push(settled.map_err(|error| failure(&error))?);
    }
    Ok(all)
}

fn failure(error: &anyhow::Error) -> Failure {
    eprintln!("{error:#}");
    Failure { why: format!("{error:#}"), is_time_limit: error.chain().any(|cause| cause.is::<TimeLimit>()) }
}
