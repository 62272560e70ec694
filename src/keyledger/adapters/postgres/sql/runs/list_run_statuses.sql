-- Of runs by their keys, those that were started.
SELECT h.run_id, r.finished_at, h.purged
FROM run_head AS h
LEFT JOIN runs AS r ON r.run_id = h.run_id
WHERE h.run_id = ANY(%(streams)s)
