-- Followers: read models of runs in tables of their own, each under its follower's name. Every write to such a table
-- raises its version, by which a process learns that another has written. Several generations stand beside each
-- other only during a rebuild.
CREATE TABLE follower (
    name text COLLATE "C" NOT NULL,
    generation bigint NOT NULL,
    version bigint NOT NULL,
    present boolean NOT NULL,
    PRIMARY KEY (name, generation)
);

CREATE TABLE follower_cursor (
    name text COLLATE "C" NOT NULL,
    generation bigint NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    PRIMARY KEY (name, generation, run_id)
) WITH (fillfactor = 80);
