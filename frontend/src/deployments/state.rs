//! The state of a deployment: which version gets new work, and what that makes of each version.
//!
//! | status   | made current | made ramping | no longer either | polled   | no pinned run is open | a run is pinned to it |
//! |----------|--------------|--------------|------------------|----------|-----------------------|-----------------------|
//! | Created  | Current      | Ramping      | -                | Inactive | -                     | -                     |
//! | Inactive | Current      | Ramping      | -                | -        | -                     | Draining              |
//! | Current  | -            | -            | Draining         | -        | -                     | -                     |
//! | Ramping  | Current      | -            | Draining         | -        | -                     | -                     |
//! | Draining | Current      | Ramping      | -                | -        | Drained               | -                     |
//! | Drained  | Current      | Ramping      | -                | -        | -                     | Draining              |
//!
//! `-`: nothing changes.

use perdure_engine::{Nanos, time::timestamp};
use perdure_proto::{
    api::{
        deployment::{RoutingConfig, VersionDrainageInfo, WorkerDeploymentVersion},
        enums::{TaskQueueType, VersionDrainageStatus, WorkerDeploymentVersionStatus as Status},
    },
    perdure::persistence::v1::{WorkerDeployment, WorkerDeploymentVersionState},
};

use super::names::{self, UNVERSIONED};

/// Where work can be routed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target<'a> {
    Unversioned,
    Version(&'a str),
}

impl<'a> Target<'a> {
    pub(super) fn build_id(self) -> Option<&'a str> {
        match self {
            Self::Unversioned => None,
            Self::Version(build_id) => Some(build_id),
        }
    }

    /// As deprecated fields and the texts of errors have it.
    pub(super) fn older(self, deployment_name: &str) -> String {
        match self {
            Self::Unversioned => UNVERSIONED.to_owned(),
            Self::Version(build_id) => names::older(deployment_name, build_id),
        }
    }

    pub(super) fn version(self, deployment_name: &str) -> Option<WorkerDeploymentVersion> {
        let build_id = self.build_id()?.to_owned();
        Some(WorkerDeploymentVersion { deployment_name: deployment_name.to_owned(), build_id })
    }
}

pub(super) fn new(name: &str, now: Nanos) -> WorkerDeployment {
    WorkerDeployment {
        name: name.to_owned(),
        created_at: Some(timestamp(now)),
        routing: Some(RoutingConfig { current_version: UNVERSIONED.to_owned(), ..RoutingConfig::default() }),
        ..WorkerDeployment::default()
    }
}

pub(super) fn new_version(status: Status, now: Nanos) -> WorkerDeploymentVersionState {
    WorkerDeploymentVersionState {
        status: status.into(),
        created_at: Some(timestamp(now)),
        ..WorkerDeploymentVersionState::default()
    }
}

pub(super) fn routing(deployment: &WorkerDeployment) -> RoutingConfig {
    deployment.routing.clone().unwrap_or_default()
}

pub(super) fn current(deployment: &WorkerDeployment) -> Target<'_> {
    let version = deployment.routing.as_ref().and_then(|routing| routing.current_deployment_version.as_ref());
    version.map_or(Target::Unversioned, |version| Target::Version(&version.build_id))
}

/// None: there is no ramp.
pub(super) fn ramping(deployment: &WorkerDeployment) -> Option<Target<'_>> {
    let routing = deployment.routing.as_ref()?;
    match &routing.ramping_deployment_version {
        Some(version) => Some(Target::Version(&version.build_id)),
        None if routing.ramping_version == UNVERSIONED => Some(Target::Unversioned),
        None => None,
    }
}

/// New work goes to the target; a ramp to the same one is over.
pub(super) fn set_current(deployment: &mut WorkerDeployment, target: Target<'_>, now: Nanos) {
    let name = deployment.name.as_str();
    let mut routing = routing(deployment);
    if ramping(deployment) == Some(target) {
        end_ramp(&mut routing, now);
    }
    routing.current_version = target.older(name);
    routing.current_deployment_version = target.version(name);
    routing.current_version_changed_time = Some(timestamp(now));
    routing.revision_number += 1;
    deployment.routing = Some(routing);
    settle(deployment, now);
}

/// A part of the work goes to the target. None: there is no ramp any more.
pub(super) fn set_ramp(deployment: &mut WorkerDeployment, target: Option<Target<'_>>, percentage: f32, now: Nanos) {
    let name = deployment.name.as_str();
    let mut routing = routing(deployment);
    if let Some(target) = target {
        if ramping(deployment) != Some(target) {
            routing.ramping_version_changed_time = Some(timestamp(now));
        }
        routing.ramping_version = target.older(name);
        routing.ramping_deployment_version = target.version(name);
        routing.ramping_version_percentage = percentage;
        routing.ramping_version_percentage_changed_time = Some(timestamp(now));
    } else {
        end_ramp(&mut routing, now);
    }
    routing.revision_number += 1;
    deployment.routing = Some(routing);
    settle(deployment, now);
}

fn end_ramp(routing: &mut RoutingConfig, now: Nanos) {
    routing.ramping_version = String::new();
    routing.ramping_deployment_version = None;
    routing.ramping_version_percentage = 0.0;
    routing.ramping_version_changed_time = Some(timestamp(now));
    routing.ramping_version_percentage_changed_time = Some(timestamp(now));
}

/// What the routing makes of each version.
fn settle(deployment: &mut WorkerDeployment, now: Nanos) {
    let routing = routing(deployment);
    for (build_id, version) in &mut deployment.versions {
        let is = |routed: &Option<WorkerDeploymentVersion>| {
            routed.as_ref().is_some_and(|routed| routed.build_id == *build_id)
        };
        let was_active = version.current_since.is_some() || version.ramping_since.is_some();
        if is(&routing.current_deployment_version) {
            activate(version, Status::Current, now);
            version.current_since = routing.current_version_changed_time;
            version.last_current = routing.current_version_changed_time;
            version.ramping_since = None;
            version.routing_changed_at = routing.current_version_changed_time;
        } else if is(&routing.ramping_deployment_version) {
            activate(version, Status::Ramping, now);
            version.current_since = None;
            version.ramping_since = routing.ramping_version_changed_time;
            version.routing_changed_at = routing.ramping_version_percentage_changed_time;
        } else if was_active {
            version.current_since = None;
            version.ramping_since = None;
            version.routing_changed_at = Some(timestamp(now));
            version.last_deactivation = Some(timestamp(now));
            drain(version, now);
        }
    }
}

fn activate(version: &mut WorkerDeploymentVersionState, status: Status, now: Nanos) {
    version.status = status.into();
    version.first_activation.get_or_insert(timestamp(now));
    version.last_deactivation = None;
    version.drainage = None;
}

fn drain(version: &mut WorkerDeploymentVersionState, now: Nanos) {
    version.status = Status::Draining.into();
    version.drainage = Some(VersionDrainageInfo {
        status: VersionDrainageStatus::Draining.into(),
        last_changed_time: Some(timestamp(now)),
        last_checked_time: Some(timestamp(now)),
    });
}

/// Whether a run that is pinned to the version matters to it.
pub(super) fn can_drain(version: &WorkerDeploymentVersionState) -> bool {
    matches!(version.status(), Status::Inactive | Status::Draining | Status::Drained)
}

/// A run is pinned to the version, which gets no other new work.
pub(super) fn pin(version: &mut WorkerDeploymentVersionState, now: Nanos) {
    if matches!(version.status(), Status::Inactive | Status::Drained) {
        drain(version, now);
    }
}

/// Somebody counted the open runs that are pinned to the version.
pub(super) fn counted(version: &mut WorkerDeploymentVersionState, pinned_runs: i64, now: Nanos) {
    if version.status() != Status::Draining {
        return;
    }
    let drainage = version.drainage.get_or_insert_default();
    drainage.last_checked_time = Some(timestamp(now));
    if pinned_runs == 0 {
        drainage.status = VersionDrainageStatus::Drained.into();
        drainage.last_changed_time = Some(timestamp(now));
        version.status = Status::Drained.into();
    }
}

pub(super) fn has_queue(version: &WorkerDeploymentVersionState, queue: &str, kind: TaskQueueType) -> bool {
    version.task_queues.get(queue).is_some_and(|found| found.types.contains(&kind.into()))
}

/// A worker of the version polls the queue.
pub(super) fn add_queue(version: &mut WorkerDeploymentVersionState, queue: &str, kind: TaskQueueType) {
    if version.status() == Status::Created {
        version.status = Status::Inactive.into();
    }
    let types = &mut version.task_queues.entry(queue.to_owned()).or_default().types;
    types.push(kind.into());
    types.sort_unstable();
    types.dedup();
}

/// The queues of a version with their types.
pub(super) fn queues(version: &WorkerDeploymentVersionState) -> impl Iterator<Item = (&str, TaskQueueType)> {
    version.task_queues.iter().flat_map(|(name, found)| found.types().map(move |kind| (name.as_str(), kind)))
}
