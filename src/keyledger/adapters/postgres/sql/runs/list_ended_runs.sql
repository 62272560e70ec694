-- What a sweep purges next: by the index of status, so as not to pass by those that go on for ever.
SELECT run_id
FROM runs
WHERE status = ANY(%(statuses)s) AND started_at < %(started)s AND finished_at < %(finished)s
ORDER BY status, started_at, run_id
LIMIT %(limit)s
