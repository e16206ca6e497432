-- Runs of other kinds than workflows; ../postgres/0002_archetypes.sql says more.

ALTER TABLE runs ADD COLUMN archetype INTEGER NOT NULL DEFAULT 0;

-- SQLite cannot change a primary key.
CREATE TABLE current_runs_new (
    slot INTEGER NOT NULL,
    namespace_id BLOB NOT NULL,
    archetype INTEGER NOT NULL,
    workflow_id TEXT NOT NULL,
    run_id BLOB NOT NULL,
    PRIMARY KEY (namespace_id, archetype, workflow_id)
);
INSERT INTO current_runs_new (slot, namespace_id, archetype, workflow_id, run_id)
    SELECT slot, namespace_id, 0, workflow_id, run_id FROM current_runs;
DROP TABLE current_runs;
ALTER TABLE current_runs_new RENAME TO current_runs;

ALTER TABLE visibility ADD COLUMN archetype INTEGER NOT NULL DEFAULT 0;
DROP INDEX visibility_order;
CREATE INDEX visibility_order ON visibility (namespace_id, close_time, start_time, run_id) WHERE archetype = 0;
CREATE INDEX visibility_order_others ON visibility (namespace_id, archetype, close_time, start_time, run_id)
    WHERE archetype <> 0;
