//! Handles by labels that users choose.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::{Arc, OnceLock},
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

type Make<K, H> = Box<dyn Fn(Option<&K>) -> H + Send + Sync>;

/// At most so many handles; later keys share one more. To find one takes no lock. Nothing is ever removed, so that no count is
/// lost: what a client can make up must not be more than the bound.
pub struct Family<K, H> {
    known: ArcSwap<HashMap<K, Arc<H>>>,
    most: usize,
    other: OnceLock<Arc<H>>,
    make: Make<K, H>,
    growing: Mutex<()>,
}

impl<K: Clone + Eq + Hash, H> Family<K, H> {
    /// `make` is asked once for each key, and with None for all those beyond the bound.
    pub fn new(most: usize, make: impl Fn(Option<&K>) -> H + Send + Sync + 'static) -> Self {
        Self { known: ArcSwap::default(), most, other: OnceLock::new(), make: Box::new(make), growing: Mutex::new(()) }
    }

    pub fn find<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<Arc<H>>
    where
        K: Borrow<Q>,
    {
        self.known.load().get(key).cloned()
    }

    /// The same, made if it is new and there is room.
    pub fn get(&self, key: &K) -> Arc<H> {
        if let Some(handle) = self.find(key) {
            return handle;
        }
        let _growing = self.growing.lock();
        let known = self.known.load_full();
        if let Some(handle) = known.get(key) {
            return Arc::clone(handle);
        }
        if known.len() >= self.most {
            return self.other();
        }
        let handle = Arc::new((self.make)(Some(key)));
        let mut grown = (*known).clone();
        grown.insert(key.clone(), Arc::clone(&handle));
        self.known.store(Arc::new(grown));
        handle
    }

    /// That of all keys beyond the bound.
    pub fn other(&self) -> Arc<H> {
        Arc::clone(self.other.get_or_init(|| Arc::new((self.make)(None))))
    }

    pub fn is_other(&self, handle: &Arc<H>) -> bool {
        self.other.get().is_some_and(|other| Arc::ptr_eq(other, handle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded() {
        let family = Family::new(2, |key: Option<&String>| key.cloned().unwrap_or_else(|| "other".to_owned()));
        let get = |key: &str| (*family.get(&key.to_owned())).clone();
        assert_eq!(["a", "b", "c", "a", "d"].map(get), ["a", "b", "other", "a", "other"]);
        assert!(family.find("a").is_some() && family.find("c").is_none());
        assert!(family.is_other(&family.get(&"e".to_owned())) && !family.is_other(&family.get(&"b".to_owned())));
    }
}
