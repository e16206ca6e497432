-- Lists of a million closed runs, and fewer bytes of WAL for each of them than before (benches/README.md has the figures).

-- A run id is unique in the whole database, as it is in `runs`.
ALTER TABLE visibility DROP CONSTRAINT visibility_pkey;
ALTER TABLE visibility ADD PRIMARY KEY (run_id);

-- Null: the run is its own root, as most are.
ALTER TABLE visibility ALTER COLUMN root_workflow_id DROP NOT NULL, ALTER COLUMN root_run_id DROP NOT NULL;
CREATE INDEX visibility_root ON visibility (namespace_id, root_workflow_id)
    WHERE root_workflow_id IS NOT NULL AND archetype = 0;

-- A filter by start times bounds close times too.
UPDATE visibility SET close_time = start_time WHERE close_time < start_time;

-- Nearly every list asks for runs without a division: what that condition leaves out must not cost a look at each row. Its text is
-- that of the queries. Status and task queue at the end are for filters and for counts alone, which then need no look at a row
-- either: a queue that no run has is known after 60 ms, not after a second.
DROP INDEX visibility_order;
CREATE INDEX visibility_order ON visibility (namespace_id, close_time, start_time, run_id, status, task_queue)
    WHERE archetype = 0 AND (search_values IS NULL OR NOT search_values ? 'TemporalNamespaceDivision');
CREATE INDEX visibility_order_divided ON visibility (namespace_id, close_time, start_time, run_id)
    WHERE archetype = 0 AND search_values ? 'TemporalNamespaceDivision';

-- Several of the rare statuses in one list.
DROP INDEX visibility_status;
CREATE INDEX visibility_status ON visibility (namespace_id, close_time, start_time, run_id, status) WHERE status > 2;

-- Runs of one id are few.
DROP INDEX visibility_workflow_id;
CREATE INDEX visibility_workflow_id ON visibility (namespace_id, workflow_id, close_time);
