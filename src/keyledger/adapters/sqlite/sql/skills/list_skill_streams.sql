-- From the events and from what stands: a rebuild must not trust what it rebuilds. Each part is cut before the union.
SELECT stream FROM (
    SELECT originator_id AS stream FROM stored_events
    WHERE originator_id > :after AND originator_id >= 'skill:' AND originator_id < 'skill;' AND originator_version = 1
    ORDER BY originator_id LIMIT :limit
)
UNION SELECT stream FROM (SELECT skill_id AS stream FROM skills WHERE skill_id > :after ORDER BY skill_id LIMIT :limit)
ORDER BY stream
LIMIT :limit
