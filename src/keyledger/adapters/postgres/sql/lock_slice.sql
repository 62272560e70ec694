-- lock_head and load_slice in one, where the entry exists: the wait for the lock ends with both rows as they are then,
-- because both are locked, the head first. An entry that came or went during the wait gives no row.
SELECT h.revision, h.used_bytes, h.live_keys, h.max_bytes, h.last_recorded_at, h.deleted, h.forking, h.leases,
    h.lease_version,
    c.scope, c.key, c.value, c.revision, c.create_revision, c.created_at, c.updated_at, c.expires_at,
    c.changed_by, c.run_id
FROM partition_head AS h
JOIN current_value AS c ON c.partition_id = h.partition_id AND c.scope = %(scope)s AND c.key = %(key)s
WHERE h.partition_id = %(stream)s
FOR UPDATE OF h, c
