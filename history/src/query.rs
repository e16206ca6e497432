//! Direct queries: past the run's history, through matching, to a worker.

use std::time::Duration;

use perdure_engine::Reject;
use perdure_matching::{Matching, QueryAnswer, QueryDispatchError, QueryTask, QueueKey, QueueKind};
use perdure_proto::api::query::WorkflowQuery;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{api::QueryOutcome, error::Error, shard::cell::Cell, versioning::Router};

/// How long a sticky worker may take before the query goes to the normal queue. Temporal's own default.
const STICKY_PATIENCE: Duration = Duration::from_secs(5);

/// A query task and the queues that it may go to.
pub(crate) struct DirectQuery {
    task: QueryTask,
    sticky: Option<QueueKey>,
    normal: QueueKey,
}

impl DirectQuery {
    pub(crate) fn of(cell: &Cell, query: WorkflowQuery, matching: &Matching) -> Self {
        let run = &cell.state.run;
        let namespace_id = cell.workflow.namespace_id;
        let router = Router { matching, namespace_id, run };
        let task = QueryTask {
            task_id: Uuid::new_v4().to_string(),
            workflow: cell.workflow.clone(),
            run: cell.key,
            query,
            workflow_type: run.workflow_type.clone(),
            previous_started_event_id: run.last_completed_started_event_id,
            last_event_id: run.next_event_id - 1,
            directive: router.workflow_directive(),
            sticky: false,
        };
        let queue = |name: &str, kind| QueueKey { namespace_id, name: name.into(), kind };
        Self {
            task,
            sticky: run
                .sticky
                .as_ref()
                .filter(|_| !router.is_routed_elsewhere())
                .map(|sticky| queue(&sticky.task_queue, QueueKind::StickyWorkflow)),
            normal: queue(&run.task_queue, QueueKind::Workflow),
        }
    }

    /// Sends the query to the sticky worker first, then to any worker of the queue.
    pub(crate) async fn run(self, matching: &Matching, deadline: Instant) -> Result<QueryOutcome, Error> {
        if let Some(sticky) = self.sticky {
            let patience = deadline.min(Instant::now() + STICKY_PATIENCE);
            let task = QueryTask { sticky: true, task_id: Uuid::new_v4().to_string(), ..self.task.clone() };
            if let Ok(answer) = matching.query(sticky, task, patience).await {
                return outcome(answer);
            }
        }
        match matching.query(self.normal, self.task, deadline).await {
            Ok(answer) => outcome(answer),
            Err(error @ QueryDispatchError::NoPoller) => {
                Err(Error::Reject(Reject::FailedPrecondition(error.to_string())))
            }
            Err(QueryDispatchError::Timeout | QueryDispatchError::StickyUnavailable) => Err(Error::Timeout),
        }
    }
}

fn outcome(answer: QueryAnswer) -> Result<QueryOutcome, Error> {
    match answer {
        QueryAnswer::Answered(result) => Ok(QueryOutcome { result }),
        QueryAnswer::Failed { message, failure } => Err(Error::QueryFailed { message, failure }),
    }
}
