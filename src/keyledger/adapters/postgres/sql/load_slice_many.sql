-- As load_slice, for any number of keys: two arrays of one length.
SELECT h.revision, h.used_bytes, h.live_keys, h.max_bytes, h.last_recorded_at, h.deleted, h.forking, h.leases,
    h.lease_version,
    c.scope, c.key, c.value, c.revision, c.create_revision, c.created_at, c.updated_at, c.expires_at,
    c.changed_by, c.run_id
FROM partition_head AS h
LEFT JOIN unnest(%(scopes)s::text[], %(keys)s::text[]) AS wanted (scope, key) ON true
LEFT JOIN current_value AS c
    ON c.partition_id = h.partition_id AND c.scope = wanted.scope AND c.key = wanted.key
WHERE h.partition_id = %(stream)s
