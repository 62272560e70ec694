-- A partition's deletion ends every entry that stood: each gets a row in the history, so a read of the past stays
-- a seek.
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
events AS (
    INSERT INTO stored_events (originator_id, originator_version, topic, state)
    SELECT head.partition_id, e.revision, e.topic, decode(e.state, 'base64')
    FROM head, json_to_recordset(%(events)s) AS e (revision bigint, topic text, state text)
),
versions AS (
    INSERT INTO key_history (
        partition_id, scope, key, revision, operation, size, recorded_at, expires_at, changed_by, run_id
    )
    SELECT c.partition_id, c.scope, c.key, %(revision)s, 'partition_deleted', 0, %(last_recorded_at)s, NULL,
        %(changed_by)s, %(run_id)s
    FROM head, current_value AS c
    WHERE c.partition_id = %(stream)s
),
gone AS (
    DELETE FROM current_value AS c
    USING head
    WHERE c.partition_id = %(stream)s
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
