//! `OperatorService`: search attributes, Nexus endpoints, and the clusters that there are. What is not built answers UNIMPLEMENTED.

use std::collections::BTreeMap;

use perdure_proto::{
    api::{
        enums::IndexedValueType,
        operatorservice::{
            AddOrUpdateRemoteClusterRequest, AddOrUpdateRemoteClusterResponse, AddSearchAttributesRequest,
            AddSearchAttributesResponse, ClusterMetadata, CreateNexusEndpointRequest, CreateNexusEndpointResponse,
            DeleteNamespaceRequest, DeleteNamespaceResponse, DeleteNexusEndpointRequest, DeleteNexusEndpointResponse,
            GetNexusEndpointRequest, GetNexusEndpointResponse, ListClustersRequest, ListClustersResponse,
            ListNexusEndpointsRequest, ListNexusEndpointsResponse, ListSearchAttributesRequest,
            ListSearchAttributesResponse, RemoveRemoteClusterRequest, RemoveRemoteClusterResponse,
            RemoveSearchAttributesRequest, RemoveSearchAttributesResponse, UpdateNexusEndpointRequest,
            UpdateNexusEndpointResponse, operator_service_server::OperatorService,
        },
        workflowservice::GetSearchAttributesResponse,
    },
    perdure::persistence::v1::Namespace,
};
use perdure_storage::{SLOTS, visibility::AttributeKind};
use tonic::{Request, Response, Status};

use crate::{
    Frontend,
    cluster::Cluster,
    namespaces::{AuthorizedNamespace, Namespaces, SYSTEM_NAMESPACE, built_in, is_reserved},
    nexus::EndpointApi,
    status,
};

#[derive(Clone)]
pub struct Operator {
    namespaces: Namespaces,
    cluster: Cluster,
    nexus: EndpointApi,
}

impl Operator {
    pub fn new(frontend: &Frontend) -> Self {
        let nexus = EndpointApi {
            endpoints: frontend.nexus_endpoints.clone(),
            namespaces: frontend.namespaces.clone(),
            sealer: frontend.sealer.clone(),
        };
        Self { namespaces: frontend.namespaces.clone(), cluster: frontend.cluster.clone(), nexus }
    }

    fn resolve(&self, name: &str) -> Result<AuthorizedNamespace, Status> {
        if name.is_empty() {
            return Err(status::invalid("Namespace is not set on request."));
        }
        self.namespaces.resolve(name)
    }
}

#[tonic::async_trait]
impl OperatorService for Operator {
    async fn add_search_attributes(
        &self,
        request: Request<AddSearchAttributesRequest>,
    ) -> Result<Response<AddSearchAttributesResponse>, Status> {
        let request = request.into_inner();
        check_new(&request.search_attributes)?;
        let namespace = self.resolve(&request.namespace)?;
        self.namespaces.change(namespace.name(), |stored| add(stored, request.search_attributes)).await?;
        Ok(Response::new(AddSearchAttributesResponse {}))
    }

    async fn remove_search_attributes(
        &self,
        request: Request<RemoveSearchAttributesRequest>,
    ) -> Result<Response<RemoveSearchAttributesResponse>, Status> {
        let request = request.into_inner();
        if request.search_attributes.is_empty() {
            return Err(status::invalid("SearchAttributes are not set on request."));
        }
        let namespace = self.resolve(&request.namespace)?;
        if let Some((name, _)) =
            built_in().find(|(name, _)| request.search_attributes.iter().any(|asked| asked == name))
        {
            return Err(status::invalid(format!("Unable to remove non-custom search attributes: {name}.")));
        }
        let remove = |stored: &mut Namespace| {
            stored.search_attributes.retain(|name, _| !request.search_attributes.contains(name));
            Ok(())
        };
        self.namespaces.change(namespace.name(), remove).await?;
        Ok(Response::new(RemoveSearchAttributesResponse {}))
    }

    async fn list_search_attributes(
        &self,
        request: Request<ListSearchAttributesRequest>,
    ) -> Result<Response<ListSearchAttributesResponse>, Status> {
        let namespace = self.resolve(&request.into_inner().namespace)?;
        Ok(Response::new(ListSearchAttributesResponse {
            custom_attributes: namespace.custom_attributes().clone(),
            system_attributes: built_in_types(),
            storage_schema: BTreeMap::new(),
        }))
    }

    async fn list_clusters(&self, _: Request<ListClustersRequest>) -> Result<Response<ListClustersResponse>, Status> {
        let own = ClusterMetadata {
            cluster_name: self.cluster.metadata.cluster_name.clone(),
            cluster_id: self.cluster.metadata.cluster_id.clone(),
            initial_failover_version: 1,
            history_shard_count: SLOTS.into(),
            is_connection_enabled: true,
            ..ClusterMetadata::default()
        };
        Ok(Response::new(ListClustersResponse { clusters: vec![own], ..ListClustersResponse::default() }))
    }

    async fn add_or_update_remote_cluster(
        &self,
        _: Request<AddOrUpdateRemoteClusterRequest>,
    ) -> Result<Response<AddOrUpdateRemoteClusterResponse>, Status> {
        Err(Status::unimplemented("Remote clusters are not supported: this server does not replicate to others"))
    }

    /// There is no cluster but this one, and it cannot be removed.
    async fn remove_remote_cluster(
        &self,
        request: Request<RemoveRemoteClusterRequest>,
    ) -> Result<Response<RemoveRemoteClusterResponse>, Status> {
        Err(if request.into_inner().cluster_name == self.cluster.metadata.cluster_name {
            status::failed_precondition(
                "Unable to delete cluster info with error: Cannot delete current cluster metadata.",
            )
        } else {
            status::not_found("The cluster to be deleted cannot be found in clusters cache.")
        })
    }

    async fn create_nexus_endpoint(
        &self,
        request: Request<CreateNexusEndpointRequest>,
    ) -> Result<Response<CreateNexusEndpointResponse>, Status> {
        self.nexus.create(request.into_inner()).await.map(Response::new)
    }

    async fn update_nexus_endpoint(
        &self,
        request: Request<UpdateNexusEndpointRequest>,
    ) -> Result<Response<UpdateNexusEndpointResponse>, Status> {
        self.nexus.update(request.into_inner()).await.map(Response::new)
    }

    async fn delete_nexus_endpoint(
        &self,
        request: Request<DeleteNexusEndpointRequest>,
    ) -> Result<Response<DeleteNexusEndpointResponse>, Status> {
        self.nexus.delete(request.into_inner()).await.map(Response::new)
    }

    async fn get_nexus_endpoint(
        &self,
        request: Request<GetNexusEndpointRequest>,
    ) -> Result<Response<GetNexusEndpointResponse>, Status> {
        self.nexus.get(&request.into_inner()).map(Response::new)
    }

    async fn list_nexus_endpoints(
        &self,
        request: Request<ListNexusEndpointsRequest>,
    ) -> Result<Response<ListNexusEndpointsResponse>, Status> {
        self.nexus.list(&request.into_inner()).map(Response::new)
    }

    async fn delete_namespace(
        &self,
        request: Request<DeleteNamespaceRequest>,
    ) -> Result<Response<DeleteNamespaceResponse>, Status> {
        let request = request.into_inner();
        if request.namespace == SYSTEM_NAMESPACE && request.namespace_id.is_empty() {
            return Err(status::failed_precondition("unable to delete system namespace"));
        }
        self.nexus.check_not_targeted(&request)?;
        self.namespaces.delete(request).await.map(Response::new)
    }
}

/// `GetSearchAttributes` of old clients: without a namespace, so only what all of them have.
pub(crate) fn search_attributes() -> GetSearchAttributesResponse {
    GetSearchAttributesResponse { keys: built_in_types() }
}

fn built_in_types() -> BTreeMap<String, i32> {
    built_in().map(|(name, kind)| (name.to_owned(), kind.to_indexed().into())).collect()
}

fn check_new(attributes: &BTreeMap<String, i32>) -> Result<(), Status> {
    if attributes.is_empty() {
        return Err(status::invalid("SearchAttributes are not set on request."));
    }
    for (name, kind) in attributes {
        if name.is_empty() || name.contains('\0') {
            return Err(status::invalid(format!("Search attribute name {name:?} is not valid.")));
        }
        if is_reserved(name) {
            return Err(status::invalid(format!("Search attribute {name} is reserved by system.")));
        }
        if IndexedValueType::try_from(*kind).is_err() {
            return Err(status::invalid(format!("Unknown search attribute type: {kind}.")));
        }
        // The recorded answer of Temporal, which counts free columns by type.
        if AttributeKind::from_indexed(*kind).is_none() {
            return Err(status::invalid(
                "Unable to create search attributes: cannot have more than 0 search attribute of type Unspecified.",
            ));
        }
    }
    Ok(())
}

/// An attribute that exists keeps its type, as on Temporal's server.
fn add(stored: &mut Namespace, attributes: BTreeMap<String, i32>) -> Result<(), Status> {
    for (name, kind) in attributes {
        stored.search_attributes.entry(name).or_insert(kind);
    }
    Ok(())
}
