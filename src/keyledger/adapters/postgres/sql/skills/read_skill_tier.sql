-- What each write of a skill's partition asks where tiers have quotas: two flags, and not the definition beside them.
SELECT s.trusted, s.extended_bounds
FROM skills AS s
WHERE s.skill_id = %(stream)s
