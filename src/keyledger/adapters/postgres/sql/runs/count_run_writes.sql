-- From the index of versions by run alone.
SELECT v.run_id, count(*)
FROM key_history AS v
WHERE v.run_id = ANY(%(run_ids)s)
GROUP BY v.run_id
