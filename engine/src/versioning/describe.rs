//! What describe tells about versioning: also in the older forms that older clients read.

use perdure_proto::api::{
    deployment::WorkerDeploymentVersion,
    enums::VersioningBehavior,
    workflow::{ResetPoints, WorkflowExecutionVersioningInfo, versioning_override::Override},
};

use super::overrides::UNVERSIONED;
use crate::state::RunState;

pub(crate) fn info(run: &RunState) -> Option<WorkflowExecutionVersioningInfo> {
    let mut info = run.versioning.info.clone()?;
    if let Some(version) = &info.deployment_version {
        info.version = older(Some(version));
    }
    if let Some(transition) = &mut info.version_transition {
        transition.version = older(transition.deployment_version.as_ref());
    }
    if let Some(set) = &mut info.versioning_override {
        match &set.r#override {
            Some(Override::AutoUpgrade(_)) => set.behavior = VersioningBehavior::AutoUpgrade as i32,
            Some(Override::Pinned(pinned)) => {
                set.behavior = VersioningBehavior::Pinned as i32;
                set.pinned_version = older(pinned.version.as_ref());
            }
            Some(Override::OneTime(_)) | None => {}
        }
    }
    Some(*info)
}

fn older(version: Option<&WorkerDeploymentVersion>) -> String {
    version.map_or_else(|| UNVERSIONED.to_owned(), older_text)
}

/// A version in its older form, `deployment.build id`.
pub(crate) fn older_text(version: &WorkerDeploymentVersion) -> String {
    format!("{}.{}", version.deployment_name, version.build_id)
}

pub(crate) fn reset_points(run: &RunState) -> ResetPoints {
    ResetPoints { points: run.versioning.reset_points.clone() }
}
