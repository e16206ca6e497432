//! The RPCs that change deployments.

use perdure_proto::api::{
    deployment::WorkerDeploymentVersion,
    workflowservice::{self as api, set_worker_deployment_manager_request::NewManagerIdentity},
};
use tonic::Status;
use uuid::Uuid;

use super::{
    Found, change, names,
    reroute::{self, Routing},
};
use crate::{Frontend, call::Call, limits::FrontendLimits, namespaces::AuthorizedNamespace, status, validate::ids};

impl Frontend {
    pub(crate) async fn set_current_version(
        &self,
        _: &Call,
        request: api::SetWorkerDeploymentCurrentVersionRequest,
    ) -> Result<api::SetWorkerDeploymentCurrentVersionResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        if request.deployment_name.is_empty() {
            return Err(status::invalid("deployment name cannot be empty"));
        }
        let ask = Routing {
            build_id: routed_build_id(
                &request.deployment_name,
                &request.version,
                request.build_id,
                namespace.limits(),
            )?,
            identity: identity(request.identity, namespace.limits())?,
            conflict_token: request.conflict_token,
            ignore_missing_task_queues: request.ignore_missing_task_queues,
            allow_no_pollers: request.allow_no_pollers,
        };
        let make = move |found: Found<'_>, name: &str| reroute::set_current(&found, name, &ask);
        let previous = self.deployments.change(namespace.id(), &request.deployment_name, make).await?;
        Ok(api::SetWorkerDeploymentCurrentVersionResponse {
            conflict_token: previous.conflict_token,
            previous_version: previous.version,
            previous_deployment_version: previous.deployment_version,
        })
    }

    /// Without a version and with 0 percent: the ramp ends.
    pub(crate) async fn set_ramping_version(
        &self,
        _: &Call,
        request: api::SetWorkerDeploymentRampingVersionRequest,
    ) -> Result<api::SetWorkerDeploymentRampingVersionResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        if !(0.0..=100.0).contains(&request.percentage) {
            return Err(status::invalid("Percentage must be between 0 and 100 (inclusive)"));
        }
        let build_id =
            routed_build_id(&request.deployment_name, &request.version, request.build_id, namespace.limits())?;
        // Minus zero is zero.
        let percentage = request.percentage + 0.0;
        let ramp = (build_id.is_some() || percentage > 0.0).then_some(percentage);
        let ask = Routing {
            build_id,
            identity: identity(request.identity, namespace.limits())?,
            conflict_token: request.conflict_token,
            ignore_missing_task_queues: request.ignore_missing_task_queues,
            allow_no_pollers: request.allow_no_pollers,
        };
        let make = move |found: Found<'_>, name: &str| reroute::set_ramp(&found, name, &ask, ramp);
        let previous = self.deployments.change(namespace.id(), &request.deployment_name, make).await?;
        Ok(api::SetWorkerDeploymentRampingVersionResponse {
            conflict_token: previous.conflict_token,
            previous_version: previous.version,
            previous_deployment_version: previous.deployment_version,
            previous_percentage: previous.percentage,
        })
    }

    pub(crate) async fn set_deployment_manager(
        &self,
        _: &Call,
        request: api::SetWorkerDeploymentManagerRequest,
    ) -> Result<api::SetWorkerDeploymentManagerResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        if request.identity.is_empty() {
            return Err(status::invalid("Identity is required"));
        }
        names::deployment_name(&request.deployment_name, namespace.limits())?;
        let identity = identity(request.identity, namespace.limits())?;
        let manager = match request.new_manager_identity {
            Some(NewManagerIdentity::Self_(true)) => identity.clone(),
            Some(NewManagerIdentity::ManagerIdentity(manager)) => manager,
            Some(NewManagerIdentity::Self_(false)) | None => String::new(),
        };
        ids::optional("ManagerIdentity", &manager, namespace.limits())?;
        let token = request.conflict_token;
        let make = move |found: Found<'_>, name: &str| change::set_manager(&found, name, &manager, &identity, &token);
        let changed = self.deployments.change(namespace.id(), &request.deployment_name, make).await?;
        let (conflict_token, previous_manager_identity) = changed;
        Ok(api::SetWorkerDeploymentManagerResponse { conflict_token, previous_manager_identity })
    }

    pub(crate) async fn update_version_metadata(
        &self,
        _: &Call,
        request: api::UpdateWorkerDeploymentVersionMetadataRequest,
    ) -> Result<api::UpdateWorkerDeploymentVersionMetadataResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        if request.upsert_entries.is_empty() && request.remove_entries.is_empty() {
            return Err(status::invalid("At least one of remove_entries or upsert_entries must be provided"));
        }
        let version = names::version(request.deployment_version.as_ref(), &request.version, namespace.limits())?;
        let identity = identity(request.identity, namespace.limits())?;
        let (upserts, removals) = (request.upsert_entries, request.remove_entries);
        let (name, build_id) = (version.deployment_name, version.build_id);
        let make = move |found: Found<'_>, name: &str| {
            change::set_metadata(&found, name, &build_id, &upserts, &removals, &identity)
        };
        let metadata = self.deployments.change(namespace.id(), &name, make).await?;
        Ok(api::UpdateWorkerDeploymentVersionMetadataResponse { metadata })
    }

    pub(crate) async fn create_deployment(
        &self,
        _: &Call,
        request: api::CreateWorkerDeploymentRequest,
    ) -> Result<api::CreateWorkerDeploymentResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        if request.deployment_name.is_empty() {
            return Err(status::invalid("deployment name cannot be empty"));
        }
        names::deployment_name(&request.deployment_name, namespace.limits())?;
        let (identity, request_id) =
            (identity(request.identity, namespace.limits())?, request_id(request.request_id, namespace.limits())?);
        let make = move |found: Found<'_>, name: &str| change::create(&found, name, &identity, &request_id);
        let conflict_token = self.deployments.change(namespace.id(), &request.deployment_name, make).await?;
        Ok(api::CreateWorkerDeploymentResponse { conflict_token })
    }

    pub(crate) async fn create_deployment_version(
        &self,
        _: &Call,
        request: api::CreateWorkerDeploymentVersionRequest,
    ) -> Result<api::CreateWorkerDeploymentVersionResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let version = named_version(request.deployment_version, namespace.limits())?;
        if request.compute_config.is_some_and(|config| !config.scaling_groups.is_empty()) {
            return Err(no_compute());
        }
        let (identity, request_id) =
            (identity(request.identity, namespace.limits())?, request_id(request.request_id, namespace.limits())?);
        let (name, build_id) = (version.deployment_name, version.build_id);
        let make =
            move |found: Found<'_>, name: &str| change::create_version(&found, name, &build_id, &identity, &request_id);
        self.deployments.change(namespace.id(), &name, make).await?;
        Ok(api::CreateWorkerDeploymentVersionResponse {})
    }

    pub(crate) async fn delete_deployment(
        &self,
        _: &Call,
        request: api::DeleteWorkerDeploymentRequest,
    ) -> Result<api::DeleteWorkerDeploymentResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        names::deployment_name(&request.deployment_name, namespace.limits())?;
        let make = |found: Found<'_>, _: &str| change::delete(&found);
        self.deployments.change(namespace.id(), &request.deployment_name, make).await?;
        Ok(api::DeleteWorkerDeploymentResponse {})
    }

    pub(crate) async fn delete_deployment_version(
        &self,
        _: &Call,
        request: api::DeleteWorkerDeploymentVersionRequest,
    ) -> Result<api::DeleteWorkerDeploymentVersionResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let version = names::version(request.deployment_version.as_ref(), &request.version, namespace.limits())?;
        let identity = identity(request.identity, namespace.limits())?;
        let (name, build_id) = (version.deployment_name, version.build_id);
        let make = move |found: Found<'_>, name: &str| {
            change::delete_version(&found, name, &build_id, request.skip_drainage, &identity)
        };
        self.deployments.change(namespace.id(), &name, make).await?;
        Ok(api::DeleteWorkerDeploymentVersionResponse {})
    }

    /// This server starts no workers, so there never is a configuration to change: to remove what is not there is done at
    /// once.
    pub(crate) async fn update_compute_config(
        &self,
        _: &Call,
        request: api::UpdateWorkerDeploymentVersionComputeConfigRequest,
    ) -> Result<api::UpdateWorkerDeploymentVersionComputeConfigResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let version = named_version(request.deployment_version, namespace.limits())?;
        self.known_version(&namespace, &version)?;
        if !request.compute_config_scaling_groups.is_empty() {
            return Err(no_compute());
        }
        Ok(api::UpdateWorkerDeploymentVersionComputeConfigResponse {})
    }

    pub(crate) async fn validate_compute_config(
        &self,
        _: &Call,
        request: api::ValidateWorkerDeploymentVersionComputeConfigRequest,
    ) -> Result<api::ValidateWorkerDeploymentVersionComputeConfigResponse, Status> {
        self.namespaces.resolve(&request.namespace)?;
        if request.compute_config_scaling_groups.is_empty() {
            return Err(status::invalid(
                "No prior compute config found, which means nothing can be removed and something needs to be added to be \
                 valid",
            ));
        }
        Err(no_compute())
    }

    fn known_version(&self, namespace: &AuthorizedNamespace, version: &WorkerDeploymentVersion) -> Result<(), Status> {
        let deployment = self.deployments.get(namespace.id(), &version.deployment_name);
        match deployment.is_some_and(|deployment| deployment.versions.contains_key(&version.build_id)) {
            true => Ok(()),
            false => Err(change::no_version(&version.deployment_name, &version.build_id)),
        }
    }
}

fn no_compute() -> Status {
    Status::unimplemented("Compute configurations are not supported: this server does not start workers")
}

/// Of what work is routed to. None: unversioned workers.
fn routed_build_id(
    deployment_name: &str,
    version: &str,
    build_id: String,
    limits: &FrontendLimits,
) -> Result<Option<String>, Status> {
    let build_id = if version.is_empty() {
        Some(build_id).filter(|build_id| !build_id.is_empty())
    } else {
        let parsed = names::parse(version).map_err(|why| status::invalid(format!("invalid version string: {why}")))?;
        if let Some(other) = parsed.as_ref().filter(|parsed| parsed.deployment_name != deployment_name) {
            let version = names::older(&other.deployment_name, &other.build_id);
            return Err(status::invalid(format!(
                "invalid version string '{version}' does not match deployment name '{deployment_name}'"
            )));
        }
        parsed.map(|version| version.build_id)
    };
    names::deployment_name(deployment_name, limits)?;
    build_id.iter().try_for_each(|build_id| names::build_id(build_id, limits))?;
    Ok(build_id)
}

/// For the calls that have never had a deprecated way to name a version.
fn named_version(
    version: Option<WorkerDeploymentVersion>,
    limits: &FrontendLimits,
) -> Result<WorkerDeploymentVersion, Status> {
    let version = version.unwrap_or_default();
    if version.deployment_name.is_empty() {
        return Err(status::invalid("deployment name cannot be empty"));
    }
    if version.build_id.is_empty() {
        return Err(status::invalid("build ID cannot be empty"));
    }
    names::version(Some(&version), "", limits)
}

fn identity(identity: String, limits: &FrontendLimits) -> Result<String, Status> {
    ids::optional("Identity", &identity, limits)?;
    Ok(identity)
}

/// One that no other request has, where the client gives none.
fn request_id(request_id: String, limits: &FrontendLimits) -> Result<String, Status> {
    ids::optional("RequestId", &request_id, limits)?;
    Ok(if request_id.is_empty() { Uuid::new_v4().to_string() } else { request_id })
}
