//! Statements whose text is good for both databases.

/// $1 run id.
pub(crate) const FIND_RUN: &str = "SELECT namespace_id, archetype, workflow_id FROM runs WHERE run_id = $1";

/// $1 slot, $2 run id, $3 event id. `bisect` ends with low = high = seq of the last journal row whose first event id is
/// not greater: sequence numbers have no gaps, so this is a binary search over the key. No row at all: low = 1, high = NULL.
///
/// Written with subqueries that read one row: PostgreSQL takes a join or an aggregate here for cheap and reads all of the run.
macro_rules! bisect {
    () => {
        concat!(
            "WITH RECURSIVE bisect(low, high) AS (
                 SELECT CAST(1 AS bigint),
                        (SELECT seq FROM journal WHERE slot = $1 AND run_id = $2 ORDER BY seq DESC LIMIT 1)
                 UNION ALL
                 SELECT CASE WHEN ",
            middle_is_not_after!(),
            " THEN (low + high + 1) / 2 ELSE low END,
                        CASE WHEN ",
            middle_is_not_after!(),
            " THEN high ELSE (low + high + 1) / 2 - 1 END
                 FROM bisect WHERE low < high
             ) "
        )
    };
}

macro_rules! middle_is_not_after {
    () => {
        "(SELECT first_event_id FROM journal WHERE slot = $1 AND run_id = $2 AND seq = (low + high + 1) / 2) <= $3"
    };
}

/// $4 end event id (exclusive), $5 most batches, $6 bytes after which to stop.
pub(crate) const READ_EVENTS: &str = concat!(
    bisect!(),
    "SELECT first_event_id, event_count, events FROM (
         SELECT seq, first_event_id, event_count, events,
                sum(length(events)) OVER (ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
         FROM journal
         WHERE slot = $1 AND run_id = $2 AND seq >= (SELECT low FROM bisect WHERE low = high)
           AND event_count > 0 AND first_event_id + event_count > $3 AND first_event_id < $4
         ORDER BY seq LIMIT $5
     ) AS page
     WHERE bytes_before IS NULL OR bytes_before < $6
     ORDER BY seq"
);

/// $4 most batches.
pub(crate) const READ_EVENTS_REVERSE: &str = concat!(
    bisect!(),
    "SELECT first_event_id, event_count, events FROM journal
     WHERE slot = $1 AND run_id = $2 AND seq <= (SELECT low FROM bisect WHERE low = high)
       AND event_count > 0 AND first_event_id <= $3
     ORDER BY seq DESC LIMIT $4"
);

/// $1 first slot, $2 end slot, $3 from, $4 to, $5 most rows.
pub(crate) const DUE_RUNS: &str = "SELECT wake_at, slot, run_id FROM runs
     WHERE slot >= $1 AND slot < $2 AND wake_at >= $3 AND wake_at < $4
     ORDER BY wake_at, slot, run_id LIMIT $5";

pub(crate) const LEASES: &str = "SELECT first_slot, end_slot, epoch, owner, expires_at FROM leases ORDER BY first_slot";

/// $1 first slot, $2 end slot.
pub(crate) const INSERT_LEASE: &str =
    "INSERT INTO leases (first_slot, end_slot, epoch, owner, expires_at) VALUES ($1, $2, 0, '', 0)";

/// $1 owner, $2 expiry.
pub(crate) const TAKE_LEASES: &str = "UPDATE leases SET epoch = epoch + 1, owner = $1, expires_at = $2";

/// $1 id, $2 name, $3 data.
pub(crate) const INSERT_NAMESPACE: &str = "INSERT INTO namespaces (id, name, data) VALUES ($1, $2, $3)";
pub(crate) const UPDATE_NAMESPACE: &str = "UPDATE namespaces SET name = $2, data = $3 WHERE id = $1";
/// $1 namespace id.
pub(crate) const DELETE_TASK_QUEUE_CONFIGS: &str = "DELETE FROM task_queue_config WHERE namespace_id = $1";
/// What is left of a namespace, itself last: $1 its id as text.
pub(crate) const DELETE_NAMESPACE: [&str; 2] =
    ["DELETE FROM worker_deployments WHERE namespace_id = $1", "DELETE FROM namespaces WHERE id = $1"];
pub(crate) const NAMESPACES: &str = "SELECT data FROM namespaces ORDER BY name";

/// $1 id, $2 name, $3 version, $4 data.
pub(crate) const INSERT_NEXUS_ENDPOINT: &str =
    "INSERT INTO nexus_endpoints (id, name, version, data) VALUES ($1, $2, $3, $4)";
pub(crate) const UPDATE_NEXUS_ENDPOINT: &str =
    "UPDATE nexus_endpoints SET name = $2, version = $3, data = $4 WHERE id = $1 AND version = $3 - 1";
/// $1 id.
pub(crate) const DELETE_NEXUS_ENDPOINT: &str = "DELETE FROM nexus_endpoints WHERE id = $1";
pub(crate) const NEXUS_ENDPOINTS: &str = "SELECT data FROM nexus_endpoints ORDER BY id";

/// $1 namespace id, $2 name, $3 revision, $4 data.
pub(crate) const INSERT_WORKER_DEPLOYMENT: &str =
    "INSERT INTO worker_deployments (namespace_id, name, revision, data) VALUES ($1, $2, $3, $4)";
pub(crate) const UPDATE_WORKER_DEPLOYMENT: &str = "UPDATE worker_deployments SET revision = $3, data = $4
     WHERE namespace_id = $1 AND name = $2 AND revision = $3 - 1";
/// $1 namespace id, $2 name, $3 revision.
pub(crate) const DELETE_WORKER_DEPLOYMENT: &str =
    "DELETE FROM worker_deployments WHERE namespace_id = $1 AND name = $2 AND revision = $3";
pub(crate) const WORKER_DEPLOYMENTS: &str = "SELECT data FROM worker_deployments ORDER BY namespace_id, name";

/// $1 namespace id, $2 name, $3 type, $4 data.
pub(crate) const PUT_TASK_QUEUE_CONFIG: &str = "INSERT INTO task_queue_config (namespace_id, name, type, data)
     VALUES ($1, $2, $3, $4) ON CONFLICT (namespace_id, name, type) DO UPDATE SET data = excluded.data";
pub(crate) const TASK_QUEUE_CONFIGS: &str = "SELECT namespace_id, name, type, data FROM task_queue_config";

/// $1 backlog, $2 level, $3 pass, $4 sequence, $5 most rows.
pub(crate) const READ_BACKLOG: &str = "SELECT level, pass, sequence, task FROM backlogs
     WHERE backlog_id = $1 AND (level, pass, sequence) > ($2, $3, $4)
     ORDER BY level, pass, sequence LIMIT $5";
pub(crate) const TRIM_BACKLOG: &str =
    "DELETE FROM backlogs WHERE backlog_id = $1 AND (level, pass, sequence) <= ($2, $3, $4)";

/// $1 data.
pub(crate) const INSERT_METADATA: &str =
    "INSERT INTO cluster_metadata (id, data) VALUES (1, $1) ON CONFLICT (id) DO NOTHING";
pub(crate) const METADATA: &str = "SELECT data FROM cluster_metadata WHERE id = 1";
