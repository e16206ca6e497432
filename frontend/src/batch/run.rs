//! One page of a batch operation: finds its executions and works on them, at the rate that was asked for.
//!
//! A run that was closed after the job began is not looked for again: most operations close what they find, and lists
//! show open runs before closed ones.

use std::time::Duration;

use async_trait::async_trait;
use perdure_engine::{
    Archetype, Nanos,
    batch::{Batch, BatchProgress},
};
use perdure_history::{BatchPage, BatchPageDone, BatchRunner, Error};
use perdure_proto::api::{
    common::Execution,
    enums::ExecutionType,
    workflowservice::{StartBatchOperationRequest, start_batch_operation_request::Operation},
};
use prost::bytes::Bytes;
use tokio::time::{MissedTickBehavior, interval};
use tonic::{Code, Status};

use super::{check, operate::Job};
use crate::{Frontend, call::Call, namespaces::AuthorizedNamespace, status};

/// Executions in a page, at most: a page is what a crash repeats, and how often the counts move.
const PAGE: f32 = 100.0;
/// How often one execution is tried.
const ATTEMPTS: u32 = 5;

struct Page {
    targets: Vec<Execution>,
    /// Empty: it is the last.
    next: Bytes,
}

#[async_trait]
impl BatchRunner for Frontend {
    async fn run_page(&self, page: BatchPage) -> Result<BatchPageDone, Error> {
        let BatchPage { job_id, run_id, started, batch: Batch { request, identity, progress } } = page;
        let Ok(namespace) = self.namespaces.resolve(&request.namespace) else {
            // There is nothing any more to work on.
            return Ok(BatchPageDone { progress, last: true });
        };
        let mut progress = progress;
        if progress.pages == 0 {
            progress.total = self.batch_total(&namespace, &request, started).await?;
        }
        let found = self.batch_page(&namespace, &request, started, &progress).await?;
        let Some(operation) = request.operation.clone() else {
            return Ok(BatchPageDone { progress, last: true });
        };
        let job = Job {
            frontend: self,
            namespace: request.namespace.clone(),
            job: format!("{job_id}/{run_id}"),
            reason: request.reason.clone(),
            identity,
            operation,
        };
        let mut pace = interval(period(rate(&request, &namespace)));
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for target in &found.targets {
            pace.tick().await;
            match operate(&job, target).await {
                Ok(()) => progress.completed += 1,
                Err(status) => {
                    tracing::info!(job = job.job, execution = target.business_id, %status, "a batch operation failed");
                    progress.failed += 1;
                }
            }
        }
        if !found.next.is_empty() && !found.targets.is_empty() {
            // The next page begins at once.
            pace.tick().await;
        }
        progress.cursor = found.next.clone();
        Ok(BatchPageDone { progress, last: found.next.is_empty() })
    }
}

/// Between two executions: never none. A rate that is next to nothing means days, which is as good as for ever.
fn period(rate: f32) -> Duration {
    const SHORTEST: Duration = Duration::from_nanos(1);
    const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);
    Duration::try_from_secs_f32(1.0 / rate).map_or(LONGEST, |period| period.clamp(SHORTEST, LONGEST))
}

/// Tries again where that may help. An execution that is gone or has closed needs nothing.
async fn operate(job: &Job<'_>, target: &Execution) -> Result<(), Status> {
    let mut wait = Duration::from_millis(100);
    let mut attempt = 1;
    loop {
        let error = match job.operate(&Call::internal(), target).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        match error.code() {
            Code::NotFound => return Ok(()),
            _ if status::may_pass(&error) && attempt < ATTEMPTS => {}
            _ => return Err(error),
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
        attempt += 1;
    }
}

impl Frontend {
    async fn batch_total(
        &self,
        namespace: &AuthorizedNamespace,
        request: &StartBatchOperationRequest,
        started: Nanos,
    ) -> Result<i64, Error> {
        match query(request, started) {
            Some(query) => {
                let counted = self.lists.count_of(namespace, archetype(request), &query).await;
                Ok(counted.map_err(|_| Error::Unavailable)?.0)
            }
            None => Ok(check::targets(request).len().try_into().unwrap_or(i64::MAX)),
        }
    }

    async fn batch_page(
        &self,
        namespace: &AuthorizedNamespace,
        request: &StartBatchOperationRequest,
        started: Nanos,
        progress: &BatchProgress,
    ) -> Result<Page, Error> {
        let size = rate(request, namespace).clamp(1.0, PAGE) as usize;
        let Some(query) = query(request, started) else {
            return Ok(slice(check::targets(request), size, progress));
        };
        let page_size = i32::try_from(size).unwrap_or(i32::MAX);
        let rows = self.lists.rows_of(namespace, archetype(request), &query, page_size, &progress.cursor).await;
        let (rows, next) = rows.map_err(|_| Error::Unavailable)?;
        let kind = request.operation.as_ref().map_or(ExecutionType::Workflow, check::execution_type);
        let targets = rows.into_iter().map(|row| Execution {
            r#type: kind.into(),
            business_id: row.workflow_id,
            run_id: row.run_id.to_string(),
        });
        Ok(Page { targets: targets.collect(), next })
    }
}

/// Those that the request names itself: pages have no gaps, so their number tells where the next begins.
fn slice(targets: Vec<Execution>, size: usize, progress: &BatchProgress) -> Page {
    let done = usize::try_from(progress.pages).unwrap_or(usize::MAX).saturating_mul(size);
    let more = targets.len() > done.saturating_add(size);
    let targets = targets.into_iter().skip(done).take(size).collect();
    Page { targets, next: if more { Bytes::from_static(b"more") } else { Bytes::new() } }
}

/// Operations per second. Zero would never end.
fn rate(request: &StartBatchOperationRequest, namespace: &AuthorizedNamespace) -> f32 {
    let asked = request.max_operations_per_second;
    if asked.is_finite() && asked > 0.0 { asked } else { namespace.limits().batch_rps.max(1) as f32 }
}

pub(super) fn archetype(request: &StartBatchOperationRequest) -> Archetype {
    match request.operation.as_ref().map(check::execution_type) {
        Some(ExecutionType::Activity) => Archetype::Activity,
        _ => Archetype::Workflow,
    }
}

/// None: the request names its executions.
pub(super) fn query(request: &StartBatchOperationRequest, started: Nanos) -> Option<String> {
    use perdure_proto::api::batch::batch_operation_unpause_activities::Activity;
    if request.visibility_query.is_empty() {
        return None;
    }
    let asked = match &request.operation {
        // As on Temporal's server: which workflows have such an activity, a search attribute tells.
        Some(Operation::UnpauseActivitiesOperation(unpause)) => match &unpause.activity {
            Some(Activity::Type(name)) => {
                format!("TemporalPauseInfo = 'property:activityType={}'", name.replace('\'', "''"))
            }
            _ => request.visibility_query.clone(),
        },
        _ => request.visibility_query.clone(),
    };
    let begun = chrono::DateTime::from_timestamp_nanos(started).to_rfc3339_opts(chrono::SecondsFormat::Nanos, true);
    Some(format!("({asked}) AND (CloseTime IS NULL OR CloseTime < '{begun}')"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        for (rate, millis) in [(50.0, 20), (1.0, 1_000), (0.5, 2_000), (1e-30, 604_800_000), (f32::MAX, 0)] {
            assert_eq!((period(rate).as_millis(), period(rate).is_zero()), (millis, false), "{rate}");
        }
    }
}
