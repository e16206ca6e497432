//! DescribeTaskQueue and ListTaskQueuePartitions.

use perdure_engine::time::{duration, timestamp};
use perdure_matching::{QueueDescription, QueueKind};
use perdure_proto::api::{
    enums::{DescribeTaskQueueMode, TaskQueueKind, TaskQueueType},
    taskqueue::{
        PollerInfo, TaskQueue, TaskQueuePartitionMetadata, TaskQueueStats, TaskQueueStatus, TaskQueueTypeInfo,
        TaskQueueVersionInfo,
    },
    workflowservice::{
        DescribeTaskQueueRequest, DescribeTaskQueueResponse, ListTaskQueuePartitionsRequest,
        ListTaskQueuePartitionsResponse,
    },
};
use tonic::Status;

use crate::{Frontend, call::Call, namespaces::AuthorizedNamespace, poll::queue_key, status, validate::task_queue};

impl Frontend {
    pub(crate) async fn describe_task_queue(
        &self,
        call: &Call,
        request: DescribeTaskQueueRequest,
    ) -> Result<DescribeTaskQueueResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let queue = task_queue::check(request.task_queue.as_ref())?;
        if request.api_mode() == DescribeTaskQueueMode::Enhanced {
            if queue.kind() == TaskQueueKind::Sticky {
                return Err(status::invalid("Enhanced DescribeTaskQueue is not supported on sticky queues"));
            }
            return Ok(self.describe_enhanced(call, &namespace, queue, &request));
        }
        let now = call.time;
        let found = self.matching.describe(&queue_key(&namespace, &queue.name, kind(queue, request.task_queue_type())));
        let report = request.report_stats;
        let queue_status = TaskQueueStatus { backlog_count_hint: count(found.backlog_count), ..Default::default() };
        Ok(DescribeTaskQueueResponse {
            pollers: pollers(&found, now),
            stats: report.then(|| stats(&found, now)),
            stats_by_priority_key: if report { by_priority(&found) } else { Default::default() },
            task_queue_status: request.include_task_queue_status.then_some(queue_status),
            ..Default::default()
        })
    }

    /// One entry for workers without a version: versions are not routed by.
    fn describe_enhanced(
        &self,
        call: &Call,
        namespace: &AuthorizedNamespace,
        queue: &TaskQueue,
        request: &DescribeTaskQueueRequest,
    ) -> DescribeTaskQueueResponse {
        let now = call.time;
        let asked: Vec<_> = request.task_queue_types().collect();
        let types = if asked.is_empty() { vec![TaskQueueType::Workflow, TaskQueueType::Activity] } else { asked };
        let types_info = types.into_iter().map(|kind_asked| {
            let found = self.matching.describe(&queue_key(namespace, &queue.name, kind(queue, kind_asked)));
            let info = TaskQueueTypeInfo {
                pollers: if request.report_pollers { pollers(&found, now) } else { Vec::new() },
                stats: request.report_stats.then(|| stats(&found, now)),
            };
            (i32::from(kind_asked), info)
        });
        let version = TaskQueueVersionInfo { types_info: types_info.collect(), ..Default::default() };
        DescribeTaskQueueResponse { versions_info: [(String::new(), version)].into(), ..Default::default() }
    }

    /// A queue is one piece: each kind has one partition, its own name.
    pub(crate) async fn list_task_queue_partitions(
        &self,
        _call: &Call,
        request: ListTaskQueuePartitionsRequest,
    ) -> Result<ListTaskQueuePartitionsResponse, Status> {
        self.namespaces.resolve(&request.namespace)?;
        let queue = task_queue::check(request.task_queue.as_ref())?;
        let partition = TaskQueuePartitionMetadata { key: queue.name.clone(), owner_host_name: String::new() };
        Ok(ListTaskQueuePartitionsResponse {
            activity_task_queue_partitions: vec![partition.clone()],
            workflow_task_queue_partitions: vec![partition],
        })
    }
}

fn kind(queue: &TaskQueue, asked: TaskQueueType) -> QueueKind {
    match (asked, queue.kind()) {
        (TaskQueueType::Activity, _) => QueueKind::Activity,
        (_, TaskQueueKind::Sticky) => QueueKind::StickyWorkflow,
        _ => QueueKind::Workflow,
    }
}

fn pollers(found: &QueueDescription, now: i64) -> Vec<PollerInfo> {
    let pollers = found.pollers.iter().map(|poller| {
        let ago = i64::try_from(poller.last_access.as_nanos()).unwrap_or(now);
        PollerInfo {
            last_access_time: Some(timestamp(now - ago)),
            identity: poller.identity.clone(),
            rate_per_second: poller.rate_per_second.unwrap_or_default(),
            ..Default::default()
        }
    });
    pollers.collect()
}

fn stats(found: &QueueDescription, now: i64) -> TaskQueueStats {
    let age = found.oldest_scheduled_time.map_or(0, |oldest| now.saturating_sub(oldest).max(0));
    TaskQueueStats {
        approximate_backlog_count: count(found.backlog_count),
        approximate_backlog_age: Some(duration(age)),
        tasks_add_rate: found.tasks_add_rate,
        tasks_dispatch_rate: found.tasks_dispatch_rate,
        ..Default::default()
    }
}

fn by_priority(found: &QueueDescription) -> std::collections::BTreeMap<i32, TaskQueueStats> {
    let counts = (1..).zip(found.backlog_by_priority).filter(|(_, waiting)| *waiting > 0);
    let stats = |waiting| TaskQueueStats { approximate_backlog_count: count(waiting), ..Default::default() };
    counts.map(|(priority, waiting)| (priority, stats(waiting))).collect()
}

fn count(tasks: usize) -> i64 {
    i64::try_from(tasks).unwrap_or(i64::MAX)
}
