-- The heads of some runs.
SELECT run_id, revision, last_recorded_at, sequences, purged
FROM run_head
WHERE run_id = ANY(%(streams)s)
