-- In key order, to be compared row by row.
SELECT c.scope, c.key, c.revision, c.create_revision, c.created_at, c.updated_at, c.expires_at, c.changed_by,
    c.run_id, c.size, c.value
FROM current_value AS c
WHERE c.partition_id = %(stream)s
ORDER BY c.scope, c.key
