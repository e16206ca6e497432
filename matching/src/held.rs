//! Tasks of fairness keys that have had all that their rate limit allows: they stand aside, and others go first.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap, HashMap},
    sync::Arc,
};

use perdure_storage::BacklogOrder;
use tokio::time::Instant;

use crate::{backlog::Waiting, rate::Wait};

/// None: tasks without a key.
type Key = Option<Arc<str>>;

#[derive(Debug, Default)]
pub(crate) struct Held {
    keys: HashMap<Key, HeldKey>,
    /// When a key may have its next task; without those of rate zero.
    ready: BTreeSet<(Instant, Key)>,
    len: usize,
}

#[derive(Debug, Default)]
struct HeldKey {
    tasks: BinaryHeap<Reverse<Waiting>>,
    /// As in `ready`.
    at: Option<Instant>,
}

impl Held {
    /// The task stands aside behind others of its key; without any, until `wait` is over.
    pub(crate) fn hold(&mut self, waiting: Waiting, wait: Wait) {
        let key = waiting.task.priority.fairness_key.clone();
        let is_new = !self.keys.contains_key(&key);
        self.keys.entry(key.clone()).or_default().tasks.push(Reverse(waiting));
        self.len += 1;
        if is_new {
            self.defer(&key, wait);
        }
    }

    /// Of the keys that may have a task now, the one whose task goes first.
    pub(crate) fn candidate(&self, now: Instant) -> Option<(BacklogOrder, Key)> {
        if self.len == 0 {
            return None;
        }
        let ready = self.ready.iter().take_while(|(at, _)| *at <= now);
        let first = |key: &Key| Some((self.keys.get(key)?.tasks.peek()?.0.order, key.clone()));
        ready.filter_map(|(_, key)| first(key)).min_by_key(|(order, _)| *order)
    }

    pub(crate) fn first(&self, key: &Key) -> Option<&Waiting> {
        self.keys.get(key)?.tasks.peek().map(|Reverse(waiting)| waiting)
    }

    pub(crate) fn take_first(&mut self, key: &Key) -> Option<Waiting> {
        let held = self.keys.get_mut(key)?;
        let first = held.tasks.pop().map(|Reverse(waiting)| waiting);
        self.len -= usize::from(first.is_some());
        if held.tasks.is_empty()
            && let Some(HeldKey { at: Some(at), .. }) = self.keys.remove(key)
        {
            self.ready.remove(&(at, key.clone()));
        }
        first
    }

    /// The key may have nothing until `wait` is over.
    pub(crate) fn defer(&mut self, key: &Key, wait: Wait) {
        let Some(held) = self.keys.get_mut(key) else { return };
        let at = match wait {
            Wait::Until(at) => Some(at),
            Wait::Paused => None,
        };
        if let Some(before) = std::mem::replace(&mut held.at, at) {
            self.ready.remove(&(before, key.clone()));
        }
        if let Some(at) = at {
            self.ready.insert((at, key.clone()));
        }
    }

    /// When a key may have its next task. None: nothing is held.
    pub(crate) fn wait(&self) -> Option<Wait> {
        match self.ready.first() {
            Some((at, _)) => Some(Wait::Until(*at)),
            None => (self.len > 0).then_some(Wait::Paused),
        }
    }

    pub(crate) fn has(&self, key: Option<&Arc<str>>) -> bool {
        self.len > 0 && self.keys.contains_key(&key.cloned())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.keys.values().flat_map(|held| &held.tasks).map(|Reverse(waiting)| waiting)
    }

    pub(crate) fn take(&mut self) -> Vec<Waiting> {
        let held = std::mem::take(self);
        held.keys.into_values().flat_map(|held| held.tasks).map(|Reverse(waiting)| waiting).collect()
    }
}
