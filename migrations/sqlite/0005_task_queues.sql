-- What operators set for a task queue (UpdateTaskQueueConfig), by Temporal's number of the task queue's type.
CREATE TABLE task_queue_config (
    namespace_id BLOB NOT NULL,
    name TEXT NOT NULL,
    type INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (namespace_id, name, type)
) WITHOUT ROWID;

-- Waiting tasks for which matching has no room. Their runs' states are the truth: these rows need not survive a crash, and the
-- next process deletes them.
CREATE TABLE backlogs (
    backlog_id BLOB NOT NULL,
    level INTEGER NOT NULL,
    pass INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    task BLOB NOT NULL,
    PRIMARY KEY (backlog_id, level, pass, sequence)
) WITHOUT ROWID;
