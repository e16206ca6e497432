//! What each call makes of a deployment: from the newest state to the next one, or a refusal that changes nothing. The calls
//! that route are in `reroute.rs`.
//!
//! The order of the checks is Temporal's, so that a request with two mistakes hears of the same one.

use std::collections::BTreeMap;

use perdure_proto::{
    api::{
        common::Payload,
        deployment::VersionMetadata,
        enums::{TaskQueueType, WorkerDeploymentVersionStatus},
    },
    perdure::persistence::v1::{WorkerDeployment, WorkerDeploymentVersionState},
};
use prost::{Message, bytes::Bytes};
use tonic::Status;

use super::{Found, Next, names, room, routing, state};
use crate::status;

/// A worker of the version polls the queue.
pub(super) fn register(
    found: &Found<'_>,
    name: &str,
    build_id: &str,
    queue: &str,
    kind: TaskQueueType,
) -> Result<Next, Status> {
    let mut deployment = match found.deployment {
        Some(deployment) => deployment.clone(),
        None => {
            room::for_deployment(found)?;
            WorkerDeployment { conflict_token: found.token.clone(), ..state::new(name, found.now) }
        }
    };
    if !deployment.versions.contains_key(build_id) {
        room::for_version(found, &mut deployment, build_id)?;
        let version = state::new_version(WorkerDeploymentVersionStatus::Inactive, found.now);
        deployment.versions.insert(build_id.to_owned(), version);
    }
    let Some(version) = deployment.versions.get_mut(build_id) else { return Ok(Next::Same) };
    if state::has_queue(version, queue, kind) {
        return Ok(Next::Same);
    }
    let key = routing::key(found.namespace_id, queue, kind);
    let versions = key.and_then(|key| found.matching.routing(&key)).map_or(0, |routing| routing.versions.len());
    let limit = found.limits.versions_per_task_queue;
    // One more, so that a version of this deployment that nobody needs can go first.
    if versions > limit {
        return Err(room::limit_reached(format!(
            "exceeding maximum number of Deployment Versions in this task queue (limit = {limit})"
        )));
    }
    let limit = found.limits.task_queues_per_deployment_version;
    if !version.task_queues.contains_key(queue) && version.task_queues.len() >= limit {
        return Err(room::limit_reached(format!(
            "cannot add task queue {queue} since maximum number of task queues ({limit}) have been registered in deployment"
        )));
    }
    state::add_queue(version, queue, kind);
    Ok(Next::put(deployment))
}

/// Does something to a version, if it is there.
pub(super) fn version(
    found: &Found<'_>,
    build_id: &str,
    act: impl FnOnce(&mut WorkerDeploymentVersionState, i64),
) -> Next {
    let Some(mut deployment) = found.deployment.cloned() else { return Next::Same };
    let Some(version) = deployment.versions.get_mut(build_id) else { return Next::Same };
    act(version, found.now);
    if found.deployment == Some(&deployment) { Next::Same } else { Next::put(deployment) }
}

pub(super) fn create(found: &Found<'_>, name: &str, identity: &str, request_id: &str) -> Result<(Next, Bytes), Status> {
    if let Some(deployment) = found.deployment {
        if deployment.create_request_id == request_id {
            return Ok((Next::Same, deployment.conflict_token.clone()));
        }
        let by_polls = if deployment.create_request_id.is_empty() { " (auto-created from worker polls)" } else { "" };
        return Err(Status::already_exists(format!("Worker Deployment with name {name:?} already exists{by_polls}")));
    }
    let mut deployment = room::made_by_client(found, name, request_id)?;
    identity.clone_into(&mut deployment.last_modifier_identity);
    Ok((Next::put(deployment), found.token.clone()))
}

pub(super) fn create_version(
    found: &Found<'_>,
    name: &str,
    build_id: &str,
    identity: &str,
    request_id: &str,
) -> Result<(Next, ()), Status> {
    let mut deployment = found.deployment.cloned().ok_or_else(|| no_deployment(name))?;
    if let Some(version) = deployment.versions.get(build_id) {
        if version.create_request_id == request_id {
            return Ok((Next::Same, ()));
        }
        let version = names::older(name, build_id);
        return Err(Status::already_exists(format!("Worker Deployment Version {version:?} already exists")));
    }
    room::for_version(found, &mut deployment, build_id)?;
    let version = WorkerDeploymentVersionState {
        create_request_id: request_id.to_owned(),
        last_modifier_identity: identity.to_owned(),
        ..state::new_version(WorkerDeploymentVersionStatus::Created, found.now)
    };
    deployment.versions.insert(build_id.to_owned(), version);
    Ok((Next::put(deployment), ()))
}

pub(super) fn delete(found: &Found<'_>) -> Result<(Next, ()), Status> {
    match found.deployment {
        Some(deployment) if !deployment.versions.is_empty() => {
            Err(status::failed_precondition("deployment has versions, can't be deleted"))
        }
        Some(_) => Ok((Next::Gone, ())),
        None => Ok((Next::Same, ())),
    }
}

pub(super) fn delete_version(
    found: &Found<'_>,
    name: &str,
    build_id: &str,
    skip_drainage: bool,
    identity: &str,
) -> Result<(Next, ()), Status> {
    let mut deployment = found.deployment.cloned().ok_or_else(|| no_deployment(name))?;
    let Some(version) = deployment.versions.get(build_id) else { return Ok((Next::Same, ())) };
    let refuse = |reason: &str| {
        Err(status::failed_precondition(format!("version '{name}:{build_id}' cannot be deleted since it {reason}")))
    };
    if room::is_routed_to(&deployment, build_id) {
        return refuse("is current or ramping");
    }
    check_manager(&deployment, identity)?;
    if !skip_drainage && version.status() == WorkerDeploymentVersionStatus::Draining {
        return refuse("is draining");
    }
    if found.has_pollers(name, build_id, version) {
        return refuse("has active pollers");
    }
    deployment.versions.remove(build_id);
    identity.clone_into(&mut deployment.last_modifier_identity);
    Ok((Next::put(deployment), ()))
}

pub(super) fn set_manager(
    found: &Found<'_>,
    name: &str,
    manager: &str,
    identity: &str,
    conflict_token: &Bytes,
) -> Result<(Next, (Bytes, String)), Status> {
    let mut deployment = found.deployment.cloned().ok_or_else(|| no_deployment(name))?;
    if deployment.manager_identity == manager && deployment.last_modifier_identity == identity {
        return Ok((Next::Same, (deployment.conflict_token, manager.to_owned())));
    }
    check_token(&deployment, conflict_token)?;
    let previous = std::mem::replace(&mut deployment.manager_identity, manager.to_owned());
    Ok((by_client(found, deployment, identity), (found.token.clone(), previous)))
}

/// All versions' metadata together is bounded: a deployment is one row.
pub(super) fn set_metadata(
    found: &Found<'_>,
    name: &str,
    build_id: &str,
    upserts: &BTreeMap<String, Payload>,
    removals: &[String],
    identity: &str,
) -> Result<(Next, Option<VersionMetadata>), Status> {
    let mut deployment = found.deployment.cloned().ok_or_else(|| no_version(name, build_id))?;
    let version = deployment.versions.get_mut(build_id).ok_or_else(|| no_version(name, build_id))?;
    if !upserts.is_empty() {
        let entries = &mut version.metadata.get_or_insert_default().entries;
        entries.extend(upserts.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    if let Some(metadata) = &mut version.metadata {
        removals.iter().for_each(|key| drop(metadata.entries.remove(key)));
    }
    identity.clone_into(&mut version.last_modifier_identity);
    let metadata = version.metadata.clone();
    let size: usize =
        deployment.versions.values().flat_map(|version| &version.metadata).map(Message::encoded_len).sum();
    let limit = found.limits.blob_size;
    if !upserts.is_empty() && i64::try_from(size).is_ok_and(|size| size > limit) {
        return Err(status::invalid(format!(
            "the metadata of all versions of Worker Deployment '{name}' would exceed {limit} bytes"
        )));
    }
    Ok((Next::put(deployment), metadata))
}

pub(super) fn by_client(found: &Found<'_>, mut deployment: WorkerDeployment, identity: &str) -> Next {
    deployment.conflict_token = found.token.clone();
    identity.clone_into(&mut deployment.last_modifier_identity);
    Next::put(deployment)
}

pub(super) fn check_token(deployment: &WorkerDeployment, token: &Bytes) -> Result<(), Status> {
    if token.is_empty() || *token == deployment.conflict_token {
        return Ok(());
    }
    Err(status::failed_precondition("conflict token mismatch"))
}

pub(super) fn check_manager(deployment: &WorkerDeployment, identity: &str) -> Result<(), Status> {
    let manager = &deployment.manager_identity;
    if manager.is_empty() || manager == identity {
        return Ok(());
    }
    Err(status::failed_precondition(format!(
        "ManagerIdentity '{manager}' is set and does not match user identity '{identity}'; to proceed, set your own \
         identity as the ManagerIdentity, remove the ManagerIdentity, or wait for the other client to do so"
    )))
}

pub(super) fn no_deployment(name: &str) -> Status {
    status::not_found(format!(
        "no Worker Deployment found with name '{name}'; does your Worker Deployment have pollers?"
    ))
}

pub(super) fn no_version(name: &str, build_id: &str) -> Status {
    status::not_found(format!("build ID '{build_id}' not found in Worker Deployment '{name}'"))
}
