-- Trees in which a run goes on, or has ended too late.
SELECT DISTINCT root_run_id
FROM runs
WHERE root_run_id IN (SELECT value FROM json_each(:root_run_ids))
    AND (finished_at IS NULL OR finished_at >= :cutoff)
