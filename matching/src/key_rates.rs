//! The rate limit of each fairness key of a queue: one rate for all, times the key's weight.

use std::{collections::HashMap, sync::Arc};

use tokio::time::Instant;

use crate::{
    QueueConfig, TaskPriority,
    fair::effective_weight,
    rate::{RateLimit, Wait},
};

/// Keys with a bucket of their own; beyond, keys share one. Bounds the memory that made-up keys can take.
const KEYS: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct KeyRates {
    config: Arc<QueueConfig>,
    buckets: HashMap<Option<Arc<str>>, RateLimit>,
    shared: RateLimit,
}

impl KeyRates {
    pub(crate) fn configure(&mut self, config: Arc<QueueConfig>) {
        if config.fairness_key_rate.is_none() {
            self.buckets = HashMap::new();
        }
        self.config = config;
    }

    /// The weight that counts: an operator's, else the task's own.
    pub(crate) fn weight(&self, priority: &TaskPriority) -> f32 {
        let key = priority.fairness_key.as_deref().unwrap_or_default();
        let weight = if self.config.fairness_weights.is_empty() { None } else { self.config.fairness_weights.get(key) };
        effective_weight(weight.copied().unwrap_or(priority.fairness_weight))
    }

    pub(crate) fn take(&mut self, priority: &TaskPriority, now: Instant) -> Result<(), Wait> {
        let Some(rate) = self.config.fairness_key_rate else { return Ok(()) };
        let rate = rate * f64::from(self.weight(priority));
        if self.buckets.len() >= KEYS && !self.buckets.contains_key(&priority.fairness_key) {
            self.buckets.retain(|_, bucket| !bucket.is_full(now));
        }
        let bucket = if self.buckets.len() < KEYS || self.buckets.contains_key(&priority.fairness_key) {
            self.buckets.entry(priority.fairness_key.clone()).or_default()
        } else {
            &mut self.shared
        };
        bucket.set(rate, now);
        bucket.take(now)
    }

    /// Gives a token back that was taken for nothing.
    pub(crate) fn refund(&mut self, key: &Option<Arc<str>>) {
        if let Some(bucket) = self.buckets.get_mut(key) {
            bucket.refund();
        }
    }
}
