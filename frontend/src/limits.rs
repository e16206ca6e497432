//! What requests may ask for, in one namespace. The limits of runs are among them: requests are checked by the same.

use std::{collections::HashMap, time::Duration};

use perdure_engine::Limits;
use perdure_matching::QueueKind;

use crate::CallbackAddresses;

/// With Temporal's defaults, or more generous ones where its own protect what is not here.
#[derive(Clone, Debug, PartialEq)]
pub struct FrontendLimits {
    pub runs: Limits,
    /// Calls per second of the node, of the namespace, and lists and counts of the namespace; 0: no limit.
    pub rps: u32,
    pub namespace_rps: u32,
    pub visibility_rps: u32,
    /// So many seconds' worth of calls, and of lists, may come at once.
    pub burst_ratio: f64,
    pub visibility_burst_ratio: f64,
    /// The lists of open and of closed runs take no condition but times.
    pub old_lists_refuse_filters: bool,
    /// Waiting calls of one method in the namespace; 0: no limit.
    pub waiting_calls: usize,
    /// A poll of a task queue ends empty after this long.
    pub poll_timeout: PerQueue<Duration>,
    /// Waiting for events or an update's outcome ends without either after this long.
    pub wait_timeout: Duration,
    /// The same for activities and for Nexus operations without a workflow.
    pub activity_wait: Duration,
    pub nexus_operation_wait: Duration,
    /// Tasks per second that each queue gives out at most, whatever its workers ask for.
    pub dispatch_rate: PerQueue<Option<f64>>,
    /// Events in a page of history; executions in a page of a list.
    pub history_page: usize,
    pub list_page: usize,
    /// Links of one request; bytes of each.
    pub links: usize,
    pub link_size: usize,
    /// Bytes of a callback's URL and of its header.
    pub callback_url: usize,
    pub callback_header: usize,
    /// Callbacks of one update.
    pub callbacks_per_update: usize,
    pub callback_addresses: CallbackAddresses,
    /// Bytes of a worker's build id.
    pub build_id: usize,
    /// Shortest retention of the node's namespaces.
    pub retention_min: Duration,
    /// Bytes of a Nexus endpoint's name, URL and description; endpoints in a page.
    pub endpoint_name: usize,
    pub endpoint_url: usize,
    pub endpoint_description: usize,
    pub endpoint_page_default: usize,
    pub endpoint_page: usize,
    /// Bytes of the token of a Nexus operation.
    pub nexus_token: usize,
    /// Bytes of the reason to cancel or terminate a Nexus operation.
    pub nexus_reason: usize,
    /// Executions per second of a batch operation that asks for no rate.
    pub batch_rps: u32,
    /// Batch operations that run at a time; 0: any number.
    pub batches: i64,
    /// Overrides of fairness weights that one task queue may have.
    pub fairness_overrides: usize,
    /// Build ids that one question for reachability may name.
    pub reachability_build_ids: usize,
}

impl Default for FrontendLimits {
    fn default() -> Self {
        Self {
            runs: Limits::default(),
            rps: 0,
            namespace_rps: 0,
            visibility_rps: 0,
            burst_ratio: 2.0,
            visibility_burst_ratio: 1.0,
            old_lists_refuse_filters: false,
            waiting_calls: 20_000,
            poll_timeout: PerQueue::of_all(Duration::from_secs(60)),
            wait_timeout: Duration::from_secs(20),
            activity_wait: Duration::from_secs(20),
            nexus_operation_wait: Duration::from_secs(20),
            dispatch_rate: PerQueue::of_all(None),
            history_page: 256,
            list_page: 1_000,
            links: 10,
            link_size: 4_000,
            callback_url: 1_000,
            callback_header: 8_192,
            callbacks_per_update: 32,
            callback_addresses: CallbackAddresses::default(),
            build_id: 255,
            retention_min: Duration::from_secs(60 * 60),
            endpoint_name: 200,
            endpoint_url: 4 * 1024,
            endpoint_description: 20_000,
            endpoint_page_default: 100,
            endpoint_page: 1_000,
            nexus_token: 4_096,
            nexus_reason: 1_000,
            batch_rps: 50,
            batches: 0,
            fairness_overrides: 1_000,
            reachability_build_ids: 5,
        }
    }
}

/// The page that is asked for, unless it is none or larger than it may be.
pub(crate) fn page_size(asked: i32, most: usize) -> usize {
    usize::try_from(asked).ok().filter(|size| (1..=most).contains(size)).unwrap_or(most)
}

/// A value that can differ between the task queues of a namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct PerQueue<T> {
    pub all: T,
    /// By name; of these the first holds whose kind is the queue's, or None.
    named: HashMap<String, Vec<(Option<QueueKind>, T)>>,
}

impl<T> PerQueue<T> {
    pub fn of_all(all: T) -> Self {
        Self { all, named: HashMap::new() }
    }

    /// For the queues of this name and kind, unless a value was put for them before.
    pub fn put(&mut self, name: &str, kind: Option<QueueKind>, value: T) {
        self.named.entry(name.to_owned()).or_default().push((kind, value));
    }

    pub fn of(&self, name: &str, kind: QueueKind) -> &T {
        // No queue has a value of its own on most servers.
        if self.named.is_empty() {
            return &self.all;
        }
        let kind = if kind == QueueKind::StickyWorkflow { QueueKind::Workflow } else { kind };
        let values = self.named.get(name).map(Vec::as_slice).unwrap_or_default();
        let found = values.iter().find(|(of, _)| of.is_none_or(|of| of == kind));
        found.map_or(&self.all, |(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_sizes() {
        for (asked, expected) in [(-1, 256), (0, 256), (1, 1), (256, 256), (257, 256), (100_000, 256)] {
            assert_eq!(page_size(asked, 256), expected);
        }
    }

    #[test]
    fn the_first_value_for_a_queue_holds() {
        let mut values = PerQueue::of_all(1);
        assert_eq!(*values.of("q", QueueKind::Workflow), 1);
        values.put("q", Some(QueueKind::Workflow), 2);
        values.put("q", None, 3);
        values.put("q", None, 4);
        let kinds = [QueueKind::Workflow, QueueKind::StickyWorkflow, QueueKind::Activity, QueueKind::Nexus];
        assert_eq!(kinds.map(|kind| *values.of("q", kind)), [2, 2, 3, 3]);
        assert_eq!(*values.of("other", QueueKind::Activity), 1);
    }
}
