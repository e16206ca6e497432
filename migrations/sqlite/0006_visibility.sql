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

-- Runs by the values of their search attributes, for what PostgreSQL has an index on JSON. A list item is a value. Those that nearly
-- all runs have alike are left out: a list of these needs no index.
CREATE TABLE visibility_values (
    namespace_id BLOB NOT NULL,
    name TEXT NOT NULL,
    value NOT NULL,
    run_id BLOB NOT NULL,
    PRIMARY KEY (namespace_id, name, value, run_id)
) WITHOUT ROWID;

CREATE VIEW visibility_value_rows AS
SELECT namespace_id, list.key AS name, item.value AS value, run_id
FROM visibility, json_each(search_values) AS list,
    json_each(CASE list.type WHEN 'array' THEN list.value ELSE json_array(list.value) END) AS item
WHERE list.key NOT IN ('BuildIds', 'BinaryChecksums') AND item.type <> 'null';

INSERT OR IGNORE INTO visibility_values SELECT namespace_id, name, value, run_id FROM visibility_value_rows;

CREATE TRIGGER visibility_values_of_new AFTER INSERT ON visibility WHEN new.search_values IS NOT NULL
BEGIN
    INSERT OR IGNORE INTO visibility_values
        SELECT namespace_id, name, value, run_id FROM visibility_value_rows WHERE run_id = new.run_id;
END;

CREATE TRIGGER visibility_values_of_old BEFORE UPDATE OF search_values ON visibility
    WHEN old.search_values IS NOT NULL AND new.search_values IS NOT old.search_values
BEGIN
    DELETE FROM visibility_values WHERE (namespace_id, name, value, run_id) IN
        (SELECT namespace_id, name, value, run_id FROM visibility_value_rows WHERE run_id = old.run_id);
END;

CREATE TRIGGER visibility_values_of_changed AFTER UPDATE OF search_values ON visibility
    WHEN new.search_values IS NOT NULL AND new.search_values IS NOT old.search_values
BEGIN
    INSERT OR IGNORE INTO visibility_values
        SELECT namespace_id, name, value, run_id FROM visibility_value_rows WHERE run_id = new.run_id;
END;

CREATE TRIGGER visibility_values_of_gone BEFORE DELETE ON visibility WHEN old.search_values IS NOT NULL
BEGIN
    DELETE FROM visibility_values WHERE (namespace_id, name, value, run_id) IN
        (SELECT namespace_id, name, value, run_id FROM visibility_value_rows WHERE run_id = old.run_id);
END;

-- What the planner is to believe, whatever is in the table: without this it takes a namespace for ten runs, and all further
-- conditions for not worth an index. Each number is the rows that one value of the index's first columns has.
ANALYZE sqlite_schema;
DELETE FROM sqlite_stat1 WHERE tbl IN ('visibility', 'visibility_values');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('visibility', 'sqlite_autoindex_visibility_1', '1000000 1'),
    ('visibility', 'visibility_order', '1000000 1000000 2 1 1 1 1'),
    ('visibility', 'visibility_order_divided', '1000 1000 2 1 1'),
    ('visibility', 'visibility_order_others', '100000 100000 50000 2 1 1'),
    ('visibility', 'visibility_status', '50000 50000 2 1 1 1'),
    ('visibility', 'visibility_workflow_id', '1000000 1000000 2 1'),
    ('visibility', 'visibility_workflow_type', '1000000 1000000 50000 2 1'),
    ('visibility', 'visibility_parent', '100000 100000 5'),
    ('visibility', 'visibility_root', '100000 100000 5'),
    ('visibility_values', 'visibility_values', '1000000 1000000 100000 20 1');
ANALYZE sqlite_schema;
