//! What history counts. Runs and activities are counted once what happened to them is durable.

use std::{collections::HashMap, sync::Arc};

use perdure_engine::{Archetype, Change, WorkflowState};
use perdure_metrics::{
    Counters, Family, Gauges, Histogram, Histograms, IntCounter, IntGauge, OTHER, Registry, definitions,
};
use perdure_proto::api::enums::{EventType, WorkflowExecutionStatus as Status};
use uuid::Uuid;

/// Workflow types with their task queues that have labels of their own.
const RUN_LABELS: usize = 300;
const NAMESPACES: usize = 300;
const NANOS_PER_SECOND: f64 = 1e9;

pub(crate) struct Metrics {
    runs: Family<RunLabels, RunMetrics>,
    namespaces: Family<Uuid, NamespaceMetrics>,
    pub cache_requests: IntCounter,
    pub cache_misses: IntCounter,
    pub cached_runs: IntGauge,
    pub batch_runs: Histogram,
    pub commit_latency: Histogram,
    pub commit_failures: IntCounter,
    pub retention_deletes: IntCounter,
    pub mailbox_depth: Gauges,
    pub shards: IntGauge,
}

#[derive(Clone, Eq, Hash, PartialEq)]
struct RunLabels {
    namespace_id: Uuid,
    task_queue: String,
    workflow_type: String,
}

struct RunMetrics {
    started: IntCounter,
    completed: IntCounter,
    failed: IntCounter,
    canceled: IntCounter,
    terminated: IntCounter,
    timed_out: IntCounter,
    continued: IntCounter,
    latency: Histogram,
}

struct NamespaceMetrics {
    scheduled: IntCounter,
    completed: IntCounter,
    failed: IntCounter,
    timed_out: IntCounter,
    canceled: IntCounter,
    failed_workflow_tasks: IntCounter,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        Self {
            runs: runs(registry),
            namespaces: namespaces(registry),
            cache_requests: registry.counter(&definitions::CACHE_REQUESTS),
            cache_misses: registry.counter(&definitions::CACHE_MISS),
            cached_runs: registry.gauge(&definitions::CACHE_USAGE),
            batch_runs: registry.histogram(&definitions::BATCH_RUNS),
            commit_latency: registry.histogram(&definitions::COMMIT_LATENCY),
            commit_failures: registry.counter(&definitions::COMMIT_FAILURES),
            retention_deletes: registry.counter(&definitions::WORKFLOW_CLEANUP_DELETE),
            mailbox_depth: registry.gauges(&definitions::MAILBOX_DEPTH),
            shards: registry.gauge(&definitions::SHARDS),
        }
    }
}

fn runs(registry: &Registry) -> Family<RunLabels, RunMetrics> {
    let counters = |definition| registry.counters(definition);
    let started = counters(&definitions::WORKFLOWS_STARTED);
    let completed = counters(&definitions::WORKFLOW_SUCCESS);
    let failed = counters(&definitions::WORKFLOW_FAILED);
    let canceled = counters(&definitions::WORKFLOW_CANCEL);
    let terminated = counters(&definitions::WORKFLOW_TERMINATE);
    let timed_out = counters(&definitions::WORKFLOW_TIMEOUT);
    let continued = counters(&definitions::WORKFLOW_CONTINUED_AS_NEW);
    let latency: Histograms = registry.histograms(&definitions::WORKFLOW_LATENCY);
    Family::new(RUN_LABELS, move |labels: Option<&RunLabels>| {
        let namespace_id = labels.map_or_else(|| OTHER.to_owned(), |labels| labels.namespace_id.to_string());
        let task_queue = labels.map_or(OTHER, |labels| &labels.task_queue);
        let workflow_type = labels.map_or(OTHER, |labels| &labels.workflow_type);
        let labels = [namespace_id.as_str(), task_queue, workflow_type];
        let counter = |counters: &Counters| counters.of(&labels);
        RunMetrics {
            started: counter(&started),
            completed: counter(&completed),
            failed: counter(&failed),
            canceled: counter(&canceled),
            terminated: counter(&terminated),
            timed_out: counter(&timed_out),
            continued: counter(&continued),
            latency: latency.of(&labels),
        }
    })
}

fn namespaces(registry: &Registry) -> Family<Uuid, NamespaceMetrics> {
    let scheduled = registry.counters(&definitions::ACTIVITIES_SCHEDULED);
    let completed = registry.counters(&definitions::ACTIVITY_SUCCESS);
    let failed = registry.counters(&definitions::ACTIVITY_FAIL);
    let timed_out = registry.counters(&definitions::ACTIVITY_TIMEOUT);
    let canceled = registry.counters(&definitions::ACTIVITY_CANCEL);
    let failed_workflow_tasks = registry.counters(&definitions::FAILED_WORKFLOW_TASKS);
    Family::new(NAMESPACES, move |id: Option<&Uuid>| {
        let id = id.map_or_else(|| OTHER.to_owned(), Uuid::to_string);
        NamespaceMetrics {
            scheduled: scheduled.of(&[&id]),
            completed: completed.of(&[&id]),
            failed: failed.of(&[&id]),
            timed_out: timed_out.of(&[&id]),
            canceled: canceled.of(&[&id]),
            failed_workflow_tasks: failed_workflow_tasks.of(&[&id]),
        }
    })
}

/// What one batch says of one run.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    pub created: bool,
    scheduled: u32,
    completed: u32,
    failed: u32,
    timed_out: u32,
    canceled: u32,
    failed_workflow_tasks: u32,
}

impl Tally {
    pub(crate) fn of(created: bool, changes: &[Change]) -> Self {
        let mut tally = Self { created, ..Self::default() };
        for change in changes {
            let Change::Event { event, .. } = change else { continue };
            match event.event_type() {
                EventType::ActivityTaskScheduled => tally.scheduled += 1,
                EventType::ActivityTaskCompleted => tally.completed += 1,
                EventType::ActivityTaskFailed => tally.failed += 1,
                EventType::ActivityTaskTimedOut => tally.timed_out += 1,
                EventType::ActivityTaskCanceled => tally.canceled += 1,
                EventType::WorkflowTaskFailed => tally.failed_workflow_tasks += 1,
                _ => {}
            }
        }
        tally
    }

    /// An activity that is a run of its own has no events.
    fn of_standalone_activity(created: bool, closed: Option<Status>) -> Self {
        let is = |statuses: &[Status]| u32::from(closed.is_some_and(|closed| statuses.contains(&closed)));
        Self {
            created,
            scheduled: u32::from(created),
            completed: is(&[Status::Completed]),
            failed: is(&[Status::Failed]),
            timed_out: is(&[Status::TimedOut]),
            canceled: is(&[Status::Canceled, Status::Terminated]),
            failed_workflow_tasks: 0,
        }
    }

    fn is_empty(&self) -> bool {
        let Self { created: _, scheduled, completed, failed, timed_out, canceled, failed_workflow_tasks } = self;
        scheduled + completed + failed + timed_out + canceled + failed_workflow_tasks == 0
    }
}

/// The handles that a shard has met: to find one takes no lock, nor a new key.
#[derive(Default)]
pub(crate) struct Series {
    namespaces: HashMap<Uuid, OfNamespace>,
    /// So many runs are in the gauge that all shards share.
    cached_runs: usize,
}

struct OfNamespace {
    metrics: Arc<NamespaceMetrics>,
    /// By workflow type and task queue.
    runs: HashMap<String, HashMap<String, Arc<RunMetrics>>>,
}

impl Series {
    /// Once a batch is durable. `closed`: the run closed with it.
    pub(crate) fn count(
        &mut self,
        all: &Metrics,
        (archetype, namespace_id): (Archetype, Uuid),
        state: &WorkflowState,
        tally: Tally,
        closed: bool,
    ) {
        let status = closed.then(|| state.status());
        let tally = match archetype {
            Archetype::Workflow => tally,
            Archetype::Activity => Tally::of_standalone_activity(tally.created, status),
            Archetype::NexusOperation | Archetype::Schedule | Archetype::Batch => return,
        };
        if !tally.is_empty() {
            self.namespace(all, namespace_id).metrics.add(tally);
        }
        if archetype == Archetype::Workflow && (tally.created || closed) {
            let run = self.run(all, namespace_id, state);
            if tally.created {
                run.started.inc();
            }
            if let Some(status) = status {
                run.closed(status, state);
            }
        }
    }

    fn namespace(&mut self, all: &Metrics, id: Uuid) -> &mut OfNamespace {
        let new = || OfNamespace { metrics: all.namespaces.get(&id), runs: HashMap::new() };
        self.namespaces.entry(id).or_insert_with(new)
    }

    fn run(&mut self, all: &Metrics, namespace_id: Uuid, state: &WorkflowState) -> Arc<RunMetrics> {
        let (workflow_type, task_queue) = (&state.run.workflow_type, &state.run.task_queue);
        let known = &mut self.namespace(all, namespace_id).runs;
        if let Some(handle) = known.get(workflow_type).and_then(|queues| queues.get(task_queue)) {
            return Arc::clone(handle);
        }
        let (task_queue, workflow_type) = (task_queue.clone(), workflow_type.clone());
        let handle = all.runs.get(&RunLabels {
            namespace_id,
            task_queue: task_queue.clone(),
            workflow_type: workflow_type.clone(),
        });
        // What shares the last handle is not kept: clients can make up more of it than memory has room for.
        if !all.runs.is_other(&handle) {
            known.entry(workflow_type).or_default().insert(task_queue, Arc::clone(&handle));
        }
        handle
    }

    /// The shard has so many runs in memory now.
    pub(crate) fn show_cached_runs(&mut self, all: &Metrics, runs: usize) {
        if runs != self.cached_runs {
            all.cached_runs.add(runs as i64 - self.cached_runs as i64);
            self.cached_runs = runs;
        }
    }
}

impl NamespaceMetrics {
    fn add(&self, tally: Tally) {
        let counts = [
            (&self.scheduled, tally.scheduled),
            (&self.completed, tally.completed),
            (&self.failed, tally.failed),
            (&self.timed_out, tally.timed_out),
            (&self.canceled, tally.canceled),
            (&self.failed_workflow_tasks, tally.failed_workflow_tasks),
        ];
        for (counter, count) in counts {
            if count > 0 {
                counter.inc_by(count.into());
            }
        }
    }
}

impl RunMetrics {
    fn closed(&self, status: Status, state: &WorkflowState) {
        match status {
            Status::Completed => self.completed.inc(),
            Status::Failed => self.failed.inc(),
            Status::Canceled => self.canceled.inc(),
            Status::Terminated => self.terminated.inc(),
            Status::TimedOut => self.timed_out.inc(),
            Status::ContinuedAsNew => self.continued.inc(),
            Status::Unspecified | Status::Running | Status::Paused => return,
        }
        let close_time = state.run.close.as_ref().map_or(state.run.start_time, |close| close.time);
        self.latency.observe((close_time - state.run.start_time).max(0) as f64 / NANOS_PER_SECOND);
    }
}
