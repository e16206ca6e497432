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
    /// What the server allowed at the last poll.
    system: Option<f64>,
    config: Arc<QueueConfig>,
}

impl Rates {
    /// What a poll brings: the rate that its worker asks for, and the one that the server allows.
    pub(crate) fn set_polled(&mut self, worker: Option<f64>, system: Option<f64>, now: Instant) {
        let worker = worker.filter(|rate| rate.is_finite() && *rate >= 0.0);
        if self.worker != worker || self.system != system {
            (self.worker, self.system) = (worker, system);
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
        let (asked, source) = match (self.config.rate, self.worker) {
            (Some(rate), _) => (rate, RateSource::Config),
            (None, Some(rate)) => (rate, RateSource::Worker),
            (None, None) => (f64::INFINITY, RateSource::System),
        };
        match self.system {
            Some(allowed) if allowed < asked => (Some(allowed), RateSource::System),
            _ => (Some(asked).filter(|rate| rate.is_finite()), source),
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
