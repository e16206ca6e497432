//! What matching counts, by queue.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use perdure_metrics::{
    Counters, Family, Gauges, Histogram, Histograms, IntCounter, IntGauge, OTHER, Registry, definitions,
};
use uuid::Uuid;

use crate::{QueueDescription, QueueKey, QueueKind, queue::Source};

/// Queues with labels of their own.
const QUEUES: usize = 300;
/// Stands for all sticky queues of a namespace: each worker has one, with a name that it makes up.
const STICKY: &str = "__sticky__";

pub(crate) struct Metrics {
    queues: Family<Labels, QueueMetrics>,
    backlog_count: Gauges,
    backlog_age: Gauges,
    pollers: Gauges,
    loaded_queues: IntGauge,
}

#[derive(Clone, Eq, Hash, PartialEq)]
struct Labels {
    namespace_id: Uuid,
    name: Arc<str>,
    task_type: &'static str,
}

/// Handles of one queue, or of several that share them.
pub(crate) struct QueueMetrics {
    pub(crate) added: IntCounter,
    pub(crate) sync_latency: Histogram,
    poll_success: IntCounter,
    poll_success_sync: IntCounter,
    poll_timeouts: IntCounter,
    poll_latency: Histogram,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        Self {
            queues: queues(registry),
            backlog_count: registry.gauges(&definitions::APPROXIMATE_BACKLOG_COUNT),
            backlog_age: registry.gauges(&definitions::APPROXIMATE_BACKLOG_AGE),
            pollers: registry.gauges(&definitions::POLLERS),
            loaded_queues: registry.gauge(&definitions::LOADED_TASK_QUEUES),
        }
    }

    pub(crate) fn queue(&self, key: &QueueKey) -> Arc<QueueMetrics> {
        self.queues.get(&Labels::of(key))
    }

    /// Shows what the queues in memory are like now.
    pub(crate) fn show<'a>(&self, queues: impl Iterator<Item = (&'a QueueKey, QueueDescription)>) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut loaded = 0;
        let mut sums: BTreeMap<Vec<String>, (i64, i64, i64)> = BTreeMap::new();
        for (key, description) in queues {
            loaded += 1;
            let labels = Labels::of(key);
            let has_own = self.queues.find(&labels).is_some_and(|metrics| !self.queues.is_other(&metrics));
            let labels = labels.values(has_own);
            let total = description.total();
            let age = total.oldest_scheduled_time.map_or(0, |oldest| {
                let oldest = Duration::from_nanos(u64::try_from(oldest).unwrap_or_default());
                now.saturating_sub(oldest).as_secs() as i64
            });
            let sum = sums.entry(labels.to_vec()).or_default();
            sum.0 += total.backlog_count as i64;
            sum.1 = sum.1.max(age);
            sum.2 += description.pollers.len() as i64;
        }
        self.loaded_queues.set(loaded);
        self.backlog_count.replace(sums.iter().map(|(labels, sum)| (labels.clone(), sum.0)));
        self.backlog_age.replace(sums.iter().map(|(labels, sum)| (labels.clone(), sum.1)));
        self.pollers.replace(sums.into_iter().map(|(labels, sum)| (labels, sum.2)));
    }
}

impl Labels {
    fn of(key: &QueueKey) -> Self {
        let sticky = key.kind == QueueKind::StickyWorkflow;
        let task_type = match key.kind {
            QueueKind::Workflow | QueueKind::StickyWorkflow => "Workflow",
            QueueKind::Activity => "Activity",
            QueueKind::Nexus => "Nexus",
        };
        let name = if sticky { STICKY.into() } else { key.name.clone() };
        Self { namespace_id: key.namespace_id, name, task_type }
    }

    fn values(&self, has_own: bool) -> [String; 3] {
        if has_own {
            [self.namespace_id.to_string(), self.name.to_string(), self.task_type.to_owned()]
        } else {
            [OTHER; 3].map(str::to_owned)
        }
    }
}

fn queues(registry: &Registry) -> Family<Labels, QueueMetrics> {
    let added: Counters = registry.counters(&definitions::TASKS_ADDED);
    let sync_latency: Histograms = registry.histograms(&definitions::SYNCMATCH_LATENCY);
    let poll_success = registry.counters(&definitions::POLL_SUCCESS);
    let poll_success_sync = registry.counters(&definitions::POLL_SUCCESS_SYNC);
    let poll_timeouts = registry.counters(&definitions::POLL_TIMEOUTS);
    let poll_latency = registry.histograms(&definitions::POLL_LATENCY);
    Family::new(QUEUES, move |labels: Option<&Labels>| {
        let values = labels.map_or([OTHER; 3].map(str::to_owned), |labels| labels.values(true));
        let values = values.each_ref().map(String::as_str);
        QueueMetrics {
            added: added.of(&values),
            sync_latency: sync_latency.of(&values),
            poll_success: poll_success.of(&values),
            poll_success_sync: poll_success_sync.of(&values),
            poll_timeouts: poll_timeouts.of(&values),
            poll_latency: poll_latency.of(&values),
        }
    })
}

impl QueueMetrics {
    pub(crate) fn poll_succeeded(&self, source: Source, waited: Duration) {
        self.poll_success.inc();
        if source == Source::Sync {
            self.poll_success_sync.inc();
        }
        self.poll_latency.observe(waited.as_secs_f64());
    }

    pub(crate) fn poll_ended_empty(&self) {
        self.poll_timeouts.inc();
    }
}
