//! Versions between runs and queues: which workers a run's tasks go to, and of which version the workers are that take them.

use perdure_engine::{
    Effective, Reject, RunState, TakenBy, Target, effective, override_version, wants_ramping_version,
};
use perdure_matching::{DeploymentVersion, Directive, Matching, PollerInfo, QueueKey, QueueKind};
use perdure_proto::api::{
    deployment::WorkerDeploymentVersion, enums::VersioningBehavior, workflow::VersioningOverride,
};
use uuid::Uuid;

/// A run in its namespace, and what says where its tasks go.
#[derive(Clone, Copy)]
pub(crate) struct Router<'a> {
    pub(crate) matching: &'a Matching,
    pub(crate) namespace_id: Uuid,
    pub(crate) run: &'a RunState,
}

impl Router<'_> {
    /// Which workers may have the run's workflow tasks and queries.
    pub(crate) fn workflow_directive(&self) -> Directive {
        match self.pinned_version() {
            Some(version) => Directive::Pinned(version),
            None if wants_ramping_version(self.run) => self.ramping_directive(),
            None => self.by_routing(),
        }
    }

    /// Those of an activity in this queue: a pinned run's go to its version, unless the queue is another deployment's.
    pub(crate) fn activity_directive(&self, queue: &QueueKey) -> Directive {
        let Some(version) = self.pinned_version() else { return self.by_routing() };
        let is_pinned = match self.matching.routing(queue) {
            Some(routing) => routing.versions.contains(&version),
            // The version's workers may not have polled for activities yet.
            None => *queue.name == *self.run.task_queue,
        };
        if is_pinned { Directive::Pinned(version) } else { self.by_routing() }
    }

    /// The routing of the run's queue has moved on since the run's last task: the worker that has the run in its cache is
    /// of a version that is not to have its next one.
    pub(crate) fn is_routed_elsewhere(&self) -> bool {
        let Effective { behavior, version } = effective(self.run);
        behavior != VersioningBehavior::Pinned && self.target_version() != version.map(|version| known(&version))
    }

    /// What the engine is told about a worker that takes a task of the run.
    pub(crate) fn taken_by(&self, poller: &PollerInfo) -> TakenBy {
        let revision = self.matching.routing(&self.queue()).map_or(0, |routing| routing.revision);
        let version = self.target_version().as_ref().map(named);
        TakenBy { version: poller.deployment.as_ref().map(named), target: Some(Target { version, revision }) }
    }

    /// The version that the run's own queue sends it to.
    fn target_version(&self) -> Option<DeploymentVersion> {
        self.matching.route(&self.queue(), &self.by_routing())
    }

    fn pinned_version(&self) -> Option<DeploymentVersion> {
        let Effective { behavior, version } = effective(self.run);
        version.filter(|_| behavior == VersioningBehavior::Pinned).map(|version| known(&version))
    }

    /// The lowest hash is on the side of every ramp, but for one that takes no part of the runs yet.
    fn ramping_directive(&self) -> Directive {
        let routing = self.matching.routing(&self.queue());
        let ramp = routing.as_ref().and_then(|routing| routing.ramping.as_ref());
        match ramp.and_then(|ramp| ramp.to.clone().filter(|_| ramp.percentage <= 0.0)) {
            Some(version) => Directive::Pinned(version),
            None => Directive::ByRouting { hash_of: 0 },
        }
    }

    fn by_routing(&self) -> Directive {
        Directive::by_routing(&self.run.workflow_id)
    }

    fn queue(&self) -> QueueKey {
        workflow_queue(self.namespace_id, &self.run.task_queue)
    }
}

/// The same for a worker that takes a task without a queue: nobody asks for the routing.
pub(crate) fn taken_inline(poller: &PollerInfo) -> TakenBy {
    TakenBy { version: poller.deployment.as_ref().map(named), target: None }
}

/// The version's workers poll the queue for workflow tasks, or did.
pub(crate) fn has_version(
    matching: &Matching,
    namespace_id: Uuid,
    queue: &str,
    version: &WorkerDeploymentVersion,
) -> bool {
    let routing = matching.routing(&workflow_queue(namespace_id, queue));
    routing.is_some_and(|routing| routing.versions.contains(&known(version)))
}

/// FAILED_PRECONDITION for an override to a version that the queue does not have: the run's tasks would wait for it.
pub(crate) fn check_override(
    matching: &Matching,
    namespace_id: Uuid,
    queue: &str,
    set: Option<&VersioningOverride>,
) -> Result<(), Reject> {
    match override_version(set) {
        Some(version) if !has_version(matching, namespace_id, queue, version) => {
            let version = known(version);
            let text = format!("Pinned version '{version}' is not present in task queue '{queue}' of type 'Workflow'");
            Err(Reject::FailedPrecondition(text))
        }
        _ => Ok(()),
    }
}

fn workflow_queue(namespace_id: Uuid, name: &str) -> QueueKey {
    QueueKey { namespace_id, name: name.into(), kind: QueueKind::Workflow }
}

fn known(version: &WorkerDeploymentVersion) -> DeploymentVersion {
    DeploymentVersion::new(version.deployment_name.as_str(), version.build_id.as_str())
}

fn named(version: &DeploymentVersion) -> WorkerDeploymentVersion {
    WorkerDeploymentVersion { deployment_name: version.deployment.to_string(), build_id: version.build_id.to_string() }
}
