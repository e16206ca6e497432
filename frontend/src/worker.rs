//! What workers say about themselves: that they stop, and that they have forgotten a run.

use perdure_engine::Input;
use perdure_proto::api::workflowservice::{
    ResetStickyTaskQueueRequest, ResetStickyTaskQueueResponse, ShutdownWorkerRequest, ShutdownWorkerResponse,
};
use tonic::Status;

use crate::{Frontend, call::Call, validate::ids};

impl Frontend {
    /// Ends the worker's polls, so that no task goes to a worker that is about to leave, and takes its last heartbeat.
    pub(crate) async fn shutdown_worker(
        &self,
        call: &Call,
        request: ShutdownWorkerRequest,
    ) -> Result<ShutdownWorkerResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        self.matching.shutdown_worker(namespace.id(), &request.sticky_task_queue, &request.worker_instance_key);
        self.workers.record(namespace.id(), call.received, request.worker_heartbeat);
        Ok(ShutdownWorkerResponse {})
    }

    pub(crate) async fn reset_sticky_task_queue(
        &self,
        _call: &Call,
        request: ResetStickyTaskQueueRequest,
    ) -> Result<ResetStickyTaskQueueResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let target = ids::execution(namespace.id(), request.execution.as_ref())?;
        self.send(&target, Input::ResetSticky).await?;
        Ok(ResetStickyTaskQueueResponse {})
    }
}
