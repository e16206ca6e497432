//! Update-with-start, as callers see it: one step of the shard starts the run, or finds it, and admits the update.

use perdure_engine::Start;
use perdure_proto::api::{enums::UpdateWorkflowExecutionLifecycleStage as Stage, update};
use perdure_storage::WorkflowKey;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, timeout_at},
};

use crate::{
    History,
    api::{Started, Target, UpdateResult},
    error::Error,
    shard::message::UpdateOp,
    update::RETRY,
};

/// Which of the two operations failed.
#[derive(Clone, Debug, PartialEq)]
pub enum MultiError {
    /// Neither took place.
    Start(Error),
    /// `started`: the run was started nevertheless.
    Update { started: bool, error: Error },
}

/// An update to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct UpdateRequest {
    pub update_id: String,
    pub request: update::Request,
    pub wait: Stage,
}

impl History {
    /// Sends the update to the run that is there, or to one that it starts, and waits for the stage; at the deadline tells
    /// the stage that the update has. A run that closes before it takes the update is followed by another try, once.
    pub async fn update_with_start(
        &self,
        start: Start,
        update: UpdateRequest,
        deadline: Instant,
    ) -> Result<(Started, UpdateResult), MultiError> {
        match self.update_with_start_once(start.clone(), update.clone(), deadline).await {
            Err(MultiError::Update { started: false, error: Error::UpdateAborted }) => {
                self.update_with_start_once(start, update, deadline).await
            }
            result => result,
        }
    }

    async fn update_with_start_once(
        &self,
        start: Start,
        update: UpdateRequest,
        deadline: Instant,
    ) -> Result<(Started, UpdateResult), MultiError> {
        let (started, answer) = loop {
            let (reply, answer) = oneshot::channel();
            let UpdateRequest { update_id, request, wait } = update.clone();
            let op = UpdateOp { update_id, request: Box::new(request), wait, reply };
            match self.shared.start(start.clone(), Some(op)).await {
                Ok(started) => break (started, answer),
                // The request id makes sending again harmless.
                Err(Error::Unavailable) if Instant::now() + RETRY < deadline => sleep(RETRY).await,
                Err(error) => return Err(MultiError::Start(error)),
            }
        };
        let result = self.outcome_of(&start, &started, update, answer, deadline).await;
        match result {
            Ok(result) => Ok((started, result)),
            Err(error) => Err(MultiError::Update { started: started.reply.started, error }),
        }
    }

    /// The update from the moment at which its run is there.
    async fn outcome_of(
        &self,
        start: &Start,
        started: &Started,
        update: UpdateRequest,
        answer: oneshot::Receiver<Result<UpdateResult, Error>>,
        deadline: Instant,
    ) -> Result<UpdateResult, Error> {
        let namespace_id = start.namespace_id.parse().map_err(|_| Error::WorkflowNotFound)?;
        let target = Target { workflow: WorkflowKey::new(namespace_id, start.workflow_id.as_str()), run_id: None };
        let UpdateRequest { update_id, request, wait } = update;
        match timeout_at(deadline, answer).await {
            // The run's memory was lost, or the run was continued by another: the update is sent again.
            Ok(Err(_) | Ok(Err(Error::Unavailable))) => self.update(target, update_id, request, wait, deadline).await,
            Ok(Ok(result)) => result,
            Err(_) => {
                let run_id = started.reply.run_id.parse().ok();
                self.update_stage(Target { run_id, ..target }, update_id).await
            }
        }
    }
}
