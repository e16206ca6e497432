//! The search attributes that say which versions a run has to do with.
//!
//! | attribute | value |
//! |---|---|
//! | BuildIds | `unversioned` or `pinned:DEPLOYMENT:BUILD`, then `unversioned:BUILD` of each build of unversioned workers |
//! | BinaryChecksums | those of the reset points |
//! | TemporalWorkerDeployment | of the override, else of the run, else the name that an unversioned worker gave |
//! | TemporalWorkerDeploymentVersion | of the override, else of the run |
//! | TemporalWorkflowVersioningBehavior | `Pinned` or `AutoUpgrade`: of the override, else of the run |
//! | TemporalUsedWorkerDeploymentVersions | all versions that completed a workflow task |

use perdure_proto::api::{
    enums::{EventType, VersioningBehavior},
    history::HistoryEvent,
};

use super::{overrides, version_text};
use crate::state::{RunState, Versioning};

/// Lists that are longer lose their oldest values.
const MAX_BYTES: usize = 2 * 1024;
const UNVERSIONED: &str = "unversioned";

/// The value of an attribute.
pub(crate) enum Shown {
    Keyword(String),
    List(Vec<String>),
}

/// Those that the run has.
pub(crate) fn shown(run: &RunState) -> Vec<(&'static str, Shown)> {
    let known = &run.versioning;
    let set = known.info.as_ref().and_then(|info| info.versioning_override.as_ref());
    let behavior = match (set, &known.info) {
        (Some(set), _) => overrides::behavior(set),
        (None, Some(info)) => info.behavior(),
        (None, None) => VersioningBehavior::Unspecified,
    };
    let version = overrides::target(set).or_else(|| known.info.as_ref()?.deployment_version.as_ref());
    let deployment = version.map_or(&known.worker_deployment_name, |version| &version.deployment_name);
    let version = version.map(version_text).unwrap_or_default();
    let behavior_name = match behavior {
        VersioningBehavior::Pinned => "Pinned",
        VersioningBehavior::AutoUpgrade => "AutoUpgrade",
        VersioningBehavior::Unspecified => "",
    };
    let checksums = known.reset_points.iter().map(|point| &point.binary_checksum).filter(|sum| !sum.is_empty());
    let lists = [
        ("BuildIds", build_ids(run, behavior, &version)),
        ("BinaryChecksums", checksums.cloned().collect()),
        ("TemporalUsedWorkerDeploymentVersions", known.used_versions.clone()),
    ];
    let keywords = [
        ("TemporalWorkerDeployment", deployment.as_str()),
        ("TemporalWorkerDeploymentVersion", version.as_str()),
        ("TemporalWorkflowVersioningBehavior", behavior_name),
    ];
    let lists = lists.into_iter().filter(|(_, values)| !values.is_empty());
    let keywords = keywords.into_iter().filter(|(_, value)| !value.is_empty());
    lists
        .map(|(name, values)| (name, Shown::List(within_limit(values))))
        .chain(keywords.map(|(name, value)| (name, Shown::Keyword(value.to_owned()))))
        .collect()
}

fn build_ids(run: &RunState, behavior: VersioningBehavior, version: &str) -> Vec<String> {
    let known = &run.versioning;
    // No worker and no override has said anything yet.
    if run.last_completed_event_id == 0 && known.info.is_none() {
        return Vec::new();
    }
    let first = match behavior {
        VersioningBehavior::Unspecified => Some(UNVERSIONED.to_owned()),
        VersioningBehavior::Pinned => Some(format!("pinned:{version}")),
        VersioningBehavior::AutoUpgrade => None,
    };
    first.into_iter().chain(known.builds.iter().map(|build| format!("{UNVERSIONED}:{build}"))).collect()
}

/// The first value of a list of build ids says what the run is: it stays.
fn within_limit(mut values: Vec<String>) -> Vec<String> {
    while values.len() > 2 && values.iter().map(|value| value.len() + 3).sum::<usize>() > MAX_BYTES {
        values.remove(1);
    }
    values
}

/// What the attributes follow from, as it was before an event that may change it.
pub(crate) struct Basis {
    no_task_completed: bool,
    known: Versioning,
}

/// None: the event leaves it as it is.
pub(crate) fn basis(run: &RunState, event: &HistoryEvent) -> Option<Basis> {
    let may_change =
        matches!(event.event_type(), EventType::WorkflowTaskCompleted | EventType::WorkflowExecutionOptionsUpdated);
    may_change.then(|| Basis { no_task_completed: has_no_task_completed(run), known: run.versioning.clone() })
}

fn has_no_task_completed(run: &RunState) -> bool {
    run.last_completed_event_id == 0
}

impl Basis {
    /// Versions that drain are counted by what lists show: that must not wait.
    pub(crate) fn is_counted_otherwise(&self, run: &RunState) -> bool {
        let (was, now) = (&self.known, &run.versioning);
        was.info != now.info
            || was.used_versions != now.used_versions
            || was.worker_deployment_name != now.worker_deployment_name
    }

    pub(crate) fn differs(&self, run: &RunState) -> bool {
        self.no_task_completed != has_no_task_completed(run) || self.known != run.versioning
    }
}
