-- Many keys of one scope, as of one moment.
SELECT c.scope, c.key, c.value, c.revision, c.create_revision, c.created_at, c.updated_at, c.expires_at,
    c.changed_by, c.run_id, h.last_recorded_at
FROM partition_head AS h
JOIN current_value AS c ON c.partition_id = h.partition_id
WHERE h.partition_id = %(stream)s AND c.scope = %(scope)s AND c.key = ANY(%(keys)s)
