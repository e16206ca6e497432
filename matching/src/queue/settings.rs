//! What a queue is told from outside, and what it tells.

use std::sync::Arc;

use tokio::time::Instant;

use super::Core;
use crate::{DeploymentVersion, MatchingLimits, QueueConfig, QueueDescription, QueueRouting, lane::Lane};

impl Core {
    pub(crate) fn configure(&mut self, config: Arc<QueueConfig>) {
        self.rates.configure(config, Instant::now());
        // They are asked again, and the sleeper may be one of another rate.
        self.alarm = None;
        self.lanes().for_each(|lane| lane.backlog.release_all());
    }

    /// Tasks that wait for the routing to decide find their lanes anew; direct ones too.
    pub(crate) fn set_routing(&mut self, routing: Option<Arc<QueueRouting>>, can_spill: bool) {
        if self.routing == routing {
            return;
        }
        self.routing = routing;
        let (mut tasks, mut direct) = (Vec::new(), Vec::new());
        for lane in std::iter::once(&mut self.unversioned).chain(self.versioned.values_mut()) {
            let (waiting, spill) = lane.backlog.take_all();
            tasks.push(waiting);
            self.rerouted.extend(spill.map(|spill| *spill));
            direct.append(&mut lane.take_direct());
        }
        for waiting in tasks.into_iter().flatten() {
            self.push(waiting.task, waiting.since, can_spill);
        }
        direct.into_iter().for_each(|task| self.add_direct(task));
    }

    pub(crate) fn describe(&mut self, limits: &MatchingLimits) -> QueueDescription {
        let now = Instant::now();
        let mut all = QueueDescription::new(self.rates.effective());
        self.lanes().for_each(|lane| all.add(lane.pollers(now, limits), lane.stats(now)));
        all
    }

    /// Of one lane. None: that of workers without a version.
    pub(crate) fn describe_version(
        &mut self,
        version: Option<&DeploymentVersion>,
        limits: &MatchingLimits,
    ) -> QueueDescription {
        let now = Instant::now();
        let mut one = QueueDescription::new(self.rates.effective());
        if let Some(lane) = self.find_lane(version) {
            one.add(lane.pollers(now, limits), lane.stats(now));
        }
        one
    }

    pub(crate) fn active_versions(&self, limits: &MatchingLimits) -> Vec<Option<DeploymentVersion>> {
        let is_active = |lane: &Lane| lane.polled_within(limits.poller_history) || !lane.backlog.is_empty();
        let unversioned = is_active(&self.unversioned).then_some(None);
        let versioned = self.versioned.iter().filter(|(_, lane)| is_active(lane));
        unversioned.into_iter().chain(versioned.map(|(version, _)| Some(version.clone()))).collect()
    }
}
