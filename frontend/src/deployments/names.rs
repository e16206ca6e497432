//! Names of deployments and versions, and the two ways to write a version: `deployment:build id`, and the older
//! `deployment.build id` that lives on in deprecated fields.

use perdure_proto::api::deployment::WorkerDeploymentVersion;
use tonic::Status;

use crate::{limits::FrontendLimits, status::invalid, validate::versioning};

/// Stands in deprecated fields for workers without a version.
pub(super) const UNVERSIONED: &str = "__unversioned__";

pub(super) fn deployment_name(name: &str, limits: &FrontendLimits) -> Result<(), Status> {
    if name.is_empty() {
        return Err(invalid("WorkerDeploymentName cannot be empty"));
    }
    versioning::deployment_name(name, limits)
}

pub(super) fn build_id(build_id: &str, limits: &FrontendLimits) -> Result<(), Status> {
    if build_id.is_empty() {
        return Err(invalid("BuildID cannot be empty"));
    }
    versioning::build_id(build_id, limits)
}

/// In the older way.
pub(super) fn older(deployment_name: &str, build_id: &str) -> String {
    format!("{deployment_name}.{build_id}")
}

/// None: the unversioned. The error says what is wrong with the text.
pub(super) fn parse(text: &str) -> Result<Option<WorkerDeploymentVersion>, String> {
    if text == UNVERSIONED {
        return Ok(None);
    }
    // Neither letter can be in a deployment's name, so the first one ends it.
    let Some((deployment_name, build_id)) = text.split_once(['.', ':']) else {
        return Err(format!("expected delimiter ':' or '.' not found in version string {text}"));
    };
    if deployment_name.is_empty() {
        return Err(format!("deployment name is empty in version string {text}"));
    }
    if build_id.is_empty() {
        return Err(format!("build id is empty in version string {text}"));
    }
    Ok(Some(WorkerDeploymentVersion { deployment_name: deployment_name.to_owned(), build_id: build_id.to_owned() }))
}

/// The version that a request means: by its message, or by its deprecated text. Both names are checked.
pub(super) fn version(
    version: Option<&WorkerDeploymentVersion>,
    text: &str,
    limits: &FrontendLimits,
) -> Result<WorkerDeploymentVersion, Status> {
    let text = version.map_or_else(|| text.to_owned(), |version| older(&version.deployment_name, &version.build_id));
    let found = parse(&text).map_err(|_| {
        invalid(format!("invalid version string {text:?}, expected format is \"<deployment_name>.<build_id>\""))
    })?;
    // What was given in two fields is not taken apart again: a dot in the name is then the name's mistake.
    let found = version.cloned().or(found).unwrap_or_default();
    deployment_name(&found.deployment_name, limits)?;
    build_id(&found.build_id, limits)?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(result: Result<WorkerDeploymentVersion, Status>) -> String {
        match result {
            Ok(version) => format!("{} {}", version.deployment_name, version.build_id),
            Err(status) => status.message().to_owned(),
        }
    }

    #[test]
    fn texts_of_versions() {
        let format = |text: &str| {
            format!("invalid version string {text:?}, expected format is \"<deployment_name>.<build_id>\"")
        };
        let long = format!("{}.b", "d".repeat(481));
        for (given, expected) in [
            ("d.b", "d b".to_owned()),
            ("d:b", "d b".to_owned()),
            ("d:b.1", "d b.1".to_owned()),
            ("d.b:1", "d b:1".to_owned()),
            ("", format("")),
            ("db", format("db")),
            (".b", format(".b")),
            ("d.", format("d.")),
            (UNVERSIONED, "WorkerDeploymentName cannot be empty".to_owned()),
            ("d.__b", "BuildID cannot start with '__'".to_owned()),
            ("__d.b", "WorkerDeploymentName cannot start with '__'".to_owned()),
            ("d.b\0", "BuildID must not contain a NUL byte.".to_owned()),
            (&long, "size of WorkerDeploymentName larger than the maximum allowed".to_owned()),
        ] {
            assert_eq!(text(version(None, given, &FrontendLimits::default())), expected, "{given:?}");
        }
    }

    #[test]
    fn messages_of_versions() {
        let of = |name: &str, build_id: &str| WorkerDeploymentVersion {
            deployment_name: name.to_owned(),
            build_id: build_id.to_owned(),
        };
        assert_eq!(text(version(Some(&of("d", "b.1")), "ignored", &FrontendLimits::default())), "d b.1");
        assert_eq!(
            text(version(Some(&of("d.x", "b")), "", &FrontendLimits::default())),
            "worker deployment name cannot contain '.'"
        );
        assert_eq!(
            text(version(Some(&of("d:x", "b")), "", &FrontendLimits::default())),
            "worker deployment name cannot contain ':'"
        );
    }
}
