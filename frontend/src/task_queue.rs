//! DescribeTaskQueue in its shapes, and ListTaskQueuePartitions.

use std::collections::BTreeMap;

use perdure_engine::{
    Nanos,
    time::{duration, timestamp},
};
use perdure_matching::{
    DeploymentVersion, LevelStats, PollerDescription, QueueDescription, QueueKey, QueueKind, QueueRouting, RateSource,
};
use perdure_proto::api::{
    common::WorkerVersionCapabilities,
    deployment::WorkerDeploymentVersion,
    enums::{BuildIdTaskReachability, DescribeTaskQueueMode, RateLimitSource, TaskQueueKind, TaskQueueType},
    taskqueue::{
        PollerInfo, TaskIdBlock, TaskQueue, TaskQueuePartitionMetadata, TaskQueueStats, TaskQueueStatus,
        TaskQueueTypeInfo, TaskQueueVersionInfo, TaskQueueVersioningInfo,
    },
    workflowservice::{
        DescribeTaskQueueRequest, DescribeTaskQueueResponse, ListTaskQueuePartitionsRequest,
        ListTaskQueuePartitionsResponse, describe_task_queue_response::EffectiveRateLimit,
    },
};
use prost_types::Timestamp;
use tonic::Status;

use crate::{Frontend, call::Call, namespaces::AuthorizedNamespace, poll::queue_key, status, validate::task_queue};

/// What is said where there is no limit; Temporal's own figure for that.
const NO_LIMIT: f64 = 100_000.0;
/// Tasks without a priority have it, and it is always told.
const DEFAULT_PRIORITY: i32 = 3;
/// How Temporal names workers without a version.
const UNVERSIONED: &str = "__unversioned__";
/// Go's zero time.
const NEVER: Timestamp = Timestamp { seconds: -62_135_596_800, nanos: 0 };

impl Frontend {
    pub(crate) async fn describe_task_queue(
        &self,
        call: &Call,
        request: DescribeTaskQueueRequest,
    ) -> Result<DescribeTaskQueueResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let queue = task_queue::check_described(request.task_queue.as_ref(), namespace.limits())?;
        let asked = request.versions.as_ref().map_or(0, |versions| versions.build_ids.len());
        if request.report_task_reachability && asked > namespace.limits().reachability_build_ids {
            let limit = namespace.limits().reachability_build_ids;
            return Err(status::invalid(format!(
                "Too many build ids queried at once with ReportTaskReachability==true, limit: {limit}"
            )));
        }
        let sticky = queue.kind() == TaskQueueKind::Sticky;
        match request.api_mode() {
            DescribeTaskQueueMode::Enhanced if sticky => Err(status::invalid(
                "Enhanced DescribeTaskQueue is not valid for a sticky queue, use api_mode=UNSPECIFIED or a normal queue.",
            )),
            DescribeTaskQueueMode::Enhanced => Ok(self.describe_enhanced(call, &namespace, queue, &request)),
            DescribeTaskQueueMode::Unspecified if sticky && request.report_stats => {
                Err(status::invalid("DescribeTaskQueue stats are only supported for the root partition"))
            }
            DescribeTaskQueueMode::Unspecified => Ok(self.describe_now(call, &namespace, queue, &request)),
        }
    }

    fn describe_now(
        &self,
        call: &Call,
        namespace: &AuthorizedNamespace,
        queue: &TaskQueue,
        request: &DescribeTaskQueueRequest,
    ) -> DescribeTaskQueueResponse {
        let key = queue_key(namespace, &queue.name, kind(queue, request.task_queue_type()));
        let found = self.matching.describe(&key);
        let now = call.time;
        let rate = found.rate.unwrap_or(NO_LIMIT);
        let queue_status = TaskQueueStatus {
            backlog_count_hint: count(found.total().backlog_count),
            rate_per_second: rate,
            task_id_block: Some(TaskIdBlock { start_id: 1, end_id: 100_000 }),
            ..Default::default()
        };
        let source = match found.rate_source {
            RateSource::Config => RateLimitSource::Api,
            RateSource::Worker => RateLimitSource::Worker,
            RateSource::System => RateLimitSource::System,
        };
        let queue_type = match request.task_queue_type() {
            TaskQueueType::Unspecified => TaskQueueType::Workflow,
            asked => asked,
        };
        let config = || self.task_queues.get(namespace.id(), &queue.name, queue_type.into());
        let routed = key.kind != QueueKind::StickyWorkflow;
        DescribeTaskQueueResponse {
            pollers: pollers(&found, now),
            stats: request.report_stats.then(|| stats(&found.total(), now)),
            stats_by_priority_key: if request.report_stats { by_priority(&found, now) } else { Default::default() },
            task_queue_status: request.include_task_queue_status.then_some(queue_status),
            versioning_info: routed.then(|| versioning_info(self.matching.routing(&key).as_deref())),
            config: if request.report_config { config() } else { None },
            effective_rate_limit: Some(EffectiveRateLimit {
                requests_per_second: rate as f32,
                rate_limit_source: source.into(),
            }),
            ..Default::default()
        }
    }

    /// By version, each with the queues asked for. Withdrawn in Temporal, and still answered.
    fn describe_enhanced(
        &self,
        call: &Call,
        namespace: &AuthorizedNamespace,
        queue: &TaskQueue,
        request: &DescribeTaskQueueRequest,
    ) -> DescribeTaskQueueResponse {
        let asked: Vec<_> = request.task_queue_types().collect();
        let types = if asked.is_empty() { vec![TaskQueueType::Workflow, TaskQueueType::Activity] } else { asked };
        let key = |kind_asked| queue_key(namespace, &queue.name, kind(queue, kind_asked));
        let mut versions: Vec<Option<DeploymentVersion>> = Vec::new();
        match &request.versions {
            None => versions.push(None),
            Some(selection) => {
                versions.extend(selection.unversioned.then_some(None));
                versions.extend(selection.build_ids.iter().map(|id| version(id)));
                if selection.all_active {
                    versions
                        .extend(types.iter().flat_map(|kind_asked| self.matching.active_versions(&key(*kind_asked))));
                }
            }
        }
        let describe = |version: Option<DeploymentVersion>| {
            let types_info = types.iter().map(|kind_asked| {
                let found = self.matching.describe_version(&key(*kind_asked), version.as_ref());
                let info = TaskQueueTypeInfo {
                    pollers: if request.report_pollers { pollers(&found, call.time) } else { Vec::new() },
                    stats: request.report_stats.then(|| stats(&found.total(), call.time)),
                };
                (i32::from(*kind_asked), info)
            });
            let info = TaskQueueVersionInfo {
                types_info: types_info.collect(),
                task_reachability: i32::from(self.reachability(
                    request,
                    &key(TaskQueueType::Workflow),
                    version.as_ref(),
                )),
            };
            (version.map_or_else(String::new, name), info)
        };
        let versions_info = versions.into_iter().map(describe).collect();
        DescribeTaskQueueResponse { versions_info, ..Default::default() }
    }

    /// Whether new tasks may go to the version's workers.
    fn reachability(
        &self,
        request: &DescribeTaskQueueRequest,
        key: &QueueKey,
        version: Option<&DeploymentVersion>,
    ) -> BuildIdTaskReachability {
        if !request.report_task_reachability {
            return BuildIdTaskReachability::Unspecified;
        }
        let routing = self.matching.routing(key);
        let is_current = routing.as_ref().and_then(|routing| routing.current.as_ref()) == version;
        let ramp = routing.as_ref().and_then(|routing| routing.ramping.as_ref());
        let is_ramping = ramp.is_some_and(|ramp| ramp.to.as_ref() == version);
        if is_current || is_ramping { BuildIdTaskReachability::Reachable } else { BuildIdTaskReachability::Unreachable }
    }

    /// A queue is one piece: each kind has one partition, its own name.
    pub(crate) async fn list_task_queue_partitions(
        &self,
        _call: &Call,
        request: ListTaskQueuePartitionsRequest,
    ) -> Result<ListTaskQueuePartitionsResponse, Status> {
        let namespace = self.namespaces.resolve(&request.namespace)?;
        let queue = task_queue::check(request.task_queue.as_ref(), namespace.limits())?;
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
        (TaskQueueType::Nexus, _) => QueueKind::Nexus,
        (_, TaskQueueKind::Sticky) => QueueKind::StickyWorkflow,
        _ => QueueKind::Workflow,
    }
}

fn pollers(found: &QueueDescription, now: Nanos) -> Vec<PollerInfo> {
    let poller = |poller: &PollerDescription| {
        let ago = i64::try_from(poller.last_access.as_nanos()).unwrap_or(now);
        PollerInfo {
            last_access_time: Some(timestamp(now - ago)),
            identity: poller.identity.clone(),
            rate_per_second: poller.rate_per_second.unwrap_or(NO_LIMIT),
            worker_version_capabilities: poller.worker_version.as_ref().map(|stamp| WorkerVersionCapabilities {
                build_id: stamp.build_id.clone(),
                use_versioning: stamp.use_versioning,
                ..Default::default()
            }),
            deployment_options: poller.deployment_options.clone(),
        }
    };
    found.pollers.iter().map(poller).collect()
}

pub(crate) fn stats(level: &LevelStats, now: Nanos) -> TaskQueueStats {
    let age = level.oldest_scheduled_time.map_or(0, |oldest| now.saturating_sub(oldest).max(0));
    TaskQueueStats {
        approximate_backlog_count: count(level.backlog_count),
        approximate_backlog_age: Some(duration(age)),
        tasks_add_rate: level.tasks_add_rate,
        tasks_dispatch_rate: level.tasks_dispatch_rate,
        ..Default::default()
    }
}

pub(crate) fn by_priority(found: &QueueDescription, now: Nanos) -> BTreeMap<i32, TaskQueueStats> {
    let levels = (1..).zip(&found.levels).filter(|(priority, level)| level.used || *priority == DEFAULT_PRIORITY);
    levels.map(|(priority, level)| (priority, stats(level, now))).collect()
}

fn versioning_info(routing: Option<&QueueRouting>) -> TaskQueueVersioningInfo {
    let current = routing.and_then(|routing| routing.current.as_ref());
    let mut info = TaskQueueVersioningInfo {
        current_deployment_version: current.map(deployment_version),
        update_time: Some(routing.map_or(NEVER, |routing| timestamp(routing.update_time))),
        ..Default::default()
    };
    let ramp = routing.and_then(|routing| routing.ramping.as_ref());
    info.ramping_deployment_version = ramp.and_then(|ramp| ramp.to.as_ref()).map(deployment_version);
    info.ramping_version_percentage = ramp.map_or(0.0, |ramp| ramp.percentage);
    withdrawn_names(info, current, ramp.map(|ramp| ramp.to.as_ref()))
}

/// Fields that Temporal has withdrawn and still fills: versions as one word.
fn withdrawn_names(
    info: TaskQueueVersioningInfo,
    current: Option<&DeploymentVersion>,
    ramping: Option<Option<&DeploymentVersion>>,
) -> TaskQueueVersioningInfo {
    let word = |version: Option<&DeploymentVersion>| {
        version.map_or_else(|| UNVERSIONED.to_owned(), |version| format!("{}.{}", version.deployment, version.build_id))
    };
    let mut info = info;
    info.current_version = word(current);
    info.ramping_version = ramping.map_or_else(String::new, word);
    info
}

fn deployment_version(version: &DeploymentVersion) -> WorkerDeploymentVersion {
    WorkerDeploymentVersion { deployment_name: version.deployment.to_string(), build_id: version.build_id.to_string() }
}

/// A version as it is asked for: `deployment:build id`, with a dot in requests of old. Any other word is a build id of its
/// own, which no worker has.
fn version(id: &str) -> Option<DeploymentVersion> {
    if id.is_empty() {
        return None;
    }
    Some(match id.split_once(':').or_else(|| id.split_once('.')) {
        Some((deployment, build_id)) => DeploymentVersion::new(deployment, build_id),
        None => DeploymentVersion::new("", id),
    })
}

fn name(version: DeploymentVersion) -> String {
    if version.deployment.is_empty() { version.build_id.to_string() } else { version.to_string() }
}

fn count(tasks: usize) -> i64 {
    i64::try_from(tasks).unwrap_or(i64::MAX)
}
