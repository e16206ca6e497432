-- Nexus endpoints: names, of the whole cluster, under which workflows find a task queue or an outside service.
CREATE TABLE nexus_endpoints (
    id text COLLATE "C" PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    -- Grows with each update, which names the version that it read.
    version bigint NOT NULL,
    data bytea NOT NULL
);
