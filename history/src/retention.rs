//! Retention: closed runs go when their namespace no longer keeps them, and so do all runs of a deleted namespace.
//!
//! Each sweep asks the store for what has expired, by the retention that the namespaces have now, and deletes page after
//! page through the shards. A run that still owes something to others goes once it does not.

use std::time::Duration;

use perdure_engine::{Archetype, Input, Nanos, time::from_optional_duration};
use perdure_proto::{api::enums::NamespaceState, perdure::persistence::v1::Namespace};
use perdure_storage::{RunKey, StoreError, WorkflowKey};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{History, api::Target, error::Error};

/// Between two sweeps. No run is kept for less than an hour.
const INTERVAL: Duration = Duration::from_secs(60);
/// Runs that are deleted at a time: few commits, and room for others between them.
const PAGE: usize = 500;
const ARCHETYPES: [Archetype; 5] =
    [Archetype::Workflow, Archetype::Activity, Archetype::NexusOperation, Archetype::Schedule, Archetype::Batch];

impl History {
    /// Sweeps until told to stop.
    pub(crate) async fn keep_sweeping(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.shared.retention.notified() => {}
                () = tokio::time::sleep(INTERVAL) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                swept = self.sweep() => match swept {
                    Ok(0) => {}
                    Ok(runs) => tracing::info!(runs, "deleted what is no longer kept"),
                    Err(error) => tracing::warn!(%error, "not all that is no longer kept could be deleted"),
                },
            }
        }
    }

    /// Begins a sweep without waiting for its time: the retention of a namespace has changed.
    pub fn sweep_soon(&self) {
        self.shared.retention.notify_one();
    }

    /// Deletes what has expired; returns how many runs that were.
    pub async fn sweep(&self) -> Result<usize, StoreError> {
        let mut deleted = 0;
        for namespace in self.shared.store.namespaces().await? {
            let Ok(id) = Uuid::parse_str(&namespace.id) else { continue };
            let found = self.sweep_namespace(id, last_kept(&namespace, self.shared.clock.now())).await?;
            if found == 0 && namespace.state() == NamespaceState::Deleted {
                self.shared.store.delete_namespace(id).await?;
            }
            deleted += found;
        }
        Ok(deleted)
    }

    /// Deletes the runs of a namespace that closed before a time. [`Nanos::MAX`]: all, open ones too.
    async fn sweep_namespace(&self, namespace_id: Uuid, closed_before: Nanos) -> Result<usize, StoreError> {
        let mut deleted = 0;
        for archetype in ARCHETYPES {
            let mut after = None;
            loop {
                let expired = self.shared.store.expired(namespace_id, archetype, closed_before, after, PAGE);
                let expired = expired.await?;
                let runs = expired.iter().map(|run| (run.workflow.clone(), run.key));
                deleted += self.delete_all(runs.collect()).await;
                match expired.last() {
                    Some(last) if expired.len() == PAGE => after = Some(last.position),
                    _ => break,
                }
            }
        }
        Ok(deleted)
    }

    /// All at once: a shard reads and writes them together. One that a busy shard does not take is left to the next sweep.
    async fn delete_all(&self, runs: Vec<(WorkflowKey, RunKey)>) -> usize {
        let mut deletions = tokio::task::JoinSet::new();
        for (workflow, key) in runs {
            let (history, target) = (self.clone(), Target { workflow, run_id: Some(key.run_id) });
            deletions.spawn(async move { history.input(target, Input::Delete).await });
        }
        let mut deleted = 0;
        while let Some(done) = deletions.join_next().await {
            match done {
                Ok(Ok(_) | Err(Error::RunNotFound | Error::WorkflowNotFound)) => deleted += 1,
                Ok(Err(error)) => tracing::debug!(%error, "an expired run could not be deleted yet"),
                Err(panic) => tracing::error!(%panic, "the deletion of an expired run ended badly"),
            }
        }
        self.shared.metrics.retention_deletes.inc_by(deleted as u64);
        deleted
    }
}

/// Runs that closed before this time go.
fn last_kept(namespace: &Namespace, now: Nanos) -> Nanos {
    if namespace.state() == NamespaceState::Deleted {
        return Nanos::MAX;
    }
    now.saturating_sub(from_optional_duration(namespace.retention.as_ref()))
}
