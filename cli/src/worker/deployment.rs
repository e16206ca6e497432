//! `perdure worker deployment …`

use bytes::Bytes;
use clap::{ArgGroup, Args};
use perdure_proto::api::{
    deployment::WorkerDeploymentVersion,
    workflowservice::{
        CreateWorkerDeploymentRequest, CreateWorkerDeploymentVersionRequest, DeleteWorkerDeploymentRequest,
        DeleteWorkerDeploymentVersionRequest, DescribeWorkerDeploymentRequest, DescribeWorkerDeploymentVersionRequest,
        ListWorkerDeploymentsRequest, SetWorkerDeploymentCurrentVersionRequest,
        SetWorkerDeploymentRampingVersionRequest, UpdateWorkerDeploymentVersionMetadataRequest,
    },
};
use tonic::Code;

use super::{
    deployment_describe::{DEPLOYMENT, DEPLOYMENTS, VERSION},
    deployment_manager::ManagerCommand,
};
use crate::{
    commands::Group,
    key_value::{self, KeyValue},
    session::{Failed, Session},
};

commands! {
    /// Versions of workers, and which of them gets work.
    DeploymentCommand {
        /// Make a deployment before its first worker comes
        #[command(after_help = "Example:\n  perdure worker deployment create --name orders")]
        Create(Create),
        /// Show the deployments of the namespace
        #[command(after_help = "Example:\n  perdure worker deployment list")]
        List(List),
        /// Show one deployment with its versions
        #[command(after_help = "Example:\n  perdure worker deployment describe --name orders")]
        Describe(Describe),
        /// Remove a deployment that has no versions
        #[command(after_help = "Example:\n  perdure worker deployment delete --name orders")]
        Delete(Delete),
        /// Make a version before its first worker comes
        #[command(after_help = "Example:\n  perdure worker deployment create-version --deployment-name orders --build-id 1.4")]
        CreateVersion(CreateVersion),
        /// Show one version: its task queues, and whether it still has work
        #[command(after_help = "Example:\n  perdure worker deployment describe-version --deployment-name orders --build-id 1.4 --report-task-queue-stats")]
        DescribeVersion(DescribeVersion),
        /// Remove a version that nobody needs
        #[command(after_help = "Example:\n  perdure worker deployment delete-version --deployment-name orders --build-id 1.2")]
        DeleteVersion(DeleteVersion),
        /// New work goes to this version from now on
        #[command(after_help = "Examples:\n  perdure worker deployment set-current-version --deployment-name orders --build-id 1.4 --yes\n  perdure worker deployment set-current-version --deployment-name orders --unversioned --yes")]
        SetCurrentVersion(SetCurrentVersion),
        /// A part of new work goes to this version
        #[command(after_help = "Examples:\n  perdure worker deployment set-ramping-version --deployment-name orders --build-id 1.5 --percentage 10 --yes\n  perdure worker deployment set-ramping-version --deployment-name orders --build-id 1.5 --delete --yes")]
        SetRampingVersion(SetRampingVersion),
        /// Change what is noted about a version
        #[command(after_help = "Example:\n  perdure worker deployment update-version-metadata --deployment-name orders --build-id 1.4 --metadata 'commit=\"9f3e\"' --remove-entries branch")]
        UpdateVersionMetadata(UpdateVersionMetadata),
        /// Who may change a deployment
        ManagerIdentity(Group<ManagerCommand>),
    }
}

/// A version that is named.
#[derive(Args, Debug)]
pub(crate) struct VersionReference {
    /// The deployment's name.
    #[arg(long)]
    deployment_name: String,
    /// The version's build id.
    #[arg(long)]
    build_id: String,
}

impl VersionReference {
    fn version(self) -> Option<WorkerDeploymentVersion> {
        Some(WorkerDeploymentVersion { deployment_name: self.deployment_name, build_id: self.build_id })
    }
}

/// A version, or the workers without one.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("which").args(["build_id", "unversioned"]).required(true)))]
pub(crate) struct Routed {
    /// The deployment's name.
    #[arg(long)]
    deployment_name: String,
    /// The version's build id.
    #[arg(long)]
    build_id: Option<String>,
    /// The workers without a version.
    #[arg(long)]
    unversioned: bool,
    /// Also where task queues of the current version have no workers of this one.
    #[arg(long)]
    ignore_missing_task_queues: bool,
    /// Also where no worker of this version has been seen.
    #[arg(long)]
    allow_no_pollers: bool,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

#[derive(Args, Debug)]
pub struct Create {
    /// The deployment's name.
    #[arg(long, short = 'd')]
    name: String,
}

#[derive(Args, Debug)]
pub struct List {
    /// The most that are shown.
    #[arg(long)]
    limit: Option<usize>,
}

#[derive(Args, Debug)]
pub struct Describe {
    /// The deployment's name.
    #[arg(long, short = 'd')]
    name: String,
}

#[derive(Args, Debug)]
pub struct Delete {
    /// The deployment's name.
    #[arg(long, short = 'd')]
    name: String,
}

#[derive(Args, Debug)]
pub struct CreateVersion {
    #[command(flatten)]
    version: VersionReference,
}

#[derive(Args, Debug)]
pub struct DescribeVersion {
    #[command(flatten)]
    version: VersionReference,
    /// How much waits in its task queues.
    #[arg(long)]
    report_task_queue_stats: bool,
}

#[derive(Args, Debug)]
pub struct DeleteVersion {
    #[command(flatten)]
    version: VersionReference,
    /// Also where workflows may still need it.
    #[arg(long)]
    skip_drainage: bool,
}

#[derive(Args, Debug)]
pub struct SetCurrentVersion {
    #[command(flatten)]
    to: Routed,
}

#[derive(Args, Debug)]
pub struct SetRampingVersion {
    #[command(flatten)]
    to: Routed,
    /// How much of new work it gets, 0 to 100.
    #[arg(long, default_value_t = 0.0)]
    percentage: f32,
    /// It gets no part any more.
    #[arg(long, conflicts_with = "percentage")]
    delete: bool,
}

#[derive(Args, Debug)]
pub struct UpdateVersionMetadata {
    #[command(flatten)]
    version: VersionReference,
    /// An entry, `KEY=JSON`; may be repeated.
    #[arg(long, value_name = "KEY=JSON")]
    metadata: Vec<KeyValue>,
    /// The key of an entry to remove; may be repeated.
    #[arg(long, value_name = "KEY")]
    remove_entries: Vec<String>,
}

/// Shows the deployment and asks, unless `yes` has answered already; the answer's token makes sure that what was seen is
/// what is changed. Without a deployment and with `may_be_new` there is no token.
pub(super) async fn agreed(
    session: &Session,
    name: &str,
    what: &str,
    yes: bool,
    may_be_new: bool,
) -> anyhow::Result<Bytes> {
    type Request = DescribeWorkerDeploymentRequest;
    let request = Request { namespace: session.namespace(), deployment_name: name.to_owned() };
    match session.attempt(request).await {
        Ok(answer) => {
            if !yes && session.output.is_text() {
                session.output.sections(&session.render::<Request>(&answer)?, DEPLOYMENT)?;
            }
            session.confirm(&format!("Change the {what} of deployment {name:?}?"), yes)?;
            Ok(answer.conflict_token)
        }
        Err(Failed::Refused(status)) if may_be_new && status.code() == Code::NotFound => Ok(Bytes::new()),
        Err(failed) => Err(session.explain_attempt::<Request>(failed)),
    }
}

impl Create {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let request = CreateWorkerDeploymentRequest {
            namespace: session.namespace(),
            deployment_name: self.name,
            identity: session.identity(),
            request_id: uuid::Uuid::new_v4().to_string(),
        };
        session.done(request, "Successfully created worker deployment").await
    }
}

impl List {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let namespace = session.namespace();
        session.list(ListWorkerDeploymentsRequest { namespace, ..Default::default() }, self.limit, DEPLOYMENTS).await
    }
}

impl Describe {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let (namespace, deployment_name) = (session.namespace(), self.name);
        session.show(DescribeWorkerDeploymentRequest { namespace, deployment_name }, DEPLOYMENT).await
    }
}

impl Delete {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let request = DeleteWorkerDeploymentRequest {
            namespace: session.namespace(),
            deployment_name: self.name,
            identity: session.identity(),
        };
        session.done(request, "Successfully deleted worker deployment").await
    }
}

impl CreateVersion {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let request = CreateWorkerDeploymentVersionRequest {
            namespace: session.namespace(),
            deployment_version: self.version.version(),
            identity: session.identity(),
            request_id: uuid::Uuid::new_v4().to_string(),
            ..CreateWorkerDeploymentVersionRequest::default()
        };
        session.done(request, "Successfully created worker deployment version").await
    }
}

impl DescribeVersion {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let request = DescribeWorkerDeploymentVersionRequest {
            namespace: session.namespace(),
            deployment_version: self.version.version(),
            report_task_queue_stats: self.report_task_queue_stats,
            ..DescribeWorkerDeploymentVersionRequest::default()
        };
        session.show(request, VERSION).await
    }
}

impl DeleteVersion {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let request = DeleteWorkerDeploymentVersionRequest {
            namespace: session.namespace(),
            deployment_version: self.version.version(),
            skip_drainage: self.skip_drainage,
            identity: session.identity(),
            ..DeleteWorkerDeploymentVersionRequest::default()
        };
        session.done(request, "Successfully deleted worker deployment version").await
    }
}

impl SetCurrentVersion {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let Routed { deployment_name, yes, allow_no_pollers, .. } = &self.to;
        let conflict_token = agreed(session, deployment_name, "current version", *yes, *allow_no_pollers).await?;
        let request = SetWorkerDeploymentCurrentVersionRequest {
            namespace: session.namespace(),
            deployment_name: self.to.deployment_name,
            // Nothing stands for the workers without a version.
            build_id: self.to.build_id.unwrap_or_default(),
            conflict_token,
            identity: session.identity(),
            ignore_missing_task_queues: self.to.ignore_missing_task_queues,
            allow_no_pollers: self.to.allow_no_pollers,
            ..SetWorkerDeploymentCurrentVersionRequest::default()
        };
        session.done(request, "Successfully set the current worker deployment version").await
    }
}

impl SetRampingVersion {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let Routed { deployment_name, yes, allow_no_pollers, .. } = &self.to;
        let conflict_token = agreed(session, deployment_name, "ramping version", *yes, *allow_no_pollers).await?;
        let request = SetWorkerDeploymentRampingVersionRequest {
            namespace: session.namespace(),
            deployment_name: self.to.deployment_name,
            // Nothing stands for the workers without a version.
            build_id: self.to.build_id.unwrap_or_default(),
            percentage: if self.delete { 0.0 } else { self.percentage },
            conflict_token,
            identity: session.identity(),
            ignore_missing_task_queues: self.to.ignore_missing_task_queues,
            allow_no_pollers: self.to.allow_no_pollers,
            ..SetWorkerDeploymentRampingVersionRequest::default()
        };
        session.done(request, "Successfully set the ramping worker deployment version").await
    }
}

impl UpdateVersionMetadata {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let request = UpdateWorkerDeploymentVersionMetadataRequest {
            namespace: session.namespace(),
            deployment_version: self.version.version(),
            upsert_entries: key_value::payloads("--metadata", &self.metadata)?,
            remove_entries: self.remove_entries,
            identity: session.identity(),
            ..UpdateWorkerDeploymentVersionMetadataRequest::default()
        };
        session.done(request, "Successfully updated the metadata of the worker deployment version").await
    }
}
