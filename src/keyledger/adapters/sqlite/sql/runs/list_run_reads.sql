-- What one run read, in the order of the key.
SELECT run_id, partition_id, scope, key, revision, recorded_at
FROM run_reads
WHERE run_id = :stream
    AND (partition_id, scope, key, revision) > (:after_stream, :after_scope, :after_key, :after_revision)
ORDER BY partition_id, scope, key, revision
LIMIT :limit
