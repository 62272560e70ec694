-- The hot write: one event that put one key. Everything hangs on the head, which the first part moves only from
-- the revision that was decided on; a count of 0 says that it was elsewhere and nothing was written.
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
event AS (
    INSERT INTO stored_events (originator_id, originator_version, topic, state)
    SELECT head.partition_id, %(revision)s, %(topic)s, %(state)s FROM head
),
entry AS (
    INSERT INTO current_value (
        partition_id, scope, key, value, size, revision, create_revision, created_at, updated_at, expires_at,
        changed_by, run_id
    )
    SELECT head.partition_id, %(scope)s, %(key)s, %(value)s, %(size)s, %(revision)s, %(create_revision)s,
        %(created_at)s, %(last_recorded_at)s, %(expires_at)s, %(changed_by)s, %(run_id)s
    FROM head
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
version AS (
    INSERT INTO key_history (
        partition_id, scope, key, revision, operation, size, recorded_at, expires_at, changed_by, run_id
    )
    SELECT head.partition_id, %(scope)s, %(key)s, %(revision)s, %(operation)s, %(size)s,
        %(last_recorded_at)s, %(expires_at)s, %(changed_by)s, %(run_id)s
    FROM head
)
SELECT count(*) FROM head
