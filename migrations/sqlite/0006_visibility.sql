-- Lists of a million closed runs; ../postgres/0006_visibility.sql says more. SQLite cannot change a column: another table.

CREATE TABLE visibility_new (
    run_id BLOB NOT NULL PRIMARY KEY,
    namespace_id BLOB NOT NULL,
    archetype INTEGER NOT NULL,
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
    -- Null: the run is its own root.
    root_workflow_id TEXT,
    root_run_id TEXT,
    memo BLOB NOT NULL,
    search_attributes BLOB NOT NULL,
    search_values TEXT
);
INSERT INTO visibility_new SELECT
    run_id, namespace_id, archetype, max(close_time, start_time), start_time, execution_time, history_length, history_size_bytes,
    state_transition_count, status, workflow_id, workflow_type, task_queue, parent_workflow_id, parent_run_id, root_workflow_id,
    root_run_id, memo, search_attributes, search_values
FROM visibility;
DROP TABLE visibility;
ALTER TABLE visibility_new RENAME TO visibility;

CREATE INDEX visibility_order ON visibility (namespace_id, close_time, start_time, run_id, status, task_queue)
    WHERE archetype = 0 AND (search_values ->> 'TemporalNamespaceDivision') IS NULL;
CREATE INDEX visibility_order_divided ON visibility (namespace_id, close_time, start_time, run_id)
    WHERE archetype = 0 AND (search_values ->> 'TemporalNamespaceDivision') IS NOT NULL;
CREATE INDEX visibility_order_others ON visibility (namespace_id, archetype, close_time, start_time, run_id)
    WHERE archetype <> 0;
CREATE INDEX visibility_status ON visibility (namespace_id, close_time, start_time, run_id, status) WHERE status > 2;
CREATE INDEX visibility_workflow_id ON visibility (namespace_id, workflow_id, close_time);
CREATE INDEX visibility_workflow_type ON visibility (namespace_id, workflow_type, close_time, start_time);
CREATE INDEX visibility_parent ON visibility (namespace_id, parent_workflow_id) WHERE parent_workflow_id IS NOT NULL;
CREATE INDEX visibility_root ON visibility (namespace_id, root_workflow_id)
    WHERE root_workflow_id IS NOT NULL AND archetype = 0;
