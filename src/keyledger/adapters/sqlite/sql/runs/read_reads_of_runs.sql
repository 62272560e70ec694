-- All that some runs read.
SELECT run_id, partition_id, scope, key, revision, recorded_at
FROM run_reads
WHERE run_id IN (SELECT value FROM json_each(:streams))
