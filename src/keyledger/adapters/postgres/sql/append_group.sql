-- Any other write: the rows come as JSON, which costs one parameter where arrays would cost thirty, and bytes in it
-- as base64. Everything hangs on the head, as in append_put.
WITH head AS (
    INSERT INTO partition_head AS h (
        partition_id, revision, used_bytes, live_keys, max_bytes, last_recorded_at, deleted, leases, lease_version
    ) VALUES (
        %(stream)s, %(revision)s, %(used_bytes)s, %(live_keys)s, %(max_bytes)s, %(last_recorded_at)s, %(deleted)s,
        %(leases)s, %(lease_version)s
    )
    ON CONFLICT (partition_id) DO UPDATE SET
        revision = excluded.revision,
        used_bytes = excluded.used_bytes,
        live_keys = excluded.live_keys,
        max_bytes = excluded.max_bytes,
        last_recorded_at = excluded.last_recorded_at,
        deleted = excluded.deleted,
        leases = excluded.leases,
        lease_version = excluded.lease_version
    WHERE h.revision = %(expected)s AND h.lease_version = %(expected_leases)s
    RETURNING h.partition_id
),
events AS (
    INSERT INTO stored_events (originator_id, originator_version, topic, state)
    SELECT head.partition_id, e.revision, e.topic, decode(e.state, 'base64')
    FROM head, json_to_recordset(%(events)s) AS e (revision bigint, topic text, state text)
),
entries AS (
    INSERT INTO current_value (
        partition_id, scope, key, value, size, revision, create_revision, created_at, updated_at, expires_at,
        changed_by, run_id
    )
    SELECT head.partition_id, c.scope, c.key, decode(c.value, 'base64'), c.size, c.revision, c.create_revision,
        c.created_at, c.updated_at, c.expires_at, c.changed_by, c.run_id
    FROM head, json_to_recordset(%(entries)s) AS c (
        scope text, key text, value text, size bigint, revision bigint, create_revision bigint,
        created_at timestamptz, updated_at timestamptz, expires_at timestamptz, changed_by text, run_id text
    )
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
    USING head, json_to_recordset(%(gone)s) AS g (scope text, key text)
    WHERE c.partition_id = %(stream)s AND c.scope = g.scope AND c.key = g.key
),
versions AS (
    INSERT INTO key_history (
        partition_id, scope, key, revision, operation, size, recorded_at, expires_at, changed_by, run_id
    )
    SELECT head.partition_id, v.scope, v.key, v.revision, v.operation, v.size, v.recorded_at, v.expires_at,
        v.changed_by, v.run_id
    FROM head, json_to_recordset(%(versions)s) AS v (
        scope text, key text, revision bigint, operation text, size bigint, recorded_at timestamptz,
        expires_at timestamptz, changed_by text, run_id text
    )
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
