-- Whoever holds this row is the only one who can move the skill's stream.
SELECT s.revision
FROM skills AS s
WHERE s.skill_id = %(stream)s
FOR UPDATE
