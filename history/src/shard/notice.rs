//! Notices: what those hear who wait for something in a run.

use perdure_engine::{Notice, Reject, outcome::UpdateAbort};
use perdure_proto::api::{
    enums::QueryResultType, enums::UpdateWorkflowExecutionLifecycleStage as Stage, query::WorkflowQueryResult, update,
};
use perdure_storage::RunKey;

use super::{
    Shard,
    cell::{QueryRoute, UpdateWaiter},
    message,
};
use crate::{
    api::{QueryOutcome, UpdateResult},
    error::Error,
};

/// What the text of a refused update says while workflow tasks fail.
const UPDATE_TASK_FAILED: &str = "Unable to perform workflow execution update due to Workflow Task in failed state.";

impl Shard {
    pub(super) fn notice(&mut self, key: RunKey, notice: Notice) {
        match notice {
            Notice::Update { update_id, stage, outcome } => self.update_moved(key, &update_id, stage, outcome),
            Notice::UpdateAborted { update_id, reason } => self.update_aborted(key, &update_id, reason),
            Notice::QueryAnswered { query_id, result } => self.query_answered(key, &query_id, result),
            Notice::QueriesUnanswered => {
                if let Some(cell) = self.cells.get_mut(&key) {
                    cell.queries.values_mut().for_each(|query| query.sent = false);
                }
            }
            // Those who wait for the close look when it is durable.
            Notice::Closed => {}
            Notice::Warning(warning) => self.warn(key, &warning),
        }
    }

    fn update_moved(&mut self, key: RunKey, update_id: &str, stage: Stage, outcome: Option<update::Outcome>) {
        let Some(cell) = self.cells.get_mut(&key) else { return };
        let Some(waiters) = cell.update_waiters.remove(update_id) else { return };
        let (ready, waiting): (Vec<_>, Vec<_>) =
            waiters.into_iter().partition(|waiter| outcome.is_some() || stage >= waiter.wait);
        if !waiting.is_empty() {
            cell.update_waiters.insert(update_id.to_owned(), waiting);
        }
        for UpdateWaiter { reply, .. } in ready {
            let result = UpdateResult { run_id: key.run_id, stage, outcome: outcome.clone() };
            self.send_when_durable(key, message::tell(reply, Ok(result)));
        }
    }

    fn update_aborted(&mut self, key: RunKey, update_id: &str, reason: UpdateAbort) {
        let error = match reason {
            UpdateAbort::WorkflowClosing => Error::UpdateAborted,
            // The caller looks for the update again, which finds the next run.
            UpdateAbort::ContinuedAsNew => Error::Unavailable,
            UpdateAbort::WorkflowTaskFailed => Error::Reject(Reject::WorkflowNotReady(UPDATE_TASK_FAILED.into())),
        };
        let waiters = self.cells.get_mut(&key).and_then(|cell| cell.update_waiters.remove(update_id));
        for UpdateWaiter { reply, .. } in waiters.unwrap_or_default() {
            let error = error.clone();
            self.send_when_durable(key, message::tell(reply, Err(error)));
        }
    }

    fn query_answered(&mut self, key: RunKey, query_id: &str, result: WorkflowQueryResult) {
        let Some(query) = self.cells.get_mut(&key).and_then(|cell| cell.queries.remove(query_id)) else { return };
        let answer = match result.result_type() {
            QueryResultType::Answered => Ok(QueryRoute::Answered(QueryOutcome { result: result.answer })),
            _ => Err(Error::QueryFailed { message: result.error_message, failure: result.failure.map(Box::new) }),
        };
        self.send_when_durable(key, message::tell(query.reply, answer));
    }
}
