-- The whole order of lists behind the type: of a type that the statistics do not know yet PostgreSQL expects one run, and would
-- rather sort that one than go on through the index; by then there may be 20,000.
DROP INDEX visibility_workflow_type;
CREATE INDEX visibility_workflow_type ON visibility (namespace_id, workflow_type, close_time, start_time, run_id);
