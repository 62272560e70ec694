-- The stream's id leads every key, and every table holds it as the very text that its events have as
-- originator_id. Times are UTC microseconds since 1970. stored_events is the library's table: its rowid is the
-- library's notification id.
CREATE TABLE stored_events (
    originator_id TEXT NOT NULL,
    originator_version INTEGER NOT NULL,
    topic TEXT NOT NULL,
    state BLOB NOT NULL,
    PRIMARY KEY (originator_id, originator_version)
);

CREATE TABLE partition_head (
    partition_id TEXT NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL,
    used_bytes INTEGER NOT NULL,
    live_keys INTEGER NOT NULL,
    max_bytes INTEGER,
    last_recorded_at INTEGER,
    deleted INTEGER NOT NULL,
    leases TEXT NOT NULL,
    lease_version INTEGER NOT NULL
) WITHOUT ROWID;

-- A rowid table, as values may be long: the key's index stays narrow.
CREATE TABLE current_value (
    partition_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    size INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    create_revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    expires_at INTEGER,
    changed_by TEXT,
    run_id TEXT,
    PRIMARY KEY (partition_id, scope, key)
);

CREATE INDEX current_value_expiry ON current_value (partition_id, expires_at, scope, key)
WHERE expires_at IS NOT NULL;

CREATE TABLE key_history (
    partition_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    revision INTEGER NOT NULL,
    operation TEXT NOT NULL,
    size INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    expires_at INTEGER,
    changed_by TEXT,
    run_id TEXT,
    PRIMARY KEY (partition_id, scope, key, revision)
) WITHOUT ROWID;

CREATE INDEX key_history_run ON key_history (partition_id, run_id, revision) WHERE run_id IS NOT NULL;

CREATE TABLE request_log (
    partition_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    first_revision INTEGER NOT NULL,
    last_revision INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    PRIMARY KEY (partition_id, request_id)
) WITHOUT ROWID;

CREATE INDEX request_log_age ON request_log (recorded_at);

CREATE TABLE global_quota (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    leased_bytes INTEGER NOT NULL
);

CREATE TABLE global_lease (
    lease_id TEXT NOT NULL PRIMARY KEY,
    partition_id TEXT NOT NULL,
    bytes INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE ledger_seal (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    sealed BLOB NOT NULL
);
