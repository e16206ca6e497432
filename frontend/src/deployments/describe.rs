//! A stored deployment as the API shows it.

use perdure_proto::{
    api::{
        deployment::{
            WorkerDeploymentInfo, WorkerDeploymentVersion, WorkerDeploymentVersionInfo,
            worker_deployment_info::WorkerDeploymentVersionSummary,
            worker_deployment_version_info::VersionTaskQueueInfo,
        },
        enums::{RoutingConfigUpdateState, VersionDrainageStatus},
        workflowservice::list_worker_deployments_response::WorkerDeploymentSummary,
    },
    perdure::persistence::v1::{WorkerDeployment, WorkerDeploymentVersionState},
};

use super::{names, state};

/// Matching knows a new routing before its caller does, so it is never under way.
pub(super) fn deployment(deployment: &WorkerDeployment) -> WorkerDeploymentInfo {
    WorkerDeploymentInfo {
        name: deployment.name.clone(),
        version_summaries: newest_first(deployment)
            .into_iter()
            .map(|(build_id, version)| summary(&deployment.name, build_id, version))
            .collect(),
        create_time: deployment.created_at,
        routing_config: deployment.routing.clone(),
        last_modifier_identity: deployment.last_modifier_identity.clone(),
        manager_identity: deployment.manager_identity.clone(),
        routing_config_update_state: RoutingConfigUpdateState::Completed.into(),
    }
}

pub(super) fn listed(deployment: &WorkerDeployment) -> WorkerDeploymentSummary {
    let of = |build_id: Option<&str>| {
        let (build_id, version) = deployment.versions.get_key_value(build_id?)?;
        Some(summary(&deployment.name, build_id, version))
    };
    WorkerDeploymentSummary {
        name: deployment.name.clone(),
        create_time: deployment.created_at,
        routing_config: deployment.routing.clone(),
        latest_version_summary: of(newest_first(deployment).first().map(|(build_id, _)| *build_id)),
        current_version_summary: of(state::current(deployment).build_id()),
        ramping_version_summary: of(state::ramping(deployment).and_then(state::Target::build_id)),
    }
}

fn newest_first(deployment: &WorkerDeployment) -> Vec<(&str, &WorkerDeploymentVersionState)> {
    let mut versions: Vec<_> = deployment.versions.iter().map(|(id, version)| (id.as_str(), version)).collect();
    versions.sort_by_key(|(_, version)| {
        std::cmp::Reverse(version.created_at.map(|created| (created.seconds, created.nanos)))
    });
    versions
}

fn id(deployment_name: &str, build_id: &str) -> WorkerDeploymentVersion {
    WorkerDeploymentVersion { deployment_name: deployment_name.to_owned(), build_id: build_id.to_owned() }
}

fn summary(
    deployment_name: &str,
    build_id: &str,
    version: &WorkerDeploymentVersionState,
) -> WorkerDeploymentVersionSummary {
    let drainage = version.drainage.map_or(VersionDrainageStatus::Unspecified, |drainage| drainage.status());
    WorkerDeploymentVersionSummary {
        version: names::older(deployment_name, build_id),
        status: version.status,
        deployment_version: Some(id(deployment_name, build_id)),
        create_time: version.created_at,
        drainage_status: drainage.into(),
        drainage_info: version.drainage,
        current_since_time: version.current_since,
        ramping_since_time: version.ramping_since,
        routing_update_time: version.routing_changed_at,
        first_activation_time: version.first_activation,
        last_current_time: version.last_current,
        last_deactivation_time: version.last_deactivation,
        compute_config: None,
        compute_status: None,
    }
}

pub(super) fn version(
    deployment: &WorkerDeployment,
    build_id: &str,
    version: &WorkerDeploymentVersionState,
) -> WorkerDeploymentVersionInfo {
    let queues = state::queues(version);
    let ramp = state::routing(deployment).ramping_version_percentage;
    WorkerDeploymentVersionInfo {
        version: names::older(&deployment.name, build_id),
        status: version.status,
        deployment_version: Some(id(&deployment.name, build_id)),
        deployment_name: String::new(),
        create_time: version.created_at,
        routing_changed_time: version.routing_changed_at,
        current_since_time: version.current_since,
        ramping_since_time: version.ramping_since,
        first_activation_time: version.first_activation,
        last_current_time: version.last_current,
        last_deactivation_time: version.last_deactivation,
        ramp_percentage: if version.ramping_since.is_some() { ramp } else { 0.0 },
        task_queue_infos: queues
            .map(|(name, kind)| VersionTaskQueueInfo { name: name.to_owned(), r#type: kind.into() })
            .collect(),
        drainage_info: version.drainage,
        metadata: version.metadata.clone(),
        compute_config: None,
        last_modifier_identity: version.last_modifier_identity.clone(),
    }
}
