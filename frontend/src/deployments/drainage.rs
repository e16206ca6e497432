//! Finds out when a version that gets no new work is drained: when no open run is pinned to it any more.
//!
//! A run shows its version once its first workflow task is done, so the first look waits for the tasks that were under way
//! when the version lost its role; later looks come in equal distances.

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use perdure_engine::{Limits, Nanos, time::from_optional_timestamp};
use perdure_proto::{
    api::enums::{VersionDrainageStatus, WorkflowExecutionStatus},
    perdure::persistence::v1::WorkerDeploymentVersionState,
};
use perdure_storage::visibility::{AttributeKind, CompareOp, Field, Filter, ListQuery, Value};
use tokio::{sync::Notify, time::timeout};
use tonic::Status;
use uuid::Uuid;

use super::{Inner, change, state};
use crate::{call::unix_now, error};

/// After a look that failed.
const RETRY: Duration = Duration::from_secs(10);
/// How long to sleep while nothing drains.
const IDLE: Duration = Duration::from_secs(3_600);

/// A version whose turn it is at this time.
struct Look {
    at: Nanos,
    namespace_id: Uuid,
    deployment: String,
    build_id: String,
}

/// Runs until the registry is gone.
pub(super) async fn watch(registry: Weak<Inner>, changed: Arc<Notify>) {
    loop {
        let Some(inner) = registry.upgrade() else { return };
        let pause = inner.look().await;
        drop(inner);
        // Either is a reason to look again.
        let _ = timeout(pause, changed.notified()).await;
    }
}

impl Inner {
    /// Looks at the versions whose turn has come, and says when to look again.
    async fn look(&self) -> Duration {
        for look in self.looks().into_iter().filter(|look| look.at <= unix_now()) {
            if let Err(status) = self.look_at(&look).await {
                let Look { deployment, build_id, .. } = &look;
                tracing::warn!(%deployment, %build_id, %status, "cannot tell whether the version is drained");
                return RETRY;
            }
        }
        let next = self.looks().iter().map(|look| look.at).min();
        next.map_or(IDLE, |at| Duration::from_nanos(u64::try_from(at - unix_now()).unwrap_or_default()))
    }

    fn looks(&self) -> Vec<Look> {
        let mut looks = Vec::new();
        for (namespace_id, deployments) in &*self.known.read() {
            let limits = self.namespaces.limits_of(*namespace_id);
            for deployment in deployments.values() {
                looks.extend(deployment.versions.iter().filter_map(|(build_id, version)| {
                    Some(Look {
                        at: due(version, &limits.runs)?,
                        namespace_id: *namespace_id,
                        deployment: deployment.name.clone(),
                        build_id: build_id.clone(),
                    })
                }));
            }
        }
        looks
    }

    async fn look_at(&self, look: &Look) -> Result<(), Status> {
        let Look { namespace_id, deployment, build_id, .. } = look;
        let query = open_pinned_runs(*namespace_id, deployment, build_id);
        let pins = self.pins.load(Ordering::Relaxed);
        let runs = self.store.count(&query).await.map_err(error::of_store)?;
        self.change(*namespace_id, deployment, |found, _| {
            // One that came after the count is one too.
            let came = i64::from(self.pins.load(Ordering::Relaxed) != pins);
            let counted = |version: &mut _, now| state::counted(version, runs + came, now);
            Ok((change::version(&found, build_id, counted), ()))
        })
        .await
    }
}

fn due(version: &WorkerDeploymentVersionState, limits: &Limits) -> Option<Nanos> {
    let drainage = version.drainage.as_ref()?;
    if drainage.status() != VersionDrainageStatus::Draining {
        return None;
    }
    let is_first = drainage.last_checked_time == drainage.last_changed_time;
    let pause = if is_first { limits.drainage_grace } else { limits.drainage_refresh };
    let checked = from_optional_timestamp(drainage.last_checked_time.as_ref()).unwrap_or_default();
    Some(checked.saturating_add(pause))
}

fn open_pinned_runs(namespace_id: Uuid, deployment: &str, build_id: &str) -> ListQuery {
    let equal = |field, value| Filter::Compare { field, op: CompareOp::Eq, value };
    let keyword = |name: &str, value: &str| {
        let field = Field::Attribute { name: name.to_owned(), kind: AttributeKind::Keyword };
        equal(field, Value::Text(value.to_owned()))
    };
    let filter = Filter::And(vec![
        keyword("TemporalWorkerDeploymentVersion", &format!("{deployment}:{build_id}")),
        keyword("TemporalWorkflowVersioningBehavior", "Pinned"),
        equal(Field::Status, Value::Int(i32::from(WorkflowExecutionStatus::Running).into())),
    ]);
    ListQuery { namespace_id, filter: Some(filter), ..ListQuery::default() }
}
