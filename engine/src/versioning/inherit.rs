//! What a run takes over of the versioning of the run that began it.
//!
//! | from | pinned version | override | auto-upgrade info |
//! |---|---|---|---|
//! | parent | if it is pinned | pinned, one-time | if it is auto-upgrade |
//! | continue-as-new | if it is pinned and the command wants nothing else | pinned | if it is auto-upgrade, or pinned and the command wants otherwise |
//! | retry | if it is pinned and has inherited that | pinned | if it is auto-upgrade |
//! | cron | – | pinned | – |
//!
//! On another task queue all of it only if that queue is one of the version's. An override of the child's own replaces all.

use perdure_proto::api::{
    command::ContinueAsNewWorkflowExecutionCommandAttributes,
    deployment::{InheritedAutoUpgradeInfo, WorkerDeploymentVersion},
    enums::{ContinueAsNewInitiator, ContinueAsNewVersioningBehavior, VersioningBehavior},
    history::{DeclinedTargetVersionUpgrade, WorkflowExecutionStartedEventAttributes},
    workflow::{ResetPointInfo, VersioningOverride},
};

use super::{effective, overrides};
use crate::state::RunState;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inherited {
    pub pinned_version: Option<WorkerDeploymentVersion>,
    pub auto_upgrade: Option<InheritedAutoUpgradeInfo>,
    pub versioning_override: Option<VersioningOverride>,
    /// The target version that the run before was told of, and did not go to.
    pub declined_upgrade: Option<DeclinedTargetVersionUpgrade>,
    pub reset_points: Vec<ResetPointInfo>,
}

impl Inherited {
    /// For a run on another queue than the one it inherits from: drops what is of versions that do not have it.
    pub fn keep_for_queue(&mut self, has_version: impl Fn(&WorkerDeploymentVersion) -> bool) {
        self.pinned_version.take_if(|version| !has_version(version));
        self.auto_upgrade.take_if(|info| !info.source_deployment_version.as_ref().is_some_and(&has_version));
        self.versioning_override.take_if(|set| !overrides::target(Some(set)).is_some_and(&has_version));
        if self.pinned_version.is_none() {
            self.declined_upgrade = None;
        }
    }
}

/// For a child whose start brings no override of its own.
pub fn inherited_by_child(run: &RunState) -> Inherited {
    let set = versioning_override(run).filter(|set| overrides::target(Some(set)).is_some());
    let pinned_version = pinned_version(run);
    let initial = ContinueAsNewVersioningBehavior::Unspecified;
    let auto_upgrade = auto_upgrade(run, &[VersioningBehavior::AutoUpgrade], initial);
    Inherited { pinned_version, auto_upgrade, versioning_override: set.cloned(), ..Default::default() }
}

pub(crate) fn inherited_by_next_run(
    run: &RunState,
    command: &ContinueAsNewWorkflowExecutionCommandAttributes,
) -> Inherited {
    let initial = command.initial_versioning_behavior();
    let stays = initial == ContinueAsNewVersioningBehavior::Unspecified;
    let pinned_version = pinned_version(run).filter(|_| stays);
    let auto_upgrade = if stays {
        auto_upgrade(run, &[VersioningBehavior::AutoUpgrade], initial)
    } else {
        auto_upgrade(run, &[VersioningBehavior::AutoUpgrade, VersioningBehavior::Pinned], initial)
    };
    let told = run.versioning.target_notified.as_ref().or(run.versioning.target_declined.as_ref());
    Inherited {
        declined_upgrade: told.filter(|_| pinned_version.is_some()).cloned(),
        pinned_version,
        auto_upgrade,
        versioning_override: pinned_override(run),
        reset_points: run.versioning.reset_points.clone(),
    }
}

/// `started`: how the run began.
pub(crate) fn inherited_by_retry(
    run: &RunState,
    initiator: ContinueAsNewInitiator,
    started: &WorkflowExecutionStartedEventAttributes,
) -> Inherited {
    let inherited = Inherited {
        versioning_override: pinned_override(run),
        declined_upgrade: started.declined_target_version_upgrade.clone(),
        reset_points: run.versioning.reset_points.clone(),
        ..Default::default()
    };
    if initiator != ContinueAsNewInitiator::Retry {
        return inherited;
    }
    let initial = run.versioning.info.as_ref().map(|info| info.continue_as_new_initial_versioning_behavior());
    Inherited {
        pinned_version: pinned_version(run).filter(|_| started.inherited_pinned_version.is_some()),
        auto_upgrade: auto_upgrade(run, &[VersioningBehavior::AutoUpgrade], initial.unwrap_or_default()),
        ..inherited
    }
}

fn versioning_override(run: &RunState) -> Option<&VersioningOverride> {
    run.versioning.info.as_ref()?.versioning_override.as_ref()
}

fn pinned_override(run: &RunState) -> Option<VersioningOverride> {
    versioning_override(run).filter(|set| overrides::is_pinned(set)).cloned()
}

fn pinned_version(run: &RunState) -> Option<WorkerDeploymentVersion> {
    let now = effective(run);
    now.version.filter(|_| now.behavior == VersioningBehavior::Pinned)
}

/// Where the run is, for one that goes on from there by routing. A run that no routing ever moved has nothing to tell.
fn auto_upgrade(
    run: &RunState,
    of: &[VersioningBehavior],
    initial: ContinueAsNewVersioningBehavior,
) -> Option<InheritedAutoUpgradeInfo> {
    let now = effective(run);
    let revision = run.versioning.info.as_ref().map_or(0, |info| info.revision_number);
    let version = now.version.filter(|_| of.contains(&now.behavior) && revision != 0)?;
    Some(InheritedAutoUpgradeInfo {
        source_deployment_version: Some(version),
        source_deployment_revision_number: revision,
        continue_as_new_initial_versioning_behavior: initial as i32,
    })
}

pub(crate) fn apply_started(run: &mut RunState, started: &WorkflowExecutionStartedEventAttributes) {
    if let Some(points) = &started.prev_auto_reset_points {
        run.versioning.reset_points.clone_from(&points.points);
    }
    if let Some(set) = &started.versioning_override {
        run.versioning.info.get_or_insert_default().versioning_override = Some(set.clone());
    }
    if let Some(version) = &started.inherited_pinned_version {
        let info = run.versioning.info.get_or_insert_default();
        info.deployment_version = Some(version.clone());
        info.behavior = VersioningBehavior::Pinned as i32;
        if !started.continued_execution_run_id.is_empty() {
            run.versioning.target_declined.clone_from(&started.declined_target_version_upgrade);
        }
    }
    if let Some(source) = &started.inherited_auto_upgrade_info {
        let info = run.versioning.info.get_or_insert_default();
        info.revision_number = source.source_deployment_revision_number;
        info.deployment_version.clone_from(&source.source_deployment_version);
        info.behavior = VersioningBehavior::AutoUpgrade as i32;
        info.continue_as_new_initial_versioning_behavior = source.continue_as_new_initial_versioning_behavior;
    }
    let now = effective(run);
    run.versioning.worker_deployment_name = now.version.map(|version| version.deployment_name).unwrap_or_default();
}
