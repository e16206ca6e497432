//! A worker without a sticky queue. What its workflows do is in the names of their types:
//!
//! | type | does |
//! |---|---|
//! | `parked-signal` | waits for a signal, then completes |
//! | `parked-timer-SECONDS` | waits for a timer, then completes |
//! | `fan-COUNT` | schedules activities, on the queue of its own name |

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail};
use perdure_proto::api::{
    command::{
        Command, CompleteWorkflowExecutionCommandAttributes, ScheduleActivityTaskCommandAttributes,
        StartTimerCommandAttributes, command::Attributes,
    },
    common::{ActivityType, WorkflowExecution, WorkflowType},
    enums::{CommandType, EventType},
    history::HistoryEvent,
    taskqueue::TaskQueue,
    workflowservice::{
        PollWorkflowTaskQueueRequest, PollWorkflowTaskQueueResponse, RespondWorkflowTaskCompletedRequest,
        SignalWorkflowExecutionRequest, StartWorkflowExecutionRequest,
    },
};
use tokio::{sync::Notify, task::JoinSet, time::timeout};
use uuid::Uuid;

use crate::{
    client::{Client, LONG_POLL, SHORT},
    history,
    scenario::seconds,
};

/// The queue of workflows that this process starts: what an earlier measurement has left is not in its way.
pub(super) fn queue() -> &'static str {
    static QUEUE: LazyLock<String> = LazyLock::new(|| format!("perdure-load-scale-{}", Uuid::new_v4()));
    &QUEUE
}

const POLLERS: usize = 16;
const PATIENCE: Duration = Duration::from_secs(600);

pub(super) struct Worker {
    answers: Arc<Answers>,
    polls: JoinSet<()>,
}

#[derive(Default)]
struct Answers {
    all: AtomicU64,
    completing: AtomicU64,
    changed: Notify,
}

impl Worker {
    pub(super) fn start(client: &Client) -> Self {
        let answers = Arc::<Answers>::default();
        let mut polls = JoinSet::new();
        for _ in 0..POLLERS {
            polls.spawn(keep_polling(client.clone(), answers.clone()));
        }
        Self { answers, polls }
    }

    /// Waits until it has answered so many workflow tasks.
    pub(super) async fn answered(&self, count: u64) -> Result<()> {
        self.answers.wait(&self.answers.all, count).await
    }

    /// Waits until so many workflows have completed.
    pub(super) async fn completed(&self, count: u64) -> Result<()> {
        self.answers.wait(&self.answers.completing, count).await
    }

    pub(super) async fn stop(mut self) {
        self.polls.shutdown().await;
    }
}

impl Answers {
    async fn wait(&self, counted: &AtomicU64, count: u64) -> Result<()> {
        let reached = async {
            loop {
                let changed = self.changed.notified();
                if counted.load(Ordering::Acquire) >= count {
                    return;
                }
                changed.await;
            }
        };
        let waited = timeout(PATIENCE, reached).await;
        waited.with_context(|| format!("only {} of {count} were answered", counted.load(Ordering::Acquire)))
    }
}

/// A server that is killed ends it.
async fn keep_polling(client: Client, answers: Arc<Answers>) {
    loop {
        match poll_and_answer(&client).await {
            Ok(None) => {}
            Ok(Some(completes)) => {
                answers.completing.fetch_add(u64::from(completes), Ordering::Release);
                answers.all.fetch_add(1, Ordering::Release);
                answers.changed.notify_waiters();
            }
            Err(error) => {
                eprintln!("a workflow task: {error:#}");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    }
}

/// Whether the answer completed its workflow; None: no task came.
async fn poll_and_answer(client: &Client) -> Result<Option<bool>> {
    let Some(task) = poll(client, TaskQueue { name: queue().to_owned(), ..Default::default() }).await? else {
        return Ok(None);
    };
    let execution = task.workflow_execution.context("a workflow task without its workflow")?;
    let mut events = task.history.unwrap_or_default().events()?;
    history::more_events(client, &execution, task.next_page_token, &mut events).await?;
    let name = task.workflow_type.map(|workflow_type| workflow_type.name).unwrap_or_default();
    let commands = decide(&name, &events)?;
    let completes = commands.iter().any(|command| command.command_type() == CommandType::CompleteWorkflowExecution);
    let request =
        RespondWorkflowTaskCompletedRequest { task_token: task.task_token, commands, ..answer(client, &execution) };
    let response = client
        .call(request, SHORT, |mut stub, request| async move { stub.respond_workflow_task_completed(request).await });
    response.await.context("RespondWorkflowTaskCompleted failed")?;
    Ok(Some(completes))
}

pub(super) fn answer(client: &Client, execution: &WorkflowExecution) -> RespondWorkflowTaskCompletedRequest {
    RespondWorkflowTaskCompletedRequest {
        identity: client.identity.to_string(),
        namespace: client.namespace.to_string(),
        resource_id: execution.workflow_id.clone(),
        ..Default::default()
    }
}

/// None: nothing came in time.
pub(super) async fn poll(client: &Client, task_queue: TaskQueue) -> Result<Option<PollWorkflowTaskQueueResponse>> {
    let request = PollWorkflowTaskQueueRequest {
        namespace: client.namespace.to_string(),
        task_queue: Some(task_queue),
        identity: client.identity.to_string(),
        ..Default::default()
    };
    let poll = client
        .call(request, LONG_POLL, |mut stub, request| async move { stub.poll_workflow_task_queue(request).await });
    let task = poll.await.context("PollWorkflowTaskQueue failed")?;
    Ok((!task.task_token.is_empty()).then_some(task))
}

fn decide(workflow_type: &str, events: &[HistoryEvent]) -> Result<Vec<Command>> {
    let has = |wanted| events.iter().any(|event| event.event_type() == wanted);
    if has(EventType::WorkflowExecutionSignaled) || has(EventType::TimerFired) {
        return Ok(vec![complete()]);
    }
    if workflow_type == "parked-signal" || has(EventType::TimerStarted) || has(EventType::ActivityTaskScheduled) {
        return Ok(Vec::new());
    }
    if let Some(time) = workflow_type.strip_prefix("parked-timer-") {
        return Ok(vec![start_timer(time.parse()?)]);
    }
    let Some(count) = workflow_type.strip_prefix("fan-") else { bail!("{workflow_type} is nothing to this worker") };
    Ok((1..=count.parse()?).map(|number| schedule(number, workflow_type)).collect())
}

fn complete() -> Command {
    let attributes = CompleteWorkflowExecutionCommandAttributes::default();
    command(CommandType::CompleteWorkflowExecution, Attributes::CompleteWorkflowExecutionCommandAttributes(attributes))
}

fn start_timer(time: i64) -> Command {
    let attributes = StartTimerCommandAttributes { timer_id: "1".into(), start_to_fire_timeout: Some(seconds(time)) };
    command(CommandType::StartTimer, Attributes::StartTimerCommandAttributes(attributes))
}

fn schedule(number: u32, queue: &str) -> Command {
    let attributes = ScheduleActivityTaskCommandAttributes {
        activity_id: number.to_string(),
        activity_type: Some(ActivityType { name: "nothing".into() }),
        task_queue: Some(TaskQueue { name: queue.to_owned(), ..Default::default() }),
        start_to_close_timeout: Some(seconds(600)),
        ..Default::default()
    };
    command(CommandType::ScheduleActivityTask, Attributes::ScheduleActivityTaskCommandAttributes(attributes))
}

pub(super) fn command(command_type: CommandType, attributes: Attributes) -> Command {
    Command { command_type: command_type.into(), attributes: Some(attributes), ..Default::default() }
}

/// Starts a workflow of one of the types above.
pub(super) async fn start(client: &Client, workflow_type: &str, workflow_id: String) -> Result<WorkflowExecution> {
    let request = StartWorkflowExecutionRequest {
        namespace: client.namespace.to_string(),
        workflow_id: workflow_id.clone(),
        workflow_type: Some(WorkflowType { name: workflow_type.to_owned() }),
        task_queue: Some(TaskQueue { name: queue().to_owned(), ..Default::default() }),
        identity: client.identity.to_string(),
        request_id: Uuid::new_v4().to_string(),
        ..Default::default()
    };
    let start =
        client.call(request, SHORT, |mut stub, request| async move { stub.start_workflow_execution(request).await });
    let run_id = start.await.context("StartWorkflowExecution failed")?.run_id;
    Ok(WorkflowExecution { workflow_id, run_id })
}

pub(super) async fn signal(client: &Client, execution: &WorkflowExecution) -> Result<()> {
    let request = SignalWorkflowExecutionRequest {
        namespace: client.namespace.to_string(),
        workflow_execution: Some(execution.clone()),
        signal_name: "go".into(),
        identity: client.identity.to_string(),
        request_id: Uuid::new_v4().to_string(),
        ..Default::default()
    };
    let signal =
        client.call(request, SHORT, |mut stub, request| async move { stub.signal_workflow_execution(request).await });
    signal.await.context("SignalWorkflowExecution failed")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_say_what_to_do() {
        use CommandType as C;
        use EventType as E;
        let cases: [(&str, &[E], &[C]); 7] = [
            ("parked-signal", &[], &[]),
            ("parked-signal", &[E::WorkflowExecutionSignaled], &[C::CompleteWorkflowExecution]),
            ("parked-timer-60", &[], &[C::StartTimer]),
            ("parked-timer-60", &[E::TimerStarted], &[]),
            ("parked-timer-60", &[E::TimerStarted, E::TimerFired], &[C::CompleteWorkflowExecution]),
            ("fan-2", &[], &[C::ScheduleActivityTask, C::ScheduleActivityTask]),
            ("fan-2", &[E::ActivityTaskScheduled, E::ActivityTaskCompleted], &[]),
        ];
        for (name, events, expected) in cases {
            let event = |event_type: &E| HistoryEvent { event_type: (*event_type).into(), ..Default::default() };
            let commands = decide(name, &events.iter().map(event).collect::<Vec<_>>()).unwrap();
            let types: Vec<C> = commands.iter().map(|command| command.command_type()).collect();
            assert_eq!(types, expected, "{name} after {events:?}");
        }
        assert!(decide("order", &[]).is_err());
    }
}
