-- The first schema. Times are Unix nanoseconds. A slot is the hash of (namespace, workflow id): the unit that moves between
-- nodes. It is a column, not the first one of the keys: run ids are UUIDv7, so keys that begin with them grow at their end,
-- and active runs share few index pages. With the slot in front each new row dirtied a page of its own: measured with
-- 800,000 runs, 2.2 KB of WAL per journal row after a checkpoint instead of 0.45 KB.

-- One row per run: its last snapshot, and when somebody must look at it.
-- Created once, then updated when a snapshot is written or wake_at moves.
CREATE TABLE runs (
    run_id uuid NOT NULL,
    namespace_id uuid NOT NULL,
    wake_at bigint,
    snapshot_seq bigint,
    slot smallint NOT NULL,
    workflow_id text COLLATE "C" NOT NULL,
    snapshot bytea,
    PRIMARY KEY (run_id)
) WITH (
    -- Room on the page for the next version: an update that leaves wake_at alone then touches no index (HOT).
    fillfactor = 75,
    -- Dead versions come at the rate of closes: clean at 2 % of the table, not at 20 %.
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.05
);
-- Snapshots are dense protobuf: compression costs CPU and wins little.
ALTER TABLE runs ALTER COLUMN snapshot SET STORAGE EXTERNAL;

-- For the wake scanner: what is due. Closed runs owe nothing and are not in it.
CREATE INDEX runs_wake_at ON runs (wake_at, slot) WHERE wake_at IS NOT NULL;

-- The current run of each workflow id.
CREATE TABLE current_runs (
    namespace_id uuid NOT NULL,
    run_id uuid NOT NULL,
    slot smallint NOT NULL,
    workflow_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (namespace_id, workflow_id)
) WITH (
    -- A new run of a known workflow id changes no key: HOT, given room.
    fillfactor = 90
);

-- One row per run and commit. Only ever inserted, until the run is deleted.
CREATE TABLE journal (
    run_id uuid NOT NULL,
    seq bigint NOT NULL,
    first_event_id bigint NOT NULL,
    event_count integer NOT NULL,
    slot smallint NOT NULL,
    events bytea NOT NULL,
    changes bytea NOT NULL,
    PRIMARY KEY (run_id, seq)
) WITH (
    -- Rows up to nearly a page stay in the table: a row out of line costs two more index entries and two more reads.
    toast_tuple_target = 8000,
    -- Nothing dies here: vacuum only has to freeze and to set the visibility map now and then.
    autovacuum_vacuum_insert_scale_factor = 0.2
);
ALTER TABLE journal
    ALTER COLUMN events SET STORAGE EXTERNAL,
    ALTER COLUMN changes SET STORAGE EXTERNAL;

-- What lists show. Written at the start, when attributes change, and at the close. Each index is paid for at each of these.
CREATE TABLE visibility (
    namespace_id uuid NOT NULL,
    run_id uuid NOT NULL,
    -- The greatest bigint: open. So that one index gives the default order.
    close_time bigint NOT NULL,
    start_time bigint NOT NULL,
    execution_time bigint NOT NULL,
    history_length bigint,
    history_size_bytes bigint,
    state_transition_count bigint,
    status integer NOT NULL,
    workflow_id text COLLATE "C" NOT NULL,
    workflow_type text COLLATE "C" NOT NULL,
    task_queue text COLLATE "C" NOT NULL,
    parent_workflow_id text COLLATE "C",
    parent_run_id text COLLATE "C",
    root_workflow_id text COLLATE "C" NOT NULL,
    root_run_id text COLLATE "C" NOT NULL,
    memo bytea NOT NULL,
    search_attributes bytea NOT NULL,
    -- Null where a run has none: the GIN index then has no entry.
    search_values jsonb,
    PRIMARY KEY (namespace_id, run_id)
) WITH (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.05
);

-- The default order, and with a condition on close_time all open or all closed runs.
CREATE INDEX visibility_order ON visibility (namespace_id, close_time, start_time, run_id);
CREATE INDEX visibility_workflow_id ON visibility (namespace_id, workflow_id, close_time, start_time);
CREATE INDEX visibility_workflow_type ON visibility (namespace_id, workflow_type, close_time, start_time);
-- Failed, canceled, terminated, continued-as-new, timed out, paused: rare among completed ones, and what people look for.
CREATE INDEX visibility_status ON visibility (namespace_id, status, close_time, start_time) WHERE status > 2;
CREATE INDEX visibility_parent ON visibility (namespace_id, parent_workflow_id) WHERE parent_workflow_id IS NOT NULL;
CREATE INDEX visibility_search_values ON visibility USING gin (search_values jsonb_path_ops)
    WHERE search_values IS NOT NULL;

-- The right to write a range of slots. Each commit locks its row FOR SHARE and compares the epoch.
CREATE TABLE leases (
    first_slot smallint PRIMARY KEY,
    end_slot smallint NOT NULL,
    epoch bigint NOT NULL,
    owner text NOT NULL,
    expires_at bigint NOT NULL
) WITH (
    -- Few rows, rewritten every few seconds: keep all versions on the page, and clean often.
    fillfactor = 10,
    autovacuum_vacuum_threshold = 100,
    autovacuum_vacuum_scale_factor = 0
);

CREATE TABLE namespaces (
    id text PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    data bytea NOT NULL
);

CREATE TABLE cluster_metadata (
    id integer PRIMARY KEY CHECK (id = 1),
    data bytea NOT NULL
);
