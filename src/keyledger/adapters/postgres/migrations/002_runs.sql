-- The audit of runs. run_id is the stream's id, as everywhere; parent_run_id and root_run_id are runs' own ids, empty
-- where there is none. run_head moves with every event, so it is apart from the summaries, which may be long and
-- have an index for each way to look at them; its own index is the hint for who follows.
CREATE TABLE run_head (
    run_id text COLLATE "C" NOT NULL PRIMARY KEY,
    revision bigint NOT NULL,
    last_recorded_at timestamptz,
    sequences text NOT NULL,
    purged boolean NOT NULL
) WITH (fillfactor = 50);

CREATE INDEX run_head_changed ON run_head (last_recorded_at, run_id);

CREATE TABLE runs (
    run_id text COLLATE "C" NOT NULL PRIMARY KEY,
    skill_id text COLLATE "C" NOT NULL,
    caller_id text COLLATE "C" NOT NULL,
    channel_id text COLLATE "C" NOT NULL,
    parent_run_id text COLLATE "C" NOT NULL,
    root_run_id text COLLATE "C" NOT NULL,
    depth bigint NOT NULL,
    started_at timestamptz NOT NULL,
    traceparent text,
    inputs bytea NOT NULL,
    finished_at timestamptz,
    status text COLLATE "C" NOT NULL,
    output bytea NOT NULL,
    error bytea NOT NULL,
    tool_calls_count bigint NOT NULL,
    runtime_seconds double precision NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    thinking_tokens bigint NOT NULL
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
    run_id text COLLATE "C" NOT NULL,
    partition_id text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (run_id, partition_id, scope, key, revision)
);

CREATE INDEX run_reads_version ON run_reads (partition_id, scope, key, revision, run_id);

-- Led by the run: what a run wrote may be in any partition, and both are given where one is.
DROP INDEX key_history_run;
CREATE INDEX key_history_run ON key_history (run_id, partition_id, revision) WHERE run_id IS NOT NULL;

CREATE INDEX current_value_run_scope ON current_value (scope, partition_id)
WHERE scope >= 'run:' AND scope < 'run;';
