//! Worker deployments: workers of two versions beside each other, what each of them gets, and what a crash leaves.

use std::time::Duration;

use anyhow::{Context, Result};
use perdure_proto::api::{
    command::{Command, CompleteWorkflowExecutionCommandAttributes, command::Attributes},
    common::{WorkflowExecution, WorkflowType},
    deployment::{WorkerDeploymentOptions, WorkerDeploymentVersion},
    enums::{CommandType, VersioningBehavior, WorkerDeploymentVersionStatus as VersionStatus, WorkerVersioningMode},
    taskqueue::TaskQueue,
    workflowservice::{self as api, workflow_service_client::WorkflowServiceClient},
};
use perdure_tests::{Database, Server};
use tokio::time::sleep;
use tonic::{Code, transport::Channel};

const DEPLOYMENT: &str = "shop";
const QUEUE: &str = "orders";

struct World {
    server: Server,
    client: WorkflowServiceClient<Channel>,
}

fn namespace() -> String {
    "default".to_owned()
}

fn options(build_id: &str) -> Option<WorkerDeploymentOptions> {
    Some(WorkerDeploymentOptions {
        deployment_name: DEPLOYMENT.to_owned(),
        build_id: build_id.to_owned(),
        worker_versioning_mode: WorkerVersioningMode::Versioned.into(),
    })
}

fn version(build_id: &str) -> Option<WorkerDeploymentVersion> {
    Some(WorkerDeploymentVersion { deployment_name: DEPLOYMENT.to_owned(), build_id: build_id.to_owned() })
}

fn queue() -> Option<TaskQueue> {
    Some(TaskQueue { name: QUEUE.to_owned(), ..Default::default() })
}

impl World {
    async fn start(name: &str, database: Database, limits: &[&str]) -> Result<Self> {
        let server = Server::start_with(name, database, limits).await?;
        let client = WorkflowServiceClient::new(server.channel().await?);
        Ok(Self { server, client })
    }

    async fn crash(&mut self) -> Result<()> {
        self.server.kill9()?;
        self.server.restart().await?;
        self.client = WorkflowServiceClient::new(self.server.channel().await?);
        Ok(())
    }

    /// A poll of a worker of the version that ends with the first task, or empty after this time.
    async fn poll(&self, build_id: &str, wait: Duration) -> Result<api::PollWorkflowTaskQueueResponse> {
        let mut request = tonic::Request::new(api::PollWorkflowTaskQueueRequest {
            namespace: namespace(),
            task_queue: queue(),
            identity: format!("worker-{build_id}"),
            deployment_options: options(build_id),
            ..Default::default()
        });
        request.set_timeout(wait);
        Ok(self.client.clone().poll_workflow_task_queue(request).await?.into_inner())
    }

    /// The version is known once a worker of it polls.
    async fn register(&self, build_id: &str) -> Result<()> {
        let task = self.poll(build_id, Duration::from_secs(2)).await?;
        assert!(task.task_token.is_empty(), "nothing is to be done");
        Ok(())
    }

    /// The next task of the queue goes to a worker of this version, which answers it.
    async fn answer(&self, build_id: &str, workflow_id: &str, behavior: VersioningBehavior, last: bool) -> Result<()> {
        let task = self.poll(build_id, Duration::from_secs(20)).await?;
        let execution = task.workflow_execution.with_context(|| format!("{build_id} got no task of {workflow_id}"))?;
        assert_eq!(execution.workflow_id, workflow_id, "version {build_id}");
        let complete = Attributes::CompleteWorkflowExecutionCommandAttributes(
            CompleteWorkflowExecutionCommandAttributes::default(),
        );
        let command = Command {
            command_type: CommandType::CompleteWorkflowExecution.into(),
            attributes: Some(complete),
            ..Default::default()
        };
        let answer = api::RespondWorkflowTaskCompletedRequest {
            namespace: namespace(),
            task_token: task.task_token,
            identity: format!("worker-{build_id}"),
            commands: if last { vec![command] } else { Vec::new() },
            versioning_behavior: behavior.into(),
            deployment_options: options(build_id),
            ..Default::default()
        };
        self.client.clone().respond_workflow_task_completed(answer).await?;
        Ok(())
    }

    async fn start_workflow(&self, workflow_id: &str) -> Result<()> {
        let request = api::StartWorkflowExecutionRequest {
            namespace: namespace(),
            workflow_id: workflow_id.to_owned(),
            workflow_type: Some(WorkflowType { name: "order".to_owned() }),
            task_queue: queue(),
            request_id: workflow_id.to_owned(),
            ..Default::default()
        };
        self.client.clone().start_workflow_execution(request).await?;
        Ok(())
    }

    async fn signal(&self, workflow_id: &str) -> Result<()> {
        let request = api::SignalWorkflowExecutionRequest {
            namespace: namespace(),
            workflow_execution: Some(WorkflowExecution { workflow_id: workflow_id.to_owned(), ..Default::default() }),
            signal_name: "go".to_owned(),
            ..Default::default()
        };
        self.client.clone().signal_workflow_execution(request).await?;
        Ok(())
    }

    async fn set_current(&self, build_id: &str) -> Result<()> {
        let request = api::SetWorkerDeploymentCurrentVersionRequest {
            namespace: namespace(),
            deployment_name: DEPLOYMENT.to_owned(),
            build_id: build_id.to_owned(),
            ..Default::default()
        };
        self.client.clone().set_worker_deployment_current_version(request).await?;
        Ok(())
    }

    async fn ramp(&self, build_id: &str, percentage: f32) -> Result<()> {
        let request = api::SetWorkerDeploymentRampingVersionRequest {
            namespace: namespace(),
            deployment_name: DEPLOYMENT.to_owned(),
            build_id: build_id.to_owned(),
            percentage,
            ..Default::default()
        };
        self.client.clone().set_worker_deployment_ramping_version(request).await?;
        Ok(())
    }

    async fn describe(&self) -> Result<api::DescribeWorkerDeploymentResponse> {
        let request =
            api::DescribeWorkerDeploymentRequest { namespace: namespace(), deployment_name: DEPLOYMENT.to_owned() };
        Ok(self.client.clone().describe_worker_deployment(request).await?.into_inner())
    }

    async fn status(&self, build_id: &str) -> Result<VersionStatus> {
        let request = api::DescribeWorkerDeploymentVersionRequest {
            namespace: namespace(),
            deployment_version: version(build_id),
            ..Default::default()
        };
        let found = self.client.clone().describe_worker_deployment_version(request).await?.into_inner();
        Ok(found.worker_deployment_version_info.context("the version")?.status())
    }
}

#[tokio::test]
async fn versions_get_their_work_on_sqlite() -> Result<()> {
    versions_get_their_work("deployments_sqlite", Database::fresh_sqlite_file("deployments_sqlite")?).await
}

#[tokio::test]
async fn versions_get_their_work_on_postgres() -> Result<()> {
    versions_get_their_work("deployments_postgres", Database::fresh_postgres("deployments").await?).await
}

async fn versions_get_their_work(name: &str, database: Database) -> Result<()> {
    let (pinned, upgrading) = (VersioningBehavior::Pinned, VersioningBehavior::AutoUpgrade);
    let mut world = World::start(name, database, &[]).await?;
    world.register("1").await?;
    world.register("2").await?;
    assert_eq!(world.status("1").await?, VersionStatus::Inactive);

    world.set_current("1").await?;
    for workflow_id in ["pinned", "upgrading"] {
        world.start_workflow(workflow_id).await?;
        let behavior = if workflow_id == "pinned" { pinned } else { upgrading };
        world.answer("1", workflow_id, behavior, false).await?;
    }
    world.ramp("2", 100.0).await?;
    assert_eq!(world.status("2").await?, VersionStatus::Ramping);
    world.start_workflow("ramped").await?;
    world.answer("2", "ramped", pinned, true).await?;

    world.set_current("2").await?;
    let before = world.describe().await?;
    world.crash().await?;
    assert_eq!(world.describe().await?, before);
    assert_eq!((world.status("1").await?, world.status("2").await?), (VersionStatus::Draining, VersionStatus::Current));

    world.start_workflow("new").await?;
    world.answer("2", "new", pinned, true).await?;
    world.signal("upgrading").await?;
    world.answer("2", "upgrading", upgrading, true).await?;
    world.signal("pinned").await?;
    world.answer("1", "pinned", pinned, true).await
}

#[tokio::test]
async fn a_version_drains_and_goes() -> Result<()> {
    let limits = [
        "matching.wv.VersionDrainageStatusVisibilityGracePeriod=1",
        "matching.wv.VersionDrainageStatusRefreshInterval=1",
    ];
    let world = World::start("deployments_drain", Database::SqliteMemory, &limits).await?;
    world.register("1").await?;
    world.set_current("1").await?;
    world.start_workflow("pinned").await?;
    world.answer("1", "pinned", VersioningBehavior::Pinned, false).await?;
    world.set_current("").await?;
    let first = world.describe().await?;
    let checked = |described: &api::DescribeWorkerDeploymentResponse| {
        let info = described.worker_deployment_info.as_ref()?;
        info.version_summaries.first()?.drainage_info?.last_checked_time
    };
    while checked(&world.describe().await?) == checked(&first) {
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(world.status("1").await?, VersionStatus::Draining, "a run is pinned to it");

    world.signal("pinned").await?;
    world.answer("1", "pinned", VersioningBehavior::Pinned, true).await?;
    while world.status("1").await? != VersionStatus::Drained {
        sleep(Duration::from_millis(100)).await;
    }
    let delete = api::DeleteWorkerDeploymentVersionRequest {
        namespace: namespace(),
        deployment_version: version("1"),
        ..Default::default()
    };
    let status = world.client.clone().delete_worker_deployment_version(delete).await.expect_err("it was polled");
    let message = "version 'shop:1' cannot be deleted since it has active pollers";
    assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, message));
    Ok(())
}
