//! Turns of fairness keys, within one priority of one lane: start-time fair queueing.
//!
//! Each task gets a *pass* when it begins to wait, and the lowest pass goes first. A key's passes lie one stride apart, and a
//! stride is shorter the more the key weighs; a key that waited for nothing starts at the pass that was served last. So tasks
//! of one key keep their order, a key with little to do is served soon, and of two keys that always have something to do, one
//! of weight 3 gets three turns for each of the other's.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

/// The distance of two tasks of a key of weight 1.
const STRIDE: f64 = 1_000_000.0;
/// Temporal's bounds.
const WEIGHTS: (f32, f32) = (0.001, 1000.0);
/// Keys that are remembered one by one; beyond, keys share turns by hash. Bounds the memory that made-up keys can take.
const KEYS: usize = 10_000;
const SHARED: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// The pass that was served last.
    served: u64,
    /// The next pass of tasks without a key.
    plain: u64,
    /// The next pass by key.
    keys: HashMap<Arc<str>, u64>,
    /// The next pass by the hash of a key that found no room; empty until then.
    shared: Vec<u64>,
    /// Keys that found no room, so that room is looked for only now and then.
    refused: usize,
}

impl Turns {
    /// The pass of a task that begins to wait.
    pub(crate) fn enter(&mut self, key: Option<&Arc<str>>, weight: f32) -> u64 {
        let served = self.served;
        let next = match key {
            None => &mut self.plain,
            Some(key) => self.next_of(key),
        };
        let pass = served.max(*next);
        *next = pass + stride(weight);
        pass
    }

    pub(crate) fn serve(&mut self, pass: u64) {
        self.served = self.served.max(pass);
    }

    /// Nothing waits: what the keys were ahead is forgotten.
    pub(crate) fn reset(&mut self) {
        self.plain = 0;
        self.keys = HashMap::new();
        self.shared = Vec::new();
    }

    fn next_of(&mut self, key: &Arc<str>) -> &mut u64 {
        if self.keys.len() >= KEYS && !self.keys.contains_key(key) {
            if self.refused.is_multiple_of(SHARED) {
                let served = self.served;
                self.keys.retain(|_, next| *next > served);
            }
            if self.keys.len() >= KEYS {
                self.refused += 1;
                self.shared.resize(SHARED, 0);
                let mut hasher = DefaultHasher::new();
                key.hash(&mut hasher);
                return &mut self.shared[hasher.finish() as usize % SHARED];
            }
        }
        self.keys.entry(Arc::clone(key)).or_default()
    }
}

/// The weight that counts: 0 and what makes no sense are 1, as in Temporal.
pub(crate) fn effective_weight(weight: f32) -> f32 {
    if weight > 0.0 { weight.clamp(WEIGHTS.0, WEIGHTS.1) } else { 1.0 }
}

fn stride(weight: f32) -> u64 {
    (STRIDE / f64::from(effective_weight(weight))) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: impl Into<String>) -> Option<Arc<str>> {
        Some(name.into().into())
    }

    /// How many of the first `turns` turns each key gets, when each has more to do than that.
    fn shares(weights: &[f32], turns: usize) -> Vec<usize> {
        let mut all = Turns::default();
        let mut passes = Vec::new();
        for (index, weight) in weights.iter().enumerate() {
            let key = key(index.to_string());
            passes.extend((0..turns).map(|_| (all.enter(key.as_ref(), *weight), index)));
        }
        passes.sort();
        (0..weights.len()).map(|wanted| passes[..turns].iter().filter(|(_, index)| *index == wanted).count()).collect()
    }

    #[test]
    fn turns_follow_weights() {
        for (weights, turns, expected) in [
            (vec![1.0, 1.0], 100, vec![50, 50]),
            (vec![3.0, 1.0], 400, vec![300, 100]),
            (vec![0.0, -5.0, 1.0], 300, vec![100, 100, 100]),
            (vec![1000.0, 1.0], 2002, vec![2000, 2]),
            (vec![1e9, 1000.0], 100, vec![50, 50]),
            (vec![f32::NAN, 1.0], 100, vec![50, 50]),
        ] {
            let found = shares(&weights, turns);
            for (found, expected) in found.iter().zip(&expected) {
                assert!(found.abs_diff(*expected) <= 1, "{weights:?}: {found:?}, not {expected:?}");
            }
        }
    }

    #[test]
    fn a_key_that_comes_late_is_served_next_and_catches_nothing_up() {
        let mut turns = Turns::default();
        let (old, new) = (key("old"), key("new"));
        let waiting: Vec<_> = (0..100).map(|_| turns.enter(old.as_ref(), 1.0)).collect();
        turns.serve(waiting[49]);
        assert_eq!(turns.enter(new.as_ref(), 1.0), waiting[49]);
        assert_eq!(turns.enter(new.as_ref(), 1.0), waiting[50]);
        assert!(turns.enter(old.as_ref(), 1.0) > waiting[99]);
        turns.reset();
        assert_eq!(turns.enter(old.as_ref(), 1.0), waiting[49]);
    }

    #[test]
    fn keys_are_bounded_and_those_beyond_still_take_turns() {
        let mut turns = Turns::default();
        for n in 0..2 * KEYS {
            turns.enter(key(format!("key {n}")).as_ref(), 1.0);
        }
        assert_eq!((turns.keys.len(), turns.shared.len()), (KEYS, SHARED));
        let late = key("one more");
        let (first, second) = (turns.enter(late.as_ref(), 1.0), turns.enter(late.as_ref(), 1.0));
        assert_eq!(second - first, STRIDE as u64);
        turns.serve(u64::MAX / 2);
        for n in 0..=SHARED {
            turns.enter(key(format!("newer {n}")).as_ref(), 1.0);
        }
        assert!(turns.keys.len() <= SHARED + 1, "keys without a lead make room");
    }
}
