//! One measurement: a load of one kind on one server, with a worker of its own.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use perdure_proto::api::common::WorkflowExecution;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::{
    args::{Load, Wait},
    client::Client,
    history, list,
    measure::{Meter, Settling},
    report::Figures,
    scenario::{Plan, Scenario, payload},
    schedule,
    worker::{Arrival, Worker},
    workflow,
};

/// Calls at the same time that are no part of what is measured: checks, creations, clean-up.
pub(crate) const AT_ONCE: usize = 32;

/// Arrivals that the driver has not looked at yet; a worker that has more to tell waits.
const ARRIVALS: usize = 1024;

/// How much of a load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Amount {
    /// So many workflows, pages or actions.
    Count(u32),
    /// What can be begun in this time; what was begun is waited for.
    During(Duration),
}

/// The work did not end in the time that it was given.
#[derive(Debug, thiserror::Error)]
#[error("after {done} {unit}s the time was over: {seconds} s (--time-limit)")]
pub(crate) struct TimeLimit {
    done: usize,
    unit: &'static str,
    seconds: u64,
}

/// What a load did.
pub(crate) struct Done {
    /// In microseconds: of a workflow from start to close, of a page, of an action how late it was.
    pub(crate) latencies: Histogram<u64>,
    pub(crate) elapsed: Duration,
    pub(crate) executions: Vec<WorkflowExecution>,
}

/// The driver's side of one measurement.
pub(crate) struct Session {
    /// A connection of its own: an application and a worker are seldom one process.
    pub(crate) client: Client,
    worker_client: Client,
    pub(crate) worker: Worker,
    pub(crate) plan: Plan,
    pub(crate) wait: Wait,
    pub(crate) concurrency: usize,
    pub(crate) limit: Duration,
    /// What was started and has not closed yet, by workflow id.
    pub(crate) open: Mutex<HashMap<String, WorkflowExecution>>,
}

/// A measurement whose counters have not settled yet.
pub(crate) struct Unsettled {
    figures: Figures,
    settling: Settling,
}

impl Unsettled {
    pub(crate) async fn settled(self) -> Result<Figures> {
        Ok(Figures { spent: self.settling.settled().await?, ..self.figures })
    }
}

/// Runs `scenario` without a meter: what it needs is prepared, and caches and connections are warm.
pub(crate) async fn warm_up(
    client: &Client,
    load: &Load,
    scenario: Scenario,
    concurrency: u32,
    amount: Amount,
) -> Result<()> {
    if scenario == Scenario::Schedule {
        // What warms a server up for its schedules is that they are made.
        return Ok(());
    }
    let session = Session::open(client, load, scenario, concurrency, None).await?;
    let work = async {
        if scenario == Scenario::List100000 {
            list::prepare(&session, load.prepare).await.context("the workflows of the list could not be made")?;
        }
        session.load(amount, "warm-up").await.map(drop).context("the warm-up failed")
    };
    let result = work.await;
    session.close(result).await
}

/// Measures one load.
pub(crate) async fn measure(
    client: &Client,
    load: &Load,
    scenario: Scenario,
    concurrency: u32,
    amount: Amount,
    meter: &mut Meter<'_>,
) -> Result<Unsettled> {
    let (sender, arrivals) = mpsc::channel(ARRIVALS);
    let hears = (scenario == Scenario::Schedule).then_some(sender);
    let session = Session::open(client, load, scenario, concurrency, hears).await?;
    let result = match scenario {
        Scenario::Schedule => schedule::measure(&session, amount, arrivals, meter).await,
        _ => session.measure(amount, meter).await,
    };
    let result = result.map(|(done, settling)| session.unsettled(done, settling));
    session.close(result).await
}

impl Session {
    async fn open(
        client: &Client,
        load: &Load,
        scenario: Scenario,
        concurrency: u32,
        arrivals: Option<mpsc::Sender<Arrival>>,
    ) -> Result<Self> {
        let plan = Plan {
            scenario,
            task_queue: format!("perdure-load-{}", Uuid::new_v4()),
            payload: payload(load.payload),
            eager: load.eager,
        };
        let worker_client = client.another_connection().await?;
        client.take_retries();
        Ok(Self {
            client: client.clone(),
            worker: Worker::start(worker_client.clone(), plan.clone(), load.pollers, arrivals),
            worker_client,
            plan,
            wait: load.wait,
            concurrency: concurrency as usize,
            limit: Duration::from_secs(load.time_limit),
            open: Mutex::default(),
        })
    }

    /// Ends the worker, and tells its last error. After a failure nothing that was started stays behind.
    async fn close<T>(self, result: Result<T>) -> Result<T> {
        if result.is_err() {
            workflow::terminate_open(&self).await;
        }
        let (count, last) = self.worker.errors();
        self.worker.stop().await;
        let told = last.map(|last| format!("the worker had {count} errors, the last: {last}"));
        match (result, told) {
            (Err(error), Some(told)) => Err(error.context(told)),
            (result, told) => {
                told.iter().for_each(|told| eprintln!("{told}"));
                result
            }
        }
    }

    async fn measure(&self, amount: Amount, meter: &mut Meter<'_>) -> Result<(Done, Settling)> {
        let before = meter.begin().await?;
        let done = self.load(amount, "measuring").await?;
        let settling = meter.end(before).await?;
        if self.wait == Wait::Worker {
            self.check(&done.executions).await?;
        }
        Ok((done, settling))
    }

    fn unsettled(&self, done: Done, settling: Settling) -> Unsettled {
        let figures = Figures {
            scenario: self.plan.scenario.name(),
            unit: self.plan.scenario.unit(),
            concurrency: self.concurrency as u32,
            count: done.latencies.len() as u32,
            elapsed: done.elapsed,
            latencies: done.latencies,
            spent: Default::default(),
            retries: self.client.take_retries() + self.worker_client.take_retries(),
            task_errors: self.worker.errors().0,
        };
        Unsettled { figures, settling }
    }

    async fn load(&self, amount: Amount, what: &str) -> Result<Done> {
        match self.plan.scenario {
            Scenario::List100000 => list::walk(self, amount, what).await,
            _ => self.workflows(amount, what, self.concurrency).await,
        }
    }

    /// Runs workflows, `at_once` at a time.
    pub(crate) async fn workflows(&self, amount: Amount, what: &str, at_once: usize) -> Result<Done> {
        let begin = Instant::now();
        let bar = self.progress_bar(amount, what);
        let mut done = Done::new()?;
        let starts = (0..).take_while(|number| amount.goes_on(*number, begin));
        let mut runs = stream::iter(starts).map(|_| workflow::run(self)).buffer_unordered(at_once);
        let all = async {
            while let Some((latency, execution)) = runs.try_next().await? {
                done.latencies.record(micros(latency))?;
                done.executions.push(execution);
                bar.inc(1);
            }
            anyhow::Ok(())
        };
        let ended = tokio::time::timeout(self.limit, all).await;
        bar.finish_and_clear();
        match ended {
            Ok(result) => result?,
            Err(_) => return Err(self.time_limit(done.executions.len(), "workflow").into()),
        }
        done.elapsed = begin.elapsed();
        Ok(done)
    }

    pub(crate) fn time_limit(&self, done: usize, unit: &'static str) -> TimeLimit {
        TimeLimit { done, unit, seconds: self.limit.as_secs() }
    }

    /// Describes each workflow: the worker's word is not enough.
    pub(crate) async fn check(&self, executions: &[WorkflowExecution]) -> Result<()> {
        let checks = stream::iter(executions).map(|execution| history::check_completed(&self.client, execution));
        checks.buffer_unordered(AT_ONCE).try_collect::<()>().await
    }

    pub(crate) fn progress_bar(&self, amount: Amount, what: &str) -> ProgressBar {
        let message = format!("{} x{} {what}", self.plan.scenario.name(), self.concurrency);
        let (bar, template) = match amount {
            Amount::Count(count) => (ProgressBar::new(count.into()), "{msg:32} {wide_bar} {pos}/{len} {per_sec}"),
            Amount::During(_) => (ProgressBar::no_length(), "{msg:32} {spinner} {pos} {per_sec}"),
        };
        // The template is a constant; if indicatif ever refuses it, its default style does as well.
        match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_message(message).with_style(style),
            Err(_) => bar.with_message(message),
        }
    }
}

impl Done {
    pub(crate) fn new() -> Result<Self> {
        let latencies = Histogram::new(3).context("a histogram with three digits")?;
        Ok(Self { latencies, elapsed: Duration::ZERO, executions: Vec::new() })
    }
}

impl Amount {
    /// True if one more is to be begun after `number` others.
    pub(crate) fn goes_on(self, number: u32, begin: Instant) -> bool {
        match self {
            Self::Count(count) => number < count,
            Self::During(time) => begin.elapsed() < time,
        }
    }
}

pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
