//! What workers say about themselves, and lists of it.
//!
//! Kept in memory only: a worker says it again every minute or so, and one that has been silent for five is forgotten.

mod query;
mod registry;

use perdure_proto::{
    api::{
        worker::{WorkerHeartbeat, WorkerInfo, WorkerListInfo},
        workflowservice::{
            CountWorkersRequest, CountWorkersResponse, DescribeWorkerRequest, DescribeWorkerResponse,
            ListWorkersRequest, ListWorkersResponse, RecordWorkerHeartbeatRequest, RecordWorkerHeartbeatResponse,
        },
    },
    token::ListPageToken,
};
use prost::bytes::Bytes;
use tonic::Status;

use self::registry::Heartbeat;
pub use self::registry::Workers;
use crate::{Frontend, call::Call, limits, namespaces::AuthorizedNamespace, status};

/// Queues of workers that a server runs for its own needs start so.
const SYSTEM_QUEUES: &str = "temporal-sys-";

impl Frontend {
    pub(crate) async fn record_worker_heartbeat(
        &self,
        call: &Call,
        request: RecordWorkerHeartbeatRequest,
    ) -> Result<RecordWorkerHeartbeatResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        self.workers.record(namespace.id(), call.received, request.worker_heartbeat);
        Ok(RecordWorkerHeartbeatResponse {})
    }

    /// In the order of the keys. Workers that come or go between two pages neither shift nor repeat the others.
    pub(crate) async fn list_workers(
        &self,
        call: &Call,
        request: ListWorkersRequest,
    ) -> Result<ListWorkersResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let passes = query::read(&request.query)?;
        let query_hash = hash(&request);
        let after = self.last_shown(&namespace, &query_hash, &request.next_page_token)?;
        let page_size = limits::page_size(request.page_size, namespace.limits().list_page);
        let found = self.workers.of_namespace(namespace.id(), call.received, after.as_deref());
        let mut found = found.into_iter().filter(|worker| shown(worker, request.include_system_workers, &passes));
        let page: Vec<_> = found.by_ref().take(page_size).collect();
        let next_page_token = match (page.last(), found.next()) {
            (Some(last), Some(_)) => self.sealer.seal(&ListPageToken {
                namespace_id: namespace.id().into_bytes().to_vec().into(),
                query_hash,
                after: last.worker_instance_key.clone(),
                ..ListPageToken::default()
            }),
            _ => Bytes::new(),
        };
        // The full form is out of date, but what clients show of a worker's last heartbeat is only there.
        Ok(ListWorkersResponse {
            workers_info: page.iter().map(info).collect(),
            workers: page.iter().map(|worker| list_info(worker)).collect(),
            next_page_token,
        })
    }

    pub(crate) async fn count_workers(
        &self,
        call: &Call,
        request: CountWorkersRequest,
    ) -> Result<CountWorkersResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let passes = query::read(&request.query)?;
        let found = self.workers.of_namespace(namespace.id(), call.received, None);
        let count = found.iter().filter(|worker| shown(worker, request.include_system_workers, &passes)).count();
        Ok(CountWorkersResponse { count: i64::try_from(count).unwrap_or(i64::MAX) })
    }

    pub(crate) async fn describe_worker(
        &self,
        call: &Call,
        request: DescribeWorkerRequest,
    ) -> Result<DescribeWorkerResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let key = &request.worker_instance_key;
        let found = self.workers.get(namespace.id(), call.received, key);
        let found = found.ok_or_else(|| status::not_found(format!("Worker {key} not found")))?;
        Ok(DescribeWorkerResponse { worker_info: Some(info(&found)) })
    }

    fn last_shown(
        &self,
        namespace: &AuthorizedNamespace,
        query_hash: &[u8],
        token: &[u8],
    ) -> Result<Option<String>, Status> {
        if token.is_empty() {
            return Ok(None);
        }
        let token = self.sealer.open::<ListPageToken>(token).ok();
        let token = token.filter(|token| token.namespace_id == namespace.id().as_bytes()[..]);
        let token = token.filter(|token| token.query_hash == query_hash);
        token.map(|token| Some(token.after)).ok_or_else(|| status::invalid("invalid next_page_token"))
    }
}

/// A token continues only a list of workers, with this query.
fn hash(request: &ListWorkersRequest) -> Bytes {
    let asked = format!("workers {} {}", request.include_system_workers, request.query.trim());
    blake3::hash(asked.as_bytes()).as_bytes()[..16].to_vec().into()
}

fn shown(worker: &WorkerHeartbeat, with_system_workers: bool, passes: &query::Test) -> bool {
    (with_system_workers || !worker.task_queue.starts_with(SYSTEM_QUEUES)) && passes(worker)
}

fn info(worker: &Heartbeat) -> WorkerInfo {
    WorkerInfo { worker_heartbeat: Some(WorkerHeartbeat::clone(worker)) }
}

fn list_info(worker: &WorkerHeartbeat) -> WorkerListInfo {
    let host = worker.host_info.clone().unwrap_or_default();
    WorkerListInfo {
        worker_instance_key: worker.worker_instance_key.clone(),
        worker_identity: worker.worker_identity.clone(),
        task_queue: worker.task_queue.clone(),
        deployment_version: worker.deployment_version.clone(),
        sdk_name: worker.sdk_name.clone(),
        sdk_version: worker.sdk_version.clone(),
        status: worker.status,
        start_time: worker.start_time,
        host_name: host.host_name,
        worker_grouping_key: host.worker_grouping_key,
        process_id: host.process_id,
        plugins: worker.plugins.clone(),
        drivers: worker.drivers.clone(),
    }
}
