//! Nexus endpoints: all of them in memory, written through to the store, visible at once.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use parking_lot::RwLock;
use perdure_proto::perdure::persistence::v1::NexusEndpoint;
use perdure_storage::{Store, StoreError};
use tokio::sync::Mutex;

/// Why an endpoint could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    #[error("another endpoint has the name")]
    NameTaken,
    #[error("there is no such endpoint")]
    NotFound,
    /// The caller knows another version than the `current` one.
    #[error("the endpoint has version {current}")]
    Stale { current: i64 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The registry. Cheap to clone.
#[derive(Clone)]
pub struct NexusEndpoints(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    known: RwLock<Known>,
    /// One change at a time: each looks at what it changes.
    changes: Mutex<()>,
}

#[derive(Default)]
struct Known {
    by_id: BTreeMap<String, Arc<NexusEndpoint>>,
    ids: HashMap<String, String>,
}

impl Known {
    fn put(&mut self, endpoint: NexusEndpoint) -> Arc<NexusEndpoint> {
        let endpoint = Arc::new(endpoint);
        if let Some(before) = self.by_id.insert(endpoint.id.clone(), endpoint.clone()) {
            self.ids.remove(&before.name);
        }
        self.ids.insert(endpoint.name.clone(), endpoint.id.clone());
        endpoint
    }
}

impl NexusEndpoints {
    /// Knows none before [`NexusEndpoints::load`].
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(Arc::new(Inner { store, known: RwLock::default(), changes: Mutex::new(()) }))
    }

    /// Reads all endpoints of the store: once the leases are held, as until then another server may change them.
    pub(crate) async fn load(&self) -> Result<(), StoreError> {
        let mut known = Known::default();
        for endpoint in self.0.store.nexus_endpoints().await? {
            known.put(endpoint);
        }
        *self.0.known.write() = known;
        Ok(())
    }

    pub fn by_id(&self, id: &str) -> Option<Arc<NexusEndpoint>> {
        self.0.known.read().by_id.get(id).cloned()
    }

    pub fn by_name(&self, name: &str) -> Option<Arc<NexusEndpoint>> {
        let known = self.0.known.read();
        known.ids.get(name).and_then(|id| known.by_id.get(id)).cloned()
    }

    /// By id, those after the given one; "" begins at the first.
    pub fn list(&self, after: &str, limit: usize) -> Vec<Arc<NexusEndpoint>> {
        let known = self.0.known.read();
        known.by_id.values().filter(|endpoint| endpoint.id.as_str() > after).take(limit).cloned().collect()
    }

    /// The endpoint has a new id and version 1.
    pub async fn create(&self, endpoint: NexusEndpoint) -> Result<Arc<NexusEndpoint>, EndpointError> {
        let _changes = self.0.changes.lock().await;
        if self.by_name(&endpoint.name).is_some() {
            return Err(EndpointError::NameTaken);
        }
        self.0.store.create_nexus_endpoint(&endpoint).await.map_err(taken)?;
        Ok(self.0.known.write().put(endpoint))
    }

    /// Replaces the endpoint of this id if it still has the given version; its version and time of creation are kept right.
    pub async fn update(&self, version: i64, mut endpoint: NexusEndpoint) -> Result<Arc<NexusEndpoint>, EndpointError> {
        let _changes = self.0.changes.lock().await;
        let before = self.by_id(&endpoint.id).ok_or(EndpointError::NotFound)?;
        if before.version != version {
            return Err(EndpointError::Stale { current: before.version });
        }
        if self.by_name(&endpoint.name).is_some_and(|named| named.id != endpoint.id) {
            return Err(EndpointError::NameTaken);
        }
        endpoint.version = version + 1;
        endpoint.created_at = before.created_at;
        self.0.store.update_nexus_endpoint(&endpoint).await.map_err(taken)?;
        Ok(self.0.known.write().put(endpoint))
    }

    pub async fn delete(&self, id: &str) -> Result<(), EndpointError> {
        let _changes = self.0.changes.lock().await;
        let endpoint = self.by_id(id).ok_or(EndpointError::NotFound)?;
        self.0.store.delete_nexus_endpoint(id).await?;
        let mut known = self.0.known.write();
        known.by_id.remove(id);
        known.ids.remove(&endpoint.name);
        Ok(())
    }
}

fn taken(error: StoreError) -> EndpointError {
    match error {
        StoreError::AlreadyExists => EndpointError::NameTaken,
        error => EndpointError::Store(error),
    }
}
