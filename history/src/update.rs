//! Updates, as callers see them: sent again when the run's memory was lost before a worker accepted them.

use std::time::Duration;

use perdure_engine::Reject;
use perdure_proto::api::{enums::UpdateWorkflowExecutionLifecycleStage as Stage, update};
use tokio::time::Instant;

use crate::{
    History,
    api::{Target, UpdateResult},
    error::Error,
    shard::message::Action,
};

/// Wait before an update is sent again.
pub(crate) const RETRY: Duration = Duration::from_millis(50);

impl History {
    /// Sends an update and waits for the stage; at the deadline tells the stage that it has.
    pub async fn update(
        &self,
        target: Target,
        update_id: String,
        request: update::Request,
        wait: Stage,
        deadline: Instant,
    ) -> Result<UpdateResult, Error> {
        let mut is_second = false;
        loop {
            let (id, request) = (update_id.clone(), Box::new(request.clone()));
            let asked = self.shared.ask(target.clone(), |reply| Action::Update { update_id: id, request, wait, reply });
            match tokio::time::timeout_at(deadline, asked).await {
                // Admitted updates live in memory: the same id makes sending again harmless.
                Ok(Err(Error::Unavailable)) if Instant::now() + RETRY < deadline => tokio::time::sleep(RETRY).await,
                // The worker failed the task that carried it: the next attempt may do better, and then shows that the
                // update is not the reason.
                Ok(Err(Error::Reject(Reject::WorkflowNotReady(_)))) if !is_second => is_second = true,
                Ok(result) => return result,
                Err(_) => return self.update_stage(target, update_id).await,
            }
        }
    }

    /// Waits for the stage of an update that was sent before; at the deadline tells the stage that it has.
    pub async fn poll_update(
        &self,
        target: Target,
        update_id: String,
        wait: Stage,
        deadline: Instant,
    ) -> Result<UpdateResult, Error> {
        let id = update_id.clone();
        let asked = self.shared.ask(target.clone(), |reply| Action::PollUpdate { update_id: id, wait, reply });
        match tokio::time::timeout_at(deadline, asked).await {
            Ok(result) => result,
            Err(_) => self.update_stage(target, update_id).await,
        }
    }

    pub(crate) async fn update_stage(&self, target: Target, update_id: String) -> Result<UpdateResult, Error> {
        self.shared.ask(target, |reply| Action::PollUpdate { update_id, wait: Stage::Unspecified, reply }).await
    }
}
