//! `workflow update-options`, and the versioning override that a reset may set too.

use anyhow::bail;
use clap::{Args, ValueEnum};
use perdure_proto::api::{
    batch::BatchOperationUpdateWorkflowExecutionOptions,
    deployment::WorkerDeploymentVersion,
    workflow::{
        VersioningOverride, WorkflowExecutionOptions,
        versioning_override::{self, OneTimeOverride, PinnedOverride, PinnedOverrideBehavior},
    },
    workflowservice::{UpdateWorkflowExecutionOptionsRequest, start_batch_operation_request::Operation},
};
use prost_types::FieldMask;

use crate::{
    session::Session,
    target::{self, Chosen, Target},
};

#[derive(Args, Debug)]
pub struct UpdateOptions {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    versioning: Override,
}

/// Which version a workflow shall run on.
#[derive(Args, Debug)]
pub(crate) struct Override {
    /// Whose code the workflow runs from now on.
    #[arg(long, value_enum, value_name = "BEHAVIOR")]
    versioning_override_behavior: Behavior,
    /// The worker deployment of the version.
    #[arg(long, value_name = "NAME")]
    versioning_override_deployment_name: Option<String>,
    /// The build id of the version.
    #[arg(long, value_name = "BUILD_ID")]
    versioning_override_build_id: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Behavior {
    /// No override: what the workflow's own annotation says.
    Unspecified,
    /// The version that is named, until the override is changed.
    Pinned,
    /// The version that is named, for once; then what the annotation says.
    OneTime,
    /// The current version of its deployment.
    AutoUpgrade,
}

impl Override {
    /// The options and the mask of what changes.
    pub(crate) fn options(&self) -> anyhow::Result<(WorkflowExecutionOptions, FieldMask)> {
        let versioning_override = self
            .versioning()?
            .map(|versioning| VersioningOverride { r#override: Some(versioning), ..VersioningOverride::default() });
        let options = WorkflowExecutionOptions { versioning_override, ..WorkflowExecutionOptions::default() };
        Ok((options, FieldMask { paths: vec!["versioning_override".to_owned()] }))
    }

    fn versioning(&self) -> anyhow::Result<Option<versioning_override::Override>> {
        let behavior = self.versioning_override_behavior;
        let version = (&self.versioning_override_deployment_name, &self.versioning_override_build_id);
        let named = match (behavior, version) {
            (Behavior::Pinned | Behavior::OneTime, (Some(name), Some(build_id))) => {
                Some(WorkerDeploymentVersion { deployment_name: name.clone(), build_id: build_id.clone() })
            }
            (Behavior::Pinned | Behavior::OneTime, _) => {
                bail!("which version? Add --versioning-override-deployment-name and --versioning-override-build-id")
            }
            (Behavior::Unspecified | Behavior::AutoUpgrade, (None, None)) => None,
            (Behavior::Unspecified | Behavior::AutoUpgrade, _) => {
                bail!("a version goes with --versioning-override-behavior pinned or one_time only")
            }
        };
        Ok(match behavior {
            Behavior::Unspecified => None,
            Behavior::AutoUpgrade => Some(versioning_override::Override::AutoUpgrade(true)),
            Behavior::OneTime => {
                Some(versioning_override::Override::OneTime(OneTimeOverride { target_deployment_version: named }))
            }
            Behavior::Pinned => Some(versioning_override::Override::Pinned(PinnedOverride {
                behavior: PinnedOverrideBehavior::Pinned.into(),
                version: named,
            })),
        })
    }
}

impl UpdateOptions {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<()> {
        let (options, mask) = self.versioning.options()?;
        let (workflow_execution_options, update_mask) = (Some(options), Some(mask));
        match self.target.choose(session).await? {
            Chosen::One(execution) => {
                let request = UpdateWorkflowExecutionOptionsRequest {
                    namespace: session.namespace(),
                    workflow_execution: Some(*execution),
                    workflow_execution_options,
                    update_mask,
                    identity: session.identity(),
                };
                session.done(request, "Update workflow options succeeded").await
            }
            Chosen::Many(job) => {
                let identity = session.identity();
                let operation =
                    BatchOperationUpdateWorkflowExecutionOptions { identity, workflow_execution_options, update_mask };
                target::start(session, *job, Operation::UpdateWorkflowOptionsOperation(operation)).await
            }
        }
    }
}
