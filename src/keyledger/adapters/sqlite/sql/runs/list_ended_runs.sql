-- What a sweep purges next: by the index of status, so as not to pass by those that go on for ever.
SELECT run_id
FROM runs
WHERE status IN (SELECT value FROM json_each(:statuses)) AND started_at < :started AND finished_at < :finished
ORDER BY status, started_at, run_id
LIMIT :limit
