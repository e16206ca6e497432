//! Worker deployments: which versions of a program poll which queues, and which of them gets new work.
//!
//! All of them are in memory, loaded at the start; a change is written before it is believed, and then told to matching,
//! queue by queue. Each deployment is one row whose revision grows, so that two writers never undo each other.

mod change;
mod describe;
mod drainage;
mod names;
mod read;
mod reroute;
mod room;
mod routing;
mod state;
mod withdrawn;
mod write;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::RwLock;
use perdure_engine::{Limits, Nanos, override_version};
use perdure_matching::{DeploymentVersion, Matching, QueueKey};
use perdure_proto::{
    api::workflow::VersioningOverride,
    perdure::persistence::v1::{WorkerDeployment, WorkerDeploymentVersionState},
};
use perdure_storage::{Store, StoreError};
use prost::bytes::Bytes;
use tokio::sync::{Mutex, Notify};
use tonic::Status;
use uuid::Uuid;

pub(crate) use self::withdrawn::{rules_are_disabled, sets_are_disabled};
use crate::{call::unix_now, error, namespaces::Namespaces, status};

/// One that is written, shared by all readers.
type Deployment = Arc<WorkerDeployment>;

/// Tries to write beside another writer.
const ATTEMPTS: usize = 5;

/// The registry. Cheap to clone.
#[derive(Clone)]
pub struct Deployments(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    matching: Matching,
    namespaces: Namespaces,
    known: RwLock<Known>,
    /// One change at a time: each reads what it changes.
    changes: Mutex<()>,
    /// A version began to drain, or the registry is gone.
    drains: Arc<Notify>,
    /// How often a run was pinned to a version that drains: who counts such runs sees whether one came meanwhile. Changed under
    /// the lock of `changes`.
    pins: AtomicU64,
}

/// By namespace id and name.
type Known = HashMap<Uuid, BTreeMap<String, Deployment>>;

/// What a change finds.
struct Found<'a> {
    deployment: Option<&'a WorkerDeployment>,
    /// Deployments of the namespace.
    count: usize,
    matching: &'a Matching,
    limits: &'a Limits,
    namespace_id: Uuid,
    now: Nanos,
    /// For the next state: no other state has had it.
    token: Bytes,
    /// For what this call makes, where the client gave none.
    request_id: String,
}

impl Found<'_> {
    /// Workers of the version poll one of its queues, or did lately.
    fn has_pollers(&self, name: &str, build_id: &str, version: &WorkerDeploymentVersionState) -> bool {
        let id = DeploymentVersion::new(name, build_id);
        let mut keys = state::queues(version).filter_map(|(queue, kind)| routing::key(self.namespace_id, queue, kind));
        keys.any(|key| !self.matching.describe_version(&key, Some(&id)).pollers.is_empty())
    }

    /// The queue is routed to the version, and has tasks or gets some.
    fn has_work(&self, key: &QueueKey, version: &DeploymentVersion) -> bool {
        let routing = self.matching.routing(key);
        let is_routed = routing.is_some_and(|routing| routing.current.as_ref() == Some(version));
        let found = self.matching.describe_version(key, Some(version)).total();
        is_routed && (found.backlog_count > 0 || found.tasks_add_rate > 0.0)
    }
}

/// What a change makes of it.
enum Next {
    Same,
    Put(Box<WorkerDeployment>),
    Gone,
}

impl Next {
    fn put(deployment: WorkerDeployment) -> Self {
        Self::Put(Box::new(deployment))
    }
}

impl Deployments {
    /// Loads all deployments and tells matching how they route. Versions that drain are looked at from now on.
    pub async fn open(store: Arc<dyn Store>, matching: Matching, namespaces: Namespaces) -> Result<Self, StoreError> {
        let known = load(&*store).await?;
        let inner = Arc::new(Inner {
            store,
            matching,
            namespaces,
            known: RwLock::new(known),
            changes: Mutex::new(()),
            drains: Arc::default(),
            pins: AtomicU64::new(0),
        });
        for (namespace_id, deployments) in &*inner.known.read() {
            let queues = deployments.values().flat_map(|deployment| routing::queues(deployment));
            inner.tell(*namespace_id, deployments, queues.collect());
        }
        tokio::spawn(drainage::watch(Arc::downgrade(&inner), inner.drains.clone()));
        Ok(Self(inner))
    }

    /// Loads all deployments again.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let _changes = self.0.changes.lock().await;
        self.0.reload().await
    }

    fn get(&self, namespace_id: Uuid, name: &str) -> Option<Deployment> {
        self.0.known.read().get(&namespace_id)?.get(name).cloned()
    }

    /// A worker polls a queue. If it is of a version, both are known from now on; only what is new is written.
    pub(crate) async fn register(&self, key: &QueueKey, version: Option<&DeploymentVersion>) -> Result<(), Status> {
        let (Some(version), Some(kind)) = (version, routing::kind(key)) else { return Ok(()) };
        let (namespace_id, queue) = (key.namespace_id, &*key.name);
        let known = self.get(namespace_id, &version.deployment);
        let known = known.as_ref().and_then(|deployment| deployment.versions.get(&*version.build_id));
        if known.is_some_and(|found| state::has_queue(found, queue, kind)) {
            return Ok(());
        }
        let (build_id, queue) = (version.build_id.clone(), queue.to_owned());
        self.change(namespace_id, &version.deployment, move |found, name| {
            change::register(&found, name, &build_id, &queue, kind).map(|next| (next, ()))
        })
        .await
    }

    /// A client pins a run to a version, which can begin its draining anew. Before the run knows: a version is never drained
    /// that has a run.
    pub(crate) async fn pin(&self, namespace_id: Uuid, set: Option<&VersioningOverride>) -> Result<(), Status> {
        let Some(version) = override_version(set) else { return Ok(()) };
        let known = self.get(namespace_id, &version.deployment_name);
        let known = known.as_ref().and_then(|deployment| deployment.versions.get(&version.build_id));
        if !known.is_some_and(state::can_drain) {
            return Ok(());
        }
        let (build_id, inner) = (version.build_id.clone(), self.0.clone());
        self.change(namespace_id, &version.deployment_name, move |found, _| {
            inner.pins.fetch_add(1, Ordering::Relaxed);
            Ok((change::version(&found, &build_id, state::pin), ()))
        })
        .await
    }

    /// Lets `make` decide on the newest state and writes what it decides. Once begun it goes on without its caller, so that
    /// what is written and what is believed never differ for long.
    async fn change<T: Send + 'static>(
        &self,
        namespace_id: Uuid,
        name: &str,
        make: impl Fn(Found<'_>, &str) -> Result<(Next, T), Status> + Send + Sync + 'static,
    ) -> Result<T, Status> {
        let (inner, name) = (self.0.clone(), name.to_owned());
        let changing = tokio::spawn(async move { inner.change(namespace_id, &name, make).await });
        changing.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a change of a worker deployment ended badly");
            Err(status::unavailable())
        })
    }
}

impl Inner {
    async fn change<T>(
        &self,
        namespace_id: Uuid,
        name: &str,
        make: impl Fn(Found<'_>, &str) -> Result<(Next, T), Status>,
    ) -> Result<T, Status> {
        let _changes = self.changes.lock().await;
        let limits = self.namespaces.limits_of(namespace_id);
        for _ in 0..ATTEMPTS {
            let known = self.known.read().get(&namespace_id).cloned().unwrap_or_default();
            let before = known.get(name).cloned();
            let found = Found {
                deployment: before.as_deref(),
                count: known.len(),
                matching: &self.matching,
                limits: &limits.runs,
                namespace_id,
                now: unix_now(),
                token: Uuid::new_v4().into_bytes().to_vec().into(),
                request_id: Uuid::new_v4().to_string(),
            };
            let (next, reply) = make(found, name)?;
            let after = match next {
                Next::Same => return Ok(reply),
                Next::Put(deployment) => Some(numbered(*deployment, namespace_id, name, before.as_deref())),
                Next::Gone => None,
            };
            match self.write(before.as_deref(), after.as_ref()).await {
                Ok(()) => {
                    self.believe(namespace_id, name, before, after.map(Arc::new));
                    return Ok(reply);
                }
                // Another process was faster.
                Err(StoreError::AlreadyExists | StoreError::NotFound) => {
                    self.reload().await.map_err(error::of_store)?
                }
                Err(error) => return Err(error::of_store(error)),
            }
        }
        Err(status::unavailable())
    }

    async fn write(
        &self,
        before: Option<&WorkerDeployment>,
        after: Option<&WorkerDeployment>,
    ) -> Result<(), StoreError> {
        match (before, after) {
            (None, Some(after)) => self.store.create_worker_deployment(after).await,
            (Some(_), Some(after)) => self.store.update_worker_deployment(after).await,
            (Some(before), None) => self.store.delete_worker_deployment(before).await,
            (None, None) => Ok(()),
        }
    }

    fn believe(&self, namespace_id: Uuid, name: &str, before: Option<Deployment>, after: Option<Deployment>) {
        let queues = before.iter().chain(&after).flat_map(|deployment| routing::queues(deployment)).collect();
        let deployments = {
            let mut known = self.known.write();
            let deployments = known.entry(namespace_id).or_default();
            match after {
                Some(after) => deployments.insert(name.to_owned(), after),
                None => deployments.remove(name),
            };
            deployments.clone()
        };
        self.tell(namespace_id, &deployments, queues);
        self.drains.notify_one();
    }

    fn tell(&self, namespace_id: Uuid, deployments: &BTreeMap<String, Deployment>, queues: BTreeSet<routing::Queue>) {
        for (queue, kind) in queues {
            if let Some(key) = routing::key(namespace_id, &queue, kind) {
                self.matching.set_routing(key, routing::of_queue(deployments, &queue, kind));
            }
        }
    }

    async fn reload(&self) -> Result<(), StoreError> {
        let loaded = load(&*self.store).await?;
        let mut touched: BTreeMap<Uuid, BTreeSet<routing::Queue>> = BTreeMap::new();
        let old = std::mem::replace(&mut *self.known.write(), loaded.clone());
        for (namespace_id, deployments) in old.iter().chain(&loaded) {
            let queues = deployments.values().flat_map(|deployment| routing::queues(deployment));
            touched.entry(*namespace_id).or_default().extend(queues);
        }
        for (namespace_id, queues) in touched {
            self.tell(namespace_id, loaded.get(&namespace_id).unwrap_or(&BTreeMap::new()), queues);
        }
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.drains.notify_one();
    }
}

async fn load(store: &dyn Store) -> Result<Known, StoreError> {
    let mut known = Known::new();
    for deployment in store.worker_deployments().await? {
        let namespace_id = Uuid::parse_str(&deployment.namespace_id).map_err(|_| {
            StoreError::Corrupt(format!(
                "worker deployment {} is of namespace {:?}",
                deployment.name, deployment.namespace_id
            ))
        })?;
        known.entry(namespace_id).or_default().insert(deployment.name.clone(), Arc::new(deployment));
    }
    Ok(known)
}

fn numbered(
    mut deployment: WorkerDeployment,
    namespace_id: Uuid,
    name: &str,
    before: Option<&WorkerDeployment>,
) -> WorkerDeployment {
    deployment.namespace_id = namespace_id.to_string();
    deployment.name = name.to_owned();
    deployment.revision = before.map_or(0, |before| before.revision) + 1;
    deployment
}

#[cfg(test)]
mod tests;
