-- One seek for each skill: its newest run with such a status.
SELECT s.skill_id, r.started_at
FROM unnest(%(skill_ids)s::text[]) AS s (skill_id)
CROSS JOIN LATERAL (
    SELECT runs.started_at
    FROM runs
    WHERE runs.skill_id = s.skill_id AND runs.status = ANY(%(statuses)s)
    ORDER BY runs.started_at DESC
    LIMIT 1
) AS r
