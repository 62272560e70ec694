-- In the order in which expired entries are ended; the index has it.
SELECT c.scope, c.key, c.value, c.revision, c.create_revision, c.created_at, c.updated_at, c.expires_at,
    c.changed_by, c.run_id
FROM current_value AS c
WHERE c.partition_id = %(stream)s AND c.expires_at <= %(now)s
ORDER BY c.expires_at, c.scope, c.key
LIMIT %(limit)s
