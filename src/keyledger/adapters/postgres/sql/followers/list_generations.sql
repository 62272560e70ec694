-- The present one, and a draft if there is one.
SELECT generation, version, present
FROM follower
WHERE name = %(name)s
ORDER BY generation
