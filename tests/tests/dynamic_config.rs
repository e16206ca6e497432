//! A file of the dynamic configuration that changes while the server runs, as a ConfigMap of Kubernetes does: by a link.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use perdure_proto::api::{
    command::{Command, ScheduleActivityTaskCommandAttributes, command::Attributes},
    common::{ActivityType, Payload, Payloads, WorkflowType},
    enums::{CommandType, RateLimitSource, TaskQueueType},
    taskqueue::TaskQueue,
    workflowservice::{self as api, workflow_service_client::WorkflowServiceClient},
};
use perdure_tests::{Database, Server, fresh_folder, perdure};
use tokio::time::{Instant, sleep};
use tonic::{Code, Request, Status, transport::Channel};

type Client = WorkflowServiceClient<Channel>;

/// Long enough for any machine: a wait that ends by it is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

const FIRST: &str = "
limit.maxIDLength:
  - value: 255
    constraints: {}
system.forceSearchAttributesCacheRefreshOnRead:
  - value: true
    constraints: {}
no.such.key:
  - value: 1
limit.blobSize.error:
  - value: 100
    constraints: {namespace: small}
admin.matchingNamespaceTaskqueueToPartitionDispatchRate:
  - value: 3
    constraints: {namespace: small, taskQueueName: slow, taskType: Activity}
";
const SECOND: &str = "
no.such.key:
  - value: 1
limit.blobSize.error:
  - value: 200
    constraints: {namespace: small}
admin.matchingNamespaceTaskqueueToPartitionDispatchRate:
  - value: 4
    constraints: {taskQueueName: slow}
";

/// `config.yaml` is a link into `..data`, which is a link to the folder of this version.
struct ConfigMap {
    folder: PathBuf,
    version: usize,
}

impl ConfigMap {
    fn new(name: &str, text: &str) -> Result<Self> {
        let mut map = Self { folder: fresh_folder(name)?, version: 0 };
        map.set(text)?;
        symlink(Path::new("..data").join("config.yaml"), map.file())?;
        Ok(map)
    }

    fn file(&self) -> PathBuf {
        self.folder.join("config.yaml")
    }

    fn set(&mut self, text: &str) -> Result<()> {
        self.version += 1;
        let version = format!("..version-{}", self.version);
        fs::create_dir(self.folder.join(&version))?;
        fs::write(self.folder.join(&version).join("config.yaml"), text)?;
        let new = self.folder.join("..data_tmp");
        symlink(version, &new)?;
        fs::rename(new, self.folder.join("..data"))?;
        Ok(())
    }
}

fn queue(name: &str) -> Option<TaskQueue> {
    Some(TaskQueue { name: name.to_owned(), ..TaskQueue::default() })
}

async fn start(client: &mut Client, namespace: &str, workflow_id: &str, input: usize) -> Result<(), Status> {
    let input = Payloads { payloads: vec![Payload { data: vec![0; input].into(), ..Payload::default() }] };
    let request = api::StartWorkflowExecutionRequest {
        namespace: namespace.to_owned(),
        workflow_id: workflow_id.to_owned(),
        workflow_type: Some(WorkflowType { name: "w".to_owned() }),
        task_queue: queue("q"),
        input: Some(input),
        ..Default::default()
    };
    client.start_workflow_execution(request).await.map(|_| ())
}

fn refusal(result: Result<(), Status>) -> String {
    result.map_or_else(|status| format!("{:?}: {}", status.code(), status.message()), |()| "accepted".to_owned())
}

/// What a worker hears that schedules an activity with this id.
async fn schedule(client: &mut Client, activity_id: &str) -> Result<String> {
    let mut poll = Request::new(api::PollWorkflowTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: queue("q"),
        ..Default::default()
    });
    poll.set_timeout(PATIENCE);
    let task_token = client.poll_workflow_task_queue(poll).await?.into_inner().task_token;
    let schedule = ScheduleActivityTaskCommandAttributes {
        activity_id: activity_id.to_owned(),
        activity_type: Some(ActivityType { name: "a".to_owned() }),
        task_queue: queue("q"),
        start_to_close_timeout: Some(prost_types::Duration { seconds: 600, nanos: 0 }),
        ..Default::default()
    };
    let command = Command {
        command_type: CommandType::ScheduleActivityTask.into(),
        attributes: Some(Attributes::ScheduleActivityTaskCommandAttributes(schedule)),
        ..Command::default()
    };
    let answer = api::RespondWorkflowTaskCompletedRequest {
        namespace: "default".to_owned(),
        task_token,
        commands: vec![command],
        ..Default::default()
    };
    Ok(refusal(client.respond_workflow_task_completed(answer).await.map(|_| ())))
}

/// The rate of an activity queue, once somebody has polled it.
async fn rate(client: &mut Client, namespace: &str, name: &str) -> Result<(f32, RateLimitSource)> {
    let mut poll = Request::new(api::PollActivityTaskQueueRequest {
        namespace: namespace.to_owned(),
        task_queue: queue(name),
        ..Default::default()
    });
    poll.set_timeout(Duration::from_secs(2));
    client.poll_activity_task_queue(poll).await?;
    let request = api::DescribeTaskQueueRequest {
        namespace: namespace.to_owned(),
        task_queue: queue(name),
        task_queue_type: TaskQueueType::Activity.into(),
        ..Default::default()
    };
    let limit = client.describe_task_queue(request).await?.into_inner().effective_rate_limit.context("rate")?;
    Ok((limit.requests_per_second, limit.rate_limit_source()))
}

async fn blob_limit(client: &mut Client, namespace: &str) -> Result<i64> {
    let request = api::DescribeNamespaceRequest { namespace: namespace.to_owned(), ..Default::default() };
    let info = client.describe_namespace(request).await?.into_inner().namespace_info;
    Ok(info.and_then(|info| info.limits).context("limits")?.blob_size_limit_error)
}

/// Waits until the limit of the namespace is this.
async fn until_blob_limit(client: &mut Client, expected: i64) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while blob_limit(client, "small").await? != expected {
        if Instant::now() > deadline {
            bail!("the limit does not become {expected}");
        }
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn until_logged(server: &Server, text: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !server.log()?.contains(text) {
        if Instant::now() > deadline {
            bail!("the log does not say {text:?}: {}", server.log()?);
        }
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn a_file_acts_and_acts_again_when_it_changes(name: &str, database: Database) -> Result<()> {
    let mut map = ConfigMap::new(name, FIRST)?;
    let server = Server::start_configured(name, database, &map.file()).await?;
    let mut client = Client::new(server.channel().await?);
    // Its values hold from its first moment.
    let small = api::RegisterNamespaceRequest {
        namespace: "small".to_owned(),
        workflow_execution_retention_period: Some(prost_types::Duration { seconds: 86_400, nanos: 0 }),
        ..Default::default()
    };
    client.register_namespace(small).await?;
    let long = "x".repeat(256);

    let too_long = "InvalidArgument: WorkflowId exceeds maximum allowed length (256/255)";
    assert_eq!(refusal(start(&mut client, "default", &long, 150).await), too_long);
    assert_eq!(refusal(start(&mut client, "default", &long[1..], 150).await), "accepted");
    let heard = schedule(&mut client, &long).await?;
    assert!(heard.starts_with("InvalidArgument: BadScheduleActivityAttributes") && heard.contains("length"), "{heard}");
    let too_large = "InvalidArgument: Blob data size exceeds limit.";
    assert_eq!(refusal(start(&mut client, "small", "w", 150).await), too_large);
    assert_eq!(blob_limit(&mut client, "default").await?, 2 * 1024 * 1024);
    assert_eq!(rate(&mut client, "small", "slow").await?, (3.0, RateLimitSource::System));
    assert_eq!(rate(&mut client, "default", "slow").await?, (100_000.0, RateLimitSource::System));

    map.set(SECOND)?;
    until_blob_limit(&mut client, 200).await?;
    assert_eq!(refusal(start(&mut client, "small", &long, 150).await), "accepted");
    assert_eq!(refusal(start(&mut client, "small", "larger", 250).await), too_large);
    assert_eq!(schedule(&mut client, &long).await?, "accepted");
    for namespace in ["small", "default"] {
        assert_eq!(rate(&mut client, namespace, "slow").await?, (4.0, RateLimitSource::System));
    }

    map.set("limit.blobSize.error: 300\n")?;
    until_logged(&server, "the old values stay until the file is mended").await?;
    assert_eq!(blob_limit(&mut client, "small").await?, 200);
    map.set("limit.blobSize.error: [{value: 300, constraints: {namespace: small}}]\n")?;
    until_blob_limit(&mut client, 300).await?;

    let log = server.log()?;
    let told = |text: &str| log.lines().filter(|line| line.contains(text)).count();
    assert_eq!(told("nobody knows these keys: no.such.key"), 1, "{log}");
    assert_eq!(told("forceSearchAttributesCacheRefreshOnRead has no effect: search attributes are visible at once"), 1);
    assert_eq!(told("expected a sequence"), 1, "{log}");
    server.panics()
}

#[tokio::test]
async fn a_file_acts_on_sqlite() -> Result<()> {
    a_file_acts_and_acts_again_when_it_changes("dynamic-config-sqlite", Database::SqliteMemory).await
}

#[tokio::test]
async fn a_file_acts_on_postgres() -> Result<()> {
    let database = Database::fresh_postgres("dynamic_config").await?;
    a_file_acts_and_acts_again_when_it_changes("dynamic-config-postgres", database).await
}

#[test]
fn a_broken_file_stops_the_start() -> Result<()> {
    let map = ConfigMap::new("dynamic-config-broken", "limit.blobSize.error: 300\n")?;
    let output = perdure()?.args(["server", "start-dev", "--dynamic-config-file"]).arg(map.file()).output()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(text.contains("config.yaml is not a dynamic configuration file: mend it"), "{text}");
    assert!(text.contains("expected a sequence"), "{text}");
    Ok(())
}

#[tokio::test]
async fn flags_are_json_and_act() -> Result<()> {
    let limits = ["limit.maxIDLength=20", "frontend.visibilityMaxPageSize=\"2\"", "limit.blobSize.error=100"];
    let server = Server::start_with("dynamic-config-flags", Database::SqliteMemory, &limits).await?;
    let mut client = Client::new(server.channel().await?);
    let error = start(&mut client, "default", &"x".repeat(21), 0).await.unwrap_err();
    assert_eq!(
        (error.code(), error.message()),
        (Code::InvalidArgument, "WorkflowId exceeds maximum allowed length (21/20)")
    );
    for id in ["a", "b", "c"] {
        start(&mut client, "default", id, 0).await?;
    }
    let request = api::ListWorkflowExecutionsRequest { namespace: "default".to_owned(), ..Default::default() };
    let page = client.list_workflow_executions(request).await?.into_inner();
    assert_eq!((page.executions.len(), page.next_page_token.is_empty()), (2, false));
    let output =
        perdure()?.args(["server", "start-dev", "--dynamic-config-value", "limit.maxIDLength=long"]).output()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected = "--dynamic-config-value limit.maxIDLength=long: a whole number that is not negative is needed";
    assert!(!output.status.success() && text.contains(expected), "{text}");
    Ok(())
}
