-- Who read one version, by an index of its own.
SELECT run_id, partition_id, scope, key, revision, recorded_at
FROM run_reads
WHERE partition_id = %(stream)s AND scope = %(scope)s AND key = %(key)s AND revision = %(revision)s
    AND run_id > %(after)s
ORDER BY run_id
LIMIT %(limit)s
