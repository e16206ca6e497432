//! The keys that act here: for whom each can differ, and what it sets. Defaults are those of the types that are set.

use std::time::Duration;

use perdure_engine::{Nanos, limits::RetryDefaults};
use perdure_frontend::{CallbackAddresses, limits::PerQueue};

use super::AllLimits;

/// A key of Temporal's dynamic configuration.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) scope: Scope,
    pub(super) field: Field,
}

/// Which constraints a value of a key may have: none, a namespace, or a task queue as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Global,
    Namespace,
    TaskQueue,
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Global => "global",
            Self::Namespace => "namespace",
            Self::TaskQueue => "task queue",
        })
    }
}

/// Where the value goes, which says what it must be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    Int64(fn(&mut AllLimits) -> &mut i64),
    Int32(fn(&mut AllLimits) -> &mut i32),
    Count(fn(&mut AllLimits) -> &mut usize),
    Rate(fn(&mut AllLimits) -> &mut u32),
    Float(fn(&mut AllLimits) -> &mut f64),
    Switch(fn(&mut AllLimits) -> &mut bool),
    Time(fn(&mut AllLimits) -> &mut Nanos),
    Span(fn(&mut AllLimits) -> &mut Duration),
    Addresses(fn(&mut AllLimits) -> &mut CallbackAddresses),
    QueueSpan(fn(&mut AllLimits) -> &mut PerQueue<Duration>),
    QueueRate(fn(&mut AllLimits) -> &mut PerQueue<Option<f64>>),
    Retry(fn(&mut AllLimits) -> &mut RetryDefaults),
    /// Names of headers, which have no case.
    Headers(fn(&mut AllLimits) -> &mut Vec<String>),
}

use Field::{Addresses, Count, Float, Headers, Int32, Int64, QueueRate, QueueSpan, Rate, Retry, Span, Switch, Time};
use Scope::{Global, Namespace, TaskQueue};

const fn key(name: &'static str, scope: Scope, field: Field) -> Key {
    Key { name, scope, field }
}

/// The key of this name, in any case of letters.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    let other = OTHER_NAMES.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    let name = other.map_or(name, |(_, name)| name);
    KEYS.iter().find(|key| key.name.eq_ignore_ascii_case(name))
}

/// Names that Temporal's newer machinery has for the same limits, each with ours.
pub(super) static OTHER_NAMES: &[(&str, &str)] = &[
    ("callback.allowedAddresses", "component.callbacks.allowedAddresses"),
    ("callback.request.timeout", "component.callbacks.request.timeout"),
    ("callback.retryPolicy.initialInterval", "component.callbacks.retryPolicy.initialInterval"),
    ("callback.retryPolicy.maxInterval", "component.callbacks.retryPolicy.maxInterval"),
    ("nexusoperation.disallowedHeaders", "component.nexusoperations.disallowedHeaders"),
    ("nexusoperation.limit.dispatch.task.timeout.min", "component.nexusoperations.limit.dispatch.task.timeout.min"),
    ("nexusoperation.limit.header.size", "component.nexusoperations.limit.header.size"),
    (
        "nexusoperation.limit.operation.concurrencyPerWorkflow.max",
        "component.nexusoperations.limit.operation.concurrency",
    ),
    ("nexusoperation.limit.operation.name.length", "component.nexusoperations.limit.operation.name.length"),
    ("nexusoperation.limit.operation.token.length", "component.nexusoperations.limit.operation.token.length"),
    ("nexusoperation.limit.request.timeout.min", "component.nexusoperations.limit.request.timeout.min"),
    ("nexusoperation.limit.scheduleToCloseTimeout", "component.nexusoperations.limit.scheduleToCloseTimeout"),
    ("nexusoperation.limit.service.name.length", "component.nexusoperations.limit.service.name.length"),
    ("nexusoperation.request.timeout", "component.nexusoperations.request.timeout"),
];

pub(crate) static KEYS: &[Key] = &[
    // Sizes of what clients send.
    key("limit.blobSize.error", Namespace, Int64(|all| &mut all.frontend.runs.blob_size)),
    key("limit.memoSize.error", Namespace, Int64(|all| &mut all.frontend.runs.memo_size)),
    key("limit.maxIDLength", Global, Count(|all| &mut all.frontend.runs.id_length)),
    key("limit.workerBuildIdSize", Global, Count(|all| &mut all.frontend.build_id)),
    key("limit.userMetadataSummarySize", Namespace, Count(|all| &mut all.frontend.runs.user_metadata_summary)),
    key("limit.userMetadataDetailsSize", Namespace, Count(|all| &mut all.frontend.runs.user_metadata_details)),
    key("frontend.searchAttributesNumberOfKeysLimit", Namespace, Count(|all| &mut all.frontend.runs.search_attributes)),
    key(
        "frontend.searchAttributesSizeOfValueLimit",
        Namespace,
        Count(|all| &mut all.frontend.runs.search_attribute_size),
    ),
    key(
        "frontend.searchAttributesTotalSizeLimit",
        Namespace,
        Count(|all| &mut all.frontend.runs.search_attributes_size),
    ),
    key("frontend.maxlinksPerRequest", Namespace, Count(|all| &mut all.frontend.links)),
    key("frontend.linkMaxSize", Namespace, Count(|all| &mut all.frontend.link_size)),
    key("frontend.callbackURLMaxLength", Namespace, Count(|all| &mut all.frontend.callback_url)),
    key("frontend.callbackHeaderMaxLength", Namespace, Count(|all| &mut all.frontend.callback_header)),
    key("system.maxCallbacksPerWorkflow", Namespace, Count(|all| &mut all.frontend.runs.callbacks)),
    key("system.maxCallbacksPerUpdateID", Namespace, Count(|all| &mut all.frontend.callbacks_per_update)),
    key("component.callbacks.allowedAddresses", Namespace, Addresses(|all| &mut all.frontend.callback_addresses)),
    key("component.callbacks.request.timeout", Namespace, Time(|all| &mut all.frontend.runs.callback_timeout)),
    key(
        "component.callbacks.retryPolicy.initialInterval",
        Global,
        Time(|all| &mut all.frontend.runs.callback_retry.initial),
    ),
    key(
        "component.callbacks.retryPolicy.maxInterval",
        Global,
        Time(|all| &mut all.frontend.runs.callback_retry.maximum),
    ),
    key("callback.maxPerExecution", Namespace, Count(|all| &mut all.frontend.runs.callbacks_standalone)),
    key("chasm.maxLinksPerComponent", Namespace, Count(|all| &mut all.frontend.runs.links_standalone)),
    // What is logged.
    key("limit.blobSize.warn", Namespace, Int64(|all| &mut all.frontend.runs.blob_size_warn)),
    key("limit.memoSize.warn", Namespace, Int64(|all| &mut all.frontend.runs.memo_size_warn)),
    key("limit.historySize.warn", Namespace, Int64(|all| &mut all.frontend.runs.history_size_warn)),
    key("limit.historyCount.warn", Namespace, Int64(|all| &mut all.frontend.runs.history_count_warn)),
    key("limit.mutableStateSize.warn", Global, Int64(|all| &mut all.frontend.runs.state_size_warn)),
    key("limit.mutableStateActivityFailureSize.warn", Namespace, Int64(|all| &mut all.frontend.runs.failure_size_warn)),
    // One run.
    key("limit.historySize.error", Namespace, Int64(|all| &mut all.frontend.runs.history_size)),
    key(
        "limit.historySize.suggestContinueAsNew",
        Namespace,
        Int64(|all| &mut all.frontend.runs.history_size_suggest_continue_as_new),
    ),
    key("limit.historyCount.error", Namespace, Int64(|all| &mut all.frontend.runs.history_count)),
    key(
        "limit.historyCount.suggestContinueAsNew",
        Namespace,
        Int64(|all| &mut all.frontend.runs.history_count_suggest_continue_as_new),
    ),
    key("limit.mutableStateSize.error", Global, Int64(|all| &mut all.frontend.runs.state_size)),
    key("limit.mutableStateActivityFailureSize.error", Namespace, Int64(|all| &mut all.frontend.runs.failure_size)),
    key("system.transactionSizeLimit", Global, Int64(|all| &mut all.frontend.runs.transaction_size)),
    key("limit.numPendingActivities.error", Namespace, Count(|all| &mut all.frontend.runs.pending_activities)),
    key("limit.numPendingChildExecutions.error", Namespace, Count(|all| &mut all.frontend.runs.pending_children)),
    key("limit.numPendingSignals.error", Namespace, Count(|all| &mut all.frontend.runs.pending_signals)),
    key("limit.numPendingCancelRequests.error", Namespace, Count(|all| &mut all.frontend.runs.pending_cancels)),
    key("history.maximumSignalsPerExecution", Namespace, Int64(|all| &mut all.frontend.runs.signals)),
    key("history.maximumBufferedEventsBatch", Global, Count(|all| &mut all.frontend.runs.buffered_events)),
    key("history.maximumBufferedEventsSizeInBytes", Global, Int64(|all| &mut all.frontend.runs.buffered_bytes)),
    key("history.MaxBufferedQueryCount", Global, Count(|all| &mut all.frontend.runs.buffered_queries)),
    key("history.maxInFlightUpdates", Namespace, Count(|all| &mut all.frontend.runs.in_flight_updates)),
    key("history.maxInFlightUpdatePayloads", Namespace, Int64(|all| &mut all.frontend.runs.in_flight_update_bytes)),
    key("history.maxTotalUpdates", Namespace, Count(|all| &mut all.frontend.runs.total_updates)),
    key(
        "history.maxTotalUpdates.suggestContinueAsNewThreshold",
        Namespace,
        Float(|all| &mut all.frontend.runs.total_updates_suggest_continue_as_new),
    ),
    key("history.defaultWorkflowTaskTimeout", Namespace, Time(|all| &mut all.frontend.runs.workflow_task_timeout)),
    key("history.workflowTaskHeartbeatTimeout", Namespace, Time(|all| &mut all.frontend.runs.workflow_task_heartbeat)),
    key("history.workflowTaskRetryMaxInterval", Global, Time(|all| &mut all.frontend.runs.workflow_task_retry_max)),
    key("history.defaultActivityRetryPolicy", Namespace, Retry(|all| &mut all.frontend.runs.default_activity_retry)),
    key("history.defaultWorkflowRetryPolicy", Namespace, Retry(|all| &mut all.frontend.runs.default_workflow_retry)),
    key("history.workflowIdReuseMinimalInterval", Namespace, Time(|all| &mut all.frontend.runs.min_start_interval)),
    key(
        "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute",
        Namespace,
        Int32(|all| &mut all.frontend.runs.failed_tasks_to_report),
    ),
    // Nexus.
    key(
        "component.nexusoperations.limit.operation.concurrency",
        Namespace,
        Count(|all| &mut all.frontend.runs.pending_nexus_operations),
    ),
    key(
        "component.nexusoperations.limit.service.name.length",
        Namespace,
        Count(|all| &mut all.frontend.runs.nexus_service_name),
    ),
    key(
        "component.nexusoperations.limit.operation.name.length",
        Namespace,
        Count(|all| &mut all.frontend.runs.nexus_operation_name),
    ),
    key(
        "component.nexusoperations.limit.header.size",
        Namespace,
        Count(|all| &mut all.frontend.runs.nexus_header_size),
    ),
    key(
        "component.nexusoperations.retryPolicy.initialInterval",
        Global,
        Time(|all| &mut all.frontend.runs.nexus_retry.initial),
    ),
    key(
        "component.nexusoperations.retryPolicy.maxInterval",
        Global,
        Time(|all| &mut all.frontend.runs.nexus_retry.maximum),
    ),
    key(
        "component.nexusoperations.limit.operation.token.length",
        Namespace,
        Count(|all| &mut all.frontend.nexus_token),
    ),
    key(
        "component.nexusoperations.limit.scheduleToCloseTimeout",
        Namespace,
        Time(|all| &mut all.frontend.runs.nexus_schedule_to_close_max),
    ),
    key(
        "component.nexusoperations.disallowedHeaders",
        Global,
        Headers(|all| &mut all.frontend.runs.nexus_disallowed_headers),
    ),
    key(
        "component.nexusoperations.request.timeout",
        Namespace,
        Time(|all| &mut all.frontend.runs.nexus_request_timeout),
    ),
    key(
        "component.nexusoperations.limit.request.timeout.min",
        Namespace,
        Time(|all| &mut all.frontend.runs.nexus_request_timeout_min),
    ),
    key(
        "component.nexusoperations.limit.dispatch.task.timeout.min",
        Namespace,
        Time(|all| &mut all.frontend.runs.nexus_dispatch_margin),
    ),
    key("nexusoperation.limit.reasonLength", Namespace, Count(|all| &mut all.frontend.nexus_reason)),
    key("limit.endpointNameMaxLength", Global, Count(|all| &mut all.frontend.endpoint_name)),
    key("limit.endpointExternalURLMaxLength", Global, Count(|all| &mut all.frontend.endpoint_url)),
    key("limit.endpointDescriptionMaxSize", Global, Count(|all| &mut all.frontend.endpoint_description)),
    key("limit.endpointListDefaultPageSize", Global, Count(|all| &mut all.frontend.endpoint_page_default)),
    key("limit.endpointListMaxPageSize", Global, Count(|all| &mut all.frontend.endpoint_page)),
    // Worker deployments.
    key("matching.maxDeployments", Namespace, Count(|all| &mut all.frontend.runs.worker_deployments)),
    key("matching.maxVersionsInDeployment", Namespace, Count(|all| &mut all.frontend.runs.versions_per_deployment)),
    key("matching.maxVersionsInTaskQueue", Namespace, Count(|all| &mut all.frontend.runs.versions_per_task_queue)),
    key(
        "matching.maxTaskQueuesInDeploymentVersion",
        Namespace,
        Count(|all| &mut all.frontend.runs.task_queues_per_deployment_version),
    ),
    key(
        "matching.wv.VersionDrainageStatusVisibilityGracePeriod",
        Namespace,
        Time(|all| &mut all.frontend.runs.drainage_grace),
    ),
    key(
        "matching.wv.VersionDrainageStatusRefreshInterval",
        Namespace,
        Time(|all| &mut all.frontend.runs.drainage_refresh),
    ),
    key("limit.reachabilityQueryBuildIds", Global, Count(|all| &mut all.frontend.reachability_build_ids)),
    // Calls.
    key("frontend.rps", Global, Rate(|all| &mut all.frontend.rps)),
    key("frontend.namespaceRPS", Namespace, Rate(|all| &mut all.frontend.namespace_rps)),
    key("frontend.namespaceBurstRatio", Namespace, Float(|all| &mut all.frontend.burst_ratio)),
    key("frontend.namespaceRPS.visibility", Namespace, Rate(|all| &mut all.frontend.visibility_rps)),
    key("frontend.namespaceBurstRatio.visibility", Namespace, Float(|all| &mut all.frontend.visibility_burst_ratio)),
    key("frontend.disableListVisibilityByFilter", Namespace, Switch(|all| &mut all.frontend.old_lists_refuse_filters)),
    key("frontend.namespaceCount", Namespace, Count(|all| &mut all.frontend.waiting_calls)),
    key("frontend.historyMaxPageSize", Namespace, Count(|all| &mut all.frontend.history_page)),
    key("frontend.visibilityMaxPageSize", Namespace, Count(|all| &mut all.frontend.list_page)),
    key("history.longPollExpirationInterval", Namespace, Span(|all| &mut all.frontend.wait_timeout)),
    key("activity.longPollTimeout", Namespace, Span(|all| &mut all.frontend.activity_wait)),
    key("nexusoperation.longPollTimeout", Namespace, Span(|all| &mut all.frontend.nexus_operation_wait)),
    key("system.namespaceMinRetentionLocal", Global, Span(|all| &mut all.frontend.retention_min)),
    key("frontend.MaxConcurrentBatchOperationPerNamespace", Namespace, Int64(|all| &mut all.frontend.batches)),
    key("worker.schedulerNamespaceStartWorkflowRPS", Namespace, Rate(|all| &mut all.frontend.runs.scheduled_starts)),
    key("worker.batcherRPS", Namespace, Rate(|all| &mut all.frontend.batch_rps)),
    // Connections, as of the start of the server.
    key("frontend.keepAliveTime", Global, Span(|all| &mut all.connections.ping_after)),
    key("frontend.keepAliveTimeout", Global, Span(|all| &mut all.connections.ping_timeout)),
    key("frontend.keepAliveMaxConnectionAge", Global, Span(|all| &mut all.connections.age)),
    key("frontend.keepAliveMaxConnectionAgeGrace", Global, Span(|all| &mut all.connections.age_grace)),
    // Task queues.
    key("matching.longPollExpirationInterval", TaskQueue, QueueSpan(|all| &mut all.frontend.poll_timeout)),
    key(
        "admin.matchingNamespaceTaskqueueToPartitionDispatchRate",
        TaskQueue,
        QueueRate(|all| &mut all.frontend.dispatch_rate),
    ),
    key("matching.maxFairnessKeyWeightOverrides", Namespace, Count(|all| &mut all.frontend.fairness_overrides)),
    key("matching.maxTaskQueueIdleTime", Global, Span(|all| &mut all.matching.idle_queue)),
    key("matching.PollerHistoryTTL", Global, Span(|all| &mut all.matching.poller_history)),
    key("matching.queryPollerUnavailableWindow", Global, Span(|all| &mut all.matching.query_poller_window)),
];

/// Keys that people set for Temporal and that change nothing here, and why. By prefix.
pub(super) static WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("system.forceSearchAttributesCacheRefreshOnRead", "search attributes are visible at once"),
    ("system.forceNexusEndpointRefreshOnRead", "Nexus endpoints are visible at once"),
    ("frontend.enableServerVersionCheck", "nobody is asked for newer versions"),
    ("frontend.enableUpdateWorkflowExecution", "updates are always there"),
    ("frontend.enableExecuteMultiOperation", "update-with-start is always there"),
    ("frontend.enableSchedules", "schedules are always there"),
    ("frontend.enableBatcher", "batch operations are always there"),
    ("frontend.WorkerHeartbeatsEnabled", "worker heartbeats are always there"),
    ("frontend.ListWorkersEnabled", "lists of workers are always there"),
    ("frontend.workerVersioning", "the older worker versioning is withdrawn, worker deployments are always there"),
    ("system.enableDeployment", "worker deployments are always there"),
    ("system.enableNexus", "Nexus is always there"),
    ("component.nexusoperations.useSystemCallbackURL", "Nexus callbacks always use it"),
    ("component.nexusoperations.callback.endpoint.template", "the setting listen.http_url says where callbacks go"),
    ("activity.enable", "standalone activities are always there"),
    ("nexusoperation.enable", "standalone Nexus operations are always there"),
    ("frontend.namespaceRPS.namespaceReplicationInducingAPIs", "namespaces are not replicated"),
    ("frontend.rps.namespaceReplicationInducingAPIs", "namespaces are not replicated"),
    ("frontend.globalNamespaceRPS", "each node counts for itself: see frontend.namespaceRPS"),
    ("frontend.globalRPS", "each node counts for itself: see frontend.rps"),
    ("frontend.globalNamespaceCount", "each node counts for itself: see frontend.namespaceCount"),
    ("frontend.MaxExecutionCountBatchOperationPerNamespace", "a batch operation may be for any number of executions"),
    ("worker.batcherConcurrency", "a batch operation works at its rate"),
    ("history.workflowTaskCompletionBuffer", "a completion is one message"),
    ("system.maxServiceErrorMessageLength", "texts of errors have at most 4,000 bytes"),
    ("matching.numTaskqueue", "task queues have no partitions"),
    ("matching.useNewMatcher", "tasks always go by priority"),
    ("matching.enableFairness", "fairness keys always count"),
    ("matching.rps", "matching has no calls of its own: see frontend.rps"),
    ("matching.namespaceRPS", "matching has no calls of its own: see frontend.namespaceRPS"),
    ("history.rps", "history has no calls of its own: see frontend.rps"),
    ("history.namespaceRPS", "history has no calls of its own: see frontend.namespaceRPS"),
    ("history.hostLevelCacheMaxSize", "the setting cached_runs says how many runs are kept in memory"),
    ("history.cache", "the setting cached_runs says how many runs are kept in memory"),
    ("frontend.persistence", "the database is asked in batches"),
    ("history.persistence", "the database is asked in batches"),
    ("matching.persistence", "the database is asked in batches"),
    ("worker.persistence", "the database is asked in batches"),
    ("system.secondaryVisibilityWritingMode", "lists are in the same database as everything else"),
    ("system.enableReadFromSecondaryVisibility", "lists are in the same database as everything else"),
    ("system.visibility", "lists are in the same database as everything else"),
    ("frontend.keepAliveMinTime", "pings are never too many"),
    ("frontend.keepAlivePermitWithoutStream", "pings are always taken"),
    ("frontend.keepAliveMaxConnectionIdle", "a connection without calls costs little, and ends with its age"),
    ("scheduler.spec", "a stretch of excluded times is one step, and 40,000 of them are searched"),
    ("nexusoperation.useSystemCallbackURL", "Nexus callbacks always use it"),
    ("nexusoperation.callback.endpoint.template", "the setting listen.http_url says where callbacks go"),
    ("nexusoperation.retryPolicy", "see component.nexusoperations.retryPolicy.initialInterval and maxInterval"),
];
