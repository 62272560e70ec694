-- From the events and from what stands: a rebuild must not trust what it rebuilds. Each part is cut before the union.
SELECT e.stream FROM (
    SELECT originator_id AS stream FROM stored_events
    WHERE originator_id > %(after)s AND originator_id >= 'run:' AND originator_id < 'run;'
        AND originator_version = 1
    ORDER BY originator_id LIMIT %(limit)s
) AS e
UNION SELECT stream FROM (
    SELECT run_id AS stream FROM run_head WHERE run_id > %(after)s ORDER BY run_id LIMIT %(limit)s
) AS h
UNION SELECT stream FROM (
    SELECT run_id AS stream FROM runs WHERE run_id > %(after)s ORDER BY run_id LIMIT %(limit)s
) AS r
UNION SELECT stream FROM (
    SELECT DISTINCT run_id AS stream FROM run_reads WHERE run_id > %(after)s ORDER BY run_id LIMIT %(limit)s
) AS d
ORDER BY stream
LIMIT %(limit)s
