-- One seek for each skill: its newest run with such a status.
SELECT wanted.value, (
    SELECT r.started_at
    FROM runs AS r
    WHERE r.skill_id = wanted.value AND r.status IN (SELECT value FROM json_each(:statuses))
    ORDER BY r.started_at DESC
    LIMIT 1
) AS started_at
FROM json_each(:skill_ids) AS wanted
