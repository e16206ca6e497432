//! Worker versioning: which version of a worker deployment a run belongs to, and how it moves to another.
//!
//! What a run is follows from three things, the first that is there: a *transition* to another version (auto-upgrade, and
//! of that version), an *override* that a client set, and what the *worker* said with its last completed workflow task.
//!
//! Tasks that workers take, and the completions of workflow tasks ("of the target": by a worker of the version that
//! the transition goes to):
//!
//! | run is | workflow task, own version | workflow task, other version | activity, own version | activity, other version | task completed |
//! |---|---|---|---|---|---|
//! | unversioned | started | started, transition | started | as below | as the worker says |
//! | auto-upgrade | started | started, transition | started | as below | as the worker says |
//! | pinned | started | stale | started | started | as the worker says; an override stays |
//! | in transition | started | started, transition to that one | stale | stale | of the target: ends, as the worker says; else goes on |
//!
//! An activity that a worker of another version takes from a run that is not pinned: where the workflow's own queue sends
//! the run to that version too, the activity waits and the run is in transition; else the activity's queue has a
//! deployment of its own, and it is started. A speculative workflow task starts no transition: it leaves no trace before
//! it completes. In transition no activity starts; those that wait are handed out when it ends.
//!
//! Overrides, by UpdateWorkflowExecutionOptions or from the start on:
//!
//! | run is | pinned | one-time | auto-upgrade | unset |
//! |---|---|---|---|---|
//! | unversioned | pinned | pinned, until a task completes there | auto-upgrade | stays |
//! | auto-upgrade | pinned | pinned, until a task completes there | auto-upgrade | as the worker said |
//! | pinned | pinned | pinned, until a task completes there | auto-upgrade, from its version | as the worker said |
//! | in transition | pinned, transition ends | pinned, transition ends | goes on | goes on |
//!
//! What changes the version or the behaviour also ends the stickiness, and hands out anew what no worker has yet.

mod completion;
mod describe;
mod inherit;
mod options;
mod overrides;
mod reset_points;
mod search_attributes;
mod target;
mod transition;

use perdure_proto::api::{
    deployment::WorkerDeploymentVersion,
    enums::{ContinueAsNewVersioningBehavior, VersioningBehavior},
};

pub(crate) use self::overrides::newest_override;
pub(crate) use self::{
    completion::{apply_completed, redirect_activities, reported_version, takes_along},
    describe::{info, older_text, reset_points},
    inherit::{apply_started, inherited_by_next_run, inherited_by_retry},
    options::{apply_options, update_options},
    search_attributes::{Shown, basis, shown},
    target::{apply_target_seen, note_target},
    transition::{ActivityTaken, activity_taken, apply_transition, is_refused, moves, start_transition},
};
pub use self::{
    inherit::{Inherited, inherited_by_child},
    options::OptionsUpdate,
    overrides::{fill_pinned_version, normalized_override, override_version},
};
use crate::state::RunState;

/// The version of the worker that takes a task, and where the workflow's own queue sends the run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TakenBy {
    /// None: an unversioned worker.
    pub version: Option<WorkerDeploymentVersion>,
    /// None: nobody looked, because the task did not pass through a queue.
    pub target: Option<Target>,
}

/// Where a queue's routing sends a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Target {
    /// None: to unversioned workers.
    pub version: Option<WorkerDeploymentVersion>,
    /// Of the routing that says so; 0: the queue has none.
    pub revision: i64,
}

impl TakenBy {
    fn revision(&self) -> i64 {
        self.target.as_ref().map_or(0, |target| target.revision)
    }
}

/// Which workers a run's tasks are for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effective {
    pub behavior: VersioningBehavior,
    /// None: unversioned workers.
    pub version: Option<WorkerDeploymentVersion>,
}

/// What the run is now.
pub fn effective(run: &RunState) -> Effective {
    let behavior = behavior(run);
    let version = match &run.versioning.info {
        None => None,
        Some(info) => match (&info.version_transition, overrides::target(info.versioning_override.as_ref())) {
            (Some(transition), _) => transition.deployment_version.clone(),
            (None, Some(version)) => Some(version.clone()),
            (None, None) if behavior == VersioningBehavior::Unspecified => None,
            (None, None) => info.deployment_version.clone(),
        },
    };
    Effective { behavior, version }
}

fn behavior(run: &RunState) -> VersioningBehavior {
    match &run.versioning.info {
        None => VersioningBehavior::Unspecified,
        Some(info) if info.version_transition.is_some() => VersioningBehavior::AutoUpgrade,
        Some(info) => match &info.versioning_override {
            Some(set) => overrides::behavior(set),
            None => info.behavior(),
        },
    }
}

/// No activity starts before a workflow task has completed on the new version.
pub fn in_transition(run: &RunState) -> bool {
    run.versioning.info.as_ref().is_some_and(|info| info.version_transition.is_some())
}

/// The first workflow task goes to the ramping version, whatever the run's place in the ramp: so wants the
/// continue-as-new that made the run.
pub fn wants_ramping_version(run: &RunState) -> bool {
    let initial = run.versioning.info.as_ref().map(|info| info.continue_as_new_initial_versioning_behavior());
    run.last_completed_started_event_id == 0 && initial == Some(ContinueAsNewVersioningBehavior::UseRampingVersion)
}

/// `deployment:build id`.
fn version_text(version: &WorkerDeploymentVersion) -> String {
    format!("{}:{}", version.deployment_name, version.build_id)
}
