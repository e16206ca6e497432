//! Limits of one run, with Temporal's defaults.

use crate::state::Nanos;

const SECOND: Nanos = 1_000_000_000;
const KIB: i64 = 1024;
const MIB: i64 = 1024 * KIB;

/// See `promises`: what happens on violation is documented at each check.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    pub blob_size: i64,
    pub memo_size: i64,
    pub history_size: i64,
    /// What is larger than these is logged (`warning`).
    pub blob_size_warn: i64,
    pub memo_size_warn: i64,
    pub history_size_warn: i64,
    pub history_count_warn: i64,
    pub state_size_warn: i64,
    pub failure_size_warn: i64,
    pub history_size_suggest_continue_as_new: i64,
    pub history_count: i64,
    /// Bytes of the stored state.
    pub state_size: i64,
    /// Bytes of the events of one completed workflow task.
    pub transaction_size: i64,
    pub history_count_suggest_continue_as_new: i64,
    pub pending_activities: usize,
    pub pending_children: usize,
    pub pending_signals: usize,
    pub pending_cancels: usize,
    pub signals: i64,
    pub buffered_events: usize,
    pub buffered_bytes: i64,
    pub in_flight_updates: usize,
    pub in_flight_update_bytes: i64,
    pub total_updates: usize,
    /// The part of `total_updates` at which continue-as-new is suggested.
    pub total_updates_suggest_continue_as_new: f64,
    /// Bytes of ids and names, in requests and in commands.
    pub id_length: usize,
    pub failure_size: i64,
    /// Search attributes of one run, bytes of one value, bytes of all.
    pub search_attributes: usize,
    pub search_attribute_size: usize,
    pub search_attributes_size: usize,
    /// Bytes of a summary and of details, encoded.
    pub user_metadata_summary: usize,
    pub user_metadata_details: usize,
    /// Queries that wait for a workflow task of one run. Temporal has one and refuses the others.
    pub buffered_queries: usize,
    pub workflow_task_timeout: Nanos,
    pub workflow_task_timeout_max: Nanos,
    pub workflow_task_heartbeat: Nanos,
    /// What a workflow task that fails again and again has more time by, at most.
    pub workflow_task_retry_max: Nanos,
    /// A speculative task, or one that only carries updates, must be taken within this time.
    pub speculative_schedule_to_start: Nanos,
    /// The first task of a next run begins at least this long after that of the run before it.
    pub min_run_interval: Nanos,
    /// A workflow id is not started again by a client within this time; 0: at any time, as Temporal on SQL stores does.
    pub min_start_interval: Nanos,
    /// Of activities, and of workflows that have a policy.
    pub default_activity_retry: RetryDefaults,
    pub default_workflow_retry: RetryDefaults,
    /// Lists show a run's problems once so many of its workflow tasks failed in a row; 0: never.
    pub failed_tasks_to_report: i32,
    pub pending_nexus_operations: usize,
    /// Bytes of the names of a Nexus operation's service and of the operation.
    pub nexus_service_name: usize,
    pub nexus_operation_name: usize,
    /// Bytes of a Nexus operation's header: of its keys and values.
    pub nexus_header_size: usize,
    /// Keys of such a header that only the server uses, in lower case.
    pub nexus_disallowed_headers: Vec<String>,
    /// A Nexus operation takes no longer; 0: as long as its caller allows.
    pub nexus_schedule_to_close_max: Nanos,
    /// What a handler has for one request; with less than the shortest none is made, and the margin is kept of it for the
    /// way back.
    pub nexus_request_timeout: Nanos,
    pub nexus_request_timeout_min: Nanos,
    pub nexus_dispatch_margin: Nanos,
    /// Between attempts to start a Nexus operation, or to request its cancel.
    pub nexus_retry: RetryIntervals,
    /// Completion callbacks of one workflow run.
    pub callbacks: usize,
    /// Completion callbacks of a run that is no workflow.
    pub callbacks_standalone: usize,
    /// Links of such a run.
    pub links_standalone: usize,
    /// What a callback has for one call.
    pub callback_timeout: Nanos,
    pub callback_retry: RetryIntervals,
    /// Workflows that the schedules of one namespace start per second; 0: any number.
    pub scheduled_starts: u32,
    /// Worker deployments of one namespace.
    pub worker_deployments: usize,
    pub versions_per_deployment: usize,
    pub task_queues_per_deployment_version: usize,
    /// Of all deployments together.
    pub versions_per_task_queue: usize,
    /// After a version has lost its role, before it is first asked whether it is drained.
    pub drainage_grace: Nanos,
    /// Between two such questions.
    pub drainage_refresh: Nanos,
}

/// What a retry policy leaves open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryDefaults {
    pub initial_interval: Nanos,
    pub backoff_coefficient: f64,
    /// The maximum interval is this many initial intervals.
    pub maximum_interval_coefficient: f64,
    /// 0: any number.
    pub maximum_attempts: i32,
}

impl Default for RetryDefaults {
    fn default() -> Self {
        Self {
            initial_interval: SECOND,
            backoff_coefficient: 2.0,
            maximum_interval_coefficient: 100.0,
            maximum_attempts: 0,
        }
    }
}

/// Waits that double from one to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryIntervals {
    pub initial: Nanos,
    pub maximum: Nanos,
}

impl Default for RetryIntervals {
    fn default() -> Self {
        Self { initial: SECOND, maximum: 3_600 * SECOND }
    }
}

impl RetryIntervals {
    /// After so many attempts.
    pub(crate) fn after(&self, attempts: i32) -> Nanos {
        let doubled = u32::try_from(attempts - 1).ok().and_then(|doublings| 1_i64.checked_shl(doublings));
        let wait = doubled.map_or(Nanos::MAX, |factor| self.initial.saturating_mul(factor));
        if wait > 0 { wait.min(self.maximum) } else { self.maximum }
    }
}

/// What the server itself says to handlers of Nexus operations in headers.
const DISALLOWED_HEADERS: [&str; 9] = [
    "request-timeout",
    "xdc-redirection-api",
    "xdc-redirection-source-cell",
    "xdc-redirection",
    "caller-name",
    "caller-type",
    "call-initiation",
    "temporal-principal-type",
    "temporal-principal-name",
];

impl Default for Limits {
    fn default() -> Self {
        Self {
            blob_size: 2 * MIB,
            memo_size: 2 * MIB,
            history_size: 50 * MIB,
            blob_size_warn: 512 * KIB,
            memo_size_warn: 2 * KIB,
            history_size_warn: 10 * MIB,
            history_count_warn: 10_240,
            state_size_warn: MIB,
            failure_size_warn: 2 * KIB,
            history_size_suggest_continue_as_new: 4 * MIB,
            history_count: 51_200,
            state_size: 8 * MIB,
            transaction_size: 4 * MIB,
            history_count_suggest_continue_as_new: 4_096,
            pending_activities: 2_000,
            pending_children: 2_000,
            pending_signals: 2_000,
            pending_cancels: 2_000,
            signals: 10_000,
            buffered_events: 100,
            buffered_bytes: 2 * MIB,
            in_flight_updates: 10,
            in_flight_update_bytes: 20 * MIB,
            total_updates: 2_000,
            total_updates_suggest_continue_as_new: 0.9,
            id_length: 1_000,
            failure_size: 4 * KIB,
            search_attributes: 100,
            search_attribute_size: 2 * 1024,
            search_attributes_size: 40 * 1024,
            user_metadata_summary: 400,
            user_metadata_details: 20_000,
            buffered_queries: 64,
            workflow_task_timeout: 10 * SECOND,
            workflow_task_timeout_max: 120 * SECOND,
            workflow_task_heartbeat: 30 * 60 * SECOND,
            workflow_task_retry_max: 600 * SECOND,
            speculative_schedule_to_start: 5 * SECOND,
            min_run_interval: SECOND,
            min_start_interval: 0,
            default_activity_retry: RetryDefaults::default(),
            default_workflow_retry: RetryDefaults::default(),
            failed_tasks_to_report: 5,
            pending_nexus_operations: 30,
            nexus_service_name: 1_000,
            nexus_operation_name: 1_000,
            nexus_header_size: 8_192,
            nexus_disallowed_headers: DISALLOWED_HEADERS.map(str::to_owned).into(),
            nexus_schedule_to_close_max: 0,
            nexus_request_timeout: 10 * SECOND,
            nexus_request_timeout_min: 3 * SECOND / 2,
            nexus_dispatch_margin: SECOND,
            nexus_retry: RetryIntervals::default(),
            callbacks: 32,
            callbacks_standalone: 2_000,
            links_standalone: 2_000,
            callback_timeout: 10 * SECOND,
            callback_retry: RetryIntervals::default(),
            scheduled_starts: 0,
            worker_deployments: 100,
            versions_per_deployment: 100,
            task_queues_per_deployment_version: 100,
            versions_per_task_queue: 200,
            drainage_grace: 180 * SECOND,
            drainage_refresh: 180 * SECOND,
        }
    }
}
