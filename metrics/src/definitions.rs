//! Every metric that there is. Names and labels are those of Temporal's server where it has the same thing, so that dashboards
//! made for it work; what only this server has begins with `perdure_`.

use crate::NAMESPACE_ID;

/// What a metric is called, has as labels, and means.
#[derive(Debug)]
pub struct Definition {
    pub name: &'static str,
    pub kind: Kind,
    /// Labels that are always the same.
    pub constant: &'static [(&'static str, &'static str)],
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    /// A histogram of seconds.
    Seconds,
    /// A histogram of numbers of things.
    Size,
}

type Constant = &'static [(&'static str, &'static str)];
type Labels = &'static [&'static str];

const NONE: Constant = &[];
const FRONTEND: Constant = &[("service_name", "frontend")];
const HISTORY: Constant = &[("service_name", "history")];
const MATCHING: Constant = &[("service_name", "matching")];
const COMPLETION: Constant = &[("operation", "CompletionStats"), ("service_name", "history")];
const RUN_CACHE: Constant =
    &[("cache_type", "mutablestate"), ("operation", "HistoryCacheGetOrCreate"), ("service_name", "history")];

const OF_CALLS: Labels = &["namespace", "operation"];
const OF_WORKFLOWS: Labels = &[NAMESPACE_ID, "taskqueue", "workflowType"];
const OF_NAMESPACES: Labels = &[NAMESPACE_ID];
const OF_QUEUES: Labels = &[NAMESPACE_ID, "taskqueue", "task_type"];
const OF_OPERATIONS: Labels = &["operation"];
const OF_SHARDS: Labels = &["shard"];

macro_rules! define {
    ($($id:ident = $name:literal, $kind:ident, $constant:expr, $labels:expr, $help:literal;)*) => {
        $(#[doc = $help]
        pub static $id: Definition = Definition {
            name: $name, kind: Kind::$kind, constant: $constant, labels: $labels, help: $help,
        };)*

        /// All of them, in the order of the documentation.
        pub static ALL: &[&Definition] = &[$(&$id),*];
    };
}

define! {
    SERVICE_REQUESTS = "service_requests", Counter, FRONTEND, OF_CALLS, "Calls of the API.";
    SERVICE_LATENCY = "service_latency", Seconds, FRONTEND, OF_CALLS, "Time to answer a call. Polls wait for tasks in it.";
    SERVICE_PENDING_REQUESTS = "service_pending_requests", Gauge, FRONTEND, OF_CALLS, "Calls that are not answered yet.";
    SERVICE_ERRORS = "service_errors", Counter, FRONTEND, OF_CALLS, "Calls that failed through no fault of the caller.";
    SERVICE_ERROR_WITH_TYPE = "service_error_with_type", Counter, FRONTEND, &["namespace", "operation", "error_type"], "Calls that failed, for whatever reason.";
    SERVICE_ERRORS_INVALID_ARGUMENT = "service_errors_invalid_argument", Counter, FRONTEND, OF_CALLS, "Calls with bad input.";
    SERVICE_ERRORS_NOT_FOUND = "service_errors_entity_not_found", Counter, FRONTEND, OF_CALLS, "Calls for what does not exist.";
    SERVICE_ERRORS_ALREADY_STARTED = "service_errors_execution_already_started", Counter, FRONTEND, OF_CALLS, "Starts of what runs already.";
    SERVICE_ERRORS_RESOURCE_EXHAUSTED = "service_errors_resource_exhausted", Counter, FRONTEND, OF_CALLS, "Calls above a limit.";
    SERVICE_ERRORS_UNAUTHORIZED = "service_errors_unauthorized", Counter, FRONTEND, &[], "Calls without an API key that is let in.";

    WORKFLOW_SUCCESS = "workflow_success", Counter, COMPLETION, OF_WORKFLOWS, "Runs that completed.";
    WORKFLOW_FAILED = "workflow_failed", Counter, COMPLETION, OF_WORKFLOWS, "Runs that failed.";
    WORKFLOW_CANCEL = "workflow_cancel", Counter, COMPLETION, OF_WORKFLOWS, "Runs that were canceled.";
    WORKFLOW_TERMINATE = "workflow_terminate", Counter, COMPLETION, OF_WORKFLOWS, "Runs that were terminated.";
    WORKFLOW_TIMEOUT = "workflow_timeout", Counter, COMPLETION, OF_WORKFLOWS, "Runs that timed out.";
    WORKFLOW_CONTINUED_AS_NEW = "workflow_continued_as_new", Counter, COMPLETION, OF_WORKFLOWS, "Runs that continued as new.";
    WORKFLOW_LATENCY = "workflow_schedule_to_close_latency", Seconds, COMPLETION, OF_WORKFLOWS, "From the start of a run to its close.";
    WORKFLOWS_STARTED = "perdure_workflows_started", Counter, HISTORY, OF_WORKFLOWS, "Runs that began: those of starts, of retries, of cron, of resets, and those that continue another one.";
    WORKFLOWS_OPEN = "perdure_workflows_open", Gauge, HISTORY, OF_NAMESPACES, "Runs that are open, as they were counted in the database after an earlier scrape.";
    WORKFLOW_CLEANUP_DELETE = "workflow_cleanup_delete", Counter, HISTORY, &[], "Runs of all kinds deleted because their retention was over.";

    ACTIVITIES_SCHEDULED = "perdure_activities_scheduled", Counter, HISTORY, OF_NAMESPACES, "Activities that workflows scheduled.";
    ACTIVITY_SUCCESS = "activity_success", Counter, HISTORY, OF_NAMESPACES, "Activities that completed.";
    ACTIVITY_FAIL = "activity_fail", Counter, HISTORY, OF_NAMESPACES, "Activities that failed for good.";
    ACTIVITY_TIMEOUT = "activity_timeout", Counter, HISTORY, OF_NAMESPACES, "Activities that timed out for good.";
    ACTIVITY_CANCEL = "activity_cancel", Counter, HISTORY, OF_NAMESPACES, "Activities that were canceled.";
    FAILED_WORKFLOW_TASKS = "failed_workflow_tasks", Counter, HISTORY, OF_NAMESPACES, "Workflow tasks that failed and have an event that says so.";

    POLL_SUCCESS = "poll_success", Counter, MATCHING, OF_QUEUES, "Polls that got a task: the tasks that a queue has handed out.";
    POLL_SUCCESS_SYNC = "poll_success_sync", Counter, MATCHING, OF_QUEUES, "Polls whose task came straight to them, without waiting in the queue.";
    POLL_TIMEOUTS = "poll_timeouts", Counter, MATCHING, OF_QUEUES, "Polls that ended without a task.";
    POLL_LATENCY = "poll_latency", Seconds, MATCHING, OF_QUEUES, "How long polls waited that got a task.";
    SYNCMATCH_LATENCY = "syncmatch_latency", Seconds, MATCHING, OF_QUEUES, "From the choice of a waiting poller to its task, the commit between them included.";
    TASKS_ADDED = "tasks_added", Counter, MATCHING, OF_QUEUES, "Tasks that had to wait in the queue.";
    APPROXIMATE_BACKLOG_COUNT = "approximate_backlog_count", Gauge, MATCHING, OF_QUEUES, "Tasks that wait in the queue now.";
    APPROXIMATE_BACKLOG_AGE = "approximate_backlog_age_seconds", Gauge, MATCHING, OF_QUEUES, "How long the oldest of them has waited.";
    POLLERS = "perdure_pollers", Gauge, MATCHING, OF_QUEUES, "Workers that polled the queue in the last five minutes.";
    LOADED_TASK_QUEUES = "loaded_task_queue_count", Gauge, MATCHING, &[], "Queues in memory.";

    CACHE_REQUESTS = "cache_requests", Counter, RUN_CACHE, &[], "Looks for a run in memory.";
    CACHE_MISS = "cache_miss", Counter, RUN_CACHE, &[], "Those that had to read it from the database.";
    CACHE_USAGE = "cache_usage", Gauge, RUN_CACHE, &[], "Runs in memory.";
    BATCH_RUNS = "perdure_batch_runs", Size, HISTORY, &[], "Runs that one transaction wrote.";
    COMMIT_LATENCY = "perdure_commit_latency", Seconds, HISTORY, &[], "Time to commit such a transaction.";
    COMMIT_FAILURES = "perdure_commit_failures", Counter, HISTORY, &[], "Transactions that failed, or whose fate is unknown.";
    MAILBOX_DEPTH = "perdure_mailbox_depth", Gauge, HISTORY, OF_SHARDS, "Messages that wait for a shard.";
    SHARDS = "numshards_gauge", Gauge, HISTORY, &[], "Shards of this process.";

    PERSISTENCE_REQUESTS = "persistence_requests", Counter, HISTORY, OF_OPERATIONS, "Calls of the database.";
    PERSISTENCE_ERRORS = "persistence_errors", Counter, HISTORY, OF_OPERATIONS, "Those that failed.";
    PERSISTENCE_LATENCY = "persistence_latency", Seconds, HISTORY, OF_OPERATIONS, "Time that they took.";

    TOTAL_NAMESPACES = "total_namespaces", Gauge, NONE, &[], "Namespaces that are not deleted.";
    RESTARTS = "restarts", Counter, NONE, &[], "One, from the start of the process on.";
    BUILD_INFORMATION = "build_information", Gauge, NONE, &["build_version"], "Always 1.";
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the documentation must say of a metric.
    fn line(definition: &Definition) -> String {
        let kind = match definition.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Seconds => "histogram, seconds",
            Kind::Size => "histogram",
        };
        let constant = definition.constant.iter().map(|(name, value)| format!("`{name}=\"{value}\"`"));
        let labels = definition.labels.iter().map(|label| if *label == NAMESPACE_ID { "namespace" } else { label });
        let labels: Vec<_> = labels.map(|label| format!("`{label}`")).chain(constant).collect();
        format!("| `{}` | {kind} | {} | {} |", definition.name, labels.join(", "), definition.help)
    }

    #[test]
    fn the_documentation_is_true() {
        let documented: Vec<_> = include_str!("../README.md").lines().filter(|line| line.starts_with("| `")).collect();
        let expected: Vec<_> = ALL.iter().map(|definition| line(definition)).collect();
        assert_eq!(documented, expected, "the table of metrics/README.md must be:\n{}", expected.join("\n"));
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> = ALL.iter().map(|definition| definition.name).collect();
        assert_eq!(names.len(), ALL.len());
    }
}
