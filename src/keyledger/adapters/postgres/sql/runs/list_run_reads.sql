-- What one run read, in the order of the key.
SELECT run_id, partition_id, scope, key, revision, recorded_at
FROM run_reads
WHERE run_id = %(stream)s
    AND (partition_id, scope, key, revision) > (%(after_stream)s, %(after_scope)s, %(after_key)s, %(after_revision)s)
ORDER BY partition_id, scope, key, revision
LIMIT %(limit)s
