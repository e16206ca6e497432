//! The rate limits of one queue: of the whole, and of its fairness keys.

use std::sync::Arc;

use tokio::time::Instant;

use crate::{
    QueueConfig, RateSource, TaskPriority,
    key_rates::KeyRates,
    rate::{RateLimit, Wait},
};

#[derive(Debug, Default)]
pub(crate) struct Rates {
    queue: RateLimit,
    pub(crate) keys: KeyRates,
    /// What the worker that polled last asked for.
    worker: Option<f64>,
    config: Arc<QueueConfig>,
}

impl Rates {
    pub(crate) fn set_worker(&mut self, per_second: Option<f64>, now: Instant) {
        if self.worker != per_second {
            self.worker = per_second.filter(|rate| rate.is_finite() && *rate >= 0.0);
            self.apply(now);
        }
    }

    pub(crate) fn configure(&mut self, config: Arc<QueueConfig>, now: Instant) {
        self.keys.configure(Arc::clone(&config));
        self.config = config;
        self.apply(now);
    }

    fn apply(&mut self, now: Instant) {
        match self.effective().0 {
            Some(per_second) => self.queue.set(per_second, now),
            None => self.queue = RateLimit::default(),
        }
    }

    /// Tasks per second; None: no limit.
    pub(crate) fn effective(&self) -> (Option<f64>, RateSource) {
        match (self.config.rate, self.worker) {
            (Some(rate), _) => (Some(rate), RateSource::Config),
            (None, Some(rate)) => (Some(rate), RateSource::Worker),
            (None, None) => (None, RateSource::System),
        }
    }

    /// A token of the queue alone: for who does not know yet which task it is for.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Wait> {
        self.queue.take(now)
    }

    pub(crate) fn refund(&mut self) {
        self.queue.refund();
    }

    pub(crate) fn take_for(&mut self, priority: &TaskPriority, now: Instant) -> Result<(), Wait> {
        self.queue.take(now)?;
        self.keys.take(priority, now).inspect_err(|_| self.queue.refund())
    }

    /// Gives back what was taken for a task that was not handed out.
    pub(crate) fn refund_for(&mut self, priority: &TaskPriority) {
        self.queue.refund();
        self.keys.refund(&priority.fairness_key);
    }
}
