-- What a purge takes next: the start decides alone.
SELECT run_id
FROM runs
WHERE started_at < %(cutoff)s
ORDER BY started_at, run_id
LIMIT %(limit)s
