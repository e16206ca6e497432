-- Nexus endpoints: names, of the whole cluster, under which workflows find a task queue or an outside service.
CREATE TABLE nexus_endpoints (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    -- Grows with each update, which names the version that it read.
    version INTEGER NOT NULL,
    data BLOB NOT NULL
);
