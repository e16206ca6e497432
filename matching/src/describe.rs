//! What a queue tells about itself.

use std::{collections::HashMap, time::Duration};

use perdure_engine::Nanos;
use perdure_proto::api::{common::WorkerVersionStamp, deployment::WorkerDeploymentOptions};
use tokio::time::Instant;

use crate::{PollerInfo, RateSource, backlog::PRIORITIES};

/// A queue, or one lane of it, at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueDescription {
    /// Who polled in the last five minutes.
    pub pollers: Vec<PollerDescription>,
    /// By priority: the first is priority 1.
    pub levels: [LevelStats; PRIORITIES],
    /// Tasks per second; None: no limit.
    pub rate: Option<f64>,
    pub rate_source: RateSource,
}

/// Tasks of one priority. Rates are per second over the last 30 s.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LevelStats {
    /// Tasks that wait for a poller.
    pub backlog_count: usize,
    /// When the oldest of them was scheduled; the backlog's age is the caller's clock minus this.
    pub oldest_scheduled_time: Option<Nanos>,
    pub tasks_add_rate: f32,
    pub tasks_dispatch_rate: f32,
    /// There was a task of this priority.
    pub used: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PollerDescription {
    pub identity: String,
    /// How long ago it began or ended a poll.
    pub last_access: Duration,
    /// The rate that it asked for, per second.
    pub rate_per_second: Option<f64>,
    pub worker_version: Option<WorkerVersionStamp>,
    pub deployment_options: Option<WorkerDeploymentOptions>,
}

impl QueueDescription {
    pub(crate) fn new((rate, rate_source): (Option<f64>, RateSource)) -> Self {
        Self { rate, rate_source, ..Self::default() }
    }

    pub(crate) fn add(&mut self, pollers: Vec<PollerDescription>, levels: [LevelStats; PRIORITIES]) {
        self.pollers.extend(pollers);
        self.pollers.sort_by(|a, b| a.last_access.cmp(&b.last_access).then_with(|| a.identity.cmp(&b.identity)));
        for (sum, level) in self.levels.iter_mut().zip(&levels) {
            *sum = sum.plus(level);
        }
    }

    /// Over all priorities.
    pub fn total(&self) -> LevelStats {
        self.levels.iter().fold(LevelStats::default(), |sum, level| sum.plus(level))
    }
}

impl LevelStats {
    fn plus(&self, other: &Self) -> Self {
        let oldest = [self.oldest_scheduled_time, other.oldest_scheduled_time];
        Self {
            backlog_count: self.backlog_count + other.backlog_count,
            oldest_scheduled_time: oldest.into_iter().flatten().min(),
            tasks_add_rate: self.tasks_add_rate + other.tasks_add_rate,
            tasks_dispatch_rate: self.tasks_dispatch_rate + other.tasks_dispatch_rate,
            used: self.used || other.used,
        }
    }
}

/// Identities remembered per lane; beyond, new ones are not listed. Bounds the memory that made-up identities can take.
const IDENTITIES: usize = 1000;

/// Who polled, and when.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pollers: HashMap<String, Poller>,
    last: Option<Instant>,
}

#[derive(Debug)]
struct Poller {
    at: Instant,
    rate_per_second: Option<f64>,
    worker_version: Option<WorkerVersionStamp>,
    deployment_options: Option<Box<WorkerDeploymentOptions>>,
}

impl Poller {
    fn new(info: &PollerInfo, at: Instant) -> Self {
        Self {
            at,
            rate_per_second: info.max_tasks_per_second,
            worker_version: info.worker_version.clone(),
            deployment_options: info.deployment_options.clone(),
        }
    }
}

impl Seen {
    pub(crate) fn note(&mut self, info: &PollerInfo, now: Instant, history: Duration) {
        self.last = Some(now);
        if let Some(known) = self.pollers.get_mut(&info.identity) {
            known.at = now;
            known.rate_per_second = info.max_tasks_per_second;
            if known.worker_version != info.worker_version || known.deployment_options != info.deployment_options {
                *known = Poller::new(info, now);
            }
            return;
        }
        if self.pollers.len() >= IDENTITIES {
            self.pollers.retain(|_, poller| now.saturating_duration_since(poller.at) < history);
        }
        if self.pollers.len() < IDENTITIES {
            self.pollers.insert(info.identity.clone(), Poller::new(info, now));
        }
    }

    pub(crate) fn within(&self, window: Duration, now: Instant) -> bool {
        self.last.is_some_and(|last| now.saturating_duration_since(last) <= window)
    }

    pub(crate) fn count(&self) -> usize {
        self.pollers.len()
    }

    pub(crate) fn list(&self, now: Instant, history: Duration) -> Vec<PollerDescription> {
        let pollers = self.pollers.iter().map(|(identity, poller)| PollerDescription {
            identity: identity.clone(),
            last_access: now.saturating_duration_since(poller.at),
            rate_per_second: poller.rate_per_second,
            worker_version: poller.worker_version.clone(),
            deployment_options: poller.deployment_options.as_deref().cloned(),
        });
        pollers.filter(|poller| poller.last_access < history).collect()
    }
}
