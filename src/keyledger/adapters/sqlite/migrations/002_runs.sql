-- The audit of runs. run_id is the stream's id, as everywhere; parent_run_id and root_run_id are runs' own ids, empty
-- where there is none. run_head moves with every event, so it is apart from the summaries, which may be long and
-- have an index for each way to look at them; its own index is the hint for who follows.
CREATE TABLE run_head (
    run_id TEXT NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL,
    last_recorded_at INTEGER,
    sequences TEXT NOT NULL,
    purged INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX run_head_changed ON run_head (last_recorded_at, run_id);

CREATE TABLE runs (
    run_id TEXT NOT NULL PRIMARY KEY,
    skill_id TEXT NOT NULL,
    caller_id TEXT NOT NULL,
    channel_id TEXT NOT NULL,
    parent_run_id TEXT NOT NULL,
    root_run_id TEXT NOT NULL,
    depth INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    traceparent TEXT,
    inputs BLOB NOT NULL,
    finished_at INTEGER,
    status TEXT NOT NULL,
    output BLOB NOT NULL,
    error BLOB NOT NULL,
    tool_calls_count INTEGER NOT NULL,
    runtime_seconds REAL NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    thinking_tokens INTEGER NOT NULL
);

CREATE INDEX runs_started ON runs (started_at, run_id);
CREATE INDEX runs_skill ON runs (skill_id, started_at, run_id);
CREATE INDEX runs_caller ON runs (caller_id, started_at, run_id);
CREATE INDEX runs_channel ON runs (channel_id, started_at, run_id);
CREATE INDEX runs_status ON runs (status, started_at, run_id);
CREATE INDEX runs_parent ON runs (parent_run_id, started_at, run_id);
CREATE INDEX runs_root ON runs (root_run_id, started_at, run_id);
CREATE INDEX runs_finished ON runs (finished_at, run_id) WHERE finished_at IS NOT NULL;

CREATE TABLE run_reads (
    run_id TEXT NOT NULL,
    partition_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    revision INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    PRIMARY KEY (run_id, partition_id, scope, key, revision)
) WITHOUT ROWID;

CREATE INDEX run_reads_version ON run_reads (partition_id, scope, key, revision, run_id);

-- Led by the run: what a run wrote may be in any partition, and both are given where one is.
DROP INDEX key_history_run;
CREATE INDEX key_history_run ON key_history (run_id, partition_id, revision) WHERE run_id IS NOT NULL;

CREATE INDEX current_value_run_scope ON current_value (scope, partition_id)
WHERE scope >= 'run:' AND scope < 'run;';
