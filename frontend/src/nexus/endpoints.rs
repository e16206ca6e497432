//! The operator's RPCs on Nexus endpoints. An endpoint works at once when it is made.

use std::{sync::Arc, time::SystemTime};

use perdure_history::{EndpointError, NexusEndpoints};
use perdure_proto::{
    api::{
        nexus::{
            Endpoint, EndpointSpec, EndpointTarget,
            endpoint_target::{External, Variant, Worker},
        },
        operatorservice::{
            CreateNexusEndpointRequest, CreateNexusEndpointResponse, DeleteNamespaceRequest,
            DeleteNexusEndpointRequest, DeleteNexusEndpointResponse, GetNexusEndpointRequest, GetNexusEndpointResponse,
            ListNexusEndpointsRequest, ListNexusEndpointsResponse, UpdateNexusEndpointRequest,
            UpdateNexusEndpointResponse,
        },
    },
    perdure::persistence::v1::{NexusEndpoint, nexus_endpoint::Target},
    token::{ListPageToken, Sealer},
};
use prost::bytes::Bytes;
use tonic::Status;
use uuid::Uuid;

use super::endpoint_checks as check;
use crate::{error, limits::FrontendLimits, namespaces::Namespaces, status};

/// Tells page tokens of this list from others'.
const LIST: &[u8] = b"nexus endpoints";

/// What the RPCs work with.
#[derive(Clone)]
pub(crate) struct EndpointApi {
    pub(crate) endpoints: NexusEndpoints,
    pub(crate) namespaces: Namespaces,
    pub(crate) sealer: Sealer,
}

impl EndpointApi {
    pub(crate) async fn create(
        &self,
        request: CreateNexusEndpointRequest,
    ) -> Result<CreateNexusEndpointResponse, Status> {
        let described = check::endpoint(request.spec, &self.namespaces)?;
        let name = described.name.clone();
        let endpoint = NexusEndpoint {
            id: Uuid::new_v4().to_string(),
            version: 1,
            created_at: Some(SystemTime::now().into()),
            ..described
        };
        let created = self.endpoints.create(endpoint).await.map_err(|error| match error {
            EndpointError::Store(error) => error::of_store(error),
            _ => Status::already_exists(format!(
                "error creating Nexus endpoint. Endpoint with name {name} already registered"
            )),
        })?;
        Ok(CreateNexusEndpointResponse { endpoint: Some(self.shown(&created)) })
    }

    pub(crate) async fn update(
        &self,
        request: UpdateNexusEndpointRequest,
    ) -> Result<UpdateNexusEndpointResponse, Status> {
        let UpdateNexusEndpointRequest { id, version, spec } = request;
        let described = check::endpoint(spec, &self.namespaces)?;
        let name = described.name.clone();
        let endpoint = NexusEndpoint { id: id.clone(), updated_at: Some(SystemTime::now().into()), ..described };
        let updated = self.endpoints.update(version, endpoint).await.map_err(|error| match error {
            EndpointError::Store(error) => error::of_store(error),
            EndpointError::NotFound => {
                status::not_found(format!("error updating Nexus endpoint. endpoint ID {id} not found"))
            }
            EndpointError::Stale { current } => status::failed_precondition(format!(
                "nexus endpoint version mismatch. received: {version} expected {current}"
            )),
            EndpointError::NameTaken => Status::already_exists(format!(
                "error updating Nexus endpoint. Endpoint with name {name} already registered"
            )),
        })?;
        Ok(UpdateNexusEndpointResponse { endpoint: Some(self.shown(&updated)) })
    }

    /// As on Temporal's server any version deletes.
    pub(crate) async fn delete(
        &self,
        request: DeleteNexusEndpointRequest,
    ) -> Result<DeleteNexusEndpointResponse, Status> {
        check::id(&request.id, Some(request.version))?;
        match self.endpoints.delete(&request.id).await {
            Ok(()) => Ok(DeleteNexusEndpointResponse {}),
            Err(EndpointError::Store(error)) => Err(error::of_store(error)),
            Err(_) => Err(status::not_found(format!("error deleting nexus endpoint with ID: {}", request.id))),
        }
    }

    pub(crate) fn get(&self, request: &GetNexusEndpointRequest) -> Result<GetNexusEndpointResponse, Status> {
        check::id(&request.id, None)?;
        let found = self.endpoints.by_id(&request.id);
        let found =
            found.ok_or_else(|| status::not_found(format!("Nexus endpoint with ID `{}` not found", request.id)))?;
        Ok(GetNexusEndpointResponse { endpoint: Some(self.shown(&found)) })
    }

    pub(crate) fn list(&self, request: &ListNexusEndpointsRequest) -> Result<ListNexusEndpointsResponse, Status> {
        if !request.name.is_empty() {
            let found = self.endpoints.by_name(&request.name);
            let endpoints = found.iter().map(|endpoint| self.shown(endpoint)).collect();
            return Ok(ListNexusEndpointsResponse { endpoints, next_page_token: Bytes::new() });
        }
        let limit = page_size(request.page_size, &self.namespaces.limits())?;
        let after = self.position(&request.next_page_token)?;
        let mut found = self.endpoints.list(&after, limit + 1);
        let more = found.len() > limit;
        found.truncate(limit);
        let next_page_token = match found.last().filter(|_| more) {
            Some(last) => {
                let (query_hash, after) = (Bytes::from_static(LIST), last.id.clone());
                self.sealer.seal(&ListPageToken { query_hash, after, ..ListPageToken::default() })
            }
            None => Bytes::new(),
        };
        let endpoints = found.iter().map(|endpoint| self.shown(endpoint)).collect();
        Ok(ListNexusEndpointsResponse { next_page_token, endpoints })
    }

    /// A namespace stays while an endpoint names its workers. Whether the namespace exists is for others to say.
    pub(crate) fn check_not_targeted(&self, request: &DeleteNamespaceRequest) -> Result<(), Status> {
        let named = || self.namespaces.resolve(&request.namespace).ok().map(|namespace| namespace.id());
        let Some(id) = Uuid::parse_str(&request.namespace_id).ok().or_else(named) else { return Ok(()) };
        let id = id.to_string();
        let targets = |endpoint: &Arc<NexusEndpoint>| matches!(&endpoint.target, Some(Target::Worker(worker)) if worker.namespace_id == id);
        match self.endpoints.list("", usize::MAX).into_iter().find(targets) {
            None => Ok(()),
            Some(endpoint) => Err(status::failed_precondition(format!(
                "cannot delete a namespace that is a target of a Nexus endpoint {}",
                endpoint.name
            ))),
        }
    }

    /// The id of the last endpoint that the caller has seen.
    fn position(&self, token: &[u8]) -> Result<String, Status> {
        if token.is_empty() {
            return Ok(String::new());
        }
        let opened = self.sealer.open::<ListPageToken>(token).ok().filter(|token| token.query_hash == LIST);
        opened.map(|token| token.after).ok_or_else(|| status::invalid("Invalid NextPageToken."))
    }

    fn shown(&self, endpoint: &Arc<NexusEndpoint>) -> Endpoint {
        let variant = endpoint.target.clone().map(|target| match target {
            Target::Worker(worker) => {
                let id = Uuid::parse_str(&worker.namespace_id).ok();
                let namespace = id.and_then(|id| self.namespaces.by_id(id));
                let namespace = namespace.map(|namespace| namespace.name().to_string()).unwrap_or_default();
                Variant::Worker(Worker { namespace, task_queue: worker.task_queue })
            }
            Target::ExternalUrl(url) => Variant::External(External { url }),
        });
        let spec = EndpointSpec {
            name: endpoint.name.clone(),
            description: endpoint.description.clone(),
            target: Some(EndpointTarget { variant }),
        };
        Endpoint {
            version: endpoint.version,
            id: endpoint.id.clone(),
            spec: Some(spec),
            created_time: endpoint.created_at,
            last_modified_time: endpoint.updated_at,
            url_prefix: format!("/nexus/endpoints/{}/services", endpoint.id),
        }
    }
}

fn page_size(asked: i32, limits: &FrontendLimits) -> Result<usize, Status> {
    match usize::try_from(asked) {
        Ok(0) => Ok(limits.endpoint_page_default),
        Ok(size) if size > limits.endpoint_page => {
            Err(status::invalid(format!("page_size exceeds limit of {}", limits.endpoint_page)))
        }
        Ok(size) => Ok(size),
        Err(_) => Err(status::invalid("page_size is negative")),
    }
}
