//! One measurement: a fixed number of workflows in flight until all are closed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use perdure_proto::api::{
    common::{WorkflowExecution, WorkflowType},
    taskqueue::TaskQueue,
    workflowservice::{SignalWorkflowExecutionRequest, StartWorkflowExecutionRequest},
};
use uuid::Uuid;

use crate::{
    args::{Probes, Run, Wait},
    client::{Client, SHORT},
    history,
    measure::Meter,
    report::{self, Figures},
    scenario::{Plan, Scenario, payload},
    worker::Worker,
};

/// Workflows that are described at the same time after a measurement.
const CHECKS: usize = 32;

/// Measures each scenario at each concurrency, prints all, and fails if any workflow did not complete.
pub(crate) async fn run(probes: &Probes, run: &Run) -> Result<()> {
    let identity = format!("perdure-load@{}", std::process::id());
    let client = Client::connect(&run.address, &run.namespace, &identity).await?;
    let server_version = client.server_version().await?;
    let mut meter = Meter::new(probes).await?;
    let mut all = Vec::new();
    for &scenario in &run.scenarios {
        for &concurrency in &run.concurrency {
            all.push(measure(&client, run, scenario, concurrency, &mut meter).await?);
        }
    }
    report::print(&all, &server_version, probes.output);
    Ok(())
}

/// The driver's side of one measurement.
struct Session<'a> {
    /// A connection of its own: an application and a worker are seldom one process.
    client: &'a Client,
    worker: Worker,
    plan: Plan,
    wait: Wait,
    concurrency: usize,
}

async fn measure(
    client: &Client,
    run: &Run,
    scenario: Scenario,
    concurrency: u32,
    meter: &mut Meter<'_>,
) -> Result<Figures> {
    let plan = Plan {
        scenario,
        task_queue: format!("perdure-load-{}", Uuid::new_v4()),
        payload: payload(run.payload),
        eager: run.eager,
    };
    let worker_client = Client::connect(&run.address, &run.namespace, &client.identity).await?;
    let worker = Worker::start(worker_client.clone(), plan.clone(), run.pollers);
    let session = Session { client, worker, plan, wait: run.wait, concurrency: concurrency as usize };
    let result = session.measure(run, concurrency, meter, &worker_client).await;
    let errors = session.worker.errors();
    session.worker.stop().await;
    match (result, errors) {
        (Err(error), (count, Some(last))) => {
            Err(error.context(format!("the worker had {count} errors, the last: {last}")))
        }
        (result, _) => result,
    }
}

impl Session<'_> {
    async fn measure(
        &self,
        run: &Run,
        concurrency: u32,
        meter: &mut Meter<'_>,
        worker_client: &Client,
    ) -> Result<Figures> {
        self.batch(run.warmup, "warm-up", run.time_limit()).await.context("the warm-up failed")?;
        client_retries(self.client, worker_client);
        let before = meter.begin().await?;
        let begin = Instant::now();
        let (latencies, executions) = self.batch(run.count, "measuring", run.time_limit()).await?;
        let elapsed = begin.elapsed();
        let spent = meter.end(&before).await?;
        if self.wait == Wait::Worker {
            self.check(&executions).await?;
        }
        Ok(Figures {
            scenario: self.plan.name(),
            concurrency,
            workflows: run.count,
            elapsed,
            latencies,
            spent,
            retries: client_retries(self.client, worker_client),
            task_errors: self.worker.errors().0,
        })
    }

    /// Runs `count` workflows, `concurrency` at a time.
    async fn batch(&self, count: u32, what: &str, limit: Duration) -> Result<(Histogram<u64>, Vec<WorkflowExecution>)> {
        let bar = progress_bar(count, format!("{} x{} {what}", self.plan.name(), self.concurrency));
        let mut latencies = Histogram::new(3).context("a histogram with three digits")?;
        let mut executions = Vec::with_capacity(count as usize);
        let mut runs = stream::iter(0..count).map(|_| self.workflow()).buffer_unordered(self.concurrency);
        let all = async {
            while let Some((latency, execution)) = runs.try_next().await? {
                latencies.record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX))?;
                executions.push(execution);
                bar.inc(1);
            }
            anyhow::Ok(())
        };
        let ended = tokio::time::timeout(limit, all).await;
        bar.finish_and_clear();
        let closed = executions.len();
        match ended {
            Ok(result) => result?,
            Err(_) => bail!("only {closed} of {count} workflows closed in {} s", limit.as_secs()),
        }
        Ok((latencies, executions))
    }

    /// Runs one workflow to its end. Returns how long it took from the start request to the close.
    async fn workflow(&self) -> Result<(Duration, WorkflowExecution)> {
        let workflow_id = format!("{}-{}", self.plan.name(), Uuid::now_v7());
        let closed = (self.wait == Wait::Worker).then(|| self.worker.closed(&workflow_id));
        let begin = Instant::now();
        let execution = self.start(workflow_id).await?;
        let signals = stream::iter(0..self.plan.signals()).map(|_| self.signal(&execution)).buffer_unordered(CHECKS);
        signals.try_collect::<()>().await?;
        match closed {
            Some(closed) => closed.await.context("the worker stopped")?,
            None => history::wait_for_completion(self.client, &execution).await?,
        }
        Ok((begin.elapsed(), execution))
    }

    async fn start(&self, workflow_id: String) -> Result<WorkflowExecution> {
        let request = StartWorkflowExecutionRequest {
            namespace: self.client.namespace.to_string(),
            workflow_id: workflow_id.clone(),
            workflow_type: Some(WorkflowType { name: self.plan.name() }),
            task_queue: Some(TaskQueue { name: self.plan.task_queue.clone(), ..Default::default() }),
            input: Some(self.plan.payload.clone()),
            identity: self.client.identity.to_string(),
            request_id: Uuid::new_v4().to_string(),
            ..Default::default()
        };
        let response = self
            .client
            .call(request, SHORT, |mut stub, request| async move { stub.start_workflow_execution(request).await });
        let run_id = response.await.context("StartWorkflowExecution failed")?.run_id;
        ensure!(!run_id.is_empty(), "the server started {workflow_id} without a run id");
        Ok(WorkflowExecution { workflow_id, run_id })
    }

    async fn signal(&self, execution: &WorkflowExecution) -> Result<()> {
        let request = SignalWorkflowExecutionRequest {
            namespace: self.client.namespace.to_string(),
            workflow_execution: Some(execution.clone()),
            signal_name: "go".into(),
            input: Some(self.plan.payload.clone()),
            identity: self.client.identity.to_string(),
            request_id: Uuid::new_v4().to_string(),
            ..Default::default()
        };
        let response = self
            .client
            .call(request, SHORT, |mut stub, request| async move { stub.signal_workflow_execution(request).await });
        response.await.context("SignalWorkflowExecution failed")?;
        Ok(())
    }

    /// Describes each workflow: the worker's word is not enough.
    async fn check(&self, executions: &[WorkflowExecution]) -> Result<()> {
        let checks = stream::iter(executions).map(|execution| history::check_completed(self.client, execution));
        checks.buffer_unordered(CHECKS).try_collect::<()>().await
    }
}

fn client_retries(client: &Client, worker_client: &Client) -> u64 {
    client.take_retries() + worker_client.take_retries()
}

fn progress_bar(count: u32, message: String) -> ProgressBar {
    let bar = ProgressBar::new(u64::from(count)).with_message(message);
    // The template is a constant; if indicatif ever refuses it, its default style does as well.
    match ProgressStyle::with_template("{msg:32} {wide_bar} {pos}/{len} {per_sec}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
