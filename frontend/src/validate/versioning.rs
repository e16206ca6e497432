//! What a worker says about its version.

use perdure_matching::DeploymentVersion;
use perdure_proto::api::{
    common::WorkerVersionStamp, deployment::WorkerDeploymentOptions, enums::TaskQueueKind, enums::WorkerVersioningMode,
    taskqueue::TaskQueue,
};
use tonic::Status;

use super::ids::no_nul;
use crate::{
    limits::FrontendLimits,
    status::{invalid, permission_denied},
};

/// In Temporal a deployment's name and its build id share the id of one workflow with a prefix of so many bytes.
const DEPLOYMENT_PREFIX: usize = 39;

/// Of a poll or an answer of a worker with this queue.
pub(crate) fn check(
    stamp: Option<&WorkerVersionStamp>,
    options: Option<&WorkerDeploymentOptions>,
    queue: Option<&TaskQueue>,
    limits: &FrontendLimits,
) -> Result<(), Status> {
    let (build_id, versioned) = stamp.map_or(("", false), |stamp| (stamp.build_id.as_str(), stamp.use_versioning));
    if build_id.len() > limits.build_id {
        return Err(invalid("Build ID exceeds configured limit.workerBuildIdSize, use a shorter build ID."));
    }
    // SDKs set the flag of the older versioning beside the deployment's options, which then count.
    if versioned && deployment(options).is_none() {
        return Err(permission_denied("Worker versioning in workflow progress APIs is disabled on this namespace."));
    }
    no_nul("Build ID", build_id)?;
    no_nul("WorkerDeploymentName", options.map_or("", |options| &options.deployment_name))?;
    let sticky = queue.filter(|queue| queue.kind() == TaskQueueKind::Sticky);
    if options.is_some() && sticky.is_some_and(|queue| queue.normal_name.is_empty()) {
        return Err(invalid(
            "NormalName must be set on sticky queue when UseVersioning is true or DeploymentOptions are set.",
        ));
    }
    options.map_or(Ok(()), |options| check_deployment(options, limits))
}

/// The version of a worker in versioned mode, which gets only its version's tasks.
pub(crate) fn deployment(options: Option<&WorkerDeploymentOptions>) -> Option<DeploymentVersion> {
    options
        .filter(|options| options.worker_versioning_mode() == WorkerVersioningMode::Versioned)
        .map(|options| DeploymentVersion::new(options.deployment_name.as_str(), options.build_id.as_str()))
}

fn check_deployment(options: &WorkerDeploymentOptions, limits: &FrontendLimits) -> Result<(), Status> {
    if options.worker_versioning_mode() != WorkerVersioningMode::Versioned {
        return Ok(());
    }
    if options.deployment_name.is_empty() || options.build_id.is_empty() {
        return Err(invalid("Deployment name and build id must be set together."));
    }
    deployment_name(&options.deployment_name, limits)?;
    build_id(&options.build_id, limits)
}

/// Of a deployment name that is not empty.
pub(crate) fn deployment_name(deployment_name: &str, limits: &FrontendLimits) -> Result<(), Status> {
    let separator = ['.', ':'].into_iter().find(|separator| deployment_name.contains(*separator));
    if let Some(separator) = separator.filter(|_| deployment_name.len() <= longest_field(limits)) {
        return Err(invalid(format!("worker deployment name cannot contain '{separator}'")));
    }
    deployment_field("WorkerDeploymentName", deployment_name, limits)
}

/// Of a build id that is not empty.
pub(crate) fn build_id(build_id: &str, limits: &FrontendLimits) -> Result<(), Status> {
    deployment_field("BuildID", build_id, limits)
}

fn longest_field(limits: &FrontendLimits) -> usize {
    limits.runs.id_length.saturating_sub(DEPLOYMENT_PREFIX) / 2
}

fn deployment_field(name: &str, field: &str, limits: &FrontendLimits) -> Result<(), Status> {
    if field.len() > longest_field(limits) {
        return Err(invalid(format!("size of {name} larger than the maximum allowed")));
    }
    if field.starts_with("__") {
        return Err(invalid(format!("{name} cannot start with '__'")));
    }
    no_nul(name, field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(result: Result<(), Status>) -> String {
        result.map_or_else(|status| status.message().to_owned(), |()| "ok".to_owned())
    }

    #[test]
    fn deployments() {
        let long = "b".repeat(481);
        let cases = [
            ("d", "b", "ok"),
            ("d", "", "Deployment name and build id must be set together."),
            ("", "b", "Deployment name and build id must be set together."),
            ("d:x", "b", "worker deployment name cannot contain ':'"),
            ("d.x", "b", "worker deployment name cannot contain '.'"),
            ("d", "__b", "BuildID cannot start with '__'"),
            ("d", long.as_str(), "size of BuildID larger than the maximum allowed"),
        ];
        for (deployment_name, build_id, expected) in cases {
            let mut options = WorkerDeploymentOptions {
                deployment_name: deployment_name.to_owned(),
                build_id: build_id.to_owned(),
                worker_versioning_mode: WorkerVersioningMode::Versioned.into(),
            };
            assert_eq!(text(check(None, Some(&options), None, &FrontendLimits::default())), expected);
            options.worker_versioning_mode = WorkerVersioningMode::Unspecified.into();
            assert_eq!(text(check(None, Some(&options), None, &FrontendLimits::default())), "ok");
        }
    }

    #[test]
    fn older_versioning_is_refused_unless_a_deployment_goes_before_it() {
        let stamp = Some(WorkerVersionStamp { build_id: "b".to_owned(), use_versioning: true });
        let mut options = WorkerDeploymentOptions {
            deployment_name: "d".to_owned(),
            build_id: "b".to_owned(),
            worker_versioning_mode: WorkerVersioningMode::Versioned.into(),
        };
        assert_eq!(text(check(stamp.as_ref(), Some(&options), None, &FrontendLimits::default())), "ok");
        options.worker_versioning_mode = WorkerVersioningMode::Unversioned.into();
        let refused = "Worker versioning in workflow progress APIs is disabled on this namespace.";
        assert_eq!(text(check(stamp.as_ref(), Some(&options), None, &FrontendLimits::default())), refused);
    }

    #[test]
    fn build_ids() {
        let stamp = |len, use_versioning| WorkerVersionStamp { build_id: "b".repeat(len), use_versioning };
        let too_long = "Build ID exceeds configured limit.workerBuildIdSize, use a shorter build ID.";
        assert_eq!(text(check(Some(&stamp(255, false)), None, None, &FrontendLimits::default())), "ok");
        assert_eq!(text(check(Some(&stamp(256, true)), None, None, &FrontendLimits::default())), too_long);
        assert_eq!(
            check(Some(&stamp(3, true)), None, None, &FrontendLimits::default()).unwrap_err().code(),
            tonic::Code::PermissionDenied
        );
    }
}
