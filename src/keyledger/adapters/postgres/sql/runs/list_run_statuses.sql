-- Of runs by their keys, those that were started: since when they are over.
SELECT h.run_id, CASE WHEN h.purged THEN h.last_recorded_at ELSE r.finished_at END, h.purged
FROM run_head AS h
LEFT JOIN runs AS r ON r.run_id = h.run_id
WHERE h.run_id = ANY(%(streams)s)
