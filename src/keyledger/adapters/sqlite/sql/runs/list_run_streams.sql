-- From the events and from what stands: a rebuild must not trust what it rebuilds. Each part is cut before the union.
SELECT stream FROM (
    SELECT originator_id AS stream FROM stored_events
    WHERE originator_id > :after AND originator_id >= 'run:' AND originator_id < 'run;' AND originator_version = 1
    ORDER BY originator_id LIMIT :limit
)
UNION SELECT stream FROM (SELECT run_id AS stream FROM run_head WHERE run_id > :after ORDER BY run_id LIMIT :limit)
UNION SELECT stream FROM (SELECT run_id AS stream FROM runs WHERE run_id > :after ORDER BY run_id LIMIT :limit)
UNION SELECT stream FROM (
    SELECT DISTINCT run_id AS stream FROM run_reads WHERE run_id > :after ORDER BY run_id LIMIT :limit
)
ORDER BY stream
LIMIT :limit
