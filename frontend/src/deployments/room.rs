//! Room for new deployments and versions: their number is limited.

use perdure_proto::{
    api::enums::{ResourceExhaustedCause, WorkerDeploymentVersionStatus},
    perdure::persistence::v1::{WorkerDeployment, WorkerDeploymentVersionState},
};
use tonic::Status;

use super::{
    Found, names,
    state::{self, Target},
};
use crate::status;

pub(super) fn made_by_client(found: &Found<'_>, name: &str, request_id: &str) -> Result<WorkerDeployment, Status> {
    for_deployment(found)?;
    Ok(WorkerDeployment {
        conflict_token: found.token.clone(),
        create_request_id: request_id.to_owned(),
        ..state::new(name, found.now)
    })
}

pub(super) fn for_deployment(found: &Found<'_>) -> Result<(), Status> {
    let limit = found.limits.worker_deployments;
    if found.count < limit {
        return Ok(());
    }
    Err(limit_reached(format!("reached maximum deployments in namespace ({limit})")))
}

/// For one more version the oldest one goes that nobody needs.
pub(super) fn for_version(found: &Found<'_>, deployment: &mut WorkerDeployment, build_id: &str) -> Result<(), Status> {
    let limit = found.limits.versions_per_deployment;
    if deployment.versions.len() < limit {
        return Ok(());
    }
    let is_needed = |build_id: &str, version: &WorkerDeploymentVersionState| {
        is_routed_to(deployment, build_id)
            || version.status() == WorkerDeploymentVersionStatus::Draining
            || found.has_pollers(&deployment.name, build_id, version)
    };
    let created = |version: &WorkerDeploymentVersionState| version.created_at.map(|at| (at.seconds, at.nanos));
    let mut versions: Vec<_> = deployment.versions.iter().collect();
    versions.sort_by_key(|(_, version)| created(version));
    let oldest = versions.into_iter().find(|(build_id, version)| !is_needed(build_id, version));
    let Some(oldest) = oldest.map(|(build_id, _)| build_id.clone()) else {
        let version = names::older(&deployment.name, build_id);
        return Err(limit_reached(format!(
            "cannot add version {version} since maximum number of versions ({limit}) have been registered in the deployment"
        )));
    };
    deployment.versions.remove(&oldest);
    Ok(())
}

pub(super) fn is_routed_to(deployment: &WorkerDeployment, build_id: &str) -> bool {
    let target = Target::Version(build_id);
    state::current(deployment) == target || state::ramping(deployment) == Some(target)
}

pub(super) fn limit_reached(message: String) -> Status {
    status::resource_exhausted(message, ResourceExhaustedCause::WorkerDeploymentLimits)
}
