-- The first schema; ../postgres/0001_initial.sql says what the tables are for. Times are Unix nanoseconds.
-- All are rowid tables: with blobs in the key, WITHOUT ROWID was measured three times slower.

CREATE TABLE runs (
    slot INTEGER NOT NULL,
    run_id BLOB NOT NULL,
    namespace_id BLOB NOT NULL,
    workflow_id TEXT NOT NULL,
    wake_at INTEGER,
    snapshot_seq INTEGER,
    snapshot BLOB,
    PRIMARY KEY (run_id)
);
CREATE INDEX runs_wake_at ON runs (wake_at, slot) WHERE wake_at IS NOT NULL;

CREATE TABLE current_runs (
    slot INTEGER NOT NULL,
    namespace_id BLOB NOT NULL,
    workflow_id TEXT NOT NULL,
    run_id BLOB NOT NULL,
    PRIMARY KEY (namespace_id, workflow_id)
);

CREATE TABLE journal (
    slot INTEGER NOT NULL,
    run_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    first_event_id INTEGER NOT NULL,
    event_count INTEGER NOT NULL,
    events BLOB NOT NULL,
    changes BLOB NOT NULL,
    PRIMARY KEY (run_id, seq)
);

CREATE TABLE visibility (
    namespace_id BLOB NOT NULL,
    run_id BLOB NOT NULL,
    -- The greatest integer: open.
    close_time INTEGER NOT NULL,
    start_time INTEGER NOT NULL,
    execution_time INTEGER NOT NULL,
    history_length INTEGER,
    history_size_bytes INTEGER,
    state_transition_count INTEGER,
    status INTEGER NOT NULL,
    workflow_id TEXT NOT NULL,
    workflow_type TEXT NOT NULL,
    task_queue TEXT NOT NULL,
    parent_workflow_id TEXT,
    parent_run_id TEXT,
    root_workflow_id TEXT NOT NULL,
    root_run_id TEXT NOT NULL,
    memo BLOB NOT NULL,
    search_attributes BLOB NOT NULL,
    search_values TEXT,
    PRIMARY KEY (namespace_id, run_id)
);
CREATE INDEX visibility_order ON visibility (namespace_id, close_time, start_time, run_id);
CREATE INDEX visibility_workflow_id ON visibility (namespace_id, workflow_id, close_time, start_time);
CREATE INDEX visibility_workflow_type ON visibility (namespace_id, workflow_type, close_time, start_time);
CREATE INDEX visibility_parent ON visibility (namespace_id, parent_workflow_id) WHERE parent_workflow_id IS NOT NULL;

CREATE TABLE leases (
    first_slot INTEGER PRIMARY KEY,
    end_slot INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    owner TEXT NOT NULL,
    expires_at INTEGER NOT NULL
);

CREATE TABLE namespaces (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    data BLOB NOT NULL
);

CREATE TABLE cluster_metadata (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    data BLOB NOT NULL
);
