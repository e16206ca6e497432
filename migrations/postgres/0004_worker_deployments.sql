-- Worker deployments: which versions of a program there are, and which of them gets new work.
CREATE TABLE worker_deployments (
    namespace_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    -- Grows with each update, which names the revision that it read.
    revision bigint NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (namespace_id, name)
);
