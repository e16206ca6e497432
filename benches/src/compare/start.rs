//! A server that the command starts itself: how long it takes until the first workflow has completed.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};
use uuid::Uuid;

use super::args::Side;
use crate::{
    client::Client,
    scenario::{Plan, Scenario, payload},
    worker::Worker,
    workflow,
};

/// How long a server may take from its start to the first workflow, and to its end.
const START_MAX: Duration = Duration::from_secs(120);
const STOP_MAX: Duration = Duration::from_secs(60);
/// Between two attempts to start the first workflow.
const PAUSE: Duration = Duration::from_millis(5);

/// A running server. Dropping it kills it.
pub(super) struct Started {
    child: Child,
    pub(super) pid: u32,
    /// From the start of the process until the first workflow had completed.
    pub(super) took: Duration,
}

impl Started {
    pub(super) async fn start(side: &Side, command: &str) -> Result<Self> {
        let begin = Instant::now();
        // With `exec` the process is the server, not a shell that waits for it.
        let mut child = Command::new("sh")
            .args(["-c", &format!("exec {command}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{}: the start-command cannot be run", side.flag))?;
        let pid = child.id().context("a process that has not been waited for has an id")?;
        let first = tokio::select! {
            first = timeout(START_MAX, first_workflow(side)) => first,
            status = child.wait() => bail!("{}: the server ended at once, with {}", side.flag, status?),
        };
        first.with_context(|| format!("{}: no workflow completed in {} s", side.flag, START_MAX.as_secs()))??;
        Ok(Self { child, pid, took: begin.elapsed() })
    }

    pub(super) async fn stop(mut self) -> Result<()> {
        xtask::process::terminate(self.pid)?;
        timeout(STOP_MAX, self.child.wait()).await.context("the server does not stop")??;
        Ok(())
    }
}

async fn first_workflow(side: &Side) -> Result<()> {
    let scenario = Scenario::Hello;
    let task_queue = format!("perdure-load-{}", Uuid::new_v4());
    let plan = Plan { scenario, task_queue, payload: payload(32), eager: false };
    let workflow_id = format!("first-{}", Uuid::now_v7());
    // A server that still starts refuses the connection, or the call.
    let client = loop {
        if let Ok(client) = Client::connect(&side.address, &side.namespace).await {
            let impatient = client.clone().without_retries();
            if workflow::start(&impatient, &plan, workflow_id.clone()).await.is_ok() {
                break client;
            }
        }
        sleep(PAUSE).await;
    };
    let worker = Worker::start(client, plan, 1, None);
    let closed = worker.closed(&workflow_id).await;
    worker.stop().await;
    closed.context("the worker stopped")
}
