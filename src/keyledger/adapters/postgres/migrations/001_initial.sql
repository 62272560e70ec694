-- The stream's id leads every key, and every table holds it as the very text that its events have as
-- originator_id, so that on a distributed engine they hash alike and stand together. COLLATE "C" is UTF-8 byte
-- order. stored_events is the library's table; notification_id is a hint, never a promise of order, and has no
-- index: nothing here reads by it.
CREATE TABLE stored_events (
    originator_id text COLLATE "C" NOT NULL,
    originator_version bigint NOT NULL,
    topic text NOT NULL,
    state bytea NOT NULL,
    notification_id bigserial,
    PRIMARY KEY (originator_id, originator_version)
);

CREATE TABLE partition_head (
    partition_id text COLLATE "C" PRIMARY KEY,
    revision bigint NOT NULL,
    used_bytes bigint NOT NULL,
    live_keys bigint NOT NULL,
    max_bytes bigint,
    last_recorded_at timestamptz,
    deleted boolean NOT NULL,
    leases text NOT NULL,
    lease_version bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE current_value (
    partition_id text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    value bytea NOT NULL,
    size bigint NOT NULL,
    revision bigint NOT NULL,
    create_revision bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    expires_at timestamptz,
    changed_by text,
    run_id text,
    PRIMARY KEY (partition_id, scope, key)
) WITH (fillfactor = 90);

CREATE INDEX current_value_expiry ON current_value (partition_id, expires_at, scope, key)
WHERE expires_at IS NOT NULL;

CREATE TABLE key_history (
    partition_id text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    operation text NOT NULL,
    size bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    expires_at timestamptz,
    changed_by text,
    run_id text,
    PRIMARY KEY (partition_id, scope, key, revision)
);

CREATE INDEX key_history_run ON key_history (partition_id, run_id, revision) WHERE run_id IS NOT NULL;

CREATE TABLE request_log (
    partition_id text COLLATE "C" NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    fingerprint text NOT NULL,
    first_revision bigint NOT NULL,
    last_revision bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (partition_id, request_id)
);

CREATE INDEX request_log_age ON request_log (recorded_at);

CREATE TABLE global_quota (
    id integer PRIMARY KEY CHECK (id = 1),
    leased_bytes bigint NOT NULL
);

CREATE TABLE global_lease (
    lease_id text COLLATE "C" PRIMARY KEY,
    partition_id text COLLATE "C" NOT NULL,
    bytes bigint NOT NULL
);

CREATE TABLE ledger_seal (
    id integer PRIMARY KEY CHECK (id = 1),
    sealed bytea NOT NULL
);
