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
    pub default_activity_initial_interval: Nanos,
    /// Lists show a run's problems once so many of its workflow tasks failed in a row; 0: never.
    pub failed_tasks_to_report: i32,
    pub pending_nexus_operations: usize,
    /// Bytes of the names of a Nexus operation's service and of the operation.
    pub nexus_service_name: usize,
    pub nexus_operation_name: usize,
    /// Bytes of a Nexus operation's header: of its keys and values.
    pub nexus_header_size: usize,
    /// Of the attempts to start a Nexus operation, to request its cancel, or to call a callback.
    pub nexus_retry_initial_interval: Nanos,
    pub nexus_retry_maximum_interval: Nanos,
    /// Completion callbacks of one run.
    pub callbacks: usize,
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

impl Default for Limits {
    fn default() -> Self {
        Self {
            blob_size: 2 * MIB,
            memo_size: 2 * MIB,
            history_size: 50 * MIB,
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
            default_activity_initial_interval: SECOND,
            failed_tasks_to_report: 5,
            pending_nexus_operations: 30,
            nexus_service_name: 1_000,
            nexus_operation_name: 1_000,
            nexus_header_size: 8_192,
            nexus_retry_initial_interval: SECOND,
            nexus_retry_maximum_interval: 3_600 * SECOND,
            callbacks: 32,
            worker_deployments: 100,
            versions_per_deployment: 100,
            task_queues_per_deployment_version: 100,
            versions_per_task_queue: 200,
            drainage_grace: 180 * SECOND,
            drainage_refresh: 180 * SECOND,
        }
    }
}
