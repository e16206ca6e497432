//! Overrides of a run's versioning: of the several forms in which clients send them only the newest is kept.

use perdure_proto::api::{
    deployment::{Deployment, WorkerDeploymentVersion},
    enums::VersioningBehavior,
    workflow::{
        VersioningOverride,
        versioning_override::{Override, PinnedOverride, PinnedOverrideBehavior},
    },
};

use super::effective;
use crate::{reject::Reject, state::RunState};

/// Name of the unversioned in the oldest form of versions.
pub(super) const UNVERSIONED: &str = "__unversioned__";

/// The version that an override names: pinned to it, or until a workflow task completes there.
pub(super) fn target(set: Option<&VersioningOverride>) -> Option<&WorkerDeploymentVersion> {
    match set?.r#override.as_ref()? {
        Override::Pinned(pinned) => pinned.version.as_ref(),
        Override::OneTime(one_time) => one_time.target_deployment_version.as_ref(),
        Override::AutoUpgrade(_) => None,
    }
}

/// The same for a host, which must know whether the run's queue has that version.
pub fn override_version(set: Option<&VersioningOverride>) -> Option<&WorkerDeploymentVersion> {
    target(set)
}

pub(super) fn behavior(set: &VersioningOverride) -> VersioningBehavior {
    match &set.r#override {
        Some(Override::Pinned(_) | Override::OneTime(_)) => VersioningBehavior::Pinned,
        Some(Override::AutoUpgrade(_)) => VersioningBehavior::AutoUpgrade,
        None => VersioningBehavior::Unspecified,
    }
}

/// Next runs take it over.
pub(super) fn is_pinned(set: &VersioningOverride) -> bool {
    matches!(set.r#override, Some(Override::Pinned(_)))
}

pub(super) fn one_time_target(set: &VersioningOverride) -> Option<&WorkerDeploymentVersion> {
    match &set.r#override {
        Some(Override::OneTime(one_time)) => one_time.target_deployment_version.as_ref(),
        _ => None,
    }
}

/// Checks an override and brings it into its newest form. The error is the text for the client.
pub fn normalized_override(given: VersioningOverride) -> Result<VersioningOverride, String> {
    let fault = match &given.r#override {
        Some(Override::AutoUpgrade(false)) => Some("override behavior is required"),
        Some(Override::Pinned(PinnedOverride { version: None, .. })) => {
            Some("must provide version if override is pinned.")
        }
        Some(Override::Pinned(pinned)) if pinned.behavior() == PinnedOverrideBehavior::Unspecified => {
            Some("must specify pinned override behavior if override is pinned.")
        }
        Some(Override::OneTime(one_time)) if one_time.target_deployment_version.is_none() => {
            Some("must provide target deployment version if override is one-time.")
        }
        Some(_) => None,
        None => {
            check_older(&given)?;
            None
        }
    };
    match fault {
        Some(text) => Err(text.into()),
        None => Ok(newest_override(given)),
    }
}

/// The newest form of an override, checked or not.
pub(crate) fn newest_override(given: VersioningOverride) -> VersioningOverride {
    let kept = given.r#override.or(match VersioningBehavior::try_from(given.behavior) {
        Ok(VersioningBehavior::AutoUpgrade) => Some(Override::AutoUpgrade(true)),
        Ok(VersioningBehavior::Pinned) => {
            let behavior = PinnedOverrideBehavior::Pinned as i32;
            let version = parsed(&given.pinned_version).or_else(|| {
                let Deployment { series_name, build_id } = given.deployment?;
                Some(WorkerDeploymentVersion { deployment_name: series_name, build_id })
            });
            Some(Override::Pinned(PinnedOverride { behavior, version }))
        }
        Ok(VersioningBehavior::Unspecified) | Err(_) => None,
    });
    VersioningOverride { r#override: kept, ..Default::default() }
}

fn check_older(given: &VersioningOverride) -> Result<(), String> {
    match VersioningBehavior::try_from(given.behavior) {
        Ok(VersioningBehavior::Pinned) => check_older_pinned(given),
        Ok(VersioningBehavior::AutoUpgrade) if given.deployment.is_some() => {
            Err("only provide deployment if behavior is 'PINNED'".into())
        }
        Ok(VersioningBehavior::AutoUpgrade) if !given.pinned_version.is_empty() => {
            Err("only provide pinned version if behavior is 'PINNED'".into())
        }
        Ok(VersioningBehavior::AutoUpgrade) => Ok(()),
        Ok(VersioningBehavior::Unspecified) => Err("override behavior is required".into()),
        Err(_) => Err(format!("override behavior {} not recognized", given.behavior)),
    }
}

fn check_older_pinned(given: &VersioningOverride) -> Result<(), String> {
    let fault = match (&given.deployment, given.pinned_version.as_str()) {
        (Some(deployment), _) if deployment.series_name.is_empty() => "deployment name cannot be empty",
        (Some(deployment), _) if deployment.series_name.contains(['.', ':']) => {
            "deployment name cannot contain '.' or ':'"
        }
        (Some(deployment), _) if deployment.build_id.is_empty() => "deployment build ID cannot be empty",
        (Some(_), _) => return Ok(()),
        (None, "") => "must provide deployment (deprecated) or pinned version if behavior is 'PINNED'",
        (None, text) if parsed(text).is_some() => return Ok(()),
        (None, text) => {
            return Err(format!(
                "invalid version string {text:?}, expected format is \"<deployment_name>.<build_id>\""
            ));
        }
    };
    Err(fault.into())
}

/// A version in an older form, `deployment.build id`, or in today's with a colon.
fn parsed(text: &str) -> Option<WorkerDeploymentVersion> {
    let (deployment_name, build_id) = text.split_once(['.', ':'])?;
    let has_both = text != UNVERSIONED && !deployment_name.is_empty() && !build_id.is_empty();
    has_both.then(|| WorkerDeploymentVersion { deployment_name: deployment_name.into(), build_id: build_id.into() })
}

/// A client may pin a pinned run without naming a version: to the one that it has. FAILED_PRECONDITION where it has none.
pub fn fill_pinned_version(run: &RunState, given: &mut VersioningOverride) -> Result<(), Reject> {
    let Some(Override::Pinned(pinned)) = &mut given.r#override else { return Ok(()) };
    if pinned.behavior() == PinnedOverrideBehavior::Unspecified || pinned.version.is_some() {
        return Ok(());
    }
    let now = effective(run);
    if now.behavior != VersioningBehavior::Pinned {
        let behavior = match now.behavior {
            VersioningBehavior::AutoUpgrade => "AutoUpgrade",
            _ => "Unspecified",
        };
        return Err(Reject::FailedPrecondition(format!(
            "must specify a specific pinned override version because workflow with id {} has behavior {behavior} and is \
             not yet pinned to any version",
            run.workflow_id
        )));
    }
    pinned.version = now.version;
    Ok(())
}

#[cfg(test)]
mod tests {
    use perdure_proto::api::workflow::versioning_override::OneTimeOverride;

    use super::*;

    fn version(build_id: &str) -> Option<WorkerDeploymentVersion> {
        Some(WorkerDeploymentVersion { deployment_name: "d".into(), build_id: build_id.into() })
    }

    fn pinned(version: Option<WorkerDeploymentVersion>) -> Override {
        Override::Pinned(PinnedOverride { behavior: PinnedOverrideBehavior::Pinned as i32, version })
    }

    fn newest(kind: Override) -> VersioningOverride {
        VersioningOverride { r#override: Some(kind), ..Default::default() }
    }

    fn old(behavior: VersioningBehavior, series: Option<(&str, &str)>, pinned_version: &str) -> VersioningOverride {
        VersioningOverride {
            behavior: behavior as i32,
            deployment: series
                .map(|(name, build_id)| Deployment { series_name: name.into(), build_id: build_id.into() }),
            pinned_version: pinned_version.into(),
            r#override: None,
        }
    }

    #[test]
    fn forms_and_errors() {
        use VersioningBehavior::{AutoUpgrade, Pinned, Unspecified};
        let to_1 = || pinned(version("1"));
        let unset = PinnedOverrideBehavior::Unspecified as i32;
        let kept = [
            (newest(to_1()), to_1()),
            (newest(Override::AutoUpgrade(true)), Override::AutoUpgrade(true)),
            (
                newest(Override::OneTime(OneTimeOverride { target_deployment_version: version("1") })),
                Override::OneTime(OneTimeOverride { target_deployment_version: version("1") }),
            ),
            (old(Pinned, None, "d.1"), to_1()),
            (old(Pinned, None, "d:1"), to_1()),
            (old(Pinned, None, "d:1.0"), pinned(version("1.0"))),
            (old(Pinned, Some(("d", "1")), ""), to_1()),
            (old(AutoUpgrade, None, ""), Override::AutoUpgrade(true)),
        ];
        for (given, expected) in kept {
            assert_eq!(normalized_override(given.clone()), Ok(newest(expected)), "{given:?}");
        }
        let refused = [
            (newest(Override::AutoUpgrade(false)), "override behavior is required"),
            (
                newest(Override::Pinned(PinnedOverride { behavior: 1, version: None })),
                "must provide version if override is pinned.",
            ),
            (
                newest(Override::Pinned(PinnedOverride { behavior: unset, version: version("1") })),
                "must specify pinned override behavior if override is pinned.",
            ),
            (
                newest(Override::OneTime(OneTimeOverride::default())),
                "must provide target deployment version if override is one-time.",
            ),
            (old(Unspecified, None, ""), "override behavior is required"),
            (old(Pinned, None, ""), "must provide deployment (deprecated) or pinned version if behavior is 'PINNED'"),
            (
                old(Pinned, None, "d"),
                "invalid version string \"d\", expected format is \"<deployment_name>.<build_id>\"",
            ),
            (old(Pinned, Some(("", "1")), ""), "deployment name cannot be empty"),
            (old(Pinned, Some(("a.b", "1")), ""), "deployment name cannot contain '.' or ':'"),
            (old(Pinned, Some(("d", "")), ""), "deployment build ID cannot be empty"),
            (old(AutoUpgrade, Some(("d", "1")), ""), "only provide deployment if behavior is 'PINNED'"),
            (old(AutoUpgrade, None, "d.1"), "only provide pinned version if behavior is 'PINNED'"),
        ];
        for (given, expected) in refused {
            assert_eq!(normalized_override(given.clone()), Err(expected.to_owned()), "{given:?}");
        }
    }
}
