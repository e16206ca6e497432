//! Where the tasks of a queue go: the deployments' routing, told to matching queue by queue.

use std::collections::{BTreeMap, BTreeSet};

use perdure_engine::time::from_optional_timestamp;
use perdure_matching::{DeploymentVersion, QueueKey, QueueKind, QueueRouting, Ramp};
use perdure_proto::{api::enums::TaskQueueType, perdure::persistence::v1::WorkerDeployment};
use uuid::Uuid;

use super::{Deployment, state};

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
    let mut routing = QueueRouting::default();
    let (mut current, mut ramping) = (None, None);
    for deployment in deployments.values() {
        let has = |build_id: &str| {
            deployment.versions.get(build_id).is_some_and(|version| state::has_queue(version, queue, kind))
        };
        let name = deployment.name.as_str();
        let members = deployment.versions.keys().filter(|build_id| has(build_id));
        routing.versions.extend(members.map(|build_id| DeploymentVersion::new(name, build_id.as_str())));
        let Some(config) = &deployment.routing else { continue };
        if state::current(deployment).build_id().is_some_and(has) {
            current = current.max(Some((from_optional_timestamp(config.current_version_changed_time.as_ref()), name)));
        }
        if state::ramping(deployment).and_then(state::Target::build_id).is_some_and(has) {
            let changed = config.ramping_version_percentage_changed_time.as_ref();
            ramping = ramping.max(Some((from_optional_timestamp(changed), name)));
        }
    }
    if routing.versions.is_empty() {
        return None;
    }
    let owner = current.and_then(|(_, name)| deployments.get(name));
    if let Some(owner) = owner {
        routing.current = version(owner, state::current(owner));
    }
    // A ramp to unversioned workers is of the deployment whose current version has the queue.
    let ramper = ramping.and_then(|(_, name)| deployments.get(name));
    let ramper = ramper.or_else(|| owner.filter(|owner| state::ramping(owner) == Some(state::Target::Unversioned)));
    if let Some((ramper, target)) = ramper.and_then(|ramper| Some((ramper, state::ramping(ramper)?))) {
        let percentage = state::routing(ramper).ramping_version_percentage;
        routing.ramping = Some(Ramp { to: version(ramper, target), percentage });
    }
    let changed = [current.map(|(time, _)| time), ramping.map(|(time, _)| time)];
    routing.update_time = changed.into_iter().flatten().flatten().max().unwrap_or_default();
    let revision = |deployment: &Deployment| state::routing(deployment).revision_number;
    routing.revision = owner.or(ramper).map_or(0, revision);
    Some(routing)
}

fn version(deployment: &WorkerDeployment, target: state::Target<'_>) -> Option<DeploymentVersion> {
    target.build_id().map(|build_id| DeploymentVersion::new(deployment.name.as_str(), build_id))
}
