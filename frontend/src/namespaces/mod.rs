//! Namespaces: all of them in memory, written through to the store, visible at once.
//!
//! A request names its namespace once; [`Namespaces::resolve`] turns that name into an [`AuthorizedNamespace`], and no lower
//! layer takes a namespace in any other form. So a token or a command cannot reach into another one.

mod attributes;
mod describe;
mod operations;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use parking_lot::RwLock;
use perdure_engine::{Nanos, time::from_optional_duration};
use perdure_history::ByNamespace;
use perdure_proto::{api::enums::NamespaceState, perdure::persistence::v1::Namespace};
use perdure_storage::{Store, StoreError, visibility::AttributeKind};
use tokio::sync::Mutex;
use tonic::Status;
use uuid::Uuid;

pub(crate) use attributes::{built_in, is_reserved, is_settable, is_system, other_spelling, predefined, system};
pub(crate) use operations::SYSTEM_NAMESPACE;

use crate::{limits::FrontendLimits, quotas::Quotas, status};

/// The namespace that a request was resolved to: the only one that it can touch. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthorizedNamespace(Arc<Entry>);

#[derive(Debug, PartialEq)]
struct Entry {
    id: Uuid,
    name: Arc<str>,
    stored: Namespace,
    limits: Arc<FrontendLimits>,
}

impl AuthorizedNamespace {
    pub fn id(&self) -> Uuid {
        self.0.id
    }

    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    pub fn state(&self) -> NamespaceState {
        self.0.stored.state()
    }

    /// What its requests may ask for, as it was when the request was resolved.
    pub fn limits(&self) -> &FrontendLimits {
        &self.0.limits
    }

    /// How long a closed run is kept.
    pub fn retention(&self) -> Nanos {
        from_optional_duration(self.0.stored.retention.as_ref())
    }

    /// The type of a search attribute that the namespace defines itself.
    pub fn custom_attribute(&self, name: &str) -> Option<AttributeKind> {
        self.0.stored.search_attributes.get(name).copied().and_then(AttributeKind::from_indexed)
    }

    /// All attributes that the namespace defines itself, with their `IndexedValueType`.
    pub(crate) fn custom_attributes(&self) -> &BTreeMap<String, i32> {
        &self.0.stored.search_attributes
    }

    /// The type of a search attribute that a workflow may have: a custom or a predefined one.
    pub fn attribute(&self, name: &str) -> Option<AttributeKind> {
        self.custom_attribute(name).or_else(|| predefined(name))
    }

    fn stored(&self) -> &Namespace {
        &self.0.stored
    }
}

/// The registry and its RPCs. Cheap to clone.
#[derive(Clone)]
pub struct Namespaces(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    quotas: Quotas,
    cluster_name: String,
    known: RwLock<Known>,
    /// One change at a time: each reads what it changes.
    changes: Mutex<()>,
}

#[derive(Default)]
struct Known {
    limits: ByNamespace<Arc<FrontendLimits>>,
    by_name: BTreeMap<Arc<str>, AuthorizedNamespace>,
    by_id: HashMap<Uuid, AuthorizedNamespace>,
}

impl Known {
    fn put(&mut self, stored: Namespace) -> Result<(), StoreError> {
        let id = Uuid::parse_str(&stored.id)
            .map_err(|_| StoreError::Corrupt(format!("namespace {} has the id {:?}", stored.name, stored.id)))?;
        let name: Arc<str> = stored.name.as_str().into();
        let limits = self.limits.of(&name).clone();
        let namespace = AuthorizedNamespace(Arc::new(Entry { id, name: name.clone(), stored, limits }));
        self.by_name.insert(name, namespace.clone());
        self.by_id.insert(id, namespace);
        Ok(())
    }
}

impl Namespaces {
    /// Loads all namespaces of the store.
    pub async fn open(
        store: Arc<dyn Store>,
        limits: ByNamespace<FrontendLimits>,
        quotas: Quotas,
        cluster_name: String,
    ) -> Result<Self, StoreError> {
        quotas.set_rps(limits.all.rps);
        let mut known = Known { limits: shared(limits), ..Known::default() };
        for stored in store.namespaces().await? {
            known.put(stored)?;
        }
        Ok(Self(Arc::new(Inner { store, quotas, cluster_name, known: RwLock::new(known), changes: Mutex::new(()) })))
    }

    /// Loads all namespaces again.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let _changes = self.0.changes.lock().await;
        let stored = self.0.store.namespaces().await?;
        let mut known = self.0.known.write();
        let mut fresh = Known { limits: known.limits.clone(), ..Known::default() };
        for namespace in stored {
            fresh.put(namespace)?;
        }
        *known = fresh;
        Ok(())
    }

    /// Puts other limits in place of those that hold, for all requests that come from now on.
    pub fn set_limits(&self, limits: ByNamespace<FrontendLimits>) {
        self.0.quotas.set_rps(limits.all.rps);
        let mut known = self.0.known.write();
        known.limits = shared(limits);
        let Known { limits, by_name, by_id } = &mut *known;
        for namespace in by_id.values_mut() {
            let Entry { id, name, stored, .. } = &*namespace.0;
            let limits = limits.of(name).clone();
            *namespace =
                AuthorizedNamespace(Arc::new(Entry { id: *id, name: name.clone(), stored: stored.clone(), limits }));
            by_name.insert(namespace.name().clone(), namespace.clone());
        }
    }

    /// Of what belongs to no namespace.
    pub(crate) fn limits(&self) -> Arc<FrontendLimits> {
        self.0.known.read().limits.all.clone()
    }

    /// Of a namespace that need not exist.
    pub(crate) fn limits_named(&self, name: &str) -> Arc<FrontendLimits> {
        self.0.known.read().limits.of(name).clone()
    }

    /// Of a namespace that may be gone.
    pub(crate) fn limits_of(&self, id: Uuid) -> Arc<FrontendLimits> {
        let known = self.0.known.read();
        known.by_id.get(&id).map_or(&known.limits.all, |namespace| &namespace.0.limits).clone()
    }

    /// The namespace that a request names. INVALID_ARGUMENT for a bad name, NOT_FOUND for an unknown one,
    /// FAILED_PRECONDITION for a deleted one, RESOURCE_EXHAUSTED for one that asks for too much.
    pub fn resolve(&self, name: &str) -> Result<AuthorizedNamespace, Status> {
        self.resolve_in(name, &[NamespaceState::Registered, NamespaceState::Deprecated])
    }

    /// All that are not deleted for good.
    pub fn all(&self) -> Vec<AuthorizedNamespace> {
        self.0.known.read().by_id.values().cloned().collect()
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.0.known.read().by_name.contains_key(name)
    }

    /// The same for a call that is served in these states only.
    pub(crate) fn resolve_in(&self, name: &str, allowed: &[NamespaceState]) -> Result<AuthorizedNamespace, Status> {
        if name.is_empty() {
            return Err(status::invalid("Namespace is empty."));
        }
        let namespace = self.find(name)?;
        if !allowed.contains(&namespace.state()) {
            return Err(status::namespace_invalid_state(name, namespace.state(), allowed));
        }
        self.0.quotas.namespace(&namespace).map(|()| namespace)
    }

    /// For tokens, which carry the id.
    pub fn by_id(&self, id: Uuid) -> Option<AuthorizedNamespace> {
        self.0.known.read().by_id.get(&id).cloned()
    }

    fn find(&self, name: &str) -> Result<AuthorizedNamespace, Status> {
        let known = self.0.known.read();
        if name.len() > known.limits.all.runs.id_length {
            return Err(status::invalid("Namespace length exceeds limit."));
        }
        known.by_name.get(name).cloned().ok_or_else(|| status::namespace_not_found(name))
    }
}

fn shared(limits: ByNamespace<FrontendLimits>) -> ByNamespace<Arc<FrontendLimits>> {
    let named = limits.named.into_iter().map(|(name, limits)| (name, Arc::new(limits)));
    ByNamespace { all: Arc::new(limits.all), named: named.collect() }
}

#[cfg(test)]
pub(crate) mod tests;
