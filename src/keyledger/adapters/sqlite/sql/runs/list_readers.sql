-- Who read one version, by an index of its own.
SELECT run_id, partition_id, scope, key, revision, recorded_at
FROM run_reads
WHERE partition_id = :stream AND scope = :scope AND key = :key AND revision = :revision AND run_id > :after
ORDER BY run_id
LIMIT :limit
