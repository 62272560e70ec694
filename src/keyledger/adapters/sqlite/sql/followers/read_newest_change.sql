-- The end of the index of changes.
SELECT max(last_recorded_at)
FROM run_head
