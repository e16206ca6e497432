//! The RPCs on namespaces, the cluster and lists, as `service.rs` wants them: resolve the namespace, hand over.

use perdure_proto::api::workflowservice as api;
use tonic::Status;

use crate::{Frontend, call::Call, namespaces::AuthorizedNamespace, operator, status};

impl Frontend {
    pub(crate) async fn register_namespace(
        &self,
        _: &Call,
        request: api::RegisterNamespaceRequest,
    ) -> Result<api::RegisterNamespaceResponse, Status> {
        self.namespaces.register(request).await
    }

    pub(crate) async fn describe_namespace(
        &self,
        _: &Call,
        request: api::DescribeNamespaceRequest,
    ) -> Result<api::DescribeNamespaceResponse, Status> {
        self.namespaces.describe(&request)
    }

    pub(crate) async fn list_namespaces(
        &self,
        _: &Call,
        request: api::ListNamespacesRequest,
    ) -> Result<api::ListNamespacesResponse, Status> {
        Ok(self.namespaces.list(&request))
    }

    pub(crate) async fn update_namespace(
        &self,
        _: &Call,
        request: api::UpdateNamespaceRequest,
    ) -> Result<api::UpdateNamespaceResponse, Status> {
        let answer = self.namespaces.update(request).await?;
        self.history.sweep_soon();
        Ok(answer)
    }

    pub(crate) async fn deprecate_namespace(
        &self,
        _: &Call,
        request: api::DeprecateNamespaceRequest,
    ) -> Result<api::DeprecateNamespaceResponse, Status> {
        self.namespaces.deprecate(&request).await
    }

    pub(crate) async fn get_system_info(
        &self,
        _: &Call,
        _: api::GetSystemInfoRequest,
    ) -> Result<api::GetSystemInfoResponse, Status> {
        Ok(self.cluster.system_info())
    }

    pub(crate) async fn get_cluster_info(
        &self,
        _: &Call,
        _: api::GetClusterInfoRequest,
    ) -> Result<api::GetClusterInfoResponse, Status> {
        Ok(self.cluster.cluster_info())
    }

    pub(crate) async fn get_search_attributes(
        &self,
        _: &Call,
        _: api::GetSearchAttributesRequest,
    ) -> Result<api::GetSearchAttributesResponse, Status> {
        Ok(operator::search_attributes())
    }

    /// The namespace of a list, if it may have one more.
    pub(crate) fn listed(&self, name: &str) -> Result<AuthorizedNamespace, Status> {
        let namespace = self.namespaces.resolve(name)?;
        self.quotas.list(&namespace)?;
        Ok(namespace)
    }

    pub(crate) async fn list_workflows(
        &self,
        _: &Call,
        request: api::ListWorkflowExecutionsRequest,
    ) -> Result<api::ListWorkflowExecutionsResponse, Status> {
        self.lists.list(&self.listed(&request.namespace)?, &request).await
    }

    pub(crate) async fn scan_workflows(
        &self,
        _: &Call,
        request: api::ScanWorkflowExecutionsRequest,
    ) -> Result<api::ScanWorkflowExecutionsResponse, Status> {
        self.lists.scan(&self.listed(&request.namespace)?, &request).await
    }

    pub(crate) async fn count_workflows(
        &self,
        _: &Call,
        request: api::CountWorkflowExecutionsRequest,
    ) -> Result<api::CountWorkflowExecutionsResponse, Status> {
        self.lists.count(&self.listed(&request.namespace)?, &request).await
    }

    pub(crate) async fn list_open_workflows(
        &self,
        _: &Call,
        request: api::ListOpenWorkflowExecutionsRequest,
    ) -> Result<api::ListOpenWorkflowExecutionsResponse, Status> {
        self.lists.open(&self.listed(&request.namespace)?, request).await
    }

    pub(crate) async fn list_closed_workflows(
        &self,
        _: &Call,
        request: api::ListClosedWorkflowExecutionsRequest,
    ) -> Result<api::ListClosedWorkflowExecutionsResponse, Status> {
        self.lists.closed(&self.listed(&request.namespace)?, request).await
    }
}

/// Nothing is archived, and no namespace can ask for it.
pub(crate) async fn no_archive(
    frontend: &Frontend,
    _: &Call,
    request: api::ListArchivedWorkflowExecutionsRequest,
) -> Result<api::ListArchivedWorkflowExecutionsResponse, Status> {
    frontend.listed(&request.namespace)?;
    Err(status::invalid("Cluster is not configured for visibility archival."))
}

/// The first generation of deployments, which Temporal has taken out of service for good.
pub(crate) async fn deployments_are_gone<Request, Response>(
    _: &Frontend,
    _: &Call,
    _: Request,
) -> Result<Response, Status> {
    let message = "Deployments are deprecated and no longer supported, use Worker Deployments instead";
    Err(Status::unimplemented(message))
}

/// Temporal has them switched off by default.
pub(crate) async fn no_workflow_rules<Request, Response>(
    _: &Frontend,
    _: &Call,
    _: Request,
) -> Result<Response, Status> {
    Err(Status::unimplemented("Workflow rules are not supported"))
}

/// Nor does Temporal's server answer them.
pub(crate) async fn no_worker_config<Request, Response>(
    _: &Frontend,
    _: &Call,
    _: Request,
) -> Result<Response, Status> {
    Err(Status::unimplemented("Configurations of workers are not supported: they are set where the worker is started"))
}
