-- The whole order of lists behind the type, as on PostgreSQL.
DROP INDEX visibility_workflow_type;
CREATE INDEX visibility_workflow_type ON visibility (namespace_id, workflow_type, close_time, start_time, run_id);

-- What the planner is to believe: see 0006_visibility.sql.
ANALYZE sqlite_schema;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('visibility', 'visibility_workflow_type', '1000000 1000000 50000 2 1 1');
ANALYZE sqlite_schema;
