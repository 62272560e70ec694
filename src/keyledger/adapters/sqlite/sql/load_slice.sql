-- Head and one entry in one statement, so that both are of one moment; a missing entry leaves its columns null.
SELECT h.revision, h.used_bytes, h.live_keys, h.max_bytes, h.last_recorded_at, h.deleted, h.forking, h.leases,
    h.lease_version,
    c.scope, c.key, c.value, c.revision, c.create_revision, c.created_at, c.updated_at, c.expires_at,
    c.changed_by, c.run_id
FROM partition_head AS h
LEFT JOIN current_value AS c ON c.partition_id = h.partition_id AND c.scope = :scope AND c.key = :key
WHERE h.partition_id = :stream
