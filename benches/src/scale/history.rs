//! One workflow whose history grows, by markers. At each step: what a signal and the workflow task that it brings cost, and how long
//! a server that was killed takes to describe, read and reset the workflow.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use perdure_proto::api::{
    command::{Command, RecordMarkerCommandAttributes, command::Attributes},
    common::WorkflowExecution,
    enums::{CommandType, EventType, TaskQueueKind},
    history::HistoryEvent,
    taskqueue::{StickyExecutionAttributes, TaskQueue},
    workflowservice::{
        DescribeWorkflowExecutionRequest, PollWorkflowTaskQueueResponse, ResetWorkflowExecutionRequest,
        RespondWorkflowTaskCompletedRequest,
    },
};
use tokio::{sync::mpsc, task::JoinSet};
use uuid::Uuid;

use super::{
    measured, median, milliseconds,
    server::Server,
    table::Row,
    timed,
    worker::{self, queue},
};
use crate::{
    args::{Probes, Scale},
    client::{Client, SHORT},
    history,
    measure::Meter,
    scenario::seconds,
};

/// Markers of one workflow task.
const MARKERS: u64 = 1_000;
/// Signals that are measured, one after the other: four events each.
const SIGNALS: u32 = 250;
/// A server without the limits of one history.
const LIMITS: &str = "\
limit.historyCount.error: [{ value: 10000000 }]
limit.historySize.error: [{ value: 10000000000 }]
history.maximumSignalsPerExecution: [{ value: 10000000 }]
";

pub(super) async fn run(probes: &Probes, scale: &Scale) -> Result<Vec<Row>> {
    let limits = std::env::temp_dir().join(format!("perdure-load-{}.yaml", std::process::id()));
    std::fs::write(&limits, LIMITS).with_context(|| format!("{} cannot be written", limits.display()))?;
    let rows = steps(probes, scale, &limits).await;
    std::fs::remove_file(&limits).with_context(|| format!("{} cannot be removed", limits.display()))?;
    rows
}

async fn steps(probes: &Probes, scale: &Scale, limits: &Path) -> Result<Vec<Row>> {
    let settings = [("DYNAMIC_CONFIG_FILE_PATH", limits.display().to_string())];
    let mut server = Server::spawn(scale, scale.port, &settings)?;
    let mut client = server.client().await?;
    let mut run = worker::start(&client, "grow", format!("grow-{}", Uuid::now_v7())).await?;
    let mut rows = Vec::new();
    for step in &scale.steps {
        let mut row = Row::of("events", *step);
        let mut tasks = Tasks::poll(&client, &run);
        grow(&client, &run, &mut tasks, *step).await?;
        let watched = server.probes(probes, scale);
        let mut meter = Meter::new(&watched).await?;
        let signaled = signals(&client, &run, &mut tasks);
        let times = measured(&mut row, "signal and task", SIGNALS, &mut meter, signaled).await?;
        row.add("signal and task p50 ms", median(times));
        row.add("RSS MB", Some(server.usage()?.resident_kb as f64 / 1024.0));

        drop(tasks);
        server.kill().await?;
        server = Server::spawn(scale, scale.port, &settings)?;
        client = server.client().await?;
        let (_, cold) = timed(describe(&client, &run)).await?;
        row.add("cold: describe ms", Some(milliseconds(cold)));
        let (events, read) = timed(history::all_events(&client, &run)).await?;
        row.add("whole history ms", Some(milliseconds(read)));
        row.add("whole history events", Some(events.len() as f64));
        let (run_id, took) = timed(reset(&client, &run, &events)).await?;
        run.run_id = run_id;
        row.add("reset ms", Some(milliseconds(took)));
        row.add("peak RSS MB", Some(server.usage()?.peak_resident_kb as f64 / 1024.0));
        rows.push(row);
    }
    server.kill().await?;
    Ok(rows)
}

/// The workflow tasks of one run, from polls that are always there, as a worker's are.
struct Tasks {
    tasks: mpsc::Receiver<Result<PollWorkflowTaskQueueResponse>>,
    /// They end with it.
    _polls: JoinSet<()>,
}

impl Tasks {
    fn poll(client: &Client, run: &WorkflowExecution) -> Self {
        let (sender, tasks) = mpsc::channel(1);
        let mut polls = JoinSet::new();
        for name in [queue().to_owned(), sticky_queue(run)] {
            let (client, sender) = (client.clone(), sender.clone());
            polls.spawn(async move {
                loop {
                    if let Some(task) = worker::poll(&client, task_queue(&name)).await.transpose() {
                        // Whoever waits for tasks holds the receiver.
                        let _ = sender.send(task).await;
                    }
                }
            });
        }
        Self { tasks, _polls: polls }
    }

    async fn next(&mut self) -> Result<PollWorkflowTaskQueueResponse> {
        self.tasks.recv().await.context("no workflow task came")?
    }
}

/// Answers the pending workflow task with markers, and those after it, until the history has so many events.
async fn grow(client: &Client, run: &WorkflowExecution, tasks: &mut Tasks, events: u64) -> Result<()> {
    let mut task = tasks.next().await?;
    loop {
        let missing = events.saturating_sub(u64::try_from(task.started_event_id)? + 1);
        let last = missing <= MARKERS;
        let request = RespondWorkflowTaskCompletedRequest {
            commands: (0..missing.min(MARKERS)).map(|_| marker()).collect(),
            return_new_workflow_task: !last,
            force_create_new_workflow_task: !last,
            ..answer(client, run, task)
        };
        match (respond(client, request).await?, last) {
            (_, true) => return Ok(()),
            (Some(next), false) => task = next,
            (None, false) => bail!("a workflow task was asked for and did not come"),
        }
    }
}

fn marker() -> Command {
    let attributes = RecordMarkerCommandAttributes { marker_name: "growth".into(), ..Default::default() };
    worker::command(CommandType::RecordMarker, Attributes::RecordMarkerCommandAttributes(attributes))
}

/// How long each took, from the signal to the accepted answer.
async fn signals(client: &Client, run: &WorkflowExecution, tasks: &mut Tasks) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for _ in 0..SIGNALS {
        let one = async {
            worker::signal(client, run).await?;
            respond(client, answer(client, run, tasks.next().await?)).await
        };
        times.push(timed(one).await?.1);
    }
    Ok(times)
}

fn sticky_queue(run: &WorkflowExecution) -> String {
    format!("{}-sticky", run.workflow_id)
}

fn task_queue(name: &str) -> TaskQueue {
    let sticky = name != queue();
    TaskQueue {
        name: name.to_owned(),
        kind: if sticky { TaskQueueKind::Sticky } else { TaskQueueKind::Normal }.into(),
        normal_name: if sticky { queue().to_owned() } else { String::new() },
    }
}

fn answer(
    client: &Client,
    run: &WorkflowExecution,
    task: PollWorkflowTaskQueueResponse,
) -> RespondWorkflowTaskCompletedRequest {
    let queue = TaskQueue { name: sticky_queue(run), kind: TaskQueueKind::Sticky.into(), normal_name: queue().into() };
    RespondWorkflowTaskCompletedRequest {
        task_token: task.task_token,
        sticky_attributes: Some(StickyExecutionAttributes {
            worker_task_queue: Some(queue),
            schedule_to_start_timeout: Some(seconds(60)),
        }),
        ..worker::answer(client, run)
    }
}

/// The next workflow task, where the answer brings one.
async fn respond(
    client: &Client,
    request: RespondWorkflowTaskCompletedRequest,
) -> Result<Option<PollWorkflowTaskQueueResponse>> {
    let respond = client
        .call(request, SHORT, |mut stub, request| async move { stub.respond_workflow_task_completed(request).await });
    let response = respond.await.context("RespondWorkflowTaskCompleted failed")?;
    Ok(response.workflow_task.filter(|task| !task.task_token.is_empty()))
}

async fn describe(client: &Client, run: &WorkflowExecution) -> Result<()> {
    let request =
        DescribeWorkflowExecutionRequest { namespace: client.namespace.to_string(), execution: Some(run.clone()) };
    let describe =
        client.call(request, SHORT, |mut stub, request| async move { stub.describe_workflow_execution(request).await });
    describe.await.context("DescribeWorkflowExecution failed")?;
    Ok(())
}

/// To the last workflow task that completed. The id of the new run.
async fn reset(client: &Client, run: &WorkflowExecution, events: &[HistoryEvent]) -> Result<String> {
    let completed = events.iter().rfind(|event| event.event_type() == EventType::WorkflowTaskCompleted);
    let request = ResetWorkflowExecutionRequest {
        namespace: client.namespace.to_string(),
        workflow_execution: Some(run.clone()),
        reason: "to measure it".into(),
        workflow_task_finish_event_id: completed.context("no workflow task has completed")?.event_id,
        request_id: Uuid::new_v4().to_string(),
        ..Default::default()
    };
    let reset =
        client.call(request, SHORT, |mut stub, request| async move { stub.reset_workflow_execution(request).await });
    Ok(reset.await.context("ResetWorkflowExecution failed")?.run_id)
}
