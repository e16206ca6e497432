-- What operators set for a task queue (UpdateTaskQueueConfig), by Temporal's number of the task queue's type.
CREATE TABLE task_queue_config (
    namespace_id uuid NOT NULL,
    name text COLLATE "C" NOT NULL,
    type integer NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (namespace_id, name, type)
);

-- Waiting tasks for which matching has no room. Their runs' states are the truth: these rows need not survive a crash, and the
-- next process deletes them.
CREATE UNLOGGED TABLE backlogs (
    backlog_id uuid NOT NULL,
    level smallint NOT NULL,
    pass bigint NOT NULL,
    sequence bigint NOT NULL,
    task bytea NOT NULL,
    PRIMARY KEY (backlog_id, level, pass, sequence)
);
