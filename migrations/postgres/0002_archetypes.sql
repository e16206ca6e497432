-- Runs of other kinds than workflows: 0 is a workflow, 1 an activity of its own.

ALTER TABLE runs ADD COLUMN archetype smallint NOT NULL DEFAULT 0;

-- Ids of different kinds never meet.
ALTER TABLE current_runs ADD COLUMN archetype smallint NOT NULL DEFAULT 0;
ALTER TABLE current_runs DROP CONSTRAINT current_runs_pkey;
ALTER TABLE current_runs ADD PRIMARY KEY (namespace_id, archetype, workflow_id);

-- Each run is in one of the two indexes for the default order, so that workflows pay for no more than before.
ALTER TABLE visibility ADD COLUMN archetype smallint NOT NULL DEFAULT 0;
DROP INDEX visibility_order;
CREATE INDEX visibility_order ON visibility (namespace_id, close_time, start_time, run_id) WHERE archetype = 0;
CREATE INDEX visibility_order_others ON visibility (namespace_id, archetype, close_time, start_time, run_id)
    WHERE archetype <> 0;
