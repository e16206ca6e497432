//! The two calls that route: to a current version, and a part of the work to a ramping one.

use perdure_matching::DeploymentVersion;
use perdure_proto::{
    api::{deployment::WorkerDeploymentVersion, enums::WorkerDeploymentVersionStatus},
    perdure::persistence::v1::WorkerDeployment,
};
use prost::bytes::Bytes;
use tonic::Status;

use super::{
    Found, Next, change, room, routing,
    state::{self, Target},
};
use crate::status;

/// What both ways to route say about the change.
pub(super) struct Routing {
    /// None: unversioned workers.
    pub(super) build_id: Option<String>,
    pub(super) identity: String,
    pub(super) conflict_token: Bytes,
    pub(super) ignore_missing_task_queues: bool,
    pub(super) allow_no_pollers: bool,
}

impl Routing {
    fn target(&self) -> Target<'_> {
        self.build_id.as_deref().map_or(Target::Unversioned, Target::Version)
    }
}

/// What was before.
pub(super) struct Previous {
    pub(super) conflict_token: Bytes,
    pub(super) version: String,
    pub(super) deployment_version: Option<WorkerDeploymentVersion>,
    pub(super) percentage: f32,
}

impl Previous {
    fn new(deployment: &WorkerDeployment, token: &Bytes, target: Option<Target<'_>>, percentage: f32) -> Self {
        Self {
            conflict_token: token.clone(),
            version: target.map(|target| target.older(&deployment.name)).unwrap_or_default(),
            deployment_version: target.and_then(|target| target.version(&deployment.name)),
            percentage,
        }
    }
}

pub(super) fn set_current(found: &Found<'_>, name: &str, ask: &Routing) -> Result<(Next, Previous), Status> {
    let (mut deployment, is_new) = for_routing(found, name, ask)?;
    let (target, before) = (ask.target(), state::current(&deployment));
    if before == target && deployment.last_modifier_identity == ask.identity {
        let previous = Previous::new(&deployment, &deployment.conflict_token, Some(target), 0.0);
        return Ok((unchanged(deployment, is_new), previous));
    }
    change::check_token(&deployment, &ask.conflict_token)?;
    check_version(&deployment, ask)?;
    change::check_manager(&deployment, &ask.identity)?;
    let previous = Previous::new(&deployment, &found.token, Some(before), 0.0);
    if before != target {
        add_version(found, &mut deployment, ask)?;
        if misses_queues(found, &deployment, target, ask) {
            return Err(missing_queues(&deployment, ask, "current"));
        }
        state::set_current(&mut deployment, target, found.now);
    }
    Ok((change::by_client(found, deployment, &ask.identity), previous))
}

/// `ask` None for its target's place: the ramp ends.
pub(super) fn set_ramp(
    found: &Found<'_>,
    name: &str,
    ask: &Routing,
    ramp: Option<f32>,
) -> Result<(Next, Previous), Status> {
    let (mut deployment, is_new) = for_routing(found, name, ask)?;
    let percentage = ramp.unwrap_or_default();
    let (target, before) = (ramp.map(|_| ask.target()), state::ramping(&deployment));
    let before_percentage = state::routing(&deployment).ramping_version_percentage;
    let is_same = before == target && before_percentage == percentage;
    if is_same && deployment.last_modifier_identity == ask.identity {
        let previous = Previous::new(&deployment, &deployment.conflict_token, target, percentage);
        return Ok((unchanged(deployment, is_new), previous));
    }
    change::check_token(&deployment, &ask.conflict_token)?;
    if target == Some(state::current(&deployment)) {
        let version = ask.target().older(name);
        return Err(status::failed_precondition(format!("requested ramping version {version} is already current")));
    }
    if target.is_some() {
        check_version(&deployment, ask)?;
    }
    change::check_manager(&deployment, &ask.identity)?;
    let previous = Previous::new(&deployment, &found.token, before, before_percentage);
    if !is_same {
        if let Some(target) = target.filter(|_| before != target) {
            add_version(found, &mut deployment, ask)?;
            if misses_queues(found, &deployment, target, ask) {
                return Err(missing_queues(&deployment, ask, "ramping"));
            }
        }
        state::set_ramp(&mut deployment, target, percentage, found.now);
    }
    Ok((change::by_client(found, deployment, &ask.identity), previous))
}

/// The deployment, or a new one where workers need not have come first.
fn for_routing(found: &Found<'_>, name: &str, ask: &Routing) -> Result<(WorkerDeployment, bool), Status> {
    match found.deployment {
        Some(deployment) => Ok((deployment.clone(), false)),
        None if ask.allow_no_pollers => Ok((room::made_by_client(found, name, &found.request_id)?, true)),
        None => Err(change::no_deployment(name)),
    }
}

fn unchanged(deployment: WorkerDeployment, is_new: bool) -> Next {
    if is_new { Next::put(deployment) } else { Next::Same }
}

fn check_version(deployment: &WorkerDeployment, ask: &Routing) -> Result<(), Status> {
    let missing = ask.build_id.as_ref().filter(|build_id| !deployment.versions.contains_key(*build_id));
    match missing {
        Some(build_id) if !ask.allow_no_pollers => Err(change::no_version(&deployment.name, build_id)),
        _ => Ok(()),
    }
}

fn add_version(found: &Found<'_>, deployment: &mut WorkerDeployment, ask: &Routing) -> Result<(), Status> {
    match &ask.build_id {
        Some(build_id) if !deployment.versions.contains_key(build_id) => {
            room::for_version(found, deployment, build_id)?;
            let version = state::new_version(WorkerDeploymentVersionStatus::Created, found.now);
            deployment.versions.insert(build_id.clone(), version);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The current version has a queue with work that the target does not have: its tasks would go to unversioned workers.
fn misses_queues(found: &Found<'_>, deployment: &WorkerDeployment, target: Target<'_>, ask: &Routing) -> bool {
    let of = |target: Target<'_>| deployment.versions.get(target.build_id()?);
    let before = state::current(deployment);
    let (Some(old), Some(new)) = (of(before), of(target)) else { return false };
    let Some(old_version) = before.build_id().map(|id| DeploymentVersion::new(deployment.name.as_str(), id)) else {
        return false;
    };
    !ask.ignore_missing_task_queues
        && state::queues(old)
            .filter(|(queue, kind)| !state::has_queue(new, queue, *kind))
            .filter_map(|(queue, kind)| routing::key(found.namespace_id, queue, kind))
            .any(|key| found.has_work(&key, &old_version))
}

fn missing_queues(deployment: &WorkerDeployment, ask: &Routing, role: &str) -> Status {
    let version = format!("{}:{}", deployment.name, ask.build_id.as_deref().unwrap_or_default());
    status::failed_precondition(format!(
        "proposed {role} version '{version}' is missing active task queues from the current version; these would become \
         unversioned if it is set as the {role} version"
    ))
}
