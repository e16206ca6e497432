//! Where the tasks of a queue go: the deployments' routing, told to matching queue by queue.

use std::collections::{BTreeMap, BTreeSet};

use perdure_engine::{Nanos, time::from_optional_timestamp};
use perdure_matching::{DeploymentVersion, QueueKey, QueueKind, QueueRouting, Ramp};
use perdure_proto::{api::enums::TaskQueueType, perdure::persistence::v1::WorkerDeployment};
use uuid::Uuid;

use super::{
    Deployment,
    state::{self, Target},
};

/// A queue name and which of its queues.
pub(super) type Queue = (String, TaskQueueType);

/// All queues that some version of the deployment has.
pub(super) fn queues(deployment: &WorkerDeployment) -> BTreeSet<Queue> {
    let queues = deployment.versions.values().flat_map(state::queues);
    queues.map(|(name, kind)| (name.to_owned(), kind)).collect()
}

/// None for a type that no worker polls.
pub(super) fn key(namespace_id: Uuid, name: &str, kind: TaskQueueType) -> Option<QueueKey> {
    let kind = match kind {
        TaskQueueType::Workflow => QueueKind::Workflow,
        TaskQueueType::Activity => QueueKind::Activity,
        TaskQueueType::Nexus => QueueKind::Nexus,
        TaskQueueType::Unspecified => return None,
    };
    Some(QueueKey { namespace_id, name: name.into(), kind })
}

/// None for a sticky queue, which is of one worker and not of its version.
pub(super) fn kind(key: &QueueKey) -> Option<TaskQueueType> {
    match key.kind {
        QueueKind::Workflow => Some(TaskQueueType::Workflow),
        QueueKind::Activity => Some(TaskQueueType::Activity),
        QueueKind::Nexus => Some(TaskQueueType::Nexus),
        QueueKind::StickyWorkflow => None,
    }
}

/// The routing of one queue by all deployments of its namespace. None: it is in none.
///
/// A queue can be in several deployments, as when it moves from one to another: then the one counts whose routing to a
/// version that has the queue changed last.
pub(super) fn of_queue(
    deployments: &BTreeMap<String, Deployment>,
    queue: &str,
    kind: TaskQueueType,
) -> Option<QueueRouting> {
    let has = |deployment: &Deployment, build_id: &str| {
        deployment.versions.get(build_id).is_some_and(|version| state::has_queue(version, queue, kind))
    };
    let mut versions = BTreeSet::new();
    let mut members = Vec::new();
    for deployment in deployments.values() {
        let before = versions.len();
        let found = deployment.versions.keys().filter(|build_id| has(deployment, build_id));
        versions.extend(found.map(|build_id| DeploymentVersion::new(deployment.name.as_str(), build_id.as_str())));
        members.extend((versions.len() > before).then_some(deployment));
    }
    if members.is_empty() {
        return None;
    }
    let latest = |routes: &dyn Fn(&Deployment) -> bool, changed: fn(&Deployment) -> Nanos| {
        members.iter().copied().filter(|member| routes(member)).max_by_key(|member| changed(member))
    };
    let to_version = |member: &Deployment, target: Option<Target<'_>>| {
        target.and_then(Target::build_id).is_some_and(|build_id| has(member, build_id))
    };
    let owner = latest(&|member| to_version(member, Some(state::current(member))), current_changed);
    let unrouted = latest(&|member| state::current(member) == Target::Unversioned, current_changed);
    let ramper = latest(&|member| to_version(member, state::ramping(member)), ramp_changed);
    // A ramp to unversioned workers is of the deployment whose current version has the queue.
    let ramper = ramper.or_else(|| owner.filter(|owner| state::ramping(owner) == Some(Target::Unversioned)));
    let times = [owner.or(unrouted).map(current_changed), ramper.map(ramp_changed)];
    let ramp = |ramper: &Deployment| {
        let percentage = state::routing(ramper).ramping_version_percentage;
        Some(Ramp { to: version(ramper, state::ramping(ramper)?), percentage })
    };
    Some(QueueRouting {
        current: owner.and_then(|owner| version(owner, state::current(owner))),
        ramping: ramper.and_then(ramp),
        revision: owner.or(ramper).or(unrouted).map_or(0, |deployment| state::routing(deployment).revision_number),
        update_time: times.into_iter().flatten().max().unwrap_or_default(),
        versions,
    })
}

fn current_changed(deployment: &Deployment) -> Nanos {
    from_optional_timestamp(state::routing(deployment).current_version_changed_time.as_ref()).unwrap_or_default()
}

/// The ramp's percentage, which changes with its version.
fn ramp_changed(deployment: &Deployment) -> Nanos {
    let changed = state::routing(deployment).ramping_version_percentage_changed_time;
    from_optional_timestamp(changed.as_ref()).unwrap_or_default()
}

fn version(deployment: &WorkerDeployment, target: Target<'_>) -> Option<DeploymentVersion> {
    target.build_id().map(|build_id| DeploymentVersion::new(deployment.name.as_str(), build_id))
}
