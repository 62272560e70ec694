-- Any other write: a JSON object for each event, with the row of the history and the current value that it makes, if
-- any; bytes in it are base64. One parameter, where arrays would be fifteen. Everything hangs on the head, as in
-- append_put.
WITH head AS (
    INSERT INTO partition_head AS h (
        partition_id, revision, used_bytes, live_keys, max_bytes, last_recorded_at, deleted, forking, leases,
        lease_version
    ) VALUES (
        %(stream)s, %(revision)s, %(used_bytes)s, %(live_keys)s, %(max_bytes)s, %(last_recorded_at)s, %(deleted)s,
        %(forking)s,
        %(leases)s, %(lease_version)s
    )
    ON CONFLICT (partition_id) DO UPDATE SET
        revision = excluded.revision,
        used_bytes = excluded.used_bytes,
        live_keys = excluded.live_keys,
        max_bytes = excluded.max_bytes,
        last_recorded_at = excluded.last_recorded_at,
        deleted = excluded.deleted,
        forking = excluded.forking,
        leases = excluded.leases,
        lease_version = excluded.lease_version
    WHERE h.revision = %(expected)s AND h.lease_version = %(expected_leases)s
    RETURNING h.partition_id
),
written AS MATERIALIZED (
    SELECT head.partition_id, w.*
    FROM head, json_to_recordset(%(written)s) AS w (
        revision bigint, topic text, state text, scope text, key text, operation text, size bigint,
        recorded_at timestamptz, expires_at timestamptz, changed_by text, run_id text,
        value text, create_revision bigint, created_at timestamptz, gone boolean
    )
),
events AS (
    INSERT INTO stored_events (originator_id, originator_version, topic, state)
    SELECT partition_id, revision, topic, decode(state, 'base64')
    FROM written
),
entries AS (
    INSERT INTO current_value (
        partition_id, scope, key, value, size, revision, create_revision, created_at, updated_at, expires_at,
        changed_by, run_id
    )
    SELECT partition_id, scope, key, decode(value, 'base64'), size, revision, create_revision, created_at,
        recorded_at, expires_at, changed_by, run_id
    FROM written
    WHERE value IS NOT NULL
    ON CONFLICT (partition_id, scope, key) DO UPDATE SET
        value = excluded.value,
        size = excluded.size,
        revision = excluded.revision,
        create_revision = excluded.create_revision,
        created_at = excluded.created_at,
        updated_at = excluded.updated_at,
        expires_at = excluded.expires_at,
        changed_by = excluded.changed_by,
        run_id = excluded.run_id
),
gone AS (
    DELETE FROM current_value AS c
    USING written AS w
    WHERE c.partition_id = %(stream)s AND w.gone AND c.scope = w.scope AND c.key = w.key
),
versions AS (
    INSERT INTO key_history (
        partition_id, scope, key, revision, operation, size, recorded_at, expires_at, changed_by, run_id
    )
    SELECT partition_id, scope, key, revision, operation, size, recorded_at, expires_at, changed_by, run_id
    FROM written
    WHERE key IS NOT NULL
),
requests AS (
    INSERT INTO request_log (
        partition_id, request_id, fingerprint, first_revision, last_revision, recorded_at
    )
    SELECT head.partition_id, r.request_id, r.fingerprint, r.first, r.last, r.recorded_at
    FROM head, json_to_recordset(%(requests)s) AS r (
        request_id text, fingerprint text, first bigint, last bigint, recorded_at timestamptz
    )
)
SELECT count(*) FROM head
