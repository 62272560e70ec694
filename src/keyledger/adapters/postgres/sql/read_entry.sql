-- The hot read: one index seek; the head is looked up only where a TTL makes its time matter.
SELECT c.scope, c.key, c.value, c.revision, c.create_revision, c.created_at, c.updated_at, c.expires_at,
    c.changed_by, c.run_id,
    CASE WHEN c.expires_at IS NULL THEN c.updated_at ELSE (
        SELECT h.last_recorded_at FROM partition_head AS h WHERE h.partition_id = c.partition_id
    ) END
FROM current_value AS c
WHERE c.partition_id = %(stream)s AND c.scope = %(scope)s AND c.key = %(key)s
