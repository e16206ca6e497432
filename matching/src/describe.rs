//! What a queue tells about itself.

use std::{collections::HashMap, time::Duration};

use perdure_engine::Nanos;
use tokio::time::Instant;

use crate::{PollerInfo, backlog::PRIORITIES};

/// A queue at one moment. Rates are per second over the last 30 s.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueDescription {
    /// Who polled in the last five minutes.
    pub pollers: Vec<PollerDescription>,
    /// Tasks that wait for a poller.
    pub backlog_count: usize,
    /// The same by priority: the first is priority 1.
    pub backlog_by_priority: [usize; PRIORITIES],
    /// When the task at the head was scheduled; the backlog's age is the caller's clock minus this.
    pub oldest_scheduled_time: Option<Nanos>,
    pub tasks_add_rate: f32,
    pub tasks_dispatch_rate: f32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PollerDescription {
    pub identity: String,
    /// How long ago it began or ended a poll.
    pub last_access: Duration,
    /// The rate that it asked for, per second.
    pub rate_per_second: Option<f64>,
}

/// Identities remembered per queue; beyond, new ones are not listed. Bounds the memory that made-up identities can take.
const IDENTITIES: usize = 1000;

/// Who polled, and when.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pollers: HashMap<String, (Instant, Option<f64>)>,
    last: Option<Instant>,
}

impl Seen {
    pub(crate) fn note(&mut self, poller: &PollerInfo, now: Instant, history: Duration) {
        self.last = Some(now);
        let entry = (now, poller.max_tasks_per_second);
        if let Some(known) = self.pollers.get_mut(&poller.identity) {
            *known = entry;
            return;
        }
        if self.pollers.len() >= IDENTITIES {
            self.pollers.retain(|_, (at, _)| now.saturating_duration_since(*at) < history);
        }
        if self.pollers.len() < IDENTITIES {
            self.pollers.insert(poller.identity.clone(), entry);
        }
    }

    pub(crate) fn within(&self, window: Duration, now: Instant) -> bool {
        self.last.is_some_and(|last| now.saturating_duration_since(last) <= window)
    }

    pub(crate) fn list(&self, now: Instant, history: Duration) -> Vec<PollerDescription> {
        let mut pollers: Vec<_> = self
            .pollers
            .iter()
            .map(|(identity, (at, rate))| PollerDescription {
                identity: identity.clone(),
                last_access: now.saturating_duration_since(*at),
                rate_per_second: *rate,
            })
            .filter(|poller| poller.last_access < history)
            .collect();
        pollers.sort_by(|a, b| a.last_access.cmp(&b.last_access).then_with(|| a.identity.cmp(&b.identity)));
        pollers
    }
}
