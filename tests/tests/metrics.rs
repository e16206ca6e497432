//! Metrics over HTTP: they parse, they are those that are documented, and they count exactly what happened.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use perdure_proto::api::{
    command::{
        Command, CompleteWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes,
        ScheduleActivityTaskCommandAttributes, command::Attributes,
    },
    common::{ActivityType, WorkflowExecution, WorkflowType},
    enums::CommandType,
    failure::Failure,
    taskqueue::TaskQueue,
    workflowservice::{
        DescribeNamespaceRequest, PollActivityTaskQueueRequest, PollWorkflowTaskQueueRequest,
        RespondActivityTaskCompletedRequest, RespondWorkflowTaskCompletedRequest, StartWorkflowExecutionRequest,
        TerminateWorkflowExecutionRequest, workflow_service_client::WorkflowServiceClient,
    },
};
use perdure_tests::{Database, Server, http};
use prometheus_parse::{Sample, Scrape, Value};
use tokio::time::{Instant, sleep};
use tonic::{Code, transport::Channel};

type Client = WorkflowServiceClient<Channel>;

const QUEUE: &str = "orders";
const DOCUMENTATION: &str = include_str!("../../metrics/README.md");
/// Errors that do not happen here.
const UNSEEN: [&str; 4] = [
    "service_errors",
    "service_errors_invalid_argument",
    "service_errors_execution_already_started",
    "service_errors_resource_exhausted",
];
/// Longer than any machine needs.
const PATIENCE: Duration = Duration::from_secs(90);

fn workflow(id: impl Into<String>) -> WorkflowExecution {
    WorkflowExecution { workflow_id: id.into(), run_id: String::new() }
}

fn queue() -> Option<TaskQueue> {
    Some(TaskQueue { name: QUEUE.to_owned(), ..Default::default() })
}

async fn start(client: &mut Client, id: &str, workflow_type: &str) -> Result<()> {
    let request = StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: id.to_owned(),
        workflow_type: Some(WorkflowType { name: workflow_type.to_owned() }),
        task_queue: queue(),
        request_id: id.to_owned(),
        ..Default::default()
    };
    client.start_workflow_execution(request).await?;
    Ok(())
}

/// Takes the next workflow task and answers it.
async fn decide(client: &mut Client, attributes: Attributes) -> Result<()> {
    let poll = PollWorkflowTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: queue(),
        identity: "worker".to_owned(),
        ..Default::default()
    };
    let task = client.poll_workflow_task_queue(poll).await?.into_inner();
    ensure!(!task.task_token.is_empty(), "there was no workflow task");
    let command_type = match attributes {
        Attributes::CompleteWorkflowExecutionCommandAttributes(_) => CommandType::CompleteWorkflowExecution,
        Attributes::FailWorkflowExecutionCommandAttributes(_) => CommandType::FailWorkflowExecution,
        _ => CommandType::ScheduleActivityTask,
    };
    let command = Command { command_type: command_type.into(), attributes: Some(attributes), ..Default::default() };
    let request = RespondWorkflowTaskCompletedRequest {
        namespace: "default".to_owned(),
        task_token: task.task_token,
        commands: vec![command],
        ..Default::default()
    };
    client.respond_workflow_task_completed(request).await?;
    Ok(())
}

fn complete() -> Attributes {
    Attributes::CompleteWorkflowExecutionCommandAttributes(CompleteWorkflowExecutionCommandAttributes::default())
}

fn fail() -> Attributes {
    let failure = Some(Failure { message: "no".to_owned(), ..Default::default() });
    Attributes::FailWorkflowExecutionCommandAttributes(FailWorkflowExecutionCommandAttributes { failure })
}

fn schedule_activity() -> Attributes {
    Attributes::ScheduleActivityTaskCommandAttributes(ScheduleActivityTaskCommandAttributes {
        activity_id: "a".to_owned(),
        activity_type: Some(ActivityType { name: "work".to_owned() }),
        task_queue: queue(),
        start_to_close_timeout: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
        ..Default::default()
    })
}

async fn run_activity(client: &mut Client) -> Result<()> {
    let poll = PollActivityTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: queue(),
        identity: "worker".to_owned(),
        ..Default::default()
    };
    let task = client.poll_activity_task_queue(poll).await?.into_inner();
    ensure!(!task.task_token.is_empty(), "there was no activity task");
    let request = RespondActivityTaskCompletedRequest {
        namespace: "default".to_owned(),
        task_token: task.task_token,
        ..Default::default()
    };
    client.respond_activity_task_completed(request).await?;
    Ok(())
}

/// Five workflows: two complete, one of them with an activity, one fails, one is terminated, one waits.
async fn work(client: &mut Client) -> Result<()> {
    start(client, "completes", "Order").await?;
    decide(client, complete()).await?;
    start(client, "with-activity", "Order").await?;
    decide(client, schedule_activity()).await?;
    run_activity(client).await?;
    decide(client, complete()).await?;
    start(client, "fails", "Payment").await?;
    decide(client, fail()).await?;
    start(client, "is-terminated", "Payment").await?;
    let terminate = TerminateWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: Some(workflow("is-terminated")),
        ..Default::default()
    };
    client.terminate_workflow_execution(terminate).await?;
    start(client, "waits", "Order").await?;
    let nobody = DescribeNamespaceRequest { namespace: "made-up".to_owned(), ..Default::default() };
    let error = client.describe_namespace(nobody).await.err().context("there is no such namespace")?;
    ensure!(error.code() == Code::NotFound, "{error}");
    Ok(())
}

struct Metrics(Vec<Sample>, String);

impl Metrics {
    async fn read(server: &Server) -> Result<Self> {
        let (status, text) = http::get(server.metrics_port(), "/metrics").await?;
        ensure!(status == 200, "{status}: {text}");
        let scrape = Scrape::parse(text.lines().map(|line| Ok(line.to_owned())))?;
        Ok(Self(scrape.samples, text))
    }

    /// The sum of a metric's values over all series with these labels; a histogram counts its observations.
    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let count = format!("{name}_count");
        let fits = |sample: &&Sample| {
            (sample.metric == name || sample.metric == count)
                && labels.iter().all(|(label, value)| sample.labels.get(label) == Some(value))
        };
        self.0
            .iter()
            .filter(fits)
            .map(|sample| match &sample.value {
                Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => *value,
                Value::Histogram(_) | Value::Summary(_) => 0.0,
            })
            .sum()
    }

    /// Names with `# TYPE`.
    fn names(&self) -> Vec<&str> {
        self.1.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect()
    }
}

/// A name, labels with their values, and the sum of what has them.
type Counted = (&'static str, Vec<(&'static str, &'static str)>, f64);

/// What must be counted, to the last one.
fn expected() -> Vec<Counted> {
    let of = |workflow_type| {
        vec![
            ("namespace", "default"),
            ("taskqueue", QUEUE),
            ("workflowType", workflow_type),
            ("operation", "CompletionStats"),
        ]
    };
    let call = |operation| vec![("namespace", "default"), ("operation", operation), ("service_name", "frontend")];
    let on = |task_type| vec![("namespace", "default"), ("taskqueue", QUEUE), ("task_type", task_type)];
    vec![
        ("workflow_success", of("Order"), 2.0),
        ("workflow_failed", of("Order"), 0.0),
        ("workflow_failed", of("Payment"), 1.0),
        ("workflow_terminate", of("Payment"), 1.0),
        ("workflow_success", of("Payment"), 0.0),
        ("workflow_schedule_to_close_latency", of("Order"), 2.0),
        ("workflow_schedule_to_close_latency", of("Payment"), 2.0),
        ("perdure_workflows_started", vec![("namespace", "default")], 5.0),
        ("perdure_workflows_open", vec![("namespace", "default")], 1.0),
        ("perdure_activities_scheduled", vec![("namespace", "default")], 1.0),
        ("activity_success", vec![("namespace", "default")], 1.0),
        ("activity_fail", vec![("namespace", "default")], 0.0),
        ("service_requests", call("StartWorkflowExecution"), 5.0),
        ("service_latency", call("StartWorkflowExecution"), 5.0),
        ("service_requests", call("RespondWorkflowTaskCompleted"), 4.0),
        ("service_pending_requests", call("PollWorkflowTaskQueue"), 0.0),
        ("service_errors", vec![], 0.0),
        ("service_errors_entity_not_found", vec![("namespace", "_unknown_"), ("operation", "DescribeNamespace")], 1.0),
        (
            "service_error_with_type",
            vec![("operation", "DescribeNamespace"), ("error_type", "serviceerror_NotFound")],
            1.0,
        ),
        ("poll_success", on("Workflow"), 4.0),
        ("poll_success", on("Activity"), 1.0),
        ("poll_timeouts", on("Workflow"), 0.0),
        // That of the last start, and the one that the terminated workflow no longer wants.
        ("approximate_backlog_count", on("Workflow"), 2.0),
        ("approximate_backlog_count", on("Activity"), 0.0),
        ("perdure_commit_failures", vec![], 0.0),
        ("persistence_errors", vec![], 0.0),
        ("total_namespaces", vec![], 1.0),
        ("restarts", vec![], 1.0),
    ]
}

async fn counts(name: &str, database: Database) -> Result<()> {
    let server = Server::start(name, database).await?;
    let mut client = Client::new(server.channel().await?);
    work(&mut client).await?;

    let deadline = Instant::now() + PATIENCE;
    let metrics = loop {
        let metrics = Metrics::read(&server).await?;
        // Open runs are counted now and then.
        if metrics.sum("perdure_workflows_open", &[]) == 1.0 || Instant::now() > deadline {
            break metrics;
        }
        sleep(Duration::from_millis(100)).await;
    };
    for (name, labels, value) in expected() {
        assert_eq!(metrics.sum(name, &labels), value, "{name} {labels:?}\n{}", metrics.1);
    }
    assert!(metrics.sum("persistence_requests", &[("operation", "Commit")]) >= 10.0, "{}", metrics.1);
    assert!(metrics.sum("process_resident_memory_bytes", &[]) > 1e6, "{}", metrics.1);
    documented(&metrics)
}

/// Each name is in the documentation, and the other way round; and none is there twice.
fn documented(metrics: &Metrics) -> Result<()> {
    let mut seen = BTreeMap::new();
    for name in metrics.names() {
        *seen.entry(name).or_insert(0) += 1;
        ensure!(
            name.starts_with("process_") || DOCUMENTATION.contains(&format!("| `{name}` |")),
            "metrics/README.md says nothing of {name}"
        );
    }
    for name in DOCUMENTATION.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()) {
        ensure!(seen.contains_key(name) || UNSEEN.contains(&name), "metrics/README.md tells of {name}");
    }
    ensure!(seen.values().all(|times| *times == 1), "a name has several types: {seen:?}");
    Ok(())
}

#[tokio::test]
async fn exact_counts_sqlite() -> Result<()> {
    counts("metrics_sqlite", Database::SqliteMemory).await
}

#[tokio::test]
async fn exact_counts_postgres() -> Result<()> {
    counts("metrics_postgres", Database::fresh_postgres("metrics").await?).await
}

#[tokio::test]
async fn made_up_names_share_a_series() -> Result<()> {
    let server = Server::start("metrics_bounded", Database::SqliteMemory).await?;
    let mut client = Client::new(server.channel().await?);
    for number in 0..400 {
        start(&mut client, &format!("w{number}"), &format!("Type{number}")).await?;
    }
    let metrics = Metrics::read(&server).await?;
    assert_eq!(metrics.sum("perdure_workflows_started", &[("namespace", "default")]), 300.0);
    assert_eq!(metrics.sum("perdure_workflows_started", &[("workflowType", "_other_")]), 100.0);
    Ok(())
}
