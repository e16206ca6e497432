//! The RPCs that show deployments.

use std::ops::Bound;

use perdure_matching::DeploymentVersion;
use perdure_proto::{
    api::workflowservice::{self as api, describe_worker_deployment_version_response::VersionTaskQueue},
    token::ListPageToken,
};
use prost::bytes::Bytes;
use tonic::Status;
use uuid::Uuid;

use super::{Deployments, change, describe, names, routing, state};
use crate::{Frontend, call::Call, limits, namespaces::AuthorizedNamespace, status, task_queue};

/// Stands in a page token where others have the hash of their query.
const LIST: &[u8] = b"worker-deployments";

impl Frontend {
    pub(crate) async fn describe_deployment(
        &self,
        _: &Call,
        request: api::DescribeWorkerDeploymentRequest,
    ) -> Result<api::DescribeWorkerDeploymentResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        names::deployment_name(&request.deployment_name, namespace.limits())?;
        let deployment = self.deployments.get(namespace.id(), &request.deployment_name);
        let deployment = deployment.ok_or_else(|| change::no_deployment(&request.deployment_name))?;
        Ok(api::DescribeWorkerDeploymentResponse {
            conflict_token: deployment.conflict_token.clone(),
            worker_deployment_info: Some(describe::deployment(&deployment)),
        })
    }

    pub(crate) async fn describe_deployment_version(
        &self,
        call: &Call,
        request: api::DescribeWorkerDeploymentVersionRequest,
    ) -> Result<api::DescribeWorkerDeploymentVersionResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        if request.deployment_version.is_none() && request.version.is_empty() {
            return Err(status::invalid("deployment version cannot be empty"));
        }
        let asked = names::version(request.deployment_version.as_ref(), &request.version, namespace.limits())?;
        let deployment = self.deployments.get(namespace.id(), &asked.deployment_name);
        let not_found = || status::not_found("Worker Deployment Version not found");
        let deployment = deployment.ok_or_else(not_found)?;
        let version = deployment.versions.get(&asked.build_id).ok_or_else(not_found)?;
        let id = DeploymentVersion::new(asked.deployment_name.as_str(), asked.build_id.as_str());
        let queue = |(name, kind): (&str, _)| {
            let mut queue = VersionTaskQueue { name: name.to_owned(), r#type: i32::from(kind), ..Default::default() };
            if let Some(key) = routing::key(namespace.id(), name, kind).filter(|_| request.report_task_queue_stats) {
                let found = self.matching.describe_version(&key, Some(&id));
                queue.stats = Some(task_queue::stats(&found.total(), call.time));
                queue.stats_by_priority_key = task_queue::by_priority(&found, call.time);
            }
            queue
        };
        Ok(api::DescribeWorkerDeploymentVersionResponse {
            worker_deployment_version_info: Some(describe::version(&deployment, &asked.build_id, version)),
            version_task_queues: state::queues(version).map(queue).collect(),
        })
    }

    /// In the order of the names.
    pub(crate) async fn list_worker_deployments(
        &self,
        _: &Call,
        request: api::ListWorkerDeploymentsRequest,
    ) -> Result<api::ListWorkerDeploymentsResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let after = self.last_listed(&namespace, &request.next_page_token)?;
        let page_size = limits::page_size(request.page_size, namespace.limits().list_page);
        let mut page = self.deployments.after(namespace.id(), after.as_deref());
        let more = page.len() > page_size;
        page.truncate(page_size);
        let next_page_token = match page.last() {
            Some(last) if more => self.sealer.seal(&ListPageToken {
                namespace_id: namespace.id().into_bytes().to_vec().into(),
                query_hash: Bytes::from_static(LIST),
                after: last.name.clone(),
                ..ListPageToken::default()
            }),
            _ => Bytes::new(),
        };
        Ok(api::ListWorkerDeploymentsResponse {
            worker_deployments: page.iter().map(|deployment| describe::listed(deployment)).collect(),
            next_page_token,
        })
    }

    fn last_listed(&self, namespace: &AuthorizedNamespace, token: &[u8]) -> Result<Option<String>, Status> {
        if token.is_empty() {
            return Ok(None);
        }
        let token = self.sealer.open::<ListPageToken>(token).ok();
        let token = token.filter(|token| token.namespace_id == namespace.id().as_bytes()[..]);
        let token = token.filter(|token| token.query_hash == LIST);
        token.map(|token| Some(token.after)).ok_or_else(|| status::invalid("Invalid NextPageToken."))
    }
}

impl Deployments {
    /// Those whose names come after the given one.
    fn after(&self, namespace_id: Uuid, name: Option<&str>) -> Vec<super::Deployment> {
        let known = self.0.known.read();
        let Some(deployments) = known.get(&namespace_id) else { return Vec::new() };
        let from = name.map_or(Bound::Unbounded, Bound::Excluded);
        deployments.range::<str, _>((from, Bound::Unbounded)).map(|(_, deployment)| deployment.clone()).collect()
    }
}
