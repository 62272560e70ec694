-- From the index of versions by run alone.
SELECT v.run_id, count(*)
FROM key_history AS v
WHERE v.run_id IN (SELECT value FROM json_each(:run_ids))
GROUP BY v.run_id
