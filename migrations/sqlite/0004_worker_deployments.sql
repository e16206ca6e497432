-- Worker deployments: which versions of a program there are, and which of them gets new work.
CREATE TABLE worker_deployments (
    namespace_id TEXT NOT NULL,
    name TEXT NOT NULL,
    -- Grows with each update, which names the revision that it read.
    revision INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (namespace_id, name)
);
