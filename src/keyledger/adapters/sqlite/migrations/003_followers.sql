-- Followers: read models of runs in tables of their own, each under its follower's name. Every write to such a table
-- raises its version, by which a process learns that another has written. Several generations stand beside each
-- other only during a rebuild.
CREATE TABLE follower (
    name TEXT NOT NULL,
    generation INTEGER NOT NULL,
    version INTEGER NOT NULL,
    present INTEGER NOT NULL,
    PRIMARY KEY (name, generation)
) WITHOUT ROWID;

CREATE TABLE follower_cursor (
    name TEXT NOT NULL,
    generation INTEGER NOT NULL,
    run_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (name, generation, run_id)
) WITHOUT ROWID;
