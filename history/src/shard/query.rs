//! Queries inside a shard: refused, buffered until a workflow task carries them, or sent past the run's history.
//!
//! | run | workflow task | query |
//! |---|---|---|
//! | closed, against the reject condition | any | rejected |
//! | paused | any | rejected; a buffered one when its task is over |
//! | never had a workflow task completed | none pending, the first one is due in the caller's time | buffered: rides on that one |
//! | never had a workflow task completed | none pending, or due too late | not ready |
//! | open | pending, failing for some attempts | not ready |
//! | open | pending | buffered: rides on that task or the next |
//! | open or closed | none pending | direct: a query task through matching |

use perdure_engine::{Nanos, Reject};
use perdure_proto::api::{
    enums::{QueryRejectCondition, WorkflowExecutionStatus},
    query::WorkflowQuery,
};
use perdure_storage::RunKey;

use super::{
    Shard,
    cell::{BufferedQuery, Cell, QueryRoute},
    message::{self, ReplyTo},
};
use crate::{error::Error, query::DirectQuery, shared::Shared};

/// Attempts of a workflow task after which queries are refused instead of buffered.
const FAILING_ATTEMPTS: i32 = 3;

impl Shard {
    pub(super) fn query(
        &mut self,
        key: RunKey,
        query: WorkflowQuery,
        reject: QueryRejectCondition,
        until: Nanos,
        reply: ReplyTo<QueryRoute>,
    ) {
        let Some(cell) = self.cells.get_mut(&key) else { return };
        cell.last_used = self.steps;
        match route(cell, &self.shared, &query, reject, until) {
            Ok(Some(direct)) => {
                self.send_when_durable(key, message::tell(reply, Ok(QueryRoute::Direct(Box::new(direct)))));
            }
            Ok(None) => {
                let id = self.new_request_id();
                if let Some(cell) = self.cells.get_mut(&key) {
                    cell.queries.insert(id, BufferedQuery { query, sent: false, reply });
                }
            }
            Err(error) => self.send_when_durable(key, message::tell(reply, Err(error))),
        }
    }

    /// Buffered queries whose workflow task is over, with none to follow, go on directly.
    pub(super) fn settle_queries(&mut self, key: RunKey) {
        let Some(cell) = self.cells.get_mut(&key) else { return };
        let waits_for_the_first = first_task_due(cell).is_some() && cell.status() != WorkflowExecutionStatus::Paused;
        if cell.queries.is_empty() || task_pending(cell) || waits_for_the_first {
            return;
        }
        let mut routes = Vec::new();
        for (_, buffered) in std::mem::take(&mut cell.queries) {
            let route = match cell.status() {
                paused @ WorkflowExecutionStatus::Paused => Err(Error::QueryRejected(paused)),
                _ => Ok(QueryRoute::Direct(Box::new(DirectQuery::of(cell, buffered.query, &self.shared.matching)))),
            };
            routes.push((buffered.reply, route));
        }
        for (reply, route) in routes {
            self.send_when_durable(key, message::tell(reply, route));
        }
    }
}

/// Some: direct. None: buffered.
fn route(
    cell: &mut Cell,
    shared: &Shared,
    query: &WorkflowQuery,
    reject: QueryRejectCondition,
    until: Nanos,
) -> Result<Option<DirectQuery>, Error> {
    let status = cell.status();
    let open = cell.is_open();
    let rejected = match reject {
        _ if status == WorkflowExecutionStatus::Paused => true,
        QueryRejectCondition::NotOpen => !open,
        QueryRejectCondition::NotCompletedCleanly => !open && status != WorkflowExecutionStatus::Completed,
        _ => false,
    };
    if rejected {
        return Err(Error::QueryRejected(status));
    }
    let not_ready = |text: &str| Err(Error::Reject(Reject::WorkflowNotReady(text.into())));
    if !open {
        if cell.state.run.last_completed_started_event_id == 0 {
            return not_ready("Workflow execution closed before WorkflowTaskStarted event");
        }
        return Ok(Some(DirectQuery::of(cell, query.clone(), &shared.matching)));
    }
    if !task_pending(cell) && cell.state.run.last_completed_started_event_id != 0 {
        return Ok(Some(DirectQuery::of(cell, query.clone(), &shared.matching)));
    }
    if !task_pending(cell) && first_task_due(cell).is_none_or(|due| due > until) {
        return not_ready("Workflow task is not scheduled yet.");
    }
    if cell.state.run.workflow_task.as_ref().is_some_and(|task| task.attempt >= FAILING_ATTEMPTS) {
        return not_ready("Unable to query workflow due to Workflow Task in failed state.");
    }
    cell.queries.retain(|_, query| !query.reply.is_closed());
    let limits = shared.limits.load();
    if cell.queries.len() >= limits.of(&cell.state.run.namespace).buffered_queries {
        return Err(Error::Busy("too many queries wait for a workflow task of this workflow, try again later".into()));
    }
    Ok(None)
}

/// When the run's first workflow task comes, while it waits for that: a delayed start, a retry, a run of a cron schedule.
fn first_task_due(cell: &Cell) -> Option<Nanos> {
    let run = &cell.state.run;
    let waits = cell.is_open() && run.last_completed_started_event_id == 0 && run.first_task_backoff_until != 0;
    waits.then_some(run.first_task_backoff_until)
}

fn task_pending(cell: &Cell) -> bool {
    cell.is_open() && (cell.state.run.workflow_task.is_some() || cell.state.volatile.speculative_task.is_some())
}
