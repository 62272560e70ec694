-- All that some runs read.
SELECT run_id, partition_id, scope, key, revision, recorded_at
FROM run_reads
WHERE run_id = ANY(%(streams)s)
