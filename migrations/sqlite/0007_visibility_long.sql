-- Runs that took more than ten minutes; ../postgres/0012_visibility_long.sql says more.
CREATE INDEX visibility_long ON visibility (namespace_id, close_time, start_time, run_id)
    WHERE archetype = 0 AND close_time < 9223372036854775807 AND close_time > start_time + 600000000000;

-- What the planner is to believe: see 0006_visibility.sql.
ANALYZE sqlite_schema;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('visibility', 'visibility_long', '10000 10000 2 1 1');
ANALYZE sqlite_schema;
