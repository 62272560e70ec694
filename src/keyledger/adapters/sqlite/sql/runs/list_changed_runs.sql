-- Runs by the time of their last event: a hint for who follows them, as a commit may come late.
SELECT run_id, revision, last_recorded_at
FROM run_head
WHERE (last_recorded_at, run_id) > (:since, :after)
ORDER BY last_recorded_at, run_id
LIMIT :limit
