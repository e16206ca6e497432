//! What matching asks of history.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use perdure_matching::{PollerInfo, RecordError, Recorder, StartedTask, TaskRef};

use crate::{
    api::Target,
    shard::message::{Action, Message, Op},
    shared::Shared,
};

/// Holds history weakly: matching and history own each other otherwise.
pub(crate) struct HistoryRecorder {
    shared: Weak<Shared>,
}

impl HistoryRecorder {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::downgrade(shared) }
    }
}

#[async_trait]
impl Recorder for HistoryRecorder {
    async fn record_started(&self, task: &TaskRef, poller: &PollerInfo) -> Result<StartedTask, RecordError> {
        let shared = self.shared.upgrade().ok_or(RecordError::Retry)?;
        let target = Target { workflow: task.workflow.clone(), run_id: Some(task.run.run_id) };
        let (reply, answer) = tokio::sync::oneshot::channel();
        let action = Action::Record { task: Box::new(task.clone()), poller: poller.clone(), reply };
        shared.post(&task.workflow, Message::Op(Op { target, action })).map_err(|_| RecordError::Retry)?;
        answer.await.unwrap_or(Err(RecordError::Retry))
    }
}
