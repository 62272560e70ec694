-- The hot write: one event that put one key of a partition that has been written before. Everything hangs on the head, which the first part moves only from
-- the revision that was decided on; a count of 0 says that it was elsewhere and nothing was written.
WITH head AS (
    UPDATE partition_head AS h SET
        revision = %(revision)s,
        used_bytes = %(used_bytes)s,
        live_keys = %(live_keys)s,
        max_bytes = %(max_bytes)s,
        last_recorded_at = %(last_recorded_at)s,
        deleted = %(deleted)s,
        forking = %(forking)s,
        leases = %(leases)s,
        lease_version = %(lease_version)s
    WHERE h.partition_id = %(stream)s AND h.revision = %(expected)s AND h.lease_version = %(expected_leases)s
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
