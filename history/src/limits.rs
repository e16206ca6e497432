//! Limits that change while the server runs and can differ between namespaces.

use std::{collections::HashMap, sync::Arc};

use arc_swap::{ArcSwap, Guard};
use perdure_engine::Limits;

/// Values for the namespaces that have their own, and one for all others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ByNamespace<T> {
    pub all: T,
    /// By name, which may be that of a namespace that does not exist yet.
    pub named: HashMap<String, T>,
}

impl<T> ByNamespace<T> {
    pub fn of_all(all: T) -> Self {
        Self { all, named: HashMap::new() }
    }

    pub fn of(&self, namespace: &str) -> &T {
        // None has its own on most servers.
        if self.named.is_empty() { &self.all } else { self.named.get(namespace).unwrap_or(&self.all) }
    }

    /// What `part` makes of each value.
    pub fn map<P>(&self, part: impl Fn(&T) -> P) -> ByNamespace<P> {
        let named = self.named.iter().map(|(name, value)| (name.clone(), part(value)));
        ByNamespace { all: part(&self.all), named: named.collect() }
    }
}

/// The limits of runs as they are now. Reading takes no lock. Cheap to clone.
#[derive(Clone)]
pub struct LiveLimits(Arc<ArcSwap<ByNamespace<Limits>>>);

impl LiveLimits {
    pub fn new(limits: ByNamespace<Limits>) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(limits)))
    }

    /// For all steps from now on.
    pub fn set(&self, limits: ByNamespace<Limits>) {
        self.0.store(Arc::new(limits));
    }

    /// To keep for one step, not longer.
    pub(crate) fn load(&self) -> Guard<Arc<ByNamespace<Limits>>> {
        self.0.load()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_has_its_own_or_those_of_all() {
        let limits = |id_length| Limits { id_length, ..Limits::default() };
        let live = LiveLimits::new(ByNamespace::of_all(limits(7)));
        let read = |namespace: &str| live.load().of(namespace).id_length;
        assert_eq!(read("n"), 7);
        live.set(ByNamespace { all: limits(8), named: HashMap::from([("n".to_owned(), limits(9))]) });
        assert_eq!((read("n"), read("other")), (9, 8));
    }
}
