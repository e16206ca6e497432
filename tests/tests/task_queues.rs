//! Task queues over the wire: what operators set and what it does, priorities and turns, and workers that shut down.

use std::time::Duration;

use anyhow::{Context, Result};
use perdure_proto::api::{
    common::{ActivityType, Priority},
    enums::{RateLimitSource, TaskQueueKind, TaskQueueType},
    taskqueue::{RateLimit, TaskQueue, TaskQueueConfig},
    workflowservice::{
        self as api, update_task_queue_config_request::RateLimitUpdate, workflow_service_client::WorkflowServiceClient,
    },
};
use perdure_tests::{Database, Server};
use tonic::{Code, transport::Channel};

type Client = WorkflowServiceClient<Channel>;

const QUEUE: &str = "queue";
/// Long enough for any machine: a wait that ends by it is a failure.
const PATIENCE: Duration = Duration::from_secs(30);

fn namespace() -> String {
    "default".to_owned()
}

fn queue() -> Option<TaskQueue> {
    Some(TaskQueue { name: QUEUE.to_owned(), ..Default::default() })
}

/// An update of the rate of the queue; None unsets it.
fn limit(requests_per_second: impl Into<Option<f32>>) -> Option<RateLimitUpdate> {
    let rate_limit = requests_per_second.into().map(|requests_per_second| RateLimit { requests_per_second });
    Some(RateLimitUpdate { rate_limit, reason: "why".into() })
}

fn update() -> api::UpdateTaskQueueConfigRequest {
    api::UpdateTaskQueueConfigRequest {
        namespace: namespace(),
        identity: "operator".into(),
        task_queue: QUEUE.into(),
        task_queue_type: TaskQueueType::Activity.into(),
        ..Default::default()
    }
}

async fn set(client: &mut Client, update_queue_rate_limit: Option<RateLimitUpdate>) -> Result<TaskQueueConfig> {
    let request = api::UpdateTaskQueueConfigRequest { update_queue_rate_limit, ..update() };
    client.update_task_queue_config(request).await?.into_inner().config.context("config")
}

async fn describe(client: &mut Client) -> Result<api::DescribeTaskQueueResponse> {
    let request = api::DescribeTaskQueueRequest {
        namespace: namespace(),
        task_queue: queue(),
        task_queue_type: TaskQueueType::Activity.into(),
        report_stats: true,
        report_config: true,
        ..Default::default()
    };
    Ok(client.describe_task_queue(request).await?.into_inner())
}

/// The queue's rate and who set it.
async fn rate(client: &mut Client) -> Result<(f32, RateLimitSource)> {
    let limit = describe(client).await?.effective_rate_limit.context("rate")?;
    Ok((limit.requests_per_second, limit.rate_limit_source()))
}

async fn start_activity(client: &mut Client, id: &str, priority: Option<Priority>) -> Result<()> {
    let request = api::StartActivityExecutionRequest {
        namespace: namespace(),
        activity_id: id.into(),
        request_id: id.into(),
        activity_type: Some(ActivityType { name: "t".into() }),
        task_queue: queue(),
        start_to_close_timeout: Some(prost_types::Duration { seconds: 600, nanos: 0 }),
        priority,
        ..Default::default()
    };
    client.start_activity_execution(request).await?;
    Ok(())
}

/// The id of the activity that a poll gets; empty if none comes in this time.
async fn take(client: &mut Client, wait: Duration) -> Result<String> {
    let mut request = tonic::Request::new(api::PollActivityTaskQueueRequest {
        namespace: namespace(),
        task_queue: queue(),
        identity: "worker".into(),
        ..Default::default()
    });
    request.set_timeout(wait);
    Ok(client.poll_activity_task_queue(request).await?.into_inner().activity_id)
}

async fn started(name: &str, database: Database) -> Result<(Server, Client)> {
    let server = Server::start(name, database).await?;
    let client = Client::new(server.channel().await?);
    Ok((server, client))
}

async fn settings_are_stored_and_merged(name: &str, database: Database) -> Result<()> {
    let (mut server, mut client) = started(name, database).await?;
    assert_eq!(rate(&mut client).await?, (100_000.0, RateLimitSource::System));
    let config = set(&mut client, limit(5.0)).await?;
    let set_limit = config.queue_rate_limit.clone().context("limit")?;
    let metadata = set_limit.metadata.context("metadata")?;
    assert_eq!((metadata.reason.as_str(), metadata.update_identity.as_str()), ("why", "operator"));
    assert_eq!(rate(&mut client).await?, (5.0, RateLimitSource::Api));
    let weights = api::UpdateTaskQueueConfigRequest {
        set_fairness_weight_overrides: [("a".to_owned(), 2.0), ("b".to_owned(), 0.5)].into(),
        update_fairness_key_rate_limit_default: limit(3.0),
        ..update()
    };
    client.update_task_queue_config(weights).await?;
    let fewer =
        api::UpdateTaskQueueConfigRequest { unset_fairness_weight_overrides: vec!["a".into(), "c".into()], ..update() };
    let config = client.update_task_queue_config(fewer).await?.into_inner().config.context("config")?;
    assert_eq!(config.fairness_weight_overrides, [("b".to_owned(), 0.5)].into());
    assert!(config.queue_rate_limit.is_some() && config.fairness_keys_rate_limit_default.is_some());

    server.kill9()?;
    server.restart().await?;
    let mut client = Client::new(server.channel().await?);
    assert_eq!(describe(&mut client).await?.config, Some(config));
    assert_eq!(rate(&mut client).await?, (5.0, RateLimitSource::Api));
    let unset = set(&mut client, limit(None)).await?.queue_rate_limit.context("it is told who unset it")?;
    assert_eq!(unset.rate_limit, None);
    assert_eq!(rate(&mut client).await?, (100_000.0, RateLimitSource::System));
    Ok(())
}

#[tokio::test]
async fn settings_are_stored_and_merged_on_sqlite() -> Result<()> {
    let database = Database::fresh_sqlite_file("task_queue_settings_sqlite")?;
    settings_are_stored_and_merged("task_queue_settings_sqlite", database).await
}

#[tokio::test]
async fn settings_are_stored_and_merged_on_postgres() -> Result<()> {
    let database = Database::fresh_postgres("task_queue_settings_postgres").await?;
    settings_are_stored_and_merged("task_queue_settings_postgres", database).await
}

#[tokio::test]
async fn bad_settings_are_refused_and_change_nothing() -> Result<()> {
    let (_server, mut client) = started("task_queue_bad_settings", Database::SqliteMemory).await?;
    let before = set(&mut client, limit(5.0)).await?;
    let weights = |key: &str, weight: f32| api::UpdateTaskQueueConfigRequest {
        set_fairness_weight_overrides: [(key.to_owned(), weight)].into(),
        update_queue_rate_limit: limit(9.0),
        ..update()
    };
    let many = |count: usize| (0..count).map(|n| (n.to_string(), 1.0)).collect();
    let cases = [
        (
            api::UpdateTaskQueueConfigRequest { update_queue_rate_limit: limit(f32::NAN), ..update() },
            "RequestsPerSecond for UpdateQueueRateLimit rate limit must be non-negative.",
        ),
        (
            api::UpdateTaskQueueConfigRequest { identity: "i".repeat(1001), ..weights("a", 1.0) },
            "Identity field too long (max 1000 characters).",
        ),
        (
            api::UpdateTaskQueueConfigRequest {
                task_queue_type: TaskQueueType::Workflow.into(),
                update_fairness_key_rate_limit_default: limit(1.0),
                ..update()
            },
            "Setting fairness key rate limit on workflow task queues is not allowed.",
        ),
        (
            api::UpdateTaskQueueConfigRequest { task_queue: "q".repeat(1001), ..weights("a", 1.0) },
            "taskQueue length exceeds limit",
        ),
        (weights("", 1.0), "fairness weight override key must not be empty"),
        (weights(&"k".repeat(65), 1.0), "fairness key length exceeds limit"),
        (weights("a", 0.0), "invalid fairness weight weight for key \"a\": must be greater than zero"),
        (
            api::UpdateTaskQueueConfigRequest {
                unset_fairness_weight_overrides: vec!["a".into()],
                ..weights("a", 1.0)
            },
            "fairness weight override key \"a\" present in both set and unset lists",
        ),
        (
            api::UpdateTaskQueueConfigRequest { set_fairness_weight_overrides: many(1001), ..update() },
            "too many fairness weight overrides in request: got 1001, maximum 1000",
        ),
    ];
    for (request, expected) in cases {
        let status = client.update_task_queue_config(request).await.expect_err(expected);
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, expected));
    }
    assert_eq!(describe(&mut client).await?.config, Some(before));
    let full = api::UpdateTaskQueueConfigRequest { set_fairness_weight_overrides: many(1000), ..update() };
    client.update_task_queue_config(full).await?;
    let status = client.update_task_queue_config(weights("one more", 1.0)).await.expect_err("there are enough");
    assert_eq!(status.message(), "fairness weight overrides update rejected: exceeding maximum key size");
    Ok(())
}

#[tokio::test]
async fn a_rate_of_zero_holds_back_and_what_it_held_comes_by_priority_and_turns() -> Result<()> {
    let (_server, mut client) = started("task_queue_paused", Database::SqliteMemory).await?;
    set(&mut client, limit(0.0)).await?;
    let priority = |priority_key: i32, key: &str| {
        Some(Priority { priority_key, fairness_key: key.to_owned(), ..Default::default() })
    };
    for (id, priority) in [
        ("last", priority(5, "")),
        ("a1", priority(0, "a")),
        ("a2", priority(0, "a")),
        ("a3", priority(0, "a")),
        ("b1", priority(3, "b")),
        ("first", priority(1, "")),
        ("b2", priority(3, "b")),
    ] {
        start_activity(&mut client, id, priority).await?;
    }
    // Nothing comes, however long one waits: this wait cannot be too short.
    assert_eq!(take(&mut client, Duration::from_secs(3)).await?, "");
    let found = describe(&mut client).await?;
    assert_eq!(found.stats.context("stats")?.approximate_backlog_count, 7);
    let waiting: Vec<_> =
        found.stats_by_priority_key.iter().map(|(key, stats)| (*key, stats.approximate_backlog_count)).collect();
    assert_eq!(waiting, [(1, 1), (3, 5), (5, 1)]);
    set(&mut client, limit(None)).await?;
    let mut order = Vec::new();
    for _ in 0..7 {
        order.push(take(&mut client, PATIENCE).await?);
    }
    assert_eq!(order, ["first", "a1", "b1", "a2", "b2", "a3", "last"]);
    Ok(())
}

#[tokio::test]
async fn a_worker_that_shuts_down_gets_its_polls_back() -> Result<()> {
    let (_server, mut client) = started("task_queue_shutdown", Database::SqliteMemory).await?;
    let (namespace, worker_instance_key) = (namespace(), "instance".to_owned());
    let identity = "worker".to_owned();
    let workflows = |task_queue: Option<TaskQueue>| {
        let mut client = client.clone();
        let request = api::PollWorkflowTaskQueueRequest {
            namespace: namespace.clone(),
            task_queue,
            identity: identity.clone(),
            worker_instance_key: worker_instance_key.clone(),
            ..Default::default()
        };
        tokio::spawn(
            async move { client.poll_workflow_task_queue(request).await.map(|task| task.into_inner().task_token) },
        )
    };
    let sticky = TaskQueue { name: "sticky".into(), kind: TaskQueueKind::Sticky.into(), normal_name: QUEUE.into() };
    let (normal, sticky) = (workflows(queue()), workflows(Some(sticky)));
    let mut activities = client.clone();
    let request = api::PollActivityTaskQueueRequest {
        namespace: namespace.clone(),
        task_queue: queue(),
        identity: identity.clone(),
        worker_instance_key: worker_instance_key.clone(),
        ..Default::default()
    };
    let activity = tokio::spawn(async move {
        activities.poll_activity_task_queue(request).await.map(|task| task.into_inner().task_token)
    });
    let mut nexus_client = client.clone();
    let request = api::PollNexusTaskQueueRequest {
        namespace: namespace.clone(),
        task_queue: queue(),
        identity,
        worker_instance_key: worker_instance_key.clone(),
        ..Default::default()
    };
    let nexus = tokio::spawn(async move {
        nexus_client.poll_nexus_task_queue(request).await.map(|task| task.into_inner().task_token)
    });
    let shutdown = api::ShutdownWorkerRequest {
        namespace,
        sticky_task_queue: "sticky".into(),
        identity: "worker".into(),
        reason: "it stops".into(),
        worker_instance_key,
        task_queue: QUEUE.into(),
        task_queue_types: vec![TaskQueueType::Workflow.into(), TaskQueueType::Activity.into()],
        ..Default::default()
    };
    client.shutdown_worker(shutdown).await?;
    // Those that were parked end, and those that come late do not park.
    for poll in [normal, sticky, activity, nexus] {
        let token = tokio::time::timeout(PATIENCE, poll).await.context("a poll still waits")???;
        assert!(token.is_empty());
    }
    Ok(())
}
