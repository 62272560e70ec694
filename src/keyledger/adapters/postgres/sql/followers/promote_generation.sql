-- The draft is the present one from now on.
UPDATE follower
SET present = true, version = version + 1
WHERE name = %(name)s AND generation = %(generation)s
