-- For the sweep, which looks at each of them; by their index, and so that no other column need be readable.
SELECT s.skill_id
FROM skills AS s
WHERE s.skill_id > :after
    AND s.quota_revision > 0
ORDER BY s.skill_id
LIMIT :limit
