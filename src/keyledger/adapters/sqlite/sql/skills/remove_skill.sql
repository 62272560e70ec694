-- A rebuild's.
DELETE FROM skills
WHERE skill_id = :stream
